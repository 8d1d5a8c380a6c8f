"""Exports: all orders of a question as a file, made behind whoever asked and given once."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from archiver.lookup.answering import filters_of
from archiver.lookup.question import Question
from archiver.lookup.shown import instant
from archiver.service import exporting
from archiver.service.admission import IdempotencyKey, Served, Visited, Visitor
from archiver.service.house import Service
from archiver.service.jobs import Job, Make
from archiver.service.library import Seat
from archiver.service.problems import bug, problem_of, refused
from archiver.service.questions import Export

router = APIRouter(prefix="/v1/exports", tags=["exports"])

_FILE: Final[Mapping[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file",
        "content": {
            kind.partition(";")[0]: {"schema": {"type": "string", "format": "binary"}}
            for kind in exporting.TYPES.values()
        },
    }
}


@router.post("", status_code=HTTPStatus.ACCEPTED)
def start(
    asked: Export, service: Served, visited: Visited, key: IdempotencyKey = None
) -> JSONResponse:
    """Begin a file of all orders that have all that is given; look how far it is by its name.

    Takes a code of the last minutes. Support needs somebody else's approval (403,
    `approval-needed`, `number`): the same call begins it once that is granted.
    """
    session, why = visited.person, asked.why

    def act() -> tuple[int, dict[str, Any]]:
        with service.library.seat(visited.desk, session, "export", why) as seat:
            question = _question(asked, seat)  # what cannot be meant is said now, not by the job
        job = service.jobs.start(
            session.token,
            _said(question),
            asked.format,
            service.installation.clock,
            lambda: _ready(service, visited, asked),
        )
        return HTTPStatus.ACCEPTED, export_fields(job, visited.language)

    status, told = service.writes.once(
        session.name, "export", key, asked.model_dump(mode="json"), act
    )
    return JSONResponse(dict(told), status)


@router.get("")
def exports(service: Served, visited: Visited) -> dict[str, Any]:
    """List this session's exports of the last minutes, newest first."""
    jobs = service.jobs.of(visited.person.token, service.installation.clock.now())
    return {"exports": [export_fields(one, visited.language) for one in jobs]}


@router.get("/{export}")
def one_export(export: str, service: Served, visited: Visited) -> dict[str, Any]:
    """Say how far an export is.

    `state` is `running`, `ready`, `taken` or `failed`; `percent` is null while nobody knows how
    much there is. It is known to the session that began it, and to the node that makes it.
    """
    return export_fields(_job(service, visited, export), visited.language)


@router.post("/{export}/file", response_class=Response, responses={**_FILE})
def take(export: str, service: Served, visited: Visited) -> Response:
    """Give a file that is ready, once; ten minutes after the export began it is gone."""
    state = _job(service, visited, export).state
    if state != "ready":
        raise refused(
            409,
            f"export-{state}",
            f"There is no file to take: the export is {state}",
            "没有可下载的文件：导出尚未完成、已失败或已被下载",
            retry_after=1 if state == "running" else None,
        )
    now = service.installation.clock.now()
    job = service.jobs.take(visited.person.token, export, now)
    headers = {
        "Content-Disposition": f'attachment; filename="{exporting.name_of(job)}"',
        "Archiver-Access": job.access,
    }
    return Response(job.content, headers=headers, media_type=exporting.TYPES[job.format])


def export_fields(job: Job, language: str) -> dict[str, Any]:
    """Return an export as JSON."""
    return {
        "export": job.id,
        "state": job.state,
        "format": job.format,
        "begun_at": instant(job.at),
        "percent": 100 if job.state in ("ready", "taken") else job.percent,
        "count": job.count,
        "access": job.access or None,
        "error": _error(job, language),
    }


def _error(job: Job, language: str) -> dict[str, Any] | None:
    if job.state != "failed":
        return None
    problem = bug() if job.error is None else problem_of(job.error)
    return dict(problem.document(language))


def _job(service: Service, visited: Visitor, export: str) -> Job:
    """Return an export of this session; nobody else's is there."""
    for one in service.jobs.of(visited.person.token, service.installation.clock.now()):
        if one.id == export:
            return one
    raise refused(404, "not-found", "There is no such export", "没有该导出")


def _ready(service: Service, visited: Visitor, asked: Export) -> Make:
    session, why = visited.person, asked.why

    def question(seat: Seat) -> Question:
        return _question(asked, seat)

    approval = exporting.approved(service, visited, session, why, question)
    return lambda job: exporting.made(
        service, visited, session, why, question, job=job, approval=approval
    )


def _question(asked: Export, seat: Seat) -> Question:
    desk = seat.answering
    return asked.question(desk.zone, [one.source for one in desk.coverage.sources])


def _said(question: Question) -> str:
    """Return what an export is of, for the pages that list it: nobody is named."""
    told = [one.kind for one in question.facts]
    told += [f"{name} {text}" for name, text in filters_of(question).items()]
    return " · ".join(told)
