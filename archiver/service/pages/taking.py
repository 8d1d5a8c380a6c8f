"""The exports page: all orders of a question as a file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from archiver.errors import ArchiverError, RequestError, Said
from archiver.lookup.exporting import FORMATS
from archiver.lookup.question import Question
from archiver.policy import Role
from archiver.refusals import (
    ApprovalNeededError,
    BlockedError,
    LoginNeededError,
    SecondFactorNeededError,
)
from archiver.service import exporting
from archiver.service.jobs import Job, Make
from archiver.service.library import Seat
from archiver.service.pages.asked import Asked
from archiver.service.pages.asking import found_href
from archiver.service.pages.drawing import Notice
from archiver.service.pages.forms import Framed, JobForm, QuestionForm, Sealed, StartForm
from archiver.service.pages.framing import Frame, back_to
from archiver.service.pages.shapes import at

router = APIRouter(include_in_schema=False)

_ELSEWHERE: Final = (LoginNeededError, SecondFactorNeededError, BlockedError)


@router.get("/exports")
def exports(frame: Framed, question: Sealed = "") -> Response:
    """Show this session's exports, and the form of a new one."""
    if question and not frame.is_fresh:
        back = f"/exports?question={question}"
        return RedirectResponse(back_to("/confirm", back), HTTPStatus.SEE_OTHER)
    return _listed(frame, question)


@router.post("/exports")
def ask(frame: Framed, sent: QuestionForm) -> Response:
    """Come from a result of a search."""
    frame.require_form(sent.csrf)
    return frame.on(f"/exports?question={sent.question}")


@router.post("/exports/start")
def start(frame: Framed, sent: StartForm) -> Response:
    """Begin an export; support needs somebody else's approval for it."""
    frame.require_form(sent.csrf)
    asked = Asked.of(frame.unseal("question", sent.question))
    jobs, installation = frame.service.jobs, frame.service.installation
    try:
        if sent.format not in FORMATS:
            raise RequestError(detail=Said("there is no such format", "没有该格式"))
        jobs.start(
            frame.session.token,
            _said(frame, asked),
            sent.format,
            installation.clock,
            lambda: _ready(frame, asked),
        )
    except ApprovalNeededError as error:
        return frame.on(
            f"/exports?question={sent.question}", "exports.waits", number=error.params["number"]
        )
    except _ELSEWHERE:
        raise
    except ArchiverError as error:
        notice, status = frame.notice(error)
        return _listed(frame, sent.question, [notice], status)
    return frame.on("/exports")


@router.post("/exports/take")
def take(frame: Framed, sent: JobForm) -> Response:
    """Give a file, once."""
    frame.require_form(sent.csrf)
    now = frame.service.installation.clock.now()
    try:
        job = frame.service.jobs.take(frame.session.token, sent.job, now)
    except ArchiverError as error:
        notice, status = frame.notice(error)
        return _listed(frame, "", [notice], status)
    headers = {"Content-Disposition": f'attachment; filename="{exporting.name_of(job)}"'}
    return Response(job.content, headers=headers, media_type=exporting.TYPES[job.format])


def _ready(frame: Frame, asked: Asked) -> Make:
    """Return what makes the file, once whoever has to has agreed."""
    service, visited, session = frame.service, frame.visitor, frame.session

    def question(seat: Seat) -> Question:
        return _question(seat, asked)

    approval = exporting.approved(service, visited, session, asked.why, question)
    return lambda job: exporting.made(
        service, visited, session, asked.why, question, job=job, approval=approval
    )


def _question(seat: Seat, asked: Asked) -> Question:
    found = replace(asked, cursor="")
    reading = next(iter(found.readings()), None)
    sources = [one.source for one in seat.answering.coverage.sources]
    return found.question(reading, seat.answering.zone, sources)


def _listed(
    frame: Frame, question: str, notices: Sequence[Notice] = (), status: int = HTTPStatus.OK
) -> Response:
    now = frame.service.installation.clock.now()
    jobs = frame.service.jobs.of(frame.session.token, now)
    asked = Asked.of(frame.unseal("question", question)) if question else None
    return frame.answer(
        "exports",
        "exports",
        status=status,
        notices=notices,
        question=question,
        said=_said(frame, asked) if asked else "",
        counts=asked is not None and not asked.case and frame.role is Role.COMPLIANCE,
        back=found_href(frame, asked) if asked else "/exports",
        formats=FORMATS,
        jobs=[_row(frame, one) for one in jobs],
        running=any(one.state == "running" for one in jobs) and not question,
    )


def _row(frame: Frame, one: Job) -> Mapping[str, Any]:
    error = ""
    if one.error is not None:
        error = frame.notice(one.error)[0].text
    elif one.state == "failed":
        error = frame.words("error.busy")
    return {
        "id": one.id,
        "at": at(one.at, frame.service.installation.rules.zone),
        "said": one.said,
        "format": one.format,
        "state": one.state,
        "percent": one.percent,
        "count": one.count,
        "error": error,
    }


def _said(frame: Frame, asked: Asked) -> str:
    """Return what an export is of, for whoever began it: nobody is named."""
    words = frame.words
    told = [words(f"kind.{asked.kind}")] if asked.kind else []
    if asked.first or asked.last:
        told.append(f"{asked.first or '…'} – {asked.last or '…'}")
    told += [text for text in (asked.product, asked.channel, asked.amount, asked.source) if text]
    if asked.tab != "all":
        told.append(words(f"tab.{asked.tab}"))
    return " · ".join(told) or words("tab.all")
