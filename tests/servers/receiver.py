"""An HTTP server on 127.0.0.1 that takes POSTs, refuses them or dawdles, as a test says."""

import time
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler

from tests.servers.listening import Listening


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    body: bytes
    headers: Message


@dataclass(slots=True, kw_only=True)
class Receiver(Listening):
    """The server. Its path holds a token, as those of chat services do.

    Attributes:
        answers: Status codes, one for each request; then 200.
        seconds_a_byte: How slowly the answer comes.
    """

    requests: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def respond(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """Take it, or do what is said in `answers`."""
        self.requests.append(Received(body, request.headers))
        code = self.answers.pop(0) if self.answers else 200
        location = f"Location: {self.url}/elsewhere\r\n" if code == 302 else ""
        answer = f"HTTP/1.1 {code} -\r\n{location}Content-Length: 0\r\n\r\n".encode()
        for byte in [answer[n : n + 1] for n in range(len(answer))]:
            if self.seconds_a_byte:
                time.sleep(min(self.seconds_a_byte, 5))
            request.wfile.write(byte)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{self.address}/hooks/CanaryToken"
