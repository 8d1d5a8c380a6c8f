"""Decoys: values that no buyer has: whoever asks for one has got it from where he should not.

Somebody plants a number or a contact where only a thief reads: in an old dump, in a list that is
said to have leaked, between two order numbers that were never given. Here stands its token only,
as the access log makes them: who steals the state learns no decoy. Asked for, it is answered like
anything that was never archived, and the watch counts it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, Column, MetaData, String, Table, delete, insert, select

from archiver.ports import Clock
from archiver.state import Part, State

_metadata: Final = MetaData()
_decoys: Final = Table(
    "watch_decoys",
    _metadata,
    Column("token", String(32), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("planted_at", BigInteger, nullable=False),
    Column("planted_by", String(64), nullable=False),
)
PART: Final = Part(name="decoys", version=1, metadata=_metadata)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoys:
    """The decoys of one state."""

    state: State
    clock: Clock

    def plant(self, kind: str, tokens: Sequence[str], by: str) -> int:
        """Plant some; those that stand there already stay.

        Args:
            kind: As in `archiver.policy.Question`.
            tokens: Of `archiver.access_log.question`.
            by: Whoever plants them.

        Returns:
            How many were new.
        """
        at = (self.clock.now() - _EPOCH) // timedelta(microseconds=1)
        with self.state.writing(PART) as connection:
            known = set(
                connection.scalars(select(_decoys.c.token).where(_decoys.c.kind == kind)).all()
            )
            new = sorted(set(tokens) - known)
            rows = [{"token": one, "kind": kind, "planted_at": at, "planted_by": by} for one in new]
            if rows:
                connection.execute(insert(_decoys), rows)
        return len(new)

    def remove(self, kind: str, tokens: Sequence[str]) -> int:
        """Take some away; return how many there were."""
        with self.state.writing(PART) as connection:
            gone = connection.execute(
                delete(_decoys).where(_decoys.c.kind == kind, _decoys.c.token.in_(tokens))
            )
            return int(gone.rowcount)

    def among(self, tokens: Sequence[str]) -> bool:
        """Tell whether one of these is a decoy."""
        if not tokens:
            return False
        with self.state.reading(PART) as connection:
            query = select(_decoys.c.token).where(_decoys.c.token.in_(tokens)).limit(1)
            return connection.scalar(query) is not None

    def count(self) -> int:
        """Return how many there are."""
        with self.state.reading(PART) as connection:
            return len(connection.scalars(select(_decoys.c.token)).all())
