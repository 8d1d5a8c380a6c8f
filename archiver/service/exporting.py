"""All orders of a question as a file: approved, recorded, made behind whoever asked."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from archiver.lookup.answering import Grounds, filters_of
from archiver.lookup.exporting import MOST_ORDERS, exported
from archiver.lookup.question import Question, digest
from archiver.lookup.scanning import Scanner
from archiver.lookup.shown import shown
from archiver.operators import Session
from archiver.policy import Role
from archiver.refusals import BlockedError, SecondFactorNeededError
from archiver.service.admission import Visitor
from archiver.service.house import Service
from archiver.service.jobs import Job
from archiver.service.library import Seat

TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
    "jsonl": "application/x-ndjson",
}
QuestionOf = Callable[[Seat], Question]
"""Makes the question where it is asked: what sources there are is known there."""


def approved(
    service: Service, visited: Visitor, session: Session, why: Grounds, question_of: QuestionOf
) -> int | None:
    """Take somebody else's approval for what support does with many orders at once.

    It is bound to the question by keyed tokens: a plain hash of a telephone number would be one.

    Returns:
        The request's number; None for whoever needs none.

    Raises:
        ApprovalNeededError: It waits; it was asked for now.
    """
    if session.role is not Role.SUPPORT:
        return None
    desk = visited.desk
    with service.library.seat(desk, session, "export", why) as seat:
        question = question_of(seat)
        tokens = [one.token if one else "" for one in seat.finder.sought(question.facts)]
    filters = ", ".join(f"{name}={text}" for name, text in filters_of(question).items())
    approval = desk.approvals.require_granted(
        "export",
        {"question": digest(question, tokens)},
        session,
        said=f"export {filters}".strip(),
    )
    return desk.approvals.consume(approval, session).number


def made(
    service: Service,
    visited: Visitor,
    session: Session,
    why: Grounds,
    question_of: QuestionOf,
    *,
    job: Job,
    approval: int | None,
) -> tuple[bytes, str]:
    """Return the file and its access record; runs behind whoever asked.

    Raises what `archiver.lookup.answering.Answering.export` raises. Nobody waits for it: of a block
    compliance hears from here.
    """
    try:
        with service.library.seat(visited.desk, session, "export", why) as seat:
            question = replace(question_of(seat), limit=MOST_ORDERS)
            answering = seat.answering
            answering.finder = replace(seat.finder, advance=job.advance)
            answering.scanner = Scanner(finder=answering.finder, progress=job)
            if question.facts:
                facts = [one for one in seat.finder.sought(question.facts) if one]
                criteria = [one.criterion for one in facts]
                rows = seat.finder.index.find(criteria, limit=MOST_ORDERS + 1) if facts else []
                job.start("", len(rows))
            answered = answering.export(question, approval=approval)
            service.told_of(seat.unusual)
            orders = [shown(one.order, session.role) for one in answered.orders]
            job.count = len(orders)
            return exported(job.format, orders, str(answered.record)), str(answered.record)
    except (BlockedError, SecondFactorNeededError) as error:
        service.teller.refused(error)
        raise


def name_of(job: Job) -> str:
    """Return what a taken file is called: by the number of its access record."""
    return f"orders-{job.access.replace('/', '-')}.{job.format}"
