"""Whole nights, from `archiver.toml` to locked objects, on real shops and real servers."""

import pytest

# Their assertions are worth reading when they fail.
pytest.register_assert_rewrite("tests.nights.evidence", "tests.nights.site")
