"""Looking orders up: what `archiver find`, `show`, `why` and `diagnose` do, for many at once."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from archiver.lookup.answering import Answered
from archiver.lookup.diagnosis import diagnose as findings_of
from archiver.lookup.telling import answer_fields, period_fields
from archiver.policy import Role
from archiver.reading_room import period_at
from archiver.service.admission import Served, Visited
from archiver.service.library import Seat
from archiver.service.questions import Find, One

router = APIRouter(prefix="/v1/orders", tags=["orders"])


@router.post("/find", response_model=dict[str, Any])
def find(asked: Find, service: Served, visited: Visited) -> JSONResponse:
    """Find orders that have all that is given, newest first, in pages.

    `answer` is `found`, `never_archived`, `not_yet_archived` or `disposed`; `as_of` is the last
    day of which all sources are archived; `next` is the cursor of the next page. An order in a
    list has what tells it from others: outcome, times, amounts, product and seller by name, buyer,
    payments, deliveries. `show` gives the rest.
    """
    with service.library.seat(visited.desk, visited.person, "find", asked.why) as seat:
        desk = seat.answering
        sources = [one.source for one in desk.coverage.sources]
        answered = desk.find(asked.question(desk.zone, sources))
        service.told_of(seat.unusual)
        # It is JSON already: here it is written in this very thread, and not looked through again.
        return JSONResponse({**answer_fields(answered, desk.asker.role), **lacks(answered)})


@router.post("/show")
def show(asked: One, service: Served, visited: Visited) -> dict[str, Any]:
    """Show the whole story of one order, and where it went odd."""
    with service.library.seat(visited.desk, visited.person, "show", asked.why) as seat:
        return _one(service, seat, "show", asked)[1]


@router.post("/diagnose")
def diagnose(asked: One, service: Served, visited: Visited) -> dict[str, Any]:
    """Say what is odd about an order, and what to check next."""
    with service.library.seat(visited.desk, visited.person, "diagnose", asked.why) as seat:
        answered, told = _one(service, seat, "diagnose", asked)
        if answered.orders:
            chinese = visited.language == "zh"
            told["findings"] = [
                {
                    "code": one.code,
                    "message": one.said.zh if chinese else one.said.en,
                    "check": one.check.zh if chinese else one.check.en,
                }
                for one in findings_of(answered.orders[0].order)
            ]
        return told


@router.post("/why")
def why(asked: One, service: Served, visited: Visited) -> dict[str, Any]:
    """Say until when an order is kept, by which articles and which arithmetic."""
    with service.library.seat(visited.desk, visited.person, "why", asked.why) as seat:
        answered, told = _one(service, seat, "why", asked)
        if answered.orders:
            period = period_at(seat.archive, answered.orders[0])
            told["period"] = period_fields(period, visited.language)
        return told


def _one(service: Served, seat: Seat, command: str, asked: One) -> tuple[Answered, dict[str, Any]]:
    answered = seat.answering.show(command, asked.fact, asked.source, asked.revision)
    service.told_of(seat.unusual)
    role: Role = seat.answering.asker.role
    told = {**answer_fields(answered, role), **lacks(answered)}
    orders = told.pop("orders")
    del told["next"]
    return answered, {**told, "order": orders[0] if orders else None}


def lacks(answered: Answered) -> dict[str, Any]:
    """Return what keeps an answer from being whole, as codes."""
    told = ["index-stale"] if answered.coverage.stale else []
    return {
        "partial": [*told, *(f"index-lacks-{one.kind.name.lower()}" for one in answered.lacking)]
    }
