"""Decoys: values that no buyer has: whoever asks for one has got it from where he should not.

Somebody plants a number or a contact where only a thief reads: in an old dump, in a list that is
said to have leaked, between two order numbers that were never given. Its token exists in the
search index only (`archiver.index.planted`): no shop and no partition has it. Asked for, it is
answered like anything that was never archived; an alarm tells of it at once, and the watch counts.

Here is the register from which every host's index gets them: the values, sealed under a key that
lookup hosts derive, so that whoever steals the state learns none and can tell none among what was
asked. Indexes can be lost: each build and each refresh writes them again.
"""

import hmac
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    insert,
    select,
)

from archiver.errors import LocalDiskError, Said, StateDamagedError
from archiver.index.planted import Planted
from archiver.local_files import alone
from archiver.ports import Clock
from archiver.state import Part, State
from archiver.tokens import derive_key

_metadata: Final = MetaData()
_planted: Final = Table(
    "planted_decoys",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("mark", String(64), nullable=False, unique=True),  # one value is planted once
    Column("kind", String(16), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("planted_at", BigInteger, nullable=False),
    Column("planted_by", String(64), nullable=False),
    sqlite_autoincrement=True,  # a number that was withdrawn is not given again
)
PART: Final = Part(name="planted-decoys", version=1, metadata=_metadata)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NONCE: Final = 12
_LOCK: Final = "decoys.lock"

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoy:
    """One of them."""

    number: int
    kind: str
    """As in `archiver.policy.Question`."""
    value: str = field(repr=False)
    planted_at: datetime
    planted_by: str
    token: str = field(repr=False)
    """Of a question for it, as in the access log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoys:
    """The decoys of one archive, as its lookup hosts see them."""

    state: State
    clock: Clock
    token_key: bytes = field(repr=False)

    def plant(self, kind: str, values: Mapping[str, str], by: str) -> int:
        """Plant some; those that stand there already stay.

        Args:
            kind: As in `archiver.policy.Question`.
            values: By the tokens that `archiver.access_log.question` makes of them.
            by: Whoever plants them.

        Returns:
            How many were new.
        """
        at = (self.clock.now() - _EPOCH) // timedelta(microseconds=1)
        marks = {self._mark(token): (token, value) for token, value in values.items()}
        with self.state.writing(PART) as connection:
            known = set(connection.scalars(select(_planted.c.mark)).all())
            rows = [
                {
                    "mark": mark,
                    "kind": kind,
                    "sealed": self._sealed(mark, token, value),
                    "planted_at": at,
                    "planted_by": by,
                }
                for mark, (token, value) in marks.items()
                if mark not in known
            ]
            if rows:
                connection.execute(insert(_planted), rows)
        return len(rows)

    def withdraw(self, numbers: Sequence[int], tokens: Sequence[str] = ()) -> int:
        """Take some away, by numbers or by their questions' tokens; return how many there were."""
        marks = [self._mark(token) for token in tokens]
        named = _planted.c.number.in_(numbers) | _planted.c.mark.in_(marks)
        with self.state.writing(PART) as connection:
            return int(connection.execute(delete(_planted).where(named)).rowcount)

    def all(self) -> list[Decoy]:
        """Return all there are, oldest first."""
        with self.state.reading(PART) as connection:
            rows = connection.execute(select(_planted).order_by(_planted.c.number)).all()
        return [
            Decoy(
                number=row.number,
                kind=row.kind,
                planted_at=_EPOCH + timedelta(microseconds=row.planted_at),
                planted_by=row.planted_by,
                **self._opened(row.mark, row.sealed),
            )
            for row in rows
        ]

    def publish(self, index: Path) -> None:
        """Write all there are into a host's search index; nothing is written if nothing is new.

        Where the disk refuses, what the index has stands.

        Raises:
            StateUnavailableError: The state does not answer.
            StateDamagedError: Somebody has altered what stands there.
        """
        try:
            with alone(index / _LOCK):  # who read the state last writes last
                Planted(index, self.token_key).publish(one.token for one in self.all())
        except LocalDiskError as error:
            log.warning("decoys not renewed", extra={"what": str(error)})

    def _mark(self, token: str) -> str:
        return hmac.digest(self._key("mark"), token.encode(), "sha256").hex()

    def _sealed(self, mark: str, token: str, value: str) -> bytes:
        nonce = os.urandom(_NONCE)
        content = json.dumps({"token": token, "value": value}).encode()
        return nonce + AESGCM(self._key("value")).encrypt(nonce, content, mark.encode())

    def _opened(self, mark: str, sealed: bytes) -> dict[str, str]:
        cipher = AESGCM(self._key("value"))
        try:
            content = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], mark.encode())
        except InvalidTag:
            detail = Said("a decoy was altered", "诱饵记录被改动")
            raise StateDamagedError(place=self.state.place, detail=detail) from None
        return {name: str(text) for name, text in json.loads(content).items()}

    def _key(self, purpose: str) -> bytes:
        return derive_key(self.token_key, f"decoys/{purpose}")
