"""The access log and the operators: who asked what, who may, who was stopped."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final

import segno
from fastapi import APIRouter
from fastapi.responses import Response
from markupsafe import Markup

from archiver import policy
from archiver.errors import ArchiverError, RequestError, Said
from archiver.operators import Enrolment, Operator
from archiver.policy import Role
from archiver.service.pages.drawing import Notice
from archiver.service.pages.forms import Framed, NameForm, NewOperatorForm, Short, SubjectForm
from archiver.service.pages.framing import Frame
from archiver.service.pages.journal import rows
from archiver.service.pages.shapes import at

router = APIRouter(include_in_schema=False)

ENTRIES: Final = 60
"""On one page."""
OFFERED: Final = (Role.SUPPORT, Role.COMPLIANCE, Role.AUDITOR, Role.CUSTODIAN, Role.ADMINISTRATOR)


@router.get("/access")
def access(
    frame: Framed, operator: Short = "", since: Short = "", entries: int = ENTRIES
) -> Response:
    """Show the access log, once the look at it is recorded."""
    desk, zone = frame.visitor.desk, frame.service.installation.rules.zone
    names = [one.name for one in desk.register.all()]
    name = operator if operator in names else None
    frame.record("access log", name)
    limit = min(max(entries, 1), 10 * ENTRIES)
    notices = []
    first: datetime | None = None
    try:
        first = datetime.combine(date.fromisoformat(since), time(), zone) if since else None
        if first is not None:
            first = first.astimezone(UTC)
    except (ValueError, OverflowError):
        error = RequestError(detail=Said("--from: no such day", "--from：没有这一天"))
        notices, since = [frame.notice(error)[0]], ""
    found = desk.access_log.entries(since=first, operator=name, limit=limit + 1)
    more = len(found) > limit and limit < 10 * ENTRIES
    shown = list(reversed(found))[:limit]
    return frame.answer(
        "access",
        "access",
        notices=notices,
        rows=rows(shown, zone, frame.words),
        operators=names,
        operator=name or "",
        since=since,
        more=limit + ENTRIES if more else 0,
    )


@router.get("/operators")
def operators(frame: Framed) -> Response:
    """Show the register and who is blocked."""
    frame.record("operator list")
    return _listed(frame)


@router.post("/operators/add")
def add(frame: Framed, sent: NewOperatorForm) -> Response:
    """Add an operator and show once what nobody can read again."""
    frame.require_form(sent.csrf)
    desk = frame.visitor.desk
    try:
        if sent.role not in OFFERED:
            raise RequestError(detail=Said("there is no such role", "没有该角色"))
        role, name = Role(sent.role), sent.name.strip()
        desk.register.require_addable(name, role, sent.password, frame.session.name)
        session = frame.require_fresh(sent.code)
        made = desk.acting(
            "operator add",
            session,
            lambda: desk.register.add(name, role, sent.password, by=session.name),
            about=f"{name} ({role})",
        )
    except ArchiverError as error:
        notice, status = frame.notice(error)
        return _listed(frame, [notice], status, name=sent.name, role=sent.role)
    return _enrolled(frame, made)


@router.post("/operators/reset")
def reset(frame: Framed, sent: NewOperatorForm) -> Response:
    """Give an operator new factors; the old ones and his sessions end."""
    frame.require_form(sent.csrf)
    desk = frame.visitor.desk
    try:
        desk.register.find(sent.name)
        session = frame.require_fresh(sent.code)
        made = desk.acting(
            "operator reset",
            session,
            lambda: desk.register.reset(sent.name, sent.password),
            about=sent.name,
        )
    except ArchiverError as error:
        notice, status = frame.notice(error)
        return _listed(frame, [notice], status)
    return _enrolled(frame, made)


@router.post("/operators/disable")
def disable(frame: Framed, sent: NameForm) -> Response:
    """Disable an operator for good."""
    frame.require_form(sent.csrf)
    desk = frame.visitor.desk
    try:
        desk.register.find(sent.name)
        session = frame.require_fresh(sent.code)
        desk.acting(
            "operator disable",
            session,
            lambda: desk.register.disable(sent.name),
            about=sent.name,
        )
    except ArchiverError as error:
        notice, status = frame.notice(error)
        return _listed(frame, [notice], status)
    return frame.on("/operators", "operators.disabled", name=sent.name)


@router.post("/operators/release")
def release(frame: Framed, sent: SubjectForm) -> Response:
    """Lift a block."""
    frame.require_form(sent.csrf)
    desk = frame.visitor.desk
    try:
        session = frame.require_fresh(sent.code)
        desk.acting(
            "operator release",
            session,
            lambda: desk.watch.release(sent.subject, session),
            about=sent.subject,
        )
    except ArchiverError as error:
        notice, status = frame.notice(error)
        return _listed(frame, [notice], status)
    return frame.on("/operators", "operators.released", subject=sent.subject)


def _listed(
    frame: Frame,
    notices: Sequence[Notice] = (),
    status: int = 200,
    *,
    name: str = "",
    role: str = "support",
) -> Response:
    desk, zone = frame.visitor.desk, frame.service.installation.rules.zone
    chinese = frame.words.language == "zh"
    return frame.answer(
        "operators",
        "operators",
        status=status,
        notices=notices,
        fresh=frame.is_fresh,
        operators=[_row(frame, one) for one in desk.register.all()],
        blocks=[
            {
                "subject": one.subject,
                "since": at(one.since, zone),
                "why": one.said.zh if chinese else one.said.en,
            }
            for one in desk.watch.blocks()
        ],
        may_release=policy.may_run(frame.role, "operator release"),
        may_change=policy.may_run(frame.role, "operator add"),
        roles=[str(one) for one in OFFERED],
        name=name,
        role=role,
    )


def _row(frame: Frame, one: Operator) -> Mapping[str, Any]:
    return {
        "name": one.name,
        "role": str(one.role),
        "since": at(one.created_at, frame.service.installation.rules.zone),
        "by": one.created_by,
        "disabled": one.disabled_at is not None,
    }


def _enrolled(frame: Frame, made: Enrolment) -> Response:
    operator = made.operator
    frame.service.teller.enrolled(operator.name, operator.role.value, frame.session.name)
    drawn = io.BytesIO()
    segno.make(made.uri, error="m", micro=False).save(
        drawn, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=1
    )
    secret = made.secret
    return frame.answer(
        "enrolled",
        "operators",
        name=operator.name,
        # Drawn by the library from our own text: the one thing on a page that is not escaped.
        qr=Markup(drawn.getvalue().decode()),  # noqa: S704
        secret=" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
        codes=made.recovery_codes,
    )
