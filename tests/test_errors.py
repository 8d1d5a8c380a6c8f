"""Every error says what happened, in two languages, and what to run next."""

import ast
import re
import string
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from archiver import errors, refusals
from archiver.errors import ArchiverError, Exit, Said


def subclasses(base: type[ArchiverError] = ArchiverError) -> Iterator[type[ArchiverError]]:
    for one in base.__subclasses__():
        yield one
        yield from subclasses(one)


OURS = (errors.__name__, refusals.__name__)
ALL = sorted(
    (one for one in subclasses() if one.__module__.startswith(OURS)),
    key=lambda one: one.__name__,
)
COMMANDS = {"archiver", "timedatectl"}
NAMES = {one.__name__ for one in ALL}
WORD = re.compile(r"[A-Za-z]{2}")
DATA = {"manifests/"}
"""What is written out and is no language: a folder of the store."""


def names(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("error", ALL)
def test_every_error_speaks_both_languages_of_the_same_facts(error: type[ArchiverError]) -> None:
    assert names(error.en) == names(error.zh)
    assert names(error.next) <= names(error.en)
    made = error(**{name: f"<{name}>" for name in names(error.en)})
    for language in ("en", "zh"):
        assert all(f"<{name}>" in made.text(language) for name in names(error.en))
    assert str(made) == made.text("en")
    assert "{" not in made.next_command


@pytest.mark.parametrize("error", ALL)
def test_chinese_is_chinese_and_english_is_not(error: type[ArchiverError]) -> None:
    assert any("\u4e00" <= letter <= "\u9fff" for letter in error.zh)
    assert error.en.isascii()


@pytest.mark.parametrize("error", ALL)
def test_every_error_has_a_purpose_and_an_exit(error: type[ArchiverError]) -> None:
    assert error.__doc__
    assert error.exit in set(Exit) - {Exit.DONE, Exit.BUG, Exit.REJECTS, Exit.INTERRUPTED}
    assert error.next == "" or error.next.split()[0] in COMMANDS


def test_codes_are_unique_and_for_programs() -> None:
    codes = [error.code for error in ALL]
    assert len(set(codes)) == len(codes)
    assert all(code.replace("-", "").isalpha() and code.islower() for code in codes)


def test_what_was_raised_comes_back_as_facts() -> None:
    error = errors.MappingError(source="main", detail="no column 'x'")
    assert error.params == {"source": "main", "detail": "no column 'x'"}
    assert error.next_command == "archiver source check --source main"
    assert isinstance(error, errors.ConfigurationError)


def test_braces_in_a_fact_are_no_template() -> None:
    assert str(errors.ConfigurationError(detail="{x} {0} {")) == "Configuration: {x} {0} {"


def test_the_highest_alarm_wins() -> None:
    order = (Exit.ALARM, Exit.FORBIDDEN, Exit.TRY_LATER, Exit.FIX_REQUEST, Exit.REJECTS, Exit.DONE)
    for place, one in enumerate(order):
        assert errors.highest(reversed(order[place:])) is one
    assert errors.highest([]) is Exit.DONE


def test_a_plain_error_of_ours_is_a_bug() -> None:
    assert (ArchiverError(detail="x").exit, ArchiverError.code) == (Exit.BUG, "bug")


def test_the_exit_codes_are_the_contract() -> None:
    assert {one.name: one.value for one in Exit} == {
        "DONE": 0,
        "BUG": 1,
        "FIX_REQUEST": 2,
        "REJECTS": 3,
        "TRY_LATER": 10,
        "FORBIDDEN": 11,
        "ALARM": 20,
        "INTERRUPTED": 130,
    }


def test_a_sentence_among_the_facts_is_told_in_the_readers_language() -> None:
    error = errors.StoreError(key="a", detail=Said("it broke off", "中途断开"))
    assert str(error) == "The store did not do it (a): it broke off"
    assert error.text("zh") == "存储未完成操作（a）：中途断开"


def written(
    value: ast.expr, assigned: Mapping[str, Sequence[ast.expr]] | None = None
) -> Iterator[str]:
    """Yield the text written out in an argument; a name stands for whatever it is set to."""
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) for part in parts if isinstance(part, ast.Constant))
        case ast.BinOp(left=left, right=right):
            yield from written(left, assigned)
            yield from written(right, assigned)
        case ast.IfExp(body=body, orelse=orelse):
            yield from written(body, assigned)
            yield from written(orelse, assigned)
        case ast.BoolOp(values=values):
            for one in values:
                yield from written(one, assigned)
        case ast.Name(id=name) if assigned is not None:
            for one in assigned.get(name, ()):
                yield from written(one)


def test_every_sentence_among_the_facts_is_written_in_both_languages() -> None:
    looked_at = 0
    english = []
    for path in sorted(Path(errors.__file__).parents[1].rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        assigned = defaultdict(list)
        for node in nodes:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                assigned[node.targets[0].id].append(node.value)
        for call in (node for node in nodes if isinstance(node, ast.Call)):
            if ast.unparse(call.func).rpartition(".")[2] in NAMES:
                looked_at += 1
                english += [
                    f"{path.name}:{call.lineno}: {text}"
                    for keyword in call.keywords
                    for text in written(keyword.value, assigned)
                    if WORD.search(text) and text not in DATA
                ]
    assert english == []
    assert looked_at > 100
