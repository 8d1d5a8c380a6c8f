"""Tests: one file per module, and what they share."""

import pytest

# Its assertions are worth reading when they fail.
pytest.register_assert_rewrite("tests.auditor")
