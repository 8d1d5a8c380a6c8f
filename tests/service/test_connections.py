"""Whoever takes a connection says soon what he wants, or it is given to somebody else."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from archiver.sections import ServiceSection
from archiver.service.connections import HEAD_SECONDS, Connection
from archiver.service.serving import _settings

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"


async def answering(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401  ASGI's
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Wire(asyncio.Transport):
    """The other end; what is written to it is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.written = b""

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401, ARG002
        return default

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def write(self, data: Any) -> None:  # noqa: ANN401
        self.written += bytes(data)

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@dataclass
class Timer:
    """Something that is due."""

    seconds: float
    act: Callable[[], None]
    off: bool = False

    def cancel(self) -> None:
        self.off = True


class Loop:
    """A real loop whose timers are due when a test says so."""

    def __init__(self, real: asyncio.AbstractEventLoop) -> None:
        self.real = real
        self.timers: list[Timer] = []

    def call_later(self, seconds: float, act: Callable[[], None], *_: object) -> Timer:
        self.timers.append(Timer(seconds, act))
        return self.timers[-1]

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self.real, name)

    def pass_(self) -> None:
        """Let the time of a head pass."""
        due = [one for one in self.timers if not one.off and one.seconds == HEAD_SECONDS]
        self.timers = [one for one in self.timers if one not in due]
        for one in due:
            one.act()


@dataclass
class Line:
    """A connection that has just been opened."""

    loop: Loop
    wire: Wire
    connection: Connection

    def say(self, data: bytes) -> None:
        self.connection.data_received(data)
        self.loop.real.run_until_complete(asyncio.sleep(0))


@pytest.fixture
def line() -> Iterator[Line]:
    real = asyncio.new_event_loop()
    loop, wire = Loop(real), Wire()
    config = uvicorn.Config(answering, http=Connection, lifespan="off", log_config=None)
    made = Connection(config, ServerState(), {}, loop)  # type: ignore[arg-type]
    made.connection_made(wire)
    yield Line(loop, wire, made)
    made.connection_lost(None)
    assert all(one.off for one in loop.timers)
    real.close()


def test_a_connection_on_which_nothing_comes_is_closed(line: Line) -> None:
    line.loop.pass_()
    assert line.wire.closed


def test_a_head_that_comes_byte_by_byte_is_not_waited_for(line: Line) -> None:
    for byte in HEAD:
        line.say(bytes([byte]))
    line.loop.pass_()
    assert line.wire.closed
    assert line.wire.written == b""


def test_who_has_said_what_he_wants_is_answered_and_may_go_on(line: Line) -> None:
    line.say(HEAD + b"\r\n")
    line.loop.pass_()
    assert (line.wire.closed, line.wire.written[:12]) == (False, b"HTTP/1.1 204")
    line.say(HEAD)
    line.loop.pass_()
    assert line.wire.closed  # the next head was begun and not ended


def test_the_service_takes_connections_so() -> None:
    assert _settings(FastAPI(), ServiceSection()).http_protocol_class is Connection
