"""Every text is there in both languages, says the same facts, and is used."""

import ast
import string
from pathlib import Path

import pytest

import cli
from cli.report import OUTCOMES
from cli.texts import Words, texts

FOLDER = Path(cli.__file__).parent
COMPUTED = (
    *("init.opens.", "init.keep.", "lock.", "column."),
    *("attack.", "outcome.", "finding.", "verdict."),
    *("field.", "stage.", "order.", "answer.", "dossier.", "period."),
    *("role.", "approval.", "access."),
    *("demo.try.", "demo.night.", "demo.search."),
    *("orphans.kind.", "orphans.means.", "ledger.kind.", "decoy."),
)
"""Names whose last part is computed; the folder's tests run them."""


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def used_names() -> set[str]:
    """Names given as literals to a call of `words(…)`, `call.words(…)`."""
    found = set()
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("words"):
                found |= {
                    constant.value
                    for argument in node.args
                    for constant in ast.walk(argument)
                    if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
                }
    return found


@pytest.mark.parametrize("name", sorted(texts()))
def test_a_text_says_the_same_in_both_languages(name: str) -> None:
    both = texts()[name]
    assert set(both) == {"en", "zh"}
    assert placeholders(both["en"]) == placeholders(both["zh"])
    for language, template in both.items():
        filled = dict.fromkeys(placeholders(template), 1)
        assert Words(language)(name, **filled)


def test_every_name_in_the_code_is_a_text() -> None:
    assert {name for name in used_names() if "." in name and not name.endswith(".")} <= set(texts())


def test_no_text_is_left_over() -> None:
    used = used_names()
    unused = [n for n in texts() if n not in used and not n.startswith(COMPUTED)]
    assert unused == []


def test_outcomes_are_one_word_for_each_exit_code() -> None:
    words = list(OUTCOMES.values())
    assert len(set(words)) == len(words)
    assert all(word.isalpha() and word.islower() for word in words)
