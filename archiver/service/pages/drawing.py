"""Pages out of values: templates, escaped throughout, and the files that they name.

Everything that a page shows is escaped by Jinja, text of shops above all; a name that a template
does not know is an error and never an empty place.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from archiver.service.pages.words import Words

ASSETS: Final[Mapping[str, str]] = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""Our own files, and what they are. There are no others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that is said above the page's content."""

    text: str
    kind: str = ""
    """`good`, `warn` or `bad`."""
    next: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An entry of the navigation."""

    name: str
    href: str
    count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """Who is logged in."""

    name: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What frames every page."""

    lang: str
    archive: str
    zone: str
    path: str
    """Its own address, for the language switch to come back to."""
    me: Me | None = None
    idle_seconds: int = 0
    """After so long a session has ended, and a page that is left alone goes from the screen."""
    csrf: str = ""
    nav: Sequence[Link] = ()
    here: str = ""
    notices: Sequence[Notice] = field(default=())


@cache
def asset(name: str) -> bytes:
    """Return one of our own files."""
    return resources.files("archiver.service.pages").joinpath("static", name).read_bytes()


@cache
def asset_url(name: str) -> str:
    """Return where a file is found: its address changes with its content."""
    return f"/static/{name}?{hashlib.sha256(asset(name)).hexdigest()[:12]}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("archiver.service.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["asset"] = asset_url
    return environment


def draw(template: str, page: Page, **values: Any) -> str:  # noqa: ANN401  what a template needs
    """Return a page as HTML.

    Args:
        template: Its name, without `.html`.
        page: What frames it.
        values: What the template shows.
    """
    words = Words(page.lang)
    return _environment().get_template(f"{template}.html").render(page=page, t=words, **values)
