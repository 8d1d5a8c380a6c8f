"""Who gets in where: every route, every method and everybody, written down a second time by hand.

The table of routes is the service's own; what stands here is what a reviewer would expect of it. A
route that is not in both fails.
"""

from collections.abc import Mapping
from typing import Any, Final

import httpx
import pytest

from archiver import policy
from archiver.policy import FIELDS, Role, Visibility, visibility
from archiver.service.pages.console import TABLE
from archiver.service.routes import sessions
from archiver.service.table import API, Admits, To, require_listed
from tests.service.world import PEOPLE, World

LETS_IN: Final = """
                                          nobody site sue carol kai audrey root
GET    /v1/openapi.json                   yes    yes  yes yes   yes yes    yes
GET    /v1/health                         yes    yes  yes yes   yes yes    yes
GET    /v1/ready                          yes    yes  yes yes   yes yes    yes
GET    /v1/metrics                        no     no   no  no    no  no     no
POST   /v1/session                        yes    yes  yes yes   yes yes    yes
GET    /v1/session                        no     no   yes yes   yes yes    yes
POST   /v1/session/confirm                no     no   yes yes   yes yes    yes
DELETE /v1/session                        no     no   yes yes   yes yes    yes
POST   /v1/orders/find                    no     no   yes yes   no  no     no
POST   /v1/orders/show                    no     no   yes yes   no  no     no
POST   /v1/orders/diagnose                no     no   yes yes   no  no     no
POST   /v1/orders/why                     no     no   yes yes   no  no     no
POST   /v1/orders/reveal                  no     no   no  yes   no  no     no
POST   /v1/exports                        no     no   yes yes   no  no     no
GET    /v1/exports                        no     no   yes yes   no  no     no
GET    /v1/exports/{export}               no     no   yes yes   no  no     no
POST   /v1/exports/{export}/file          no     no   yes yes   no  no     no
GET    /v1/approvals                      no     no   no  yes   yes yes    yes
POST   /v1/approvals/{number}             no     no   no  yes   yes no     no
GET    /v1/operators                      no     no   no  yes   no  yes    yes
POST   /v1/operators                      no     no   no  no    no  no     yes
POST   /v1/operators/{name}/reset         no     no   no  no    no  no     yes
POST   /v1/operators/{name}/disable       no     no   no  no    no  no     yes
POST   /v1/blocks/release                 no     no   no  yes   no  no     no
GET    /v1/tokens                         no     no   no  yes   no  yes    yes
POST   /v1/tokens                         no     no   no  no    no  no     yes
POST   /v1/tokens/{name}/revoke           no     no   no  yes   no  no     yes
GET    /v1/status                         no     no   yes yes   yes yes    yes
GET    /v1/verification                   no     no   yes yes   yes yes    yes
GET    /v1/access                         no     no   no  yes   no  yes    no
POST   /v1/buyer/orders                   no     yes  no  no    no  no     no
POST   /v1/buyer/codes                    no     yes  no  no    no  no     no
POST   /v1/buyer/reveal                   no     yes  no  no    no  no     no
"""
FRESH: Final = frozenset(
    {
        ("POST", "/v1/exports"),
        ("POST", "/v1/approvals/{number}"),
        ("POST", "/v1/operators"),
        ("POST", "/v1/operators/{name}/reset"),
        ("POST", "/v1/operators/{name}/disable"),
        ("POST", "/v1/blocks/release"),
        ("POST", "/v1/tokens"),
        ("POST", "/v1/tokens/{name}/revoke"),
    }
)
"""Routes that take a code of the last minutes."""
KEPT_OUT: Final = frozenset({"login-needed", "not-allowed", "csrf", "cross-origin"})
"""Titles of those who are not let in; whatever else an answer is, the route itself has given it."""
METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def table(text: str) -> dict[tuple[str, str], dict[str, bool]]:
    """Return rows by method and path."""
    head, *rows = text.strip("\n").splitlines()
    names = head.split()
    return {
        (row.split()[0], row.split()[1]): dict(
            zip(names, (one == "yes" for one in row.split()[2:]), strict=True)
        )
        for row in rows
    }


EXPECTED: Final = table(LETS_IN)


def is_let_in(answer: httpx.Response) -> bool:
    if answer.status_code < 400:
        return True
    title: str = answer.json()["title"]
    # Of the routes themselves, too: a role that may decide may not decide about everything.
    return title not in KEPT_OUT


def asked(world: World, who: str, method: str, path: str, headers: Mapping[str, str]) -> bool:
    """Ask a route as somebody, with a body that means nothing to it."""
    world.seconds += 5
    browser = world.operator(who) if who in PEOPLE else world.browser()
    path = path.replace("{number}", "999999").replace("{export}", "none")
    path = path.replace("{name}", "nobody-of-that-name")
    body: Any = {"purpose": "x", "case": "y"} if path.endswith("/reveal") else {}
    return is_let_in(browser.ask(method, path, body if method != "GET" else None, headers=headers))


