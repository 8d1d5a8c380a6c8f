"""The search page, its results, and an order's dossier."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import Response

from archiver import policy
from archiver.errors import ArchiverError
from archiver.lookup.absence import Coverage
from archiver.lookup.answering import Answered
from archiver.lookup.diagnosis import diagnose
from archiver.lookup.finding import Finder
from archiver.lookup.question import fact
from archiver.lookup.telling import order_fields
from archiver.policy import Role
from archiver.reading_room import period_at
from archiver.refusals import BlockedError, LoginNeededError, SecondFactorNeededError
from archiver.service.library import Seat
from archiver.service.pages.asked import TABS, Asked, allowed, as_fact, kinds_of
from archiver.service.pages.dossier import dossier, period_rows
from archiver.service.pages.drawing import Notice
from archiver.service.pages.forms import Framed, Sealed, SearchForm
from archiver.service.pages.framing import Frame
from archiver.service.pages.listing import lines
from archiver.service.pages.shapes import at
from archiver.service.pages.typed import Reading

router = APIRouter(include_in_schema=False)

PURPOSES: Final = 4
_ELSEWHERE: Final = (LoginNeededError, SecondFactorNeededError, BlockedError)
"""Answered by another page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """What is archived of a source."""

    source: str
    first: str
    last: str
    missing: int


@router.get("/search")
def search_page(frame: Framed) -> Response:
    """Show the box."""
    return _form(frame, Asked())


@router.post("/search")
def search(frame: Framed, sent: SearchForm) -> Response:
    """Seal the question into an address and send the browser there: nothing is asked yet."""
    frame.require_form(sent.csrf)
    try:
        asked = Asked.of(sent.told())
    except ArchiverError as error:
        notice, status = frame.notice(error)
        return _form(frame, Asked(), [notice], status)
    return frame.on(found_href(frame, asked))


@router.get("/found")
def found(frame: Framed, q: Sealed) -> Response:
    """Ask, and show a page of what was found."""
    asked = Asked.of(frame.unseal("question", q))
    service, visited = frame.service, frame.visitor
    try:
        with service.library.seat(visited.desk, frame.session, "find", asked.why) as seat:
            reading = _meant(seat.finder, frame.role, asked)
            zone = seat.answering.zone
            sources = [one.source for one in seat.answering.coverage.sources]
            answered = seat.answering.find(asked.question(reading, zone, sources))
            service.told_of(seat.unusual)
            return _shown(frame, seat, asked, reading, answered)
    except _ELSEWHERE:
        raise
    except ArchiverError as error:
        notice, status = frame.notice(error)
        return _form(frame, asked, [notice], status)


@router.get("/order")
def order(frame: Framed, o: Sealed, q: Sealed) -> Response:
    """Show an order's whole story, what is odd about it, and why it is kept until when."""
    service, visited = frame.service, frame.visitor
    name, asked = frame.unseal("order", o), Asked.of(frame.unseal("question", q))
    with service.library.seat(visited.desk, frame.session, "show", asked.why) as seat:
        answered = seat.answering.show(
            "show", fact("order", name["order"]), name["source"], name.get("revision")
        )
        service.told_of(seat.unusual)
        if not answered.orders:
            return _form(frame, asked, [Notice(text=frame.words("answer." + answered.answer))])
        (one,) = answered.orders
        fields = order_fields(one, frame.role)
        period = period_at(seat.archive, one)
        zone, words = seat.answering.zone, frame.words
        chinese = words.language == "zh"
        reveals = policy.may_run(frame.role, "reveal") and bool(fields.get("deliveries"))
        return frame.answer(
            "order",
            "search",
            notices=frame.unusual(seat.unusual),
            order=dossier(
                fields,
                diagnose(one.order),
                words,
                zone,
                lambda revision: order_href(frame, fields, asked, revision),
            ),
            back=found_href(frame, asked),
            reveal=order_href(frame, fields, asked, page="/reveal") if reveals else "",
            period={
                "rows": period_rows(period, words, zone),
                "locked_until": at(period.locked_until, zone),
                "articles": [said.zh if chinese else said.en for said in period.articles],
            },
            as_of=answered.coverage.as_of,
            access=str(answered.record),
        )


def found_href(frame: Frame, asked: Asked) -> str:
    """Return the address of the results of a question."""
    return f"/found?q={frame.seal('question', asked.told())}"


