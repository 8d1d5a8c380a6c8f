"""A witness that is a server: it speaks C2SP tlog-witness and answers with cosignatures.

It checks for itself that each head continues the one before, and signs what it has seen. Nothing
of what it says is believed but signatures of the keys that were configured for it, and how many
entries it claims to know.

Source: c2sp.org/tlog-witness ("add-checkpoint").
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from archiver.bounded_post import LIMITS, Answered, Limits, post
from archiver.errors import AnswerRefusedError, Said, TamperedError, WitnessAheadError
from archiver.signed_note import VerifierKey, parse_signatures, verify_cosignature
from archiver.witnesses.history import Confirmed, Head, History, split_view

TOLERANCE: Final = timedelta(minutes=5)
"""Between a witness's clock and ours: as between the store's and ours."""
_ROUNDS: Final = 3
"""It knows another size, and another one again: one more time, then it is only moving."""
_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n?")
_HEADERS: Final = {"Content-Type": "text/plain; charset=utf-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointWitness:
    """The server."""

    name: str
    url: str = field(repr=False)
    """The submission prefix."""
    keys: Sequence[VerifierKey]
    """The witness's."""
    limits: Limits = LIMITS

    @property
    def place(self) -> str:
        """Who it is: its keys."""
        return " ".join(map(str, self.keys))

    def confirm(self, head: Head, history: History, *, confirmed: int, now: datetime) -> Confirmed:
        """Have the head cosigned; see `Witness`."""
        old = min(confirmed, head.size)
        for _ in range(_ROUNDS):
            answered = self._post(request(old, history.consistency(old, head.size), head))
            if answered.status == HTTPStatus.OK:
                return self._cosigned(answered.content, head, old, now)
            if answered.status == HTTPStatus.UNPROCESSABLE_ENTITY:
                raise split_view(self.name, old, "it refuses our proof", "对方不接受一致性证明")
            if answered.status != HTTPStatus.CONFLICT:
                raise self._refused(answered, head)
            knows = self._size(answered)
            if knows > head.size:
                raise WitnessAheadError(witness=self.name, held=knows, size=head.size)
            if knows == old:
                if old == head.size:
                    raise split_view(self.name, old, "another root", "根哈希不同")
                said = Said("it contradicts itself", "其应答自相矛盾")
                raise AnswerRefusedError(place=self.name, detail=said)
            old = knows
        said = Said("it names another size each time", "其每次给出的大小都不同")
        raise AnswerRefusedError(place=self.name, detail=said)

    def _post(self, body: bytes) -> Answered:
        url = f"{self.url.rstrip('/')}/add-checkpoint"
        return post(self.name, url, body, _HEADERS, self.limits)

    def _size(self, answered: Answered) -> int:
        match = _SIZE.fullmatch(answered.content)
        if match is None:
            said = Said("HTTP 409 without a size", "HTTP 409 且未给出大小")
            raise AnswerRefusedError(place=self.name, detail=said)
        return int(match[1])

    def _cosigned(self, content: bytes, head: Head, old: int, now: datetime) -> Confirmed:
        try:
            at, lines = cosigned(content, self.keys, head.checkpoint.text, where=self.name)
        except TamperedError as error:
            detail = error.params["detail"]
            raise AnswerRefusedError(place=self.name, detail=detail) from None
        if at > now + TOLERANCE:
            said = Said("it signed in the future", "其签名时间在未来")
            raise AnswerRefusedError(place=self.name, detail=said)
        return Confirmed(knew=old, at=at, lines=lines)

    def _refused(self, answered: Answered, head: Head) -> AnswerRefusedError:
        if answered.status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            ours = ", ".join(map(str, head.keys))
            said = Said(
                f"HTTP {answered.status}; does it know this log's key? {ours}",
                f"HTTP {answered.status}；对方是否已登记此账本的公钥？{ours}",
            )
            return AnswerRefusedError(place=self.name, detail=said)
        said = Said(f"HTTP {answered.status}", f"HTTP {answered.status}")
        return AnswerRefusedError(place=self.name, detail=said)


def request(old: int, proof: Sequence[bytes], head: Head) -> bytes:
    """Return the body of an add-checkpoint request.

    Args:
        old: How many entries the witness knows.
        proof: That the head continues them; empty if it knows none.
        head: The new head.
    """
    lines = "".join(f"{base64.b64encode(node).decode()}\n" for node in proof)
    return f"old {old}\n{lines}\n".encode() + head.content


def cosigned(
    content: bytes, keys: Sequence[VerifierKey], text: str, *, where: str
) -> tuple[datetime, bytes]:
    """Return when a witness has last seen a checkpoint, and its own of these signature lines.

    Args:
        content: Signature lines, as the witness answered them or as they are kept.
        keys: The witness's, trusted.
        text: The checkpoint's, verified.
        where: The witness or the object, for the error.

    Raises:
        TamperedError: None of these keys has signed it, or a signature does not hold.
    """
    try:
        lines = parse_signatures(content.decode(), where=where)
    except UnicodeDecodeError:
        said = Said("it is no UTF-8", "不是 UTF-8")
        raise TamperedError(key=where, detail=said) from None
    signed = [
        (verify_cosignature(text, line, key, where=where), line)
        for line in lines
        for key in keys
        if line.is_by(key)
    ]
    if not signed:
        said = Said("no signature by its key", "没有其密钥的签名")
        raise TamperedError(key=where, detail=said)
    own = "".join(f"{line}\n" for _, line in signed)
    return max(at for at, _ in signed), own.encode()
