"""Tests; the folders mirror the source."""

import pytest

# Its assertions are worth reading when they fail.
pytest.register_assert_rewrite("tests.auditor")
