"""The outermost layer: what holds for every request, whatever it asks.

Responsible for a body that is whole, small and in time before anything else sees it; for headers
that every answer carries; for a line in the log that says how it went and never what it was
about; and for turning whatever gets this far into an answer that says nothing.
"""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archiver.errors import Said
from archiver.sections import ServiceSection
from archiver.service.problems import MEDIA_TYPE, Problem, bug

CONTENT_SECURITY: Final = (
    "default-src 'none'; object-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing of anybody else's, in nobody's frame."""
HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY.encode()),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # with none, forms would tell no origin either
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"x-frame-options", b"DENY"),
    # Browsers heed it over TLS only.
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
)
MAX_TARGET: Final = 4_096
"""Bytes of path and query: contacts and numbers come in bodies."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Others are one in metrics and log: whoever asks could invent them without end."""

log: Final = logging.getLogger("archiver.service")
Observe = Callable[[str, str, int, float], None]
"""Told route, method, status and seconds of each answer."""


class Shell:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, section: ServiceSection, observe: Observe) -> None:
        self.app = app
        self.section = section
        self.observe = observe
        self.names = frozenset(section.names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                return  # there are none
            await self.app(scope, receive, send)
            return
        began = time.monotonic()
        answer = _Answer(send, secrets.token_hex(8))
        scope.setdefault("state", {})["request_id"] = answer.number
        try:
            problem, body = await self._arrived(scope, receive)
            if problem is not None:
                await answer.tell(problem)
            else:
                await self.app(scope, _replayed(body, receive), answer)
        except Exception as error:  # noqa: BLE001  its message might quote an order
            log.error("bug", extra={"request": answer.number, **_place(error)})  # noqa: TRY400
            await answer.tell(bug())
        finally:
            seconds = time.monotonic() - began
            route = getattr(scope.get("route"), "path", "-")
            method = scope["method"] if route != "-" and scope["method"] in METHODS else "-"
            self.observe(route, method, answer.status, seconds)
            log.info(
                "answered",
                extra={
                    "request": answer.number,
                    "route": route,
                    "method": method,
                    "status": answer.status,
                    "ms": round(seconds * 1000, 1),
                },
            )

    async def _arrived(self, scope: Scope, receive: Receive) -> tuple[Problem | None, bytes]:
        """Return the whole body, or why there is none."""
        most = self.section.max_body_kib << 10
        if (problem := self._unwelcome(scope, most)) is not None:
            return problem, b""
        body = bytearray()
        try:
            async with asyncio.timeout(self.section.body_seconds):
                more = True
                while more and len(body) <= most:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return _problem(400, "gone", "It broke off", "连接中断"), b""
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
        except TimeoutError:
            return _problem(408, "too-slow", "The request took too long", "请求传输过慢"), b""
        return (None, bytes(body)) if len(body) <= most else (_TOO_LARGE, b"")

    def _unwelcome(self, scope: Scope, most: int) -> Problem | None:
        """Return what is wrong with a request before its body has come."""
        if _host(scope) not in self.names:
            return _problem(421, "not-here", "Nothing here has that name", "此处没有该名称")
        if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > MAX_TARGET:
            return _problem(414, "too-long", "The address is too long", "地址过长")
        told = dict(scope["headers"]).get(b"content-length", b"0")
        return _TOO_LARGE if not told.isdigit() or int(told) > most else None


class _Answer:
    """Sends an answer with the headers that every one has."""

    def __init__(self, send: Send, number: str) -> None:
        self.send = send
        self.number = number
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [(k, v) for k, v in message.get("headers", ()) if k.lower() != b"server"]
            there = {name.lower() for name, _ in headers}
            headers += [pair for pair in HEADERS if pair[0] not in there]
            headers.append((b"x-request-id", self.number.encode()))
            message = {**message, "headers": headers}
        await self.send(message)

    async def tell(self, problem: Problem) -> None:
        """Answer with a problem, unless an answer has begun: then it breaks off."""
        if self.status:
            return
        body = json.dumps(problem.document("en"), ensure_ascii=False).encode()
        headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body))]
        await self({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


def _host(scope: Scope) -> str:
    """Return the name by which it was called, without a port."""
    host: str = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Give the body once; then whatever comes, which is the end of the connection."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _place(error: BaseException) -> dict[str, Any]:
    """Return what kind of error it is and where it happened, never what it says."""
    place, frame = "?", error.__traceback__
    while frame is not None:
        name = frame.tb_frame.f_globals.get("__name__", "")
        if name.partition(".")[0] == "archiver":
            place = f"{name}:{frame.tb_lineno}"
        frame = frame.tb_next
    return {"kind": type(error).__name__, "place": place}


def _problem(status: int, code: str, en: str, zh: str) -> Problem:
    return Problem(status=status, code=code, said=Said(en, zh))


_TOO_LARGE: Final = _problem(413, "too-large", "The request is too large", "请求过大")