def test_the_table_of_routes_is_the_one_that_stands_here(world: World) -> None:
    assert set(world.service.table) == {*EXPECTED, *TABLE}  # pages: test_pages_matrix.py
    assert set(API) == set(EXPECTED)
    assert {route for route, rule in API.items() if rule.fresh} == FRESH


def test_a_fresh_code_is_for_the_same_acts_here_as_on_the_command_line() -> None:
    """Taking a file is no act of its own: the export was begun with a code."""
    acts = {(m, path): rule for (m, path), rule in API.items() if m != "GET" and rule.command}
    fresh = {route for route, rule in acts.items() if rule.command in policy.FRESH}
    assert fresh - FRESH == {("POST", "/v1/exports/{export}/file")}
    assert fresh >= FRESH
    assert set(policy.COMMANDS) >= policy.FRESH


@pytest.mark.parametrize("who", ["nobody", "site", "sue", "carol", "kai", "audrey", "root"])
def test_everybody_is_let_in_where_it_is_written_and_nowhere_else(world: World, who: str) -> None:
    headers = {}
    if who == "site":
        headers = {"authorization": f"Bearer {world.site('matrix').secret}"}
    found = {
        route: {**EXPECTED[route], who: asked(world, who, *route, headers)} for route in EXPECTED
    }
    assert found == EXPECTED


def test_a_method_that_no_route_has_is_nobodys(world: World) -> None:
    carol = world.operator("carol")
    paths = {path for _, path in EXPECTED}
    for path in sorted(paths):
        world.seconds += 5
        for method in METHODS:
            if (method, path) not in EXPECTED:
                plain = path.replace("{number}", "1").replace("{name}", "x")
                answer = carol.ask(method, plain.replace("{export}", "x"))
                assert answer.status_code == 405, (method, path)


def test_a_route_that_nobody_has_decided_about_does_not_start() -> None:
    router = sessions.router
    decided = {
        (method, path): rule
        for (method, path), rule in API.items()
        if path.startswith("/v1/session")
    }
    require_listed([router], decided)
    with pytest.raises(RuntimeError):
        require_listed([router], {k: v for k, v in decided.items() if k[0] != "DELETE"})
    with pytest.raises(RuntimeError):
        require_listed([router], {**decided, ("GET", "/v1/more"): Admits(to=To.ANYONE)})


def leaves(value: Any, path: str = "") -> dict[str, list[Any]]:  # noqa: ANN401  whatever JSON has
    """Return the leaves of an order by their short paths."""
    found: dict[str, list[Any]] = {}
    if isinstance(value, dict):
        for name, inner in value.items():
            for leaf, values in leaves(inner, f"{path}.{name}" if path else name).items():
                found.setdefault(leaf, []).extend(values)
    elif isinstance(value, list):
        for inner in value:
            for leaf, values in leaves(inner, path).items():
                found.setdefault(leaf, []).extend(values)
    else:
        found[path] = [value]
    return found


@pytest.mark.parametrize("who", ["sue", "carol", "site"])
def test_every_field_of_an_answer_is_one_that_its_reader_may_see_as_he_may_see_it(
    world: World, who: str
) -> None:
    row = world.rows[30]
    if who == "site":
        site = world.site("fields")
        told = site.ask("/v1/buyer/orders", order=row["no"], contact=row["contact"]).json()
        role, order = Role.BUYER, told["orders"][0]
    else:
        body = {"order": row["no"], "purpose": "x"}
        role = PEOPLE[who]
        order = world.operator(who).post("/v1/orders/show", body).json()["order"]
    ours = {"timeline", "history", "sealed"}
    found = {k: v for k, v in leaves(order).items() if k.partition(".")[0] not in ours}
    known = {path.replace(".list.element", "") for path in FIELDS}
    parents = {path.rpartition(".")[0] for path in known}
    for path, values in found.items():
        if path in parents:
            continue  # a list or struct that is null
        assert path in known, path
        seen = visibility(role, path)
        assert seen is not Visibility.HIDDEN, path
        if seen is Visibility.MASKED:
            assert all(one is None or "•••" in one for one in values), path
    secret = row["secret"].splitlines()[0]
    assert secret not in repr(order)
    assert ("buyer.account" in found) is (who != "site")


def test_what_belongs_to_one_is_not_anothers(world: World) -> None:
    """Owners: a session's CSRF token, a site's challenge, a request that is one's own."""
    carol, row = world.operator("carol"), world.rows[31]
    number = carol.post("/v1/orders/reveal", {"order": row["no"], "case": "y"}).json()["number"]
    own = carol.post(f"/v1/approvals/{number}", {"granted": True})
    assert own.json()["title"] == "not-allowed"
    released = carol.post("/v1/blocks/release", {"subject": "operator:carol"})
    assert released.json()["title"] == "not-allowed"

    first, second = world.site("owner-1"), world.site("owner-2")
    made = first.ask("/v1/buyer/codes", order=row["no"], contact=row["contact"]).json()
    world.settle()
    code = world.mail.sent[-1][1]
    stolen = second.ask("/v1/buyer/reveal", challenge=made["challenge"], code=code)
    assert stolen.json()["title"] == "code-refused"
    assert first.ask("/v1/buyer/reveal", challenge=made["challenge"], code=code).status_code == 200
