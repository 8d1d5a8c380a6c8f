"""An S3 endpoint that lies: it stands in front of a real one and does what networks and servers do.

The proxy passes the client's Host header on, so the client's signature still holds at the server.
Where a lie removes signed headers, the proxy signs the request again with the bucket's own keys:
what the server then does is its honest answer to the request without them.

    s3_proxy.lie(LoseReply(), when=request("PUT", "manifests/"), skip=1, times=1)
    store = open_store(s3_proxy.bucket)
    ...
    assert s3_proxy.count("PUT", "manifests/") == 2
"""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import Message
from email.utils import format_datetime, parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.servers.seaweedfs import HOST, S3Bucket
from tests.tally import FAULT, tally

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect"}  # RFC 9110, 7.6.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as the client sent it."""

    method: str
    bucket: str
    key: str
    """Below the bucket, decoded; empty for requests about the bucket."""
    query: dict[str, str]
    headers: dict[str, str]
    """Names in lower case."""
    body_bytes: int


When = Callable[[Request], bool]


def request(method: str | None = None, key: str = "", *, query: str | None = None) -> When:
    """Return a condition: this method, a key that contains this text, this query parameter.

    `query=""` means a request without any parameter but boto3's own `x-id`.
    """

    def holds(seen: Request) -> bool:
        parameters = set(seen.query) - {"x-id"}
        return (
            method in (None, seen.method)
            and key in seen.key
            and (query is None or (not parameters if query == "" else query in parameters))
        )

    return holds


always = request()


@dataclass(frozen=True, slots=True)
class DropHeaders:
    """The server never sees the request headers that begin so."""

    prefix: str


DROP_LOCKS = DropHeaders("x-amz-object-lock-")
DROP_IF_NONE_MATCH = DropHeaders("if-none-match")


@dataclass(frozen=True, slots=True)
class LoseReply:
    """The server does it; the client sees its connection closed."""


@dataclass(frozen=True, slots=True)
class LoseRequest:
    """The server never hears of it; the client sees its connection closed."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The server never hears of it; the client gets an S3 error."""

    status: int = HTTPStatus.SERVICE_UNAVAILABLE
    code: str = "SlowDown"


@dataclass(frozen=True, slots=True)
class Delay:
    """It takes longer."""

    by: timedelta


@dataclass(frozen=True, slots=True)
class OnItsWay:
    """Something happens while it is on its way."""

    act: Callable[[], object]


@dataclass(frozen=True, slots=True)
class SkewDate:
    """The server's clock seems to be ahead (or behind, if negative)."""

    by: timedelta


@dataclass(frozen=True, slots=True)
class FlipByte:
    """One byte of the reply's body has all its bits flipped; -1 is the last one."""

    at: int = 0


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The reply's body says something else."""

    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True)
class DropReplyHeaders:
    """The client never sees the reply headers that begin so."""

    prefix: str


Lie = (
    DropHeaders
    | LoseReply
    | LoseRequest
    | Refuse
    | Delay
    | OnItsWay
    | SkewDate
    | FlipByte
    | Rewrite
    | DropReplyHeaders
)
_TALLIED = {
    LoseReply: "reply lost",
    LoseRequest: "call refused",
    Refuse: "call refused",
    FlipByte: "bytes flipped",
}
"""What counts as an injected fault, under the words of other tests."""


@dataclass(slots=True)
class _Told:
    lie: Lie
    when: When
    skip: int
    times: int | None

    def applies(self, seen: Request) -> bool:
        if not self.when(seen) or self.times == 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes
    length: str | None
    """Content-Length as the server gave it: a HEAD has one and no body."""


