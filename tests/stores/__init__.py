"""Tests of the object stores."""

import pytest

# Its assertions are worth reading when they fail.
pytest.register_assert_rewrite("tests.store_contract")
