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


@dataclass(frozen=True, slots=True, kw_only=True)
class Admits:
    """The rule of one route."""

    to: To
    command: str | None = None
    """As in `archiver.policy.COMMANDS`; None: any role."""
    fresh: bool = False
    """A code must have been given within `FRESH_FOR`."""
    page: bool = False
    """It is a page of the console: who is not logged in is sent to the log-in."""
    form: bool = False
    """Its CSRF token comes in a form, which the page itself checks with `require_csrf`."""


_ANYONE: Final = Admits(to=To.ANYONE)


def _person(command: str | None = None, *, fresh: bool = False) -> Admits:
    return Admits(to=To.PERSON, command=command, fresh=fresh)


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
