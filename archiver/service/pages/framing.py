"""What is the same for every page: its frame for whoever looks, its answer, its errors.

Responsible for language (a cookie, then the browser's wish), navigation by role, what is said
above the content after a form was sent, and for addresses to come back to: only our own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from archiver import policy
from archiver.access_log import Outcome
from archiver.errors import ArchiverError, RequestError
from archiver.judging import DECOYS, Judgement
from archiver.operators import Session
from archiver.policy import Role
from archiver.service.admission import Visitor, csrf_of, require_csrf
from archiver.service.house import Service
from archiver.service.pages.drawing import Link, Me, Notice, Page, draw
from archiver.service.pages.references import StaleLinkError, seal, unseal
from archiver.service.pages.words import LANGUAGES, Words
from archiver.service.problems import Problem, problem_of
from archiver.service.routes.sessions import confirmed

LANGUAGE: Final = "language"
"""The cookie of the language that somebody has chosen."""
_NAVIGATION: Final = (
    ("search", "/search", "find"),
    ("approvals", "/approvals", "approvals"),
    ("exports", "/exports", "export"),
    ("status", "/status", None),
    ("access", "/access", "access log"),
    ("operators", "/operators", "operator list"),
)
"""Name, address, and the command of `policy` that whoever sees it may use."""
_MARGIN: Final = 5
"""Seconds: the session has then ended for certain."""
_OWN: Final = re.compile(r"/(?![/\\])[!-~]*")
"""An address of this very host: a path, no other host's, nothing that ends a header."""
_OPTION: Final = re.compile(r"(?:（--[a-z-]+）| ?\(--[a-z-]+\))|--([a-z-]+)(: |：)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One request, as its page needs it."""

    request: Request
    service: Service
    visitor: Visitor

    @property
    def words(self) -> Words:
        """The texts in the reader's language."""
        return Words(language_for(self.request, self.visitor))

    @property
    def session(self) -> Session:
        """The session of whoever looks."""
        return self.visitor.person

    @property
    def role(self) -> Role:
        """The role of whoever looks."""
        return self.session.role

    @property
    def is_fresh(self) -> bool:
        """Whether a code was given in the last minutes."""
        return self.session.is_fresh(self.service.installation.clock.now())

    def seal(self, purpose: str, content: Mapping[str, Any]) -> str:
        """Return what stands for something in a link of this session."""
        return seal(self.session.token, purpose, content)

    def unseal(self, purpose: str, text: str) -> dict[str, Any]:
        """Return what a link of this session stands for.

        Raises:
            StaleLinkError: It is none.
        """
        return unseal(self.session.token, purpose, text)

    def require_form(self, csrf: str) -> None:
        """Refuse a form that no page of ours has sent."""
        require_csrf(self.session, csrf)

    def require_fresh(self, code: str) -> Session:
        """Take a fresh code for what is sensitive, unless one was given in the last minutes.

        Raises:
            CodeRefusedError: It is wrong, old or used; that is on record.
        """
        return self.session if self.is_fresh else confirmed(self.visitor, code.replace(" ", ""))

    def page(self, here: str, notices: Sequence[Notice] = ()) -> Page:
        """Return the frame of a page.

        Args:
            here: The navigation's entry that it belongs to.
            notices: What is said above its content.
        """
        found = self.visitor.session
        rules = self.service.installation.rules
        operators = self.service.installation.configuration.operators
        url = self.request.url
        path = url.path if self.request.method == "GET" else "/"
        if url.query and path == url.path:
            path += f"?{url.query}"
        return Page(
            lang=self.words.language,
            archive=self.service.installation.configuration.archive.name,
            zone=str(rules.zone),
            path=path,
            me=Me(name=found.name, role=found.role.value) if found else None,
            idle_seconds=operators.session_idle_minutes * 60 + _MARGIN,
            csrf=csrf_of(found) if found else "",
            nav=self._navigation(found.role) if found else (),
            here=here,
            notices=(*self._said(), *notices),
        )

    def answer(
        self,
        template: str,
        here: str,
        *,
        status: int = HTTPStatus.OK,
        notices: Sequence[Notice] = (),
        **values: Any,  # noqa: ANN401  what the template needs
    ) -> HTMLResponse:
        """Return a page."""
        return HTMLResponse(draw(template, self.page(here, notices), **values), status)

    def on(self, path: str, say: str = "", **params: object) -> RedirectResponse:
        """Send the browser on after a form, with something to say there.

        Args:
            path: Where to.
            say: The name of a text.
            params: Its parameters.
        """
        told = {name: str(value) for name, value in params.items()}
        if say:
            path += "&" if "?" in path else "?"
            path += urlencode({"said": self.seal("said", {"name": say, "params": told})})
        return RedirectResponse(path, HTTPStatus.SEE_OTHER)

    def notice(self, error: ArchiverError) -> tuple[Notice, int]:
        """Return what is said of an error where it happened, and the answer's status."""
        problem = problem_of(error)
        return notice_of(problem, self.words), problem.status

    def unusual(self, judged: Sequence[Judgement]) -> Sequence[Notice]:
        """Return a banner for what the watch found unusual and let pass: whoever asks may know.

        Of decoys he may not.
        """
        chinese = self.words.language == "zh"
        return [
            Notice(
                text=self.words("watch.unusual", why=one.said.zh if chinese else one.said.en),
                kind="warn",
                next=self.words("watch.next"),
            )
            for one in judged
            if one.measure != DECOYS
        ]

    def record(self, command: str, detail: str | None = None) -> str:
        """Record a look at something, and return under which number."""
        return str(self.visitor.desk.record(command, Outcome.DONE, self.session, detail=detail))

    def _said(self) -> Sequence[Notice]:
        """Return what the form before had to say; it is sealed, so nobody else can say it."""
        text = self.request.query_params.get("said")
        if text is None or self.visitor.session is None:
            return ()
        try:
            told = self.unseal("said", text)
        except StaleLinkError:
            return ()
        return (Notice(text=self.words(told["name"], **told["params"]), kind="good"),)

    def _navigation(self, role: Role) -> Sequence[Link]:
        waiting = 0
        if policy.may_run(role, "approve"):
            waiting = sum(
                policy.may_grant(role, one.kind, own=one.asked_by == self.session.name)
                for one in self.visitor.desk.approvals.all()
            )
        counts = {"approvals": waiting}
        if policy.may_run(role, "operator release"):
            counts["operators"] = len(self.visitor.desk.watch.blocks())
        return [
            Link(name=name, href=href, count=counts.get(name, 0))
            for name, href, command in _NAVIGATION
            if command is None or policy.may_run(role, command)
        ]


def language_for(request: Request, visitor: Visitor | None) -> str:
    """Return the language that was chosen, or the one that the browser wishes."""
    chosen = request.cookies.get(LANGUAGE)
    if chosen in LANGUAGES:
        return chosen
    if visitor is not None:
        return visitor.language
    wish = request.headers.get("accept-language", "")
    return "zh" if wish.strip().lower().startswith("zh") else "en"


def own_path(path: str | None) -> str:
    """Return an address to come back to, if it is ours; else the start."""
    return path if path is not None and _OWN.fullmatch(path) else "/"


def back_to(page: str, path: str) -> str:
    """Return the address of a page that sends the browser back to where it was."""
    return f"{page}?back={quote(path, safe='')}"


def home_of(role: Role) -> str:
    """Return where somebody of this role begins."""
    for _, href, command in _NAVIGATION:
        if command in ("find", None) and (command is None or policy.may_run(role, command)):
            return href
    raise RequestError


def notice_of(problem: Problem, words: Words) -> Notice:
    """Return what a page says of a problem: for people, who have no options of commands."""
    name = f"error.{problem.code}"
    if words.knows(name):
        text = words(name)
    elif problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        text = words("error.busy")
    else:
        text = worded(problem.said.zh if words.language == "zh" else problem.said.en, words)
    more = ""
    if problem.retry_after is not None:
        more = words("error.retry", seconds=problem.retry_after)
    return Notice(text=text, kind="bad", next=more)


_AS_FIELDS: Final = {"payment-no": "kind.payment", "order": "kind.order", "ip": "kind.ip"}


def worded(text: str, words: Words) -> str:
    """Return a sentence of the command line as a page says it: options by the names of fields."""

    def field(match: re.Match[str]) -> str:
        option = match[1]
        if option is None:
            return ""
        for name in (_AS_FIELDS.get(option, ""), f"search.{option}", f"kind.{option}"):
            if words.knows(name):
                return words(name) + (match[2] or "")
        return option + (match[2] or "")

    return _OPTION.sub(field, text)


def problem_page(request: Request, problem: Problem) -> Response:
    """Return what a page says of a problem that its own code did not answer."""
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    words = Words(language_for(request, visitor))
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    back = here if request.method == "GET" else "/"
    if problem.code == "login-needed":
        return RedirectResponse(back_to("/login", back), HTTPStatus.SEE_OTHER)
    if problem.code in ("code-needed", "second-factor-needed"):
        return RedirectResponse(back_to("/confirm", back), HTTPStatus.SEE_OTHER)
    service: Service = request.app.state.service
    notice = notice_of(problem, words)
    page = Page(
        lang=words.language,
        archive=service.installation.configuration.archive.name,
        zone="",
        path="/",
    )
    headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    if visitor is not None and visitor.session is not None:
        frame = Frame(request=request, service=service, visitor=visitor)
        page = frame.page("")
    drawn = draw("error", page, title=notice.text, more=notice.next)
    return HTMLResponse(drawn, problem.status, headers)
