"""How long fifty clients at once wait for the service while nights publish; answers are checked."""

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

import pyotp

from archiver.desk import Desk
from archiver.policy import Role
from archiver.service.admission import COOKIE, csrf_of
from archiver.wiring import Installation
from tests.archives import Row
from tests.bench import pages
from tests.bench.crowd import Heard, Plan
from tests.bench.figures import Figure
from tests.bench.ground import Ground
from tests.bench.processes import cpu_seconds_of
from tests.bench.trade import A_DAY, DAYS, INDEXED, Trade, order
from tests.operators.people import CHEAP, PASSWORD
from tests.service.nodes import Node, serving
from tests.service.world import CONFIGURATION

NAME = "service"
CLIENTS: Final = 50
ASKED: Final = 20_000
SECONDS: Final = 30.0
THINK: Final = 1.0
"""Seconds, on average, of somebody who reads an answer before he asks again: a fast one."""
NIGHT_EVERY: Final = 6.0
"""Seconds between two nights that seal a day and publish it: a year passes in half an hour."""
LIMITS: Final = """
[service]
requests_per_minute = 1_000_000
index_seconds = 2
[watch]
orders_per_5m = 1_000_000
orders_per_hour = 1_000_000
orders_per_day = 1_000_000
steps_per_hour = 1_000_000
steps_per_day = 1_000_000
"""
"""The watch counts everything and lets it pass: fifty people who ask without pause are thieves."""


class _Counter(Desk):
    """One at which fifty passwords are made in no time."""

    costs = CHEAP


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question whose answer is known."""

    row: Row
    body: str

    def is_answered_by(self, told: str) -> bool:
        """Tell whether an answer is the one order, as the shop had it."""
        (found,) = json.loads(told)["orders"]
        return bool(
            found["order_id"] == self.row["no"]
            and found["buyer"]["contact"] == self.row["contact"]
            and found["product"]["name"] == self.row["product"]
            and found["money"]["paid"] == self.row["paid"]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run of the clients came to."""

    heard: Heard
    cpu: float
    """Seconds of the service's processes."""
    nights: int

    @property
    def percentiles(self) -> Sequence[float]:
        """Milliseconds."""
        return [1_000 * cut for cut in quantiles(self.heard.took, n=100)]


def measure(ground: Ground) -> Iterator[Figure]:
    """Seal a million orders, index ten, let fifty clients ask by order and payment numbers."""
    folder = ground.folder / NAME
    folder.mkdir()
    ground.say(f"sealing {DAYS * A_DAY:,} orders")
    trade = Trade.begun(folder)
    while trade.sealed < DAYS:
        trade.seal(10)
    trade.index()
    yield from figures(trade)


def figures(trade: Trade, seconds: float = SECONDS) -> Iterator[Figure]:
    """Measure over what is sealed and indexed."""
    config = trade.folder / "archiver.toml"
    config.write_text(CONFIGURATION + LIMITS, "utf-8")
    heads = _operators(config)
    questions = [_question(random.Random(n)) for n in range(ASKED)]
    trade.make_ready(2 * int(seconds / NIGHT_EVERY) + 2)
    with serving(config) as node:
        for think, what in ((0.0, "without pause"), (THINK, f"pausing {THINK:g} s")):
            run = _run(node, trade, heads, questions, seconds=seconds, think=think)
            _require_right(run.heard, questions)
            of = f"{CLIENTS} clients {what}, {run.nights} nights, {INDEXED:,} orders"
            cuts, asked = run.percentiles, len(run.heard.answers)
            yield _figure(f"p99, {of}", cuts[98], "ms", 200)
            yield _figure(f"p50, {of}", cuts[49], "ms")
            yield _figure(f"p95, {of}", cuts[94], "ms")
            span = run.heard.last - run.heard.first
            yield _figure("answers a second", len(run.heard.took) / span, "/s")
            yield _figure("processor time of the service", 1_000 * run.cpu / asked, "ms/answer")
            yield _figure("the same of the clients", 1_000 * run.heard.cpu / asked, "ms/answer")
        yield from pages.figures(node, heads[0], [one.row["no"] for one in questions])


def _figure(what: str, value: float, unit: str, target: float | None = None) -> Figure:
    return Figure(benchmark=NAME, what=what, value=value, unit=unit, target=target)


def _operators(config: Path) -> list[str]:
    """Return the headers of fifty people who are logged in."""
    desk = _Counter.at(Installation.load(config))
    desk.owners_register().add("root", Role.ADMINISTRATOR, PASSWORD, by=None)
    heads = []
    for number in range(CLIENTS):
        name = f"c{number}"
        secret = desk.register.add(name, Role.COMPLIANCE, PASSWORD, by="root").secret
        code = pyotp.TOTP(secret).at(time.time())
        session = desk.logins.login(name, PASSWORD, code, origin="ip:127.0.0.1")
        heads.append(f"cookie: {COOKIE}={session.token}\r\nx-csrf-token: {csrf_of(session)}\r\n")
    return heads


def _question(random_: random.Random) -> Asked:
    row = order(random_.randrange(DAYS * A_DAY))
    by_payment = row["channel"] is not None and random_.random() < 0.3
    fact = {"payment_no": row["trade_no"]} if by_payment else {"order": row["no"]}
    return Asked(row=row, body=json.dumps({**fact, "purpose": "售后"}, ensure_ascii=False))


def _run(
    node: Node,
    trade: Trade,
    heads: list[str],
    questions: Sequence[Asked],
    *,
    seconds: float,
    think: float,
) -> Run:
    host, _, port = node.address.removeprefix("http://").partition(":")
    plan = Plan(
        host=host,
        port=int(port),
        headers=heads,
        path="/v1/orders/find",
        bodies=[one.body for one in questions],
        seconds=seconds,
        think=think,
    )
    over, nights = threading.Event(), list[int]()

    def nightly() -> None:
        while not over.wait(NIGHT_EVERY):
            trade.seal()
            nights.append(trade.sealed)

    publishing = threading.Thread(target=nightly)
    before = cpu_seconds_of(node.process.pid)
    publishing.start()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.crowd"],
            input=json.dumps(asdict(plan)),
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        over.set()
        publishing.join()
    told: dict[str, Any] = json.loads(done.stdout)
    cpu = cpu_seconds_of(node.process.pid) - before
    return Run(heard=Heard(**told), cpu=cpu, nights=len(nights))


def _require_right(heard: Heard, questions: Sequence[Asked]) -> None:
    wrong = [text for n, text in heard.answers if not questions[n].is_answered_by(text)]
    if heard.wrong or wrong:
        raise RuntimeError(f"{len(heard.wrong)} errors, {len(wrong)} wrong: {heard.wrong[:1]}")
    manifests = {json.loads(text)["manifest"] for _, text in heard.answers}
    if len(manifests) < 2:
        raise RuntimeError("nothing was published meanwhile")
