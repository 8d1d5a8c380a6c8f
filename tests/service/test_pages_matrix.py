"""Who gets in where: every page and form and everybody, written down a second time by hand."""

from typing import Final
from urllib.parse import urlencode

import pytest

from archiver.access_log import Outcome
from archiver.service.pages.console import TABLE
from tests.service.test_matrix import table
from tests.service.world import PEOPLE, World

LETS_IN: Final = """
                          nobody sue carol kai audrey root
GET  /                    no     yes yes   yes yes    yes
GET  /login               yes    yes yes   yes yes    yes
POST /login               yes    yes yes   yes yes    yes
POST /logout              no     yes yes   yes yes    yes
GET  /confirm             no     yes yes   yes yes    yes
POST /confirm             no     yes yes   yes yes    yes
GET  /language            yes    yes yes   yes yes    yes
GET  /static/{name}       yes    yes yes   yes yes    yes
GET  /search              no     yes yes   no  no     no
POST /search              no     yes yes   no  no     no
GET  /found               no     yes yes   no  no     no
GET  /order               no     yes yes   no  no     no
GET  /reveal              no     no  yes   no  no     no
POST /reveal              no     no  yes   no  no     no
GET  /approvals           no     no  yes   yes yes    yes
POST /approvals           no     no  yes   yes no     no
GET  /exports             no     yes yes   no  no     no
POST /exports             no     yes yes   no  no     no
POST /exports/start       no     yes yes   no  no     no
POST /exports/take        no     yes yes   no  no     no
GET  /status              no     yes yes   yes yes    yes
GET  /access              no     no  yes   no  yes    no
GET  /operators           no     no  yes   no  yes    yes
POST /operators/add       no     no  no    no  no     yes
POST /operators/reset     no     no  no    no  no     yes
POST /operators/disable   no     no  no    no  no     yes
POST /operators/release   no     no  yes   no  no     no
"""
EXPECTED: Final = table(LETS_IN)


def is_let_in(world: World, who: str, method: str, path: str) -> bool:
    """Ask for a page as somebody, or send its form with nothing in it but his own token."""
    world.seconds += 5
    browser = world.operator(who) if who in PEOPLE else world.browser()
    path = path.replace("{name}", "icon.svg")
    if method == "GET":
        answer = browser.get(path, follow_redirects=False)
    else:
        form = {"csrf": browser.csrf, "number": "999999", "name": "nobody-of-that-name"}
        answer = browser.ask(
            "POST",
            path,
            content=urlencode(form),
            headers={"content-type": "application/x-www-form-urlencoded"},
            follow_redirects=False,
        )
    if answer.headers.get("location", "").startswith("/login?back"):
        return False
    entry = next(iter(world.log(1)), None)
    kept_out = answer.status_code == 403 and entry is not None and entry.outcome is Outcome.DENIED
    assert answer.status_code < 500
    return not (kept_out and entry is not None and entry.detail == "role")


def test_the_table_of_pages_is_the_one_that_stands_here() -> None:
    assert set(TABLE) == set(EXPECTED)
    assert {route for route, rule in TABLE.items() if rule.fresh} == {("POST", "/exports/start")}
    assert all(rule.page and rule.form for rule in TABLE.values())


@pytest.mark.parametrize("who", ["nobody", "sue", "carol", "kai", "audrey", "root"])
def test_everybody_is_let_in_where_it_is_written_and_nowhere_else(world: World, who: str) -> None:
    found = {route: {**EXPECTED[route], who: is_let_in(world, who, *route)} for route in EXPECTED}
    assert found == EXPECTED
