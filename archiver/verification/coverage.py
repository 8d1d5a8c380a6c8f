"""Coverage: which part of the archive was read again when, and whose turn it is.

Responsible for the plan by which every byte is read again within 30 days, in equal parts a night,
and for the record of it on this host. Objects have one of 30 *turns*, by their keys alone: which
one does not change, so two hosts read the same part on the same day. Nights that did not run are
made up for by the next one. A host that has lost its record begins anew: it then reads one
thirtieth a night, as an archive does that was founded today.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from archiver.local_files import write_whole

TURNS: Final = 30
"""Days within which every byte is read again."""
FOLDER: Final = "verification"
NAME: Final = "coverage.json"
FORMAT: Final = 1
SMALL_OBJECTS: Final = 2_000
SMALL_BYTES: Final = 64 << 20
"""An archive below both is read whole every night: that takes less than a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read of a turn when it was last read whole."""

    at: datetime
    objects: int
    size_bytes: int
    opened: bool
    """Rows were decrypted and leaves computed."""
    findings: int = 0
    """Alarms that were found in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The end of the chain as this host has seen it."""

    manifest: int
    head: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """This host's record."""

    archive: str
    begun: date
    """When the record begins."""
    last: date | None = None
    """The day of the last verification."""
    last_full: datetime | None = None
    turns: Mapping[int, Reading] = field(default_factory=dict)
    seen: Seen | None = None

    @classmethod
    def load(cls, memory: Path | None, archive: str, today: date) -> "Coverage":
        """Return what this host remembers; a new record where there is none that can be used."""
        new = cls(archive=archive, begun=today)
        if memory is None:
            return new
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads((memory / FOLDER / NAME).read_bytes())
            if kept["format"] == FORMAT and kept["archive"] == archive:
                return _parsed(kept)
        return new

    def save(self, memory: Path | None) -> None:
        """Keep it.

        Raises:
            LocalDiskError: The disk refused.
        """
        if memory is not None:
            write_whole(memory / FOLDER / NAME, json.dumps(_fields(self), indent=1).encode())

    def turns_due(self, today: date) -> frozenset[int]:
        """Return the turns to read today: today's, and those of days without a verification."""
        missed = 1
        if self.last is not None and self.last < today:
            missed = min((today - self.last).days, TURNS)
        return frozenset((today.toordinal() - ago) % TURNS for ago in range(missed))

    def after(
        self, today: date, readings: Mapping[int, Reading], seen: Seen | None, *, full: bool
    ) -> "Coverage":
        """Return the record after a verification."""
        at = max((one.at for one in readings.values()), default=None)
        return replace(
            self,
            last=max(today, self.last or today),
            last_full=at if full else self.last_full,
            turns={**self.turns, **readings},
            seen=seen if seen is not None else self.seen,
        )

    def oldest(self, now: datetime) -> int | None:
        """Return how many days ago the turn was read that was not read for longest.

        None while one of them was never read on this host.
        """
        if len(self.turns) < TURNS:
            return None
        return max((now - one.at).days for one in self.turns.values())


def turn_of(key: str) -> int:
    """Return an object's turn."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=4).digest(), "big") % TURNS


def is_small(sizes: Collection[int]) -> bool:
    """Return whether objects of these sizes are read whole every night."""
    return len(sizes) <= SMALL_OBJECTS and sum(sizes) <= SMALL_BYTES


def _fields(coverage: Coverage) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "archive": coverage.archive,
        "begun": coverage.begun.isoformat(),
        "last": coverage.last.isoformat() if coverage.last else None,
        "last_full": _written(coverage.last_full),
        "seen": {"manifest": coverage.seen.manifest, "head": coverage.seen.head}
        if coverage.seen
        else None,
        "turns": {
            str(turn): {
                "at": _written(one.at),
                "objects": one.objects,
                "bytes": one.size_bytes,
                "opened": one.opened,
                "findings": one.findings,
            }
            for turn, one in sorted(coverage.turns.items())
        },
    }


def _parsed(kept: Mapping[str, Any]) -> Coverage:
    seen = kept["seen"]
    return Coverage(
        archive=kept["archive"],
        begun=date.fromisoformat(kept["begun"]),
        last=date.fromisoformat(kept["last"]) if kept["last"] else None,
        last_full=datetime.fromisoformat(kept["last_full"]) if kept["last_full"] else None,
        seen=Seen(manifest=seen["manifest"], head=seen["head"]) if seen else None,
        turns={
            int(turn): Reading(
                at=datetime.fromisoformat(one["at"]),
                objects=int(one["objects"]),
                size_bytes=int(one["bytes"]),
                opened=bool(one["opened"]),
                findings=int(one["findings"]),
            )
            for turn, one in kept["turns"].items()
            if 0 <= int(turn) < TURNS
        },
    )


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def coverage_fields(coverage: Coverage) -> dict[str, Any]:
    """Return which part of the archive was read again when."""
    turns = coverage.turns.values()
    return {
        "since": str(coverage.begun),
        "last": str(coverage.last) if coverage.last else None,
        "last_full": _instant(coverage.last_full) if coverage.last_full else None,
        "turns_read": len(coverage.turns),
        "turns": TURNS,
        "oldest": _instant(min(one.at for one in turns)) if coverage.turns else None,
        "opened": bool(turns) and all(one.opened for one in turns),
        "findings": sum(one.findings for one in turns),
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