@dataclass(eq=False)
class S3Proxy:
    """A proxy in front of the server of `upstream`, running while the context is open."""

    upstream: S3Bucket
    requests: list[Request] = field(default_factory=list)
    """All requests so far, in the order of their arrival."""
    _told: list[_Told] = field(default_factory=list)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        """The proxy's URL, to be used as the store's endpoint."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    @property
    def bucket(self) -> S3Bucket:
        """The same bucket, reached through the proxy."""
        return self.upstream.through(self.endpoint)

    def lie(
        self, lie: Lie, *, when: When = always, skip: int = 0, times: int | None = None
    ) -> None:
        """From now on, tell this lie.

        Args:
            lie: What to do to a request or its reply. Several lies may meet in one.
            when: To which requests; all by default.
            skip: Spare that many of them first.
            times: Then only so often; None is for good.
        """
        with self._mutex:
            self._told.append(_Told(lie, when, skip, times))

    def tell_the_truth(self) -> None:
        """Forget all lies. What has been counted stays."""
        with self._mutex:
            self._told.clear()

    def forget_requests(self) -> None:
        """Begin counting again."""
        with self._mutex:
            self.requests.clear()

    def count(self, method: str | None = None, key: str = "", *, query: str | None = None) -> int:
        """Return how many such requests have arrived, as in `request`."""
        holds = request(method, key, query=query)
        with self._mutex:
            return sum(holds(seen) for seen in self.requests)

    def note(self, seen: Request) -> list[Lie]:
        """Write a request down and return the lies that are due."""
        with self._mutex:
            self.requests.append(seen)
            lies = [told.lie for told in self._told if told.applies(seen)]
            for lie in lies:
                if kind := _TALLIED.get(type(lie)):
                    tally(FAULT, kind)
            return lies

    def sign(self, method: str, url: str, headers: Message, body: bytes) -> dict[str, str]:
        """Return the headers of the same request, signed again with the bucket's own keys."""
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        spare = {"authorization", "x-amz-date", "x-amz-content-sha256", *HOP_BY_HOP}
        kept = {name: value for name, value in headers.items() if name.lower() not in spare}
        again = AWSRequest(method=method, url=url, headers=kept, data=body)
        again.context["payload_signing_enabled"] = True
        credentials = Credentials(self.upstream.access_key, self.upstream.secret_key)
        S3SigV4Auth(credentials, "s3", self.upstream.region).add_auth(again)
        return dict(again.headers.items())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, owner: S3Proxy) -> None:
        super().__init__((HOST, 0), _Handler)
        self.owner = owner
        self.open: set[socket.socket] = set()

    def close_connections(self) -> None:
        """Wake the threads that wait for a next request on a connection kept alive."""
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_args: object) -> None:
        """Say nothing: a client that gives up is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Head and body leave together: apart, the second waits 40 ms for the first one's receipt.
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def _serve(self) -> None:
        body = self._read_body()
        lies = self.server.owner.note(self._seen(body))
        for lie in lies:
            if isinstance(lie, Delay):
                time.sleep(lie.by.total_seconds())
            if isinstance(lie, OnItsWay):
                lie.act()
        for lie in lies:
            if isinstance(lie, LoseRequest):
                self._hang_up()
                return
            if isinstance(lie, Refuse):
                self._refuse(lie)
                return
        reply = self._forward(body, [lie.prefix for lie in lies if isinstance(lie, DropHeaders)])
        if any(isinstance(lie, LoseReply) for lie in lies):
            self._hang_up()
            return
        self._answer(reply, lies)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815  http.server's names

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(chunks)

    def _seen(self, body: bytes) -> Request:
        parts = urlsplit(self.path)
        bucket, _, key = unquote(parts.path).lstrip("/").partition("/")
        query = parse_qs(parts.query, keep_blank_values=True)
        return Request(
            method=self.command,
            bucket=bucket,
            key=key,
            query={name: values[0] for name, values in query.items()},
            headers={name.lower(): value for name, value in self.headers.items()},
            body_bytes=len(body),
        )

    def _forward(self, body: bytes, dropped: list[str]) -> _Reply:
        doomed = [
            name
            for name in self.headers
            if any(name.lower().startswith(prefix) for prefix in dropped)
        ]
        for name in doomed:
            del self.headers[name]
        headers: Iterator[tuple[str, str]] = iter(self.headers.items())
        if doomed:
            url = f"http://{self.headers['Host']}{self.path}"
            headers = iter(self.server.owner.sign(self.command, url, self.headers, body).items())
        upstream = urlsplit(self.server.owner.upstream.endpoint)
        connection = http.client.HTTPConnection(str(upstream.hostname), upstream.port)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            sent = {*HOP_BY_HOP, "content-length"}
            for name, value in headers:
                if name.lower() not in sent:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            return _Reply(
                response.status,
                response.reason,
                response.getheaders(),
                response.read(),
                response.getheader("Content-Length"),
            )
        finally:
            connection.close()

    def _answer(self, reply: _Reply, lies: list[Lie]) -> None:
        body = bytearray(reply.body)
        headers = [
            (name, value)
            for name, value in reply.headers
            if name.lower() not in {*HOP_BY_HOP, "content-length"}
        ]
        for lie in lies:
            if isinstance(lie, FlipByte) and body:
                body[lie.at] ^= 0xFF
            elif isinstance(lie, Rewrite):
                body = body.replace(lie.old, lie.new)
            elif isinstance(lie, SkewDate):
                headers = [
                    (name, _later(value, lie.by) if name.lower() == "date" else value)
                    for name, value in headers
                ]
            elif isinstance(lie, DropReplyHeaders):
                headers = [
                    (name, value)
                    for name, value in headers
                    if not name.lower().startswith(lie.prefix)
                ]
        self.send_response_only(reply.status, reply.reason)
        for name, value in headers:
            self.send_header(name, value)
        if self.command == "HEAD" and reply.length is not None:
            self.send_header("Content-Length", reply.length)
        elif reply.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, lie: Refuse) -> None:
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{lie.code}</Code>'
            "<Message>told to refuse</Message></Error>"
        ).encode()
        self.send_response_only(lie.status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_args: object) -> None:
        """Say nothing; `S3Proxy.requests` remembers."""


def _later(date: str, by: timedelta) -> str:
    return format_datetime(parsedate_to_datetime(date) + by, usegmt=True)
