"""Logging in and out, and showing once more that it is still the same person."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from archiver.access_log import Outcome
from archiver.errors import ArchiverError
from archiver.lookup.shown import instant
from archiver.operators import Session
from archiver.service.admission import COOKIE, Served, Visited, Visitor, csrf_of
from archiver.service.questions import Confirm, Login

router = APIRouter(prefix="/v1/session", tags=["session"])


@router.post("", status_code=201)
def begin(asked: Login, request: Request, service: Served, visited: Visited) -> JSONResponse:
    """Log in with name, password and a code; the session is in a cookie that scripts cannot read.

    The answer's `csrf` belongs into the header `X-CSRF-Token` of each further request that is not
    a GET.
    """
    service.end(
        request.cookies.get(COOKIE)
    )  # whatever a browser brought: a new session is a new one
    session = logged_in(visited, asked.name, asked.password, asked.code)
    answer = JSONResponse(session_fields(session), 201)
    keep(answer, session)
    return answer


@router.get("")
def current(visited: Visited) -> dict[str, Any]:
    """Say whose session it is and until when."""
    return session_fields(visited.person)


@router.post("/confirm")
def confirm(asked: Confirm, visited: Visited) -> dict[str, Any]:
    """Give a fresh code: what is sensitive may be done for five minutes from now on."""
    return session_fields(confirmed(visited, asked.code))


@router.delete("", status_code=204)
def end(visited: Visited) -> Response:
    """Log out: the session ends here and now, on every node."""
    session = visited.person
    visited.desk.logins.logout(session.token)
    visited.desk.record("logout", Outcome.DONE, session)
    answer = Response(status_code=204)
    forget(answer)
    return answer


# --- what pages use, too ------------------------------------------------------------------------


def logged_in(visited: Visitor, name: str, password: str, code: str) -> Session:
    """Begin a session; that is on record, and so is an attempt.

    Raises:
        LoginRefusedError: Something of it is wrong.
        LoginDelayedError: Too many wrong attempts from there.
    """
    desk = visited.desk
    try:
        session = desk.logins.login(name, password, code, origin=desk.place)
    except ArchiverError as error:
        # What was typed as a name may be a password: it is recorded only if it is a name.
        known = any(one.name == name for one in desk.register.all())
        about = f"{name}: {error.code}" if known else error.code
        desk.record("login", Outcome.FAILED, None, detail=about)
        raise
    try:
        desk.record("login", Outcome.DONE, session)
    except ArchiverError:
        desk.logins.logout(session.token)  # no session without a record of its beginning
        raise
    return session


def confirmed(visited: Visitor, code: str) -> Session:
    """Take a fresh code of the operator; a wrong one is on record.

    Raises:
        CodeRefusedError: It is wrong, old or used.
        LoginDelayedError: Too many wrong attempts.
    """
    session = visited.person
    try:
        return visited.desk.logins.confirm(session, code)
    except ArchiverError as error:
        visited.desk.record("confirm", Outcome.FAILED, session, detail=error.code)
        raise


def keep(answer: Response, session: Session) -> None:
    """Put a session into the browser: not for scripts, not for other sites, gone with it."""
    answer.set_cookie(COOKIE, session.token, secure=True, httponly=True, samesite="strict")


def forget(answer: Response) -> None:
    """Take the session out of the browser."""
    answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="strict")


def session_fields(session: Session) -> dict[str, Any]:
    """Return a session as JSON has it."""
    return {
        "operator": session.name,
        "role": session.role.value,
        "begun_at": instant(session.begun_at),
        "ends_at": instant(session.ends_at),
        "confirmed_at": instant(session.confirmed_at),
        "csrf": csrf_of(session),
    }
