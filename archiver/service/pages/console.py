"""The console as the application takes it: its routes, whom each admits, its view of problems."""

from typing import Final

from fastapi import APIRouter

from archiver.service.app import Pages
from archiver.service.pages import asking, entry
from archiver.service.pages.framing import problem_page
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
}


def console() -> Pages:
    """Return the console."""
    router = APIRouter()
    for part in (entry, asking):
        router.routes.extend(part.router.routes)
    return Pages(router=router, table=TABLE, problem=problem_page)
