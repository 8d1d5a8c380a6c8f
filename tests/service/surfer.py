"""Somebody in a browser without a window: follows links and sends forms as a page gives them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import urlencode

import httpx

from tests.operators.people import PASSWORD
from tests.service.world import HOME, Browser, World


@dataclass(slots=True)
class Form:
    """One form of a page."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Reader(HTMLParser):
    """Collects what can be followed and sent, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self.text: list[str] = []
        self.tags: list[tuple[str, Mapping[str, str]]] = []
        self._form: Form | None = None
        self._link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.tags.append((tag, told))
        if tag == "a":
            self._link = told.get("href")
        elif tag == "form":
            self._form = Form(told.get("action", ""), told.get("method", "get"))
            self.forms.append(self._form)
        elif tag == "input" and self._form is not None and "name" in told:
            self._form.fields[told["name"]] = told.get("value", "")
        elif tag == "select" and self._form is not None:
            self._form.fields.setdefault(told["name"], "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "a":
            self._link = None

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(" ".join(data.split()))
            if self._link is not None:
                self.links.append((" ".join(data.split()), self._link))


@dataclass(slots=True)
class Surfer:
    """Whoever looks at pages."""

    browser: Browser
    answer: httpx.Response | None = None

    @property
    def world(self) -> World:
        """Where he is."""
        return self.browser.world

    def go(self, path: str, **more: Any) -> "Surfer":  # noqa: ANN401  passed on
        """Open an address and follow where it sends him."""
        self.answer = self.browser.get(path, follow_redirects=True, **more)
        return self._looked()

    def send(self, action: str, **values: str) -> "Surfer":
        """Fill in the form of this action on the page, and send it."""
        form = next(one for one in self.read.forms if one.action == action)
        return self.post(action, {**form.fields, **values})

    def post(self, path: str, values: Mapping[str, str], **headers: str) -> "Surfer":
        """Send a form that no page has given."""
        self.answer = self.browser.ask(
            "POST",
            path,
            content=urlencode(values),
            headers={"content-type": "application/x-www-form-urlencoded", **headers},
            follow_redirects=True,
        )
        return self._looked()

    def follow(self, text: str) -> "Surfer":
        """Follow the first link with this text."""
        return self.go(next(href for said, href in self.read.links if text in said))

    def login(self, name: str) -> "Surfer":
        """Log in by the page."""
        self.go("/login")
        return self.send(
            "/login", name=name, password=PASSWORD, code=self.world.code(name), back="/"
        )

    def find(self, typed: str, purpose: str = "售后", **more: str) -> "Surfer":
        """Type something into the box."""
        return self.go("/search").send("/search", q=typed, purpose=purpose, **more)

    def _looked(self) -> "Surfer":
        """Hold what holds for every page, wherever a test goes."""
        if self.page.headers["content-type"].startswith("text/html"):
            require_clean(self.page)
        return self

    @property
    def page(self) -> httpx.Response:
        """What he sees."""
        assert self.answer is not None
        return self.answer

    @property
    def status(self) -> int:
        """The answer's status."""
        return self.page.status_code

    @property
    def path(self) -> str:
        """Where he is now."""
        return self.page.url.path

    @property
    def read(self) -> _Reader:
        """The page, taken apart."""
        reader = _Reader()
        reader.feed(self.page.text)
        return reader

    @property
    def text(self) -> str:
        """The page's text."""
        return " ".join(self.read.text)

    def __contains__(self, text: str) -> bool:
        return text in self.text


def surfer(world: World, name: str | None = None, address: str = HOME, lang: str = "zh") -> Surfer:
    """Give somebody in a browser, logged in if he has a name."""
    made = Surfer(world.browser(address, **{"accept-language": lang}))
    return made.login(name) if name else made


MAX_BYTES: Final = 60_000
POLICY: Final = (
    "default-src 'none'; object-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
LINKS: Final = ("href", "src", "action", "formaction", "poster", "data")


def require_clean(answer: httpx.Response) -> None:
    """Hold that a page is small, is kept nowhere, and has nothing that runs or leads elsewhere."""
    assert len(answer.content) <= MAX_BYTES, len(answer.content)
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    reader = _Reader()
    reader.feed(answer.text)
    scripts = [told for tag, told in reader.tags if tag == "script"]
    assert [one["src"].partition("?")[0] for one in scripts] == ["/static/console.js"]
    for tag, told in reader.tags:
        assert tag in TAGS, tag
        assert not any(name.startswith("on") or name == "style" for name in told), (tag, told)
        for name in LINKS:
            assert told.get(name, "/").startswith(("/", "#main")), (tag, told)
            assert not told.get(name, "").startswith("//"), (tag, told)


TAGS: Final = frozenset(
    (
        *("html", "head", "meta", "title", "link", "script", "body", "header", "main", "footer"),
        *("a", "div", "svg", "path", "span", "nav", "form", "input", "button", "label", "select"),
        *("option", "datalist", "details", "summary", "strong", "p", "small", "h1", "h2", "b", "i"),
        *("section", "dl", "dt", "dd", "table", "caption", "thead", "tbody", "tr", "th", "td"),
        *("time", "ul", "ol", "li", "code", "progress", "figure"),
    )
)
"""What our templates write; a tag that is not among these came from somebody else."""
