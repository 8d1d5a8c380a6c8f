"""Every text of the console is there in both languages, says the same facts, and is used."""

import re
import string
from importlib import resources

from archiver.access_log import Outcome
from archiver.policy import APPROVALS, COMMANDS, Role
from archiver.service.pages.asked import TABS
from archiver.service.pages.typed import KINDS
from archiver.service.pages.words import LANGUAGES, Words, texts
from schemas.orders import OUTCOMES

COMPUTED = (
    *("role.", "kind.", "tab.", "order.", "stage.", "field.", "answer.", "access.", "approval."),
    *("error.", "act.", "reveal.step-", "reveal.head-", "exports.format-", "exports.state-"),
    *(
        "status.proof-",
        "reconciliation.",
        "witnesses.",
        "period.",
        "took.",
        "search.purpose-",
        "start.example-",
    ),
    *("nav.", "dossier.", "delivery.", "channel.", "search.", "filter.", "detail."),
)
"""Names whose last part is computed; page tests run them."""


def placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_each_text_says_the_same_in_both_languages() -> None:
    for name, both in texts().items():
        assert set(both) == set(LANGUAGES), name
        assert placeholders(both["en"]) == placeholders(both["zh"]), name
        for language, template in both.items():
            assert Words(language)(name, **dict.fromkeys(placeholders(template), 1)), name


def test_every_name_in_templates_and_code_is_a_text_and_none_is_left_over() -> None:
    folder = resources.files("archiver.service.pages")
    sources = [
        part.read_text("utf-8")
        for place in (folder, folder / "templates")
        for part in place.iterdir()
        if part.name.endswith((".html", ".py"))
    ]
    named = {
        name
        for source in sources
        for name in re.findall(r"""["']([a-z]+\.[a-z][a-z_0-9-]*)["']""", source)
        if name.partition(".")[0] in {one.partition(".")[0] for one in texts()}
        and not name.endswith((".html", ".css", ".js"))
    }
    begun = {name for name in named if name.endswith("-")}  # the rest of it is computed
    assert begun <= {one for one in named if one.startswith(COMPUTED)}
    assert named - begun <= set(texts())
    assert [one for one in texts() if one not in named and not one.startswith(COMPUTED)] == []


def test_whatever_is_computed_has_its_text() -> None:
    there = set(texts())
    for part, names in {
        "role": [role.value for role in Role if role.value != "buyer"],
        "kind": KINDS,
        "tab": TABS,
        "order": OUTCOMES,
        "access": [one.value for one in Outcome],
        "approval": [f"kind-{one}" for one in APPROVALS],
        "answer": ("found", "never_archived", "not_yet_archived", "disposed"),
        "status": [f"proof-{one}" for one in ("proven", "failed", "advisory")],
        "reconciliation": ("match", "pending", "differences"),
    }.items():
        assert {f"{part}.{name}" for name in names} <= there
    acts = {name.replace(" ", "-") for name in COMMANDS if name.startswith("operator ")}
    assert {f"act.{name}" for name in acts} <= there