def order_href(
    frame: Frame,
    order: Mapping[str, Any],
    asked: Asked,
    revision: int | None = None,
    *,
    page: str = "/order",
) -> str:
    """Return the address of an order, found by a question."""
    name: dict[str, Any] = {"source": order["source"], "order": order["order_id"]}
    if revision is not None:
        name["revision"] = revision
    question = frame.seal("question", asked.told())
    return f"{page}?o={frame.seal('order', name)}&q={question}"


def _meant(finder: Finder, role: Role, asked: Asked) -> Reading | None:
    """Return what the value is: the first reading that some order has, by the local index.

    Nothing is shown of that but the answer to the one question which is then asked, and recorded.
    Only what the role may ask for is looked at. Where no order has any reading, the most probable
    one is asked for: a telephone number that support may not ask for alone is refused, and not
    looked for as if it were an account.
    """
    found = asked.readings()
    for one in allowed(role, asked, found) if len(found) > 1 else ():
        (sought,) = finder.sought([as_fact(one)])
        if sought is not None and finder.index.find([sought.criterion], limit=1):
            return one
    return found[0] if found else None


def _shown(
    frame: Frame, seat: Seat, asked: Asked, reading: Reading | None, answered: Answered
) -> Response:
    zone, role = seat.answering.zone, frame.role
    kept = replace(asked, kind=reading.kind if reading else "")
    orders = [order_fields(one, role) for one in answered.orders]
    question = frame.seal("question", kept.told())
    own = {} if not orders else {"question": question}

    def href(order: Mapping[str, Any]) -> str:
        name = {"source": order["source"], "order": order["order_id"]}
        return f"/order?o={frame.seal('order', name)}&q={question}"

    def tab(name: str) -> Mapping[str, Any]:
        there = replace(kept, tab=name, cursor="")
        return {"name": name, "href": found_href(frame, there), "here": name == asked.tab}

    seen = {
        **own,
        "kind": reading.kind if reading else "",
        "value": reading.value if reading else "",
        "as_of": answered.coverage.as_of,
        "access": str(answered.record),
        "tabs": [tab(name) for name in TABS],
        "tab": asked.tab,
        "rows": lines(orders, zone, href),
        "many_sources": len(answered.coverage.sources) > 1,
        "next": found_href(frame, replace(kept, cursor=answered.next)) if answered.next else "",
        "first": found_href(frame, replace(kept, cursor="")) if asked.cursor else "",
        "answer": answered.answer,
        "unsealed": [str(day) for day in answered.unsealed],
        "covered": _covered(answered.coverage),
        "others": [
            {"kind": one.kind, "href": found_href(frame, replace(kept, kind=one.kind, cursor=""))}
            for one in replace(asked, kind="").readings()
            if reading is not None and one.kind != reading.kind
        ],
    }
    notices = [*frame.unusual(seat.unusual), *_partial(frame, answered)]
    return _form(frame, asked, notices, found=seen)


def _partial(frame: Frame, answered: Answered) -> Sequence[Notice]:
    """Return what keeps an answer from being whole."""
    told = []
    if answered.coverage.stale:
        told.append(frame.words("found.stale", manifest=answered.coverage.manifest))
    told += [frame.words("found.lacks", partitions=one.partitions) for one in answered.lacking]
    return [Notice(text=text, kind="warn") for text in told]


def _form(
    frame: Frame,
    asked: Asked,
    notices: Sequence[Notice] = (),
    status: int = HTTPStatus.OK,
    *,
    found: Mapping[str, Any] | None = None,
) -> Response:
    with frame.service.library.reading() as shelf:
        coverage = frame.service.library.holdings.coverage(shelf.index, stale=shelf.stale)
    return frame.answer(
        "search",
        "search",
        status=status,
        notices=notices,
        asked=asked,
        found=found,
        purposes=[frame.words(f"search.purpose-{n}") for n in range(1, PURPOSES + 1)],
        kinds=kinds_of(frame.role),
        may_case=frame.role is Role.COMPLIANCE,
        may_export=policy.may_run(frame.role, "export"),
        filtered=asked.filtered and found is None,
        sources=[one.source for one in coverage.sources],
        covered=_covered(coverage),
    )


def _covered(coverage: Coverage) -> Sequence[Covered]:
    return [
        Covered(
            source=one.source,
            first=str(one.first),
            last=str(one.last),
            missing=len(one.missing),
        )
        for one in coverage.sources
    ]
