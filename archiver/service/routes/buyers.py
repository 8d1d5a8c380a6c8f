"""What the shop's own site asks for a buyer."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from archiver.service.admission import Served, Visited, Visitor
from archiver.service.buyers import Counter
from archiver.service.house import Service
from archiver.service.problems import refused
from archiver.service.questions import Code, Mine

router = APIRouter(prefix="/v1/buyer", tags=["buyers"])


@router.post("/orders")
async def orders(asked: Mine, service: Served, visited: Visited) -> dict[str, Any]:
    """Find the orders that have a number and are this buyer's, by contact or account.

    `answer` is `found` or `none`: an order that is not there and one of somebody else are one "no".
    """
    counter = counter_of(service, visited)
    began = service.seconds()
    told = await run_in_threadpool(lambda: dict(counter.mine(asked)))
    if told["answer"] == "none":
        await service.quietly(began)
    return told


@router.post("/codes", status_code=202)
async def codes(asked: Mine, service: Served, visited: Visited) -> JSONResponse:
    """Have a code sent to the contact that was archived with the order, if it is this buyer's.

    The answer is the same if it is not. Three codes a day go to one order's contact.
    """
    courier = service.courier
    if courier is None:
        raise refused(
            503, "codes-off", "No way to send codes is configured", "未配置验证码发送方式"
        )
    counter = counter_of(service, visited)
    began = service.seconds()
    made: Callable[[], Mapping[str, Any]] = lambda: counter.challenge(  # noqa: E731
        asked, courier, service.teller.post
    )
    told = await run_in_threadpool(made)
    await service.quietly(began)
    return JSONResponse(dict(told), 202)


@router.post("/reveal")
def reveal(asked: Code, service: Served, visited: Visited) -> dict[str, Any]:
    """Show a buyer the card secrets of the order that his code is for, once."""
    counter = counter_of(service, visited)
    told = counter.reveal(
        asked.challenge,
        asked.code,
        asked.address,
        config=service.config,
        environment=service.installation.environment,
        runner=service.installation.configuration.reveal.runner,
    )
    service.teller.revealed(counter.token.subject, str(told["access"]))
    return dict(told)


def counter_of(service: Service, visited: Visitor) -> Counter:
    """Return where a site is served."""
    return Counter(
        library=service.library,
        desk=visited.desk,
        token=visited.site,
        codes=service.codes,
        unusual=service.told_of,
        blocked=service.teller.refused,
    )
