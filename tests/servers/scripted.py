"""An HTTP server on 127.0.0.1 whose answers a test writes: the ground of witness and authority."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.servers.listening import Listening


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: int
    content: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True, kw_only=True)
class Scripted(Listening):
    """The server.

    Attributes:
        answer: What makes an answer of path and body; None: a server that hangs up.
        seconds_a_byte: How slowly the answer's content comes.
        requests: What was asked: path, body, headers.
    """

    answer: Callable[[str, bytes], Reply] | None = None
    requests: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)

    def respond(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer as the test has written it."""
        self.requests.append((request.path, body, dict(request.headers)))
        if self.answer is None:
            return
        reply = self.answer(request.path, body)
        request.send_response(reply.status)
        for name, value in reply.headers:
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(reply.content)))
        request.end_headers()
        if not self.seconds_a_byte:
            request.wfile.write(reply.content)
            return
        for byte in reply.content:
            time.sleep(self.seconds_a_byte)
            request.wfile.write(bytes([byte]))

    @property
    def url(self) -> str:
        """Where it listens. Its path is a secret."""
        return f"{self.address}/CanaryPath"
