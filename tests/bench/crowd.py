"""`python -m tests.bench.crowd`: many clients of the service at once, each on one connection.

Takes its plan as JSON on standard input and gives what came of it on standard output. A process of
its own, and a plain one: it shares the cores with what it measures. Answers are kept as they come
and looked at when the last one is there.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Final

END_OF_HEAD: Final = b"\r\n\r\n"
OK: Final = b"HTTP/1.1 200"
LENGTH: Final = b"content-length: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the clients do."""

    host: str
    port: int
    headers: list[str]
    """One head for each client, its lines ended: who he is."""
    path: str
    bodies: list[str]
    """Questions, in the order in which the clients take them."""
    seconds: float
    """For so long; when the bodies come to their end, they begin anew."""
    think: float
    """Seconds, on average, that a client waits between an answer and his next question."""
    warm: float = 3.0
    """Seconds at the beginning that do not count."""


@dataclass(slots=True)
class Heard:
    """What the clients were answered."""

    took: list[float] = field(default_factory=list)
    """Seconds, of those that count."""
    answers: list[tuple[int, str]] = field(default_factory=list)
    """The question's number and the body, of all."""
    wrong: list[str] = field(default_factory=list)
    """Other answers than 200."""
    first: float = 0.0
    last: float = 0.0
    cpu: float = 0.0
    """Seconds of this process, while it asked."""


class Client(asyncio.Protocol):
    """One connection: asks, waits, thinks, asks again."""

    def __init__(self, plan: Plan, number: int, turn: Iterator[int], heard: Heard) -> None:
        self.plan, self.turn, self.heard = plan, turn, heard
        self.head = f"POST {plan.path} HTTP/1.1\r\nhost: {plan.host}\r\n{plan.headers[number]}"
        self.random = random.Random(number)
        self.loop = asyncio.get_running_loop()
        self.done = self.loop.create_future()
        self.got = b""
        self.asked = self.began = 0.0
        self.question = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Think first: not all of them begin at once."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.began = self.loop.time()
        self.loop.call_later(self.random.uniform(0, self.plan.think or 0.1), self.ask)

    def connection_lost(self, exc: Exception | None) -> None:
        """End; before its time that is an error."""
        if not self.done.done():
            self.heard.wrong.append(f"connection lost: {exc}")
            self.done.set_result(None)

    def ask(self) -> None:
        """Send the next question."""
        now = self.loop.time()
        if now - self.began >= self.plan.seconds:
            self.done.set_result(None)
            self.transport.close()
            return
        self.question = next(self.turn) % len(self.plan.bodies)
        body = self.plan.bodies[self.question].encode()
        head = f"{self.head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.asked = now
        self.transport.write(head.encode() + body)

    def data_received(self, data: bytes) -> None:
        """Take an answer when it is whole."""
        self.got += data
        head, end, body = self.got.partition(END_OF_HEAD)
        if not end:
            return
        at = head.lower().index(LENGTH) + len(LENGTH)
        if len(body) < int(head[at : at + 12].partition(b"\r")[0]):
            return
        now, self.got = self.loop.time(), b""
        heard = self.heard
        if not head.startswith(OK):
            heard.wrong.append(f"{head[:40]!r} {body[:300]!r}")
        if self.asked - self.began >= self.plan.warm:
            heard.took.append(now - self.asked)
            heard.first = heard.first or self.asked
            heard.last = now
        heard.answers.append((self.question, body.decode()))
        think = self.plan.think
        if think:
            self.loop.call_later(self.random.uniform(0, 2 * think), self.ask)
        else:
            self.ask()


async def crowd(plan: Plan) -> Heard:
    """Let them ask."""
    heard, turn = Heard(), iter(range(sys.maxsize))
    loop = asyncio.get_running_loop()
    began = time.process_time()
    clients = [Client(plan, number, turn, heard) for number in range(len(plan.headers))]
    for one in clients:
        await loop.create_connection(lambda one=one: one, plan.host, plan.port)  # type: ignore[misc]
    await asyncio.gather(*(one.done for one in clients))
    heard.cpu = time.process_time() - began
    return heard


def main() -> None:
    """Read the plan, tell what was heard."""
    told: dict[str, Any] = json.load(sys.stdin)
    json.dump(asdict(asyncio.run(crowd(Plan(**told)))), sys.stdout)


if __name__ == "__main__":
    main()
