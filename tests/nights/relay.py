"""A TCP relay in front of a database: the network between shop and archive, and its bad days."""

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"


@dataclass(eq=False)
class Relay:
    """Passes connections on to a port, until it is told to stall or to cut.

    Both count the bytes that the server has sent since, over all connections.
    """

    port: int
    _fault: str = ""
    _left: int = 0
    sent_bytes: int = 0
    """Of the server's, so far."""
    _sockets: list[socket.socket] = field(default_factory=list)
    _change: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Self:
        self._listener = socket.create_server((HOST, 0))
        self.stalled = threading.Event()
        """Set when bytes are being held back."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.pass_on()
        self._listener.close()
        for end in self._sockets:
            _hang_up(end)

    @property
    def own_port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def through(self, url: str) -> str:
        """Return a URL of the server behind, by way of this relay."""
        return url.replace(f":{self.port}/", f":{self.own_port}/")

    def stall_after(self, sent_bytes: int) -> None:
        """Let so many bytes of the server's through, then nothing, with the line open."""
        self._set("stall", sent_bytes)

    def cut_after(self, sent_bytes: int) -> None:
        """Let so many bytes of the server's through, then close the line."""
        self._set("cut", sent_bytes)

    def pass_on(self) -> None:
        """Be an honest line again."""
        self._set("", 0)

    def _set(self, fault: str, left: int) -> None:
        with self._change:
            self._fault, self._left = fault, left
            self.stalled.clear()
            self._change.notify_all()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((HOST, self.port))
                self._sockets += [client, server]
                for pair in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(1 << 14):
                if counted and not self._may_pass(len(chunk)):
                    break
                sink.sendall(chunk)
        _hang_up(source)
        _hang_up(sink)

    def _may_pass(self, size: int) -> bool:
        with self._change:
            self.sent_bytes += size
            self._left -= size
            while self._fault == "stall" and self._left < 0:
                self.stalled.set()
                self._change.wait()
            return self._fault != "cut" or self._left >= 0


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
