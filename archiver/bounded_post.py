"""One POST to somebody else's server, within limits of time and size, whatever it does.

Responsible for one thing: an answer comes back whole and small within `Limits.at_most`, or it is
said that none did, whatever the server, the network or its name server do. Redirections are not
followed. Neither the address (it may hold a token) nor what a server answers becomes part of an
error.
"""

import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import stamina

from archiver.errors import NoAnswerError, Said

AGENT: Final = "order-archive"
"""What we call ourselves: many servers refuse the name of a language's library."""

_BUSY: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a server is tried, and how much it may say."""

    attempts: int = 2
    silence: timedelta = timedelta(seconds=5)
    """Without a single byte."""
    first_wait: timedelta = timedelta(seconds=1)
    at_most: timedelta = timedelta(seconds=15)
    """For everything: a server may send a byte now and then, a name server nothing."""
    size_bytes: int = 1 << 16
    """Signature lines take a hundred bytes each, a time stamp with its certificates some 6,000."""


LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a server said, whatever its status."""

    status: int
    content: bytes


def post(
    place: str,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    limits: Limits = LIMITS,
) -> Answered:
    """Return what a server answers to one document.

    Args:
        place: What people call the server; errors name it.
        url: http or https.
        body: The document.
        headers: Among them its content type.
        limits: Of time and size.

    Raises:
        NoAnswerError: It gave none, was busy or broken, or did not come to an end.
    """
    exchange = _Exchange(url, body, headers, limits)
    # A thread that may be left behind: nothing else ends a look-up of a name.
    thread = threading.Thread(target=exchange.run, name="post", daemon=True)
    thread.start()
    thread.join(limits.at_most.total_seconds())
    if (answered := exchange.answered) is not None:
        return answered
    seconds = int(limits.at_most.total_seconds())
    late = Said(f"no whole answer within {seconds} s", f"{seconds} 秒内没有完整应答")
    raise NoAnswerError(place=place, detail=exchange.failure or late)


@dataclass(slots=True)
class _Exchange:
    url: str = field(repr=False)
    body: bytes
    headers: Mapping[str, str] = field(repr=False)
    limits: Limits
    answered: Answered | None = None
    failure: Said | str | None = None

    def run(self) -> None:
        limits = self.limits
        calling = stamina.RetryingCaller(
            attempts=limits.attempts,
            timeout=limits.at_most,
            wait_initial=limits.first_wait,
            wait_jitter=limits.first_wait,
        ).on(_is_transient)
        try:
            self.answered = calling(self._once)
        except _BusyError as busy:
            self.failure = f"HTTP {busy.status}"
        except _TooLongError:
            size = limits.size_bytes
            self.failure = Said(f"more than {size} bytes", f"超过 {size} 字节")
        except Exception as error:  # noqa: BLE001  a message may quote the address
            self.failure = type(getattr(error, "reason", None) or error).__name__

    def _once(self) -> Answered:
        request = urllib.request.Request(  # noqa: S310  the configuration takes http(s) only
            self.url, data=self.body, headers={"User-Agent": AGENT, **self.headers}, method="POST"
        )
        opener = urllib.request.build_opener(_Stay)
        try:
            answer = opener.open(request, timeout=self.limits.silence.total_seconds())
        except urllib.error.HTTPError as error:
            answer = error  # a refusal is an answer, and has a body
        with answer:
            status = int(answer.status)
            if status >= http.client.INTERNAL_SERVER_ERROR or status in _BUSY:
                raise _BusyError(status)
            content = answer.read(self.limits.size_bytes + 1)
        if len(content) > self.limits.size_bytes:
            raise _TooLongError
        return Answered(status=status, content=content)


class _BusyError(Exception):
    """The server cannot answer now."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _TooLongError(Exception):
    """The answer is longer than any that is meant well."""


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nobody: what is asked for comes from the one who was asked, or not at all."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Return no second request: the redirection is the answer."""


def _is_transient(error: Exception) -> bool:
    return isinstance(error, _BusyError | OSError | http.client.HTTPException)
