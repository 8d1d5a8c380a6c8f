"""A mail server on 127.0.0.1 with STARTTLS and AUTH; it refuses or goes silent as a test says."""

import base64
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from tests.servers.certificates import Shown

GREETING = "220 mail.test ESMTP"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def handle_error(self, *_: object) -> None:
        """Say nothing: the client has left, as it should."""


@dataclass(slots=True, kw_only=True)
class MailServer:
    """The server, listening between `with` and its end.

    Attributes:
        shown: Its certificate; None: it offers no TLS.
        login: The one user and password that it takes; None: it asks for none.
        answers: By command, what it says instead: `{"RCPT": "550 no"}`. An empty one: nothing.
        implicit: It speaks TLS from the first byte.
        taken: Messages, and whether they came over TLS and by whom.
    """

    shown: Shown | None = None
    login: tuple[str, str] | None = None
    answers: dict[str, str] = field(default_factory=dict)
    implicit: bool = False
    taken: list[tuple[bytes, bool, str | None]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    """Commands, without what stands behind them, in their order."""
    _ended: threading.Event = field(default_factory=threading.Event)
    _server: _Server | None = None

    def __enter__(self) -> Self:
        ours = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with closing(_Talk(ours, self.request)) as talk:
                    talk.go_on()

        self._server = _Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.server_address[1]
        return port

    def context(self) -> ssl.SSLContext:
        """Return what it speaks TLS with."""
        assert self.shown is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.shown.certificate, self.shown.key)
        return context

    def silent(self) -> None:
        """Say nothing until the test is over."""
        self._ended.wait(60)


class _Talk:
    """One connection."""

    def __init__(self, server: MailServer, wire: socket.socket) -> None:
        self.server = server
        self.secure = server.implicit
        self.user: str | None = None
        self.wire = self._wrapped(wire) if server.implicit else wire
        self.lines = self.wire.makefile("rb")

    def _wrapped(self, wire: socket.socket) -> socket.socket:
        return self.server.context().wrap_socket(wire, server_side=True)

    def close(self) -> None:
        """Let go of the connection."""
        self.lines.close()
        self.wire.close()

    def say(self, *lines: str) -> None:
        """Say lines."""
        self.wire.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def go_on(self) -> None:
        """Talk until the other one leaves."""
        self._answer("GREETING", partial(self.say, GREETING))
        while line := self.lines.readline():
            verb, _, rest = line.decode("ascii", "replace").strip().partition(" ")
            self.server.heard.append(verb.upper())
            act = getattr(self, f"_{verb.lower()}", self._unknown)
            self._answer(verb.upper(), partial(act, rest))
            if verb.upper() == "QUIT":
                return

    def _answer(self, verb: str, act: Callable[[], None]) -> None:
        told = self.server.answers.get(verb)
        if told is None:
            act()
        elif told:
            self.say(told)
        else:
            self.server.silent()

    def _unknown(self, _: str) -> None:
        self.say("500 ?")

    def _ehlo(self, _: str) -> None:
        offers = ["250-mail.test"]
        if self.server.shown and not self.secure:
            offers.append("250-STARTTLS")
        if self.server.login and self.secure:
            offers.append("250-AUTH PLAIN")
        self.say(*offers, "250 8BITMIME")

    def _starttls(self, _: str) -> None:
        self.say("220 go")
        self.lines.close()
        self.wire = self._wrapped(self.wire)
        self.lines, self.secure = self.wire.makefile("rb"), True

    def _auth(self, rest: str) -> None:
        _, user, password = base64.b64decode(rest.rsplit(maxsplit=1)[-1]).decode().split("\0")
        if (user, password) != self.server.login:
            self.say(f"535 no, {user}")
            return
        self.user = user
        self.say("235 yes")

    def _mail(self, _: str) -> None:
        self.say("530 who?" if self.server.login and not self.user else "250 ok")

    def _rcpt(self, _: str) -> None:
        self.say("250 ok")

    def _data(self, _: str) -> None:
        self.say("354 go")
        content = b""
        while (line := self.lines.readline()) not in (b".\r\n", b""):
            content += line
        self.server.taken.append((content, self.secure, self.user))
        self.say("250 taken")

    def _rset(self, _: str) -> None:
        self.say("250 ok")

    def _quit(self, _: str) -> None:
        self.say("221 bye")
