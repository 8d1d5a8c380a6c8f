"""How long the service takes for indexed lookups of fifty clients at once, every answer checked."""

import asyncio
import random
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import count
from statistics import quantiles
from typing import Any, Final

import httpx
import pyotp

from archiver.desk import Desk
from archiver.policy import Role
from archiver.stores.directory import DirectoryStore
from archiver.wiring import Installation
from tests.bench.figures import Figure
from tests.bench.ground import Ground
from tests.clock import FrozenClock
from tests.desk import at, founded
from tests.lookup.bazaar import MAPPING, a_row
from tests.operators.people import PASSWORD
from tests.service.nodes import serving
from tests.service.world import CONFIGURATION

NAME = "service"
CLIENTS: Final = 50
ORDERS: Final = 20_000
ASKED: Final = 2_000


def measure(ground: Ground) -> Iterator[Figure]:
    """Ask by order number, as compliance within a case: the watch leaves that alone."""
    folder = ground.folder / "service"
    folder.mkdir()
    clock = FrozenClock(at(2, 0))
    random_ = random.Random(3)
    rows = [a_row(random_, n + 1, at(2) + timedelta(seconds=n), shop=0) for n in range(ORDERS)]
    store = DirectoryStore(folder / "vault", clock)
    desk = founded(folder, rows, mapping=MAPPING, clock=clock, store=store, page_rows=ORDERS)
    desk.night_of(2)
    config = folder / "archiver.toml"
    limits = "[service]\nrequests_per_minute = 1_000_000\n"
    config.write_text(CONFIGURATION + limits, "utf-8")
    counter = Desk.at(Installation.load(config))
    counter.owners_register().add("root", Role.ADMINISTRATOR, PASSWORD, by=None)
    secret = counter.register.add("carol", Role.COMPLIANCE, PASSWORD, by="root").secret
    with serving(config) as node:
        code = pyotp.TOTP(secret).at(time.time())
        begun = httpx.post(
            f"{node.address}/v1/session", json={"name": "carol", "password": PASSWORD, "code": code}
        )
        headers = {
            "cookie": begun.headers["set-cookie"].partition(";")[0],
            "x-csrf-token": begun.json()["csrf"],
        }
        numbers = [rows[random_.randrange(ORDERS)]["no"] for _ in range(ASKED)]
        began = time.perf_counter()
        seconds = asyncio.run(_ask(node.address, headers, numbers))
        whole = time.perf_counter() - began
    cuts = quantiles(seconds, n=100)
    of = f"{CLIENTS} clients at once, {ORDERS:,} orders, SQLite, a record for each"
    yield Figure(
        benchmark=NAME,
        what=f"p99 by order number, {of}",
        value=cuts[98] * 1_000,
        unit="ms",
        target=200,
    )
    yield Figure(
        benchmark=NAME, what=f"p50 by order number, {of}", value=cuts[49] * 1_000, unit="ms"
    )
    yield Figure(benchmark=NAME, what="answers a second", value=ASKED / whole, unit="/s")


async def _ask(address: str, headers: Mapping[str, str], numbers: list[Any]) -> list[float]:
    """Ask all numbers, so many at once; return how long each took."""
    seconds: list[float] = []
    place = count()

    async def client() -> None:
        async with httpx.AsyncClient(headers=headers, timeout=60) as session:
            while (n := next(place)) < len(numbers):
                body = {"order": numbers[n], "case": "bench"}
                began = time.perf_counter()
                answer = await session.post(f"{address}/v1/orders/find", json=body)
                seconds.append(time.perf_counter() - began)
                if answer.json()["orders"][0]["order_id"] != numbers[n]:
                    message = f"{numbers[n]}: {answer.text[:200]}"
                    raise RuntimeError(message)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return seconds
