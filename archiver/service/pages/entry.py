"""The way in and out: log-in, confirmation, log-out, language; and the console's own files."""

from dataclasses import replace
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from archiver.access_log import Outcome
from archiver.errors import ArchiverError
from archiver.service.admission import COOKIE, Visited
from archiver.service.pages.drawing import ASSETS, Notice, asset
from archiver.service.pages.forms import Back, CodeForm, Framed, LoginForm, PlainForm
from archiver.service.pages.framing import LANGUAGE, Frame, home_of, own_path
from archiver.service.pages.words import LANGUAGES
from archiver.service.routes.sessions import confirmed, forget, keep, logged_in

router = APIRouter(include_in_schema=False)

FEW_CODES: Final = 3
"""Recovery codes from which on somebody should get new ones."""
A_YEAR: Final = 365 * 86_400


@router.get("/")
def start(visited: Visited) -> Response:
    """Send whoever comes to where his role begins."""
    return RedirectResponse(home_of(visited.person.role), HTTPStatus.SEE_OTHER)


@router.get("/login")
def login_page(frame: Framed, back: Back = "/", out: str = "") -> Response:
    """Ask who it is."""
    said = "login.out" if out else "login.ended" if own_path(back) != "/" else ""
    notices = [Notice(text=frame.words(said))] if said else []
    return _asked(frame, own_path(back), "", HTTPStatus.OK, notices)


@router.post("/login")
def login(frame: Framed, sent: LoginForm) -> Response:
    """Begin a session; one that the browser had ends."""
    frame.service.end(frame.request.cookies.get(COOKIE))
    try:
        session = logged_in(frame.visitor, sent.name.strip(), sent.password, sent.code.strip())
    except ArchiverError as error:
        notice, status = frame.notice(error)
        return _asked(frame, own_path(sent.back), sent.name, status, [notice])
    answer: Response = RedirectResponse(own_path(sent.back), HTTPStatus.SEE_OTHER)
    left = frame.visitor.desk.logins.recovery_codes_left(session.name)
    if left <= FEW_CODES:
        inside = replace(frame, visitor=replace(frame.visitor, session=session))
        answer = inside.on(home_of(session.role), "login.few-codes", count=left)
    keep(answer, session)
    return answer


@router.post("/logout")
def logout(frame: Framed, sent: PlainForm) -> Response:
    """End the session, on every node."""
    frame.require_form(sent.csrf)
    desk = frame.visitor.desk
    desk.logins.logout(frame.session.token)
    desk.record("logout", Outcome.DONE, frame.session)
    answer = RedirectResponse("/login?out=1", HTTPStatus.SEE_OTHER)
    forget(answer)
    return answer


@router.get("/confirm")
def confirm_page(frame: Framed, back: Back = "/") -> Response:
    """Ask for a fresh code."""
    return frame.answer("confirm", "", back=own_path(back))


@router.post("/confirm")
def confirm(frame: Framed, sent: CodeForm) -> Response:
    """Take a fresh code and go on."""
    frame.require_form(sent.csrf)
    back = own_path(sent.back)
    try:
        confirmed(frame.visitor, sent.code.replace(" ", ""))
    except ArchiverError as error:
        notice, status = frame.notice(error)
        return frame.answer("confirm", "", status=status, notices=[notice], back=back)
    return frame.on(back, "confirm.done")


@router.get("/language")
def language(to: str = "", back: Back = "/") -> Response:
    """Remember a language."""
    answer = RedirectResponse(own_path(back), HTTPStatus.SEE_OTHER)
    if to in LANGUAGES:
        answer.set_cookie(LANGUAGE, to, max_age=A_YEAR, secure=True, httponly=True, samesite="lax")
    return answer


@router.get("/static/{name}")
def static(name: str) -> Response:
    """Give one of our own files; its address changes with its content."""
    if name not in ASSETS:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(asset(name), headers=headers, media_type=ASSETS[name])


def _asked(frame: Frame, back: str, name: str, status: int, notices: list[Notice]) -> Response:
    section = frame.service.installation.configuration.operators
    return frame.answer(
        "login",
        "",
        status=status,
        notices=notices,
        back=back,
        name=name,
        idle_minutes=section.session_idle_minutes,
        hours=section.session_hours,
    )
