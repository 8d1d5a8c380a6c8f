"""An HTTP server on 127.0.0.1 that takes POSTs, refuses them or dawdles, as a test says."""

import threading
import time
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    body: bytes
    headers: Message


@dataclass(slots=True)
class Receiver:
    """The server. Its path holds a token, as those of chat services do.

    Attributes:
        answers: Status codes, one for each request; then 200.
        seconds_a_byte: How slowly the answer comes.
    """

    requests: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    seconds_a_byte: float = 0.0
    _server: ThreadingHTTPServer | None = None
    _port: int = 0

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(Received(body, self.headers))
                code = receiver.answers.pop(0) if receiver.answers else 200
                location = f"Location: {receiver.url}/elsewhere\r\n" if code == 302 else ""
                answer = f"HTTP/1.1 {code} -\r\n{location}Content-Length: 0\r\n\r\n".encode()
                for byte in [answer[n : n + 1] for n in range(len(answer))]:
                    if receiver.seconds_a_byte:
                        time.sleep(min(receiver.seconds_a_byte, 5))
                    self.wfile.write(byte)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                """Say nothing: the client has left, as it should."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}/hooks/CanaryToken"

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
