"""The console as the application takes it: its routes, whom each admits, its view of problems."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter

from archiver.service.app import Pages
from archiver.service.jobs import in_a_thread
from archiver.service.pages import (
    asking,
    deciding,
    entry,
    people,
    revealing,
    surveying,
    taking,
)
from archiver.service.pages.framing import problem_page
from archiver.service.pages.surveying import Surveyor
from archiver.service.table import Admits, Table, To

_ANYONE: Final = Admits(to=To.ANYONE, page=True, form=True)


def _page(command: str | None = None, *, fresh: bool = False) -> Admits:
    return Admits(to=To.PERSON, command=command, fresh=fresh, page=True, form=True)


TABLE: Final[Table] = {
    ("GET", "/"): _page(),
    ("GET", "/login"): _ANYONE,
    ("POST", "/login"): _ANYONE,
    ("POST", "/logout"): _page(),
    ("GET", "/confirm"): _page(),
    ("POST", "/confirm"): _page(),
    ("GET", "/language"): _ANYONE,
    ("GET", "/static/{name}"): _ANYONE,
    ("GET", "/search"): _page("find"),
    ("POST", "/search"): _page("find"),
    ("GET", "/found"): _page("find"),
    ("GET", "/order"): _page("show"),
    ("GET", "/reveal"): _page("reveal"),
    ("POST", "/reveal"): _page("reveal"),
    ("GET", "/approvals"): _page("approvals"),
    ("POST", "/approvals"): _page("approve"),
    ("GET", "/exports"): _page("export"),
    ("POST", "/exports"): _page("export"),
    ("POST", "/exports/start"): _page("export", fresh=True),
    ("POST", "/exports/take"): _page("export"),
    ("GET", "/status"): _page(),
    ("GET", "/access"): _page("access log"),
    ("GET", "/operators"): _page("operator list"),
    ("POST", "/operators/add"): _page("operator add"),
    ("POST", "/operators/reset"): _page("operator reset"),
    ("POST", "/operators/disable"): _page("operator disable"),
    ("POST", "/operators/release"): _page("operator release"),
}


PARTS: Final = (entry, asking, revealing, deciding, taking, surveying, people)


@dataclass(frozen=True, slots=True, kw_only=True)
class Console(Pages):
    """The console, and what its pages share on one node."""

    surveyor: Surveyor


def console(begin: Callable[[Callable[[], None]], None] | None = None) -> Console:
    """Return the console.

    Args:
        begin: Starts something behind whoever looks; in a thread, if not given.
    """
    router = APIRouter()
    for part in PARTS:
        router.routes.extend(part.router.routes)
    start = begin or in_a_thread
    return Console(
        router=router,
        table=TABLE,
        problem=problem_page,
        surveyor=Surveyor(start),
    )
