"""Tells somebody else's server what a run must be known for: a signed POST, tried for seconds.

Responsible for one thing: a document arrives, or it is said that it did not, within
`Patience.at_most` whatever the server, the network or its name server do. Neither the address
(it may hold a token) nor what the server answers becomes part of an error.
"""

import hashlib
import hmac
import http.client
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

import stamina

from archiver.errors import Said, WebhookDownError
from archiver.ports import Clock

TIMESTAMP: Final = "Archiver-Timestamp"
"""Seconds since 1970 UTC. A receiver refuses old ones: a recorded alarm cannot be sent again."""
SIGNATURE: Final = "Archiver-Signature"
"""`sha256=` and the HMAC-SHA-256 (RFC 2104) of timestamp, a full stop and the body, in hex."""

_BUSY: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Where to."""

    url: str = field(repr=False)
    secret: bytes | None = field(default=None, repr=False)
    """Without one, nothing is signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a server is tried."""

    attempts: int = 4
    answer: timedelta = timedelta(seconds=5)
    """Without a single byte."""
    first_wait: timedelta = timedelta(seconds=1)
    give_up_after: timedelta = timedelta(seconds=20)
    """No new attempt begins later than this."""
    at_most: timedelta = timedelta(seconds=30)
    """For everything: a server may send a byte now and then, a name server nothing."""


PATIENCE: Final = Patience()


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Return the value of the signature's header."""
    digest = hmac.digest(secret, timestamp.encode() + b"." + body, hashlib.sha256)
    return f"sha256={digest.hex()}"


def deliver(
    webhook: Webhook, bodies: Sequence[bytes], clock: Clock, patience: Patience = PATIENCE
) -> int:
    """Send JSON documents, in this order, until one does not arrive.

    Returns:
        How many arrived.

    Raises:
        WebhookDownError: None did.
    """
    delivery = _Delivery(webhook, bodies, clock, patience)
    # A thread that may be left behind: nothing else ends a look-up of a name.
    thread = threading.Thread(target=delivery.run, name="webhook", daemon=True)
    thread.start()
    thread.join(patience.at_most.total_seconds())
    if bodies and not delivery.arrived:
        seconds = int(patience.at_most.total_seconds())
        late = Said(f"no answer within {seconds} s", f"{seconds} 秒内没有应答")
        raise WebhookDownError(detail=delivery.failure or late)
    return delivery.arrived


@dataclass(slots=True)
class _Delivery:
    webhook: Webhook
    bodies: Sequence[bytes]
    clock: Clock
    patience: Patience
    arrived: int = 0
    failure: str | None = None

    def run(self) -> None:
        patience = self.patience
        calling = stamina.RetryingCaller(
            attempts=patience.attempts,
            timeout=patience.give_up_after,
            wait_initial=patience.first_wait,
            wait_max=patience.first_wait * 4,
            wait_jitter=patience.first_wait,
        ).on(_is_transient)
        try:
            for body in self.bodies:
                # One callable: stamina logs arguments, and bodies do not belong in logs.
                calling(partial(self._post, body))
                self.arrived += 1
        except urllib.error.HTTPError as error:
            self.failure = f"HTTP {error.code}"
            error.close()
        except Exception as error:  # noqa: BLE001  a message may quote the address
            self.failure = type(getattr(error, "reason", None) or error).__name__

    def _post(self, body: bytes) -> None:
        timestamp = str(int(self.clock.now().timestamp()))
        headers = {"Content-Type": "application/json", TIMESTAMP: timestamp}
        if self.webhook.secret is not None:
            headers[SIGNATURE] = signature(self.webhook.secret, timestamp, body)
        request = urllib.request.Request(  # noqa: S310  the configuration takes http(s) only
            self.webhook.url, data=body, headers=headers, method="POST"
        )
        opener = urllib.request.build_opener(_Stay)
        with opener.open(request, timeout=self.patience.answer.total_seconds()):
            pass  # what it answers is of no interest


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nobody: a signed alarm goes where the operator said, or nowhere."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Return no second request: the redirection is the answer, and an error."""


def _is_transient(error: Exception) -> bool:
    if isinstance(error, urllib.error.HTTPError):
        return error.code >= http.client.INTERNAL_SERVER_ERROR or error.code in _BUSY
    return isinstance(error, OSError | http.client.HTTPException)
