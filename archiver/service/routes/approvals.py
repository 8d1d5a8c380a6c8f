"""What takes two people: requests that wait, and what somebody else decides."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from archiver.access_log import Outcome
from archiver.operators import Approval
from archiver.paperwork import approval_fields
from archiver.service.admission import IdempotencyKey, Served, Visited, Visitor
from archiver.service.questions import Decide

router = APIRouter(prefix="/v1/approvals", tags=["approvals"])
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("")
def requests(visited: Visited, everything: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002
    """List requests that wait; with `everything` also those that do not any more."""
    visited.desk.record("approvals", Outcome.DONE, visited.person)
    found = visited.desk.approvals.all(waiting=not everything)
    return {"approvals": [approval_fields(one) for one in found]}


@router.post("/{number}")
def decide(
    number: Number, asked: Decide, service: Served, visited: Visited, key: IdempotencyKey = None
) -> JSONResponse:
    """Grant or refuse somebody else's request; nobody decides on his own."""
    status, told = service.writes.once(
        visited.person.name,
        f"approve {number}",
        key,
        asked.model_dump(),
        lambda: (200, approval_fields(decided(visited, number, granted=asked.granted))),
    )
    return JSONResponse(dict(told), status)


def decided(visited: Visitor, number: int, *, granted: bool) -> Approval:
    """Decide on a request; it is on record before it counts. For pages, too.

    Raises:
        RequestError: There is no such request, or it is decided otherwise or too old.
        NotAllowedError: It is one's own, or the role does not decide this.
    """
    desk, session = visited.desk, visited.person
    kind = desk.approvals.find(number).kind
    return desk.acting(
        "approve",
        session,
        lambda: desk.approvals.decide(number, session, granted=granted),
        about=f"{'granted' if granted else 'refused'} {kind}",
        approval=number,
    )
