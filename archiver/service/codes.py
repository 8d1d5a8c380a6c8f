"""One-time codes for buyers: what goes to the contact in the archive, and comes back once.

A challenge is made for every request, also where there is no such order: whoever asks cannot tell.
What it is for is sealed under a key of this archive; of the code only a keyed hash is kept. Of two
that come back at once, one counts.
"""

import hmac
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    update,
)

from archiver.operators.tables import stamp
from archiver.ports import Clock
from archiver.state import Part, State
from archiver.tokens import derive_key

LASTS: Final = timedelta(minutes=10)
TRIES: Final = 5
"""Wrong ones to a code of eight digits: one chance in 20 million."""
DIGITS: Final = 8
PER_ORDER: Final = 3
"""Codes a day to one order's contact: nobody is rung out of bed by strangers."""
GUESSES: Final = 5
"""Wrong contacts or accounts an hour to one number: of a masked telephone number few are left."""
DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
_NONCE: Final = 12

_metadata: Final = MetaData()
_codes: Final = Table(
    "service_codes",
    _metadata,
    Column("challenge", String(64), primary_key=True),
    Column("site", String(64), nullable=False),
    Column("target", String(32), nullable=False),  # a number's token, as the access log has it
    Column("made_at", BigInteger, nullable=False),
    Column("kept", String(64), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("sent", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("used_at", BigInteger),
    Index("service_codes_by_target", "target", "made_at"),
)
_guesses: Final = Table(
    "service_guesses",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("target", String(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("service_guesses_by_target", "target", "at"),
)
PART: Final = Part(name="service-codes", version=1, metadata=_metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A code on its way."""

    name: str
    code: str = field(repr=False)
    """Eight digits."""
    sent: bool
    """It is for somebody, who has not had too many today."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The codes of one archive."""

    state: State
    clock: Clock
    token_key: bytes = field(repr=False)
    """The archive's: keys of codes are derived from it."""

    def make(self, site: str, target: str, order: Mapping[str, str] | None) -> Challenge:
        """Make a challenge.

        Args:
            site: For whom.
            target: Of which order, as the token of its number; of none, of what was asked.
            order: What it opens; None: nothing, though it looks alike.
        """
        now = self.clock.now()
        name, code = secrets.token_urlsafe(24), f"{secrets.randbelow(10**DIGITS):0{DIGITS}d}"
        with self.state.writing(PART) as connection:
            connection.execute(delete(_codes).where(_codes.c.made_at < stamp(now - DAY)))
            had = connection.scalar(
                select(func.count())
                .select_from(_codes)
                .where(_codes.c.target == target, _codes.c.sent == 1)
            )
            sent = order is not None and int(had or 0) < PER_ORDER
            connection.execute(
                insert(_codes).values(
                    challenge=name,
                    site=site,
                    target=target,
                    made_at=stamp(now),
                    kept=self._kept(name, code),
                    sealed=self._sealed(name, order if sent else None),
                    sent=int(sent),
                    tries=0,
                )
            )
        return Challenge(name=name, code=code, sent=sent)

    def redeem(self, site: str, challenge: str, code: str) -> Mapping[str, str] | None:
        """Take a code; return what it opens, once. None says nothing about why not."""
        now = self.clock.now()
        with self.state.writing(PART) as connection:
            row = connection.execute(
                select(_codes).where(_codes.c.challenge == challenge, _codes.c.site == site)
            ).one_or_none()
            kept = row.kept if row is not None else ""
            right = hmac.compare_digest(kept, self._kept(challenge, code))
            if row is None:
                return None
            age = stamp(now) - row.made_at
            usable = (
                row.used_at is None
                and row.tries < TRIES
                and 0 <= age < LASTS // timedelta(microseconds=1)
            )
            connection.execute(
                update(_codes)
                .where(_codes.c.challenge == challenge)
                .values(
                    tries=row.tries + 1, used_at=stamp(now) if usable and right else row.used_at
                )
            )
        return self._opened(challenge, row.sealed) if usable and right else None

    def guessed(self, target: str) -> None:
        """Count a question about a number that named the wrong owner, or no number that is."""
        now = self.clock.now()
        with self.state.writing(PART) as connection:
            connection.execute(delete(_guesses).where(_guesses.c.at < stamp(now - HOUR)))
            connection.execute(insert(_guesses).values(target=target, at=stamp(now)))

    def guarded(self, target: str) -> bool:
        """Tell whether a number has been guessed at so often that it is not looked for now."""
        since = stamp(self.clock.now() - HOUR)
        with self.state.reading(PART) as connection:
            query = (
                select(func.count())
                .select_from(_guesses)
                .where(_guesses.c.target == target, _guesses.c.at > since)
            )
            return int(connection.scalar(query) or 0) >= GUESSES

    def _kept(self, challenge: str, code: str) -> str:
        key = derive_key(self.token_key, "service-code")
        return hmac.digest(key, f"{challenge}\0{code}".encode(), "sha256").hex()

    def _sealed(self, challenge: str, order: Mapping[str, str] | None) -> bytes:
        nonce = os.urandom(_NONCE)
        content = json.dumps(order).encode()
        return nonce + self._cipher().encrypt(nonce, content, challenge.encode())

    def _opened(self, challenge: str, sealed: bytes) -> Mapping[str, str] | None:
        content = self._cipher().decrypt(sealed[:_NONCE], sealed[_NONCE:], challenge.encode())
        found: Any = json.loads(content)
        return {str(k): str(v) for k, v in found.items()} if found else None

    def _cipher(self) -> AESGCM:
        return AESGCM(derive_key(self.token_key, "service-code-order"))
