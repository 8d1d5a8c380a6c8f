"""Every route there is and whom it admits.

A route that is not in the table does not start (`require_listed`), so that nothing is reachable
about which nobody has decided. Roles are those of `archiver.policy.COMMANDS`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fastapi import APIRouter
from fastapi.routing import APIRoute


class To(StrEnum):
    """Whom a route admits."""

    ANYONE = "anyone"
    PERSON = "person"
    """An operator who is logged in, in a role that uses the command."""
    SITE = "site"
    """The shop's own site, by a service token."""
    MONITOR = "monitor"
    """Whoever reads metrics, from an address that the configuration lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admits:
    """The rule of one route."""

    to: To
    command: str | None = None
    """As in `archiver.policy.COMMANDS`; None: any role."""
    fresh: bool = False
    """A code must have been given within `archiver.operators.logins.FRESH_FOR`."""
    page: bool = False
    """It is a page of the console: who is not logged in is sent to the log-in."""
    form: bool = False
    """Its CSRF token comes in a form, which the page itself checks with `require_csrf`."""


_ANYONE: Final = Admits(to=To.ANYONE)


def _person(command: str | None = None, *, fresh: bool = False) -> Admits:
    return Admits(to=To.PERSON, command=command, fresh=fresh)


def _site(command: str) -> Admits:
    return Admits(to=To.SITE, command=command)


API: Final[Mapping[tuple[str, str], Admits]] = {
    ("GET", "/v1/openapi.json"): _ANYONE,
    ("GET", "/v1/health"): _ANYONE,
    ("GET", "/v1/ready"): _ANYONE,
    ("POST", "/v1/session"): _ANYONE,
    ("GET", "/v1/session"): _person(),
    ("DELETE", "/v1/session"): _person(),
    ("POST", "/v1/session/confirm"): _person(),
    ("POST", "/v1/orders/find"): _person("find"),
    ("POST", "/v1/orders/show"): _person("show"),
    ("POST", "/v1/orders/diagnose"): _person("diagnose"),
    ("POST", "/v1/orders/why"): _person("why"),
    ("POST", "/v1/orders/reveal"): _person("reveal"),
    ("POST", "/v1/exports"): _person("export", fresh=True),
    ("GET", "/v1/exports"): _person("export"),
    ("GET", "/v1/exports/{export}"): _person("export"),
    ("POST", "/v1/exports/{export}/file"): _person("export"),
    ("GET", "/v1/approvals"): _person("approvals"),
    ("POST", "/v1/approvals/{number}"): _person("approve", fresh=True),
    ("GET", "/v1/operators"): _person("operator list"),
    ("POST", "/v1/operators"): _person("operator add", fresh=True),
    ("POST", "/v1/operators/{name}/reset"): _person("operator reset", fresh=True),
    ("POST", "/v1/operators/{name}/disable"): _person("operator disable", fresh=True),
    ("POST", "/v1/blocks/release"): _person("operator release", fresh=True),
    ("GET", "/v1/tokens"): _person("token list"),
    ("POST", "/v1/tokens"): _person("token add", fresh=True),
    ("POST", "/v1/tokens/{name}/revoke"): _person("token revoke", fresh=True),
    ("GET", "/v1/status"): _person(),
    ("GET", "/v1/verification"): _person(),
    ("GET", "/v1/access"): _person("access log"),
    ("GET", "/v1/metrics"): Admits(to=To.MONITOR),
    ("POST", "/v1/buyer/orders"): _site("find"),
    ("POST", "/v1/buyer/codes"): _site("buyer code"),
    ("POST", "/v1/buyer/reveal"): _site("buyer reveal"),
}
"""Of the API. A `page` module adds its own: `create_app` takes them."""

Table = Mapping[tuple[str, str], Admits]


def require_listed(routers: Sequence[APIRouter], table: Table) -> None:
    """Refuse to start with a route that nobody has decided about, or a rule without its route."""
    routes = [one for router in routers for one in router.routes]
    there = {
        (method, route.path)
        for route in routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    others = [type(one).__name__ for one in routes if not isinstance(one, APIRoute)]
    if there != set(table) or others:
        message = f"routes and rules differ: {sorted(there ^ set(table))} {others}"
        raise RuntimeError(message)
