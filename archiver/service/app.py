"""The application: what runs while the service does, and how requests get to it."""

import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import anyio
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

import archiver
from archiver.desk import Desk
from archiver.errors import ArchiverError, Said
from archiver.refusals import BlockedError, SecondFactorNeededError
from archiver.service.admission import admit, language_of
from archiver.service.codes import Codes
from archiver.service.couriers import Courier, courier_of
from archiver.service.flood import Flood
from archiver.service.gauges import Gauges
from archiver.service.house import Service
from archiver.service.jobs import Jobs, in_a_thread
from archiver.service.library import Library
from archiver.service.once import Writes
from archiver.service.peers import networks
from archiver.service.problems import (
    MEDIA_TYPE,
    Problem,
    ProblemError,
    invalid,
    problem_of,
)
from archiver.service.routes import (
    approvals,
    buyers,
    exports,
    operators,
    orders,
    reveals,
    running,
    sessions,
    state,
)
from archiver.service.shell import Shell, log
from archiver.service.surveying import Surveyor
from archiver.service.table import API, Table, require_listed
from archiver.service.telling import Teller
from archiver.service_tokens import Tokens
from archiver.wiring import Installation

ROUTERS: Final = tuple(
    one.router
    for one in (running, sessions, orders, reveals, exports, approvals, operators, state, buyers)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The console, as `create_app` takes it: its routes, their rules, its view of a problem."""

    router: APIRouter
    table: Table
    problem: Callable[[Request, Problem], Response]
    """Shows a problem where the route's rule says `page`, and for addresses that are no route's."""


def create_app(
    installation: Installation,
    config: Path,
    *,
    pages: Pages | None = None,
    library: Library | None = None,
    seconds: Callable[[], float] = time.monotonic,
    pause: Callable[[float], Awaitable[None]] = anyio.sleep,
    courier: Courier | None = None,
    background: bool = False,
    begin: Callable[[Callable[[], None]], None] = in_a_thread,
) -> FastAPI:
    """Return the application over an opened archive.

    Args:
        installation: The configuration.
        config: Its file.
        pages: The console.
        library: An opened one, where a test has it; it is closed with the application.
        seconds: A clock that is never set back, for limits of requests.
        pause: Waits for so many seconds.
        courier: Who carries buyers' codes, where a test has one.
        background: Look for what was newly sealed now and then; a test does it by itself.
        begin: Starts an export behind whoever asked.

    Raises:
        KeyUnavailableError: The base root is not on this host.
        IndexUnusableError: The local index is damaged.
    """
    configured = installation.configuration
    section = configured.service
    desk = Desk.at(installation).remembering()
    table = {**API, **(pages.table if pages else {})}
    opened = library or Library.open(installation)
    database, clock, gauges = installation.state, installation.clock, Gauges()
    token_key = opened.holdings.keys.search.token_key
    teller = Teller(installation=installation, archive=desk.archive, count=gauges.count)
    opened.holdings = replace(opened.holdings, sprung=teller.sprung)
    service = Service(
        installation=installation,
        config=config.absolute(),
        desk=desk,
        library=opened,
        surveyor=Surveyor(installation=installation, archive=opened.archive),
        flood=Flood(per_minute=section.requests_per_minute, now=seconds),
        gauges=gauges,
        teller=teller,
        tokens=Tokens(state=database, clock=clock),
        codes=Codes(state=database, clock=clock, token_key=token_key),
        jobs=Jobs(begin),
        writes=Writes(state=database, clock=clock, token_key=token_key),
        courier=courier or courier_of(installation),
        proxies=networks(section.proxies),
        monitors=networks(section.monitors),
        table=table,
        seconds=seconds,
        pause=pause,
    )
    app = FastAPI(
        title="archiver",
        version=archiver.__version__,
        openapi_url=None,  # a route of ours gives it: every route is in the table
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(admit)],
        lifespan=_lifespan(service, background=background),
        redirect_slashes=False,
    )
    app.state.service = service
    app.state.pages = pages
    routers = (*ROUTERS, *([pages.router] if pages else ()))
    require_listed(routers, table)
    for router in routers:
        app.include_router(router)
    for kind in (ArchiverError, ProblemError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _told)
    app.add_middleware(Shell, section=section, observe=gauges.answered)
    return app


def _lifespan(service: Service, *, background: bool) -> Any:  # noqa: ANN401  Starlette's own
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if background:
            seconds = service.installation.configuration.service.index_seconds
            threading.Thread(
                target=service.library.keep_fresh,
                args=(service.ended, seconds),
                name="index",
                daemon=True,
            ).start()
        try:
            yield
        finally:
            service.ended.set()
            service.teller.close()
            service.library.close()

    return lifespan


def _told(request: Request, error: Exception) -> Response:
    """Answer with what went wrong."""
    problem = _problem(request, error)
    pages: Pages | None = request.app.state.pages
    rule = request.app.state.service.table.get(
        (request.method, getattr(request.scope.get("route"), "path", ""))
    )
    if pages is not None and (rule.page if rule else _wants_page(request)):
        return pages.problem(request, problem)
    headers = {} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)}
    if problem.status == HTTPStatus.UNAUTHORIZED:  # RFC 9110, 15.5.2: it must say how
        headers["WWW-Authenticate"] = 'Session realm="archiver"'
    return JSONResponse(problem.document(language_of(request)), problem.status, headers, MEDIA_TYPE)


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(
        "/v1/"
    )


def _problem(request: Request, error: Exception) -> Problem:
    match error:
        case ProblemError():
            return error.problem
        case ArchiverError():
            problem = problem_of(error)
            if isinstance(error, BlockedError | SecondFactorNeededError):
                request.app.state.service.teller.refused(error)
            if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                number = request.scope.get("state", {}).get("request_id")
                log.error(
                    "failed", extra={"request": number, "code": error.code, "what": str(error)}
                )
            return problem
        case RequestValidationError():
            return invalid(error.errors())
        case HTTPException(status_code=status):
            said = Said("There is nothing here", "此处没有内容")
            code = {404: "not-found", 405: "method-not-allowed"}.get(status, "refused")
            return Problem(status=status, code=code, said=said)
        case _:
            raise error
