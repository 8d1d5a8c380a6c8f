"""Each requirement of OWASP ASVS 5 that applies has tests, or says how it is met, or that not."""

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parents[1]
TABLE: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("asvs.toml").read_text("utf-8")
)


@cache
def names(path: str) -> frozenset[str]:
    """Return the tests of a file."""
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    return frozenset(one.name for one in tree.body if isinstance(one, ast.FunctionDef))


@pytest.mark.parametrize("number", TABLE)
def test_a_requirement_names_tests_that_are_there_or_says_how_it_is_met_or_what_is_not(
    number: str,
) -> None:
    entry = TABLE[number]
    shapes = ({"tests"}, {"why"}, {"gap"}, {"tests", "gap"})
    assert set(entry) - {"about"} in shapes
    for one in entry.get("tests", ()):
        path, _, name = one.partition("::")
        assert name in names(path), one


def test_the_requirements_stand_in_the_order_of_the_standard() -> None:
    numbers = [tuple(map(int, number.split("."))) for number in TABLE]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 110
