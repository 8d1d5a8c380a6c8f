"""An HTTP server on 127.0.0.1 that lives as long as a test wants it; what it answers others say."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Say nothing: the client has left, as it should."""


@dataclass(slots=True, kw_only=True)
class Listening:
    """The server, listening between `with` and `close`."""

    seconds_a_byte: float = 0.0
    """How slowly the answer comes."""
    _server: ThreadingHTTPServer | None = None
    _port: int = 0

    def respond(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer a POST."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                ours.respond(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *_: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self._port}"

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
