"""The approvals page: what waits for somebody else, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import Response

from archiver import policy
from archiver.errors import ArchiverError, RequestError, Said
from archiver.operators import Approval
from archiver.service.pages.drawing import Notice
from archiver.service.pages.forms import DecisionForm, Framed
from archiver.service.pages.framing import Frame
from archiver.service.pages.shapes import at
from archiver.service.routes.approvals import decided

router = APIRouter(include_in_schema=False)

DECIDED: Final = 20
"""Of the requests that wait no more, the newest."""


@router.get("/approvals")
def approvals(frame: Framed) -> Response:
    """Show requests."""
    frame.record("approvals")
    return _listed(frame)


@router.post("/approvals")
def decide(frame: Framed, sent: DecisionForm) -> Response:
    """Grant or refuse a request, with a fresh code."""
    frame.require_form(sent.csrf)
    granted = sent.decision == "grant"
    try:
        if sent.decision not in ("grant", "refuse"):
            raise RequestError(detail=Said("grant or refuse", "批准或拒绝"))
        session = frame.require_fresh(sent.code)
        decided(replace(frame.visitor, session=session), sent.number, granted=granted)
    except ArchiverError as error:
        notice, status = frame.notice(error)
        return _listed(frame, [notice], status)
    said = "approvals.granted" if granted else "approvals.refused"
    return frame.on("/approvals", said, number=sent.number)


def _listed(frame: Frame, notices: Sequence[Notice] = (), status: int = 200) -> Response:
    desk, now = frame.visitor.desk, frame.service.installation.clock.now()
    waiting = desk.approvals.all()
    numbers = {one.number for one in waiting}
    past = [one for one in desk.approvals.all(waiting=False) if one.number not in numbers]
    return frame.answer(
        "approvals",
        "approvals",
        status=status,
        notices=notices,
        fresh=frame.is_fresh,
        waiting=[_row(frame, one, now) for one in waiting],
        decided=[_row(frame, one, now) for one in past[:DECIDED]],
    )


def _row(frame: Frame, one: Approval, now: datetime) -> Mapping[str, Any]:
    zone, own = frame.service.installation.rules.zone, one.asked_by == frame.session.name
    may = policy.may_run(frame.role, "approve") and policy.may_grant(frame.role, one.kind, own=own)
    return {
        "number": one.number,
        "kind": one.kind,
        "text": one.text,
        "asked_by": one.asked_by,
        "asked_at": at(one.asked_at, zone),
        "until": at(one.until, zone),
        "decided_by": one.decided_by,
        "decided_at": at(one.decided_at, zone),
        "state": _state(one, now),
        "own": own,
        "may_decide": may,
    }


def _state(one: Approval, now: datetime) -> str:
    if one.used_at is not None:
        return "used"
    if one.granted is False:
        return "refused"
    if now >= one.until:
        return "expired"
    return "granted" if one.granted else "waiting"
