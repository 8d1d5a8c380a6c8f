"""An HTTP server on 127.0.0.1 whose answers a test writes: the ground of witness and authority."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: int
    content: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Scripted:
    """The server.

    Attributes:
        answer: What makes an answer of path and body; None: a server that hangs up.
        seconds_a_byte: How slowly the answer's content comes.
        requests: What was asked: path, body, headers.
    """

    answer: Callable[[str, bytes], Reply] | None = None
    seconds_a_byte: float = 0.0
    requests: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None
    _port: int = 0

    def __enter__(self) -> Self:
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                ours.requests.append((self.path, body, dict(self.headers)))
                if ours.answer is None:
                    return
                reply = ours.answer(self.path, body)
                self.send_response(reply.status)
                for name, value in reply.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.content)))
                self.end_headers()
                if not ours.seconds_a_byte:
                    self.wfile.write(reply.content)
                    return
                for byte in reply.content:
                    time.sleep(ours.seconds_a_byte)
                    self.wfile.write(bytes([byte]))

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
        """Where it listens. Its path is a secret."""
        return f"http://127.0.0.1:{self._port}/CanaryPath"

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
