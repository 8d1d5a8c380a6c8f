"""The pointer file: which local segments there are, and how far they reach.

It is replaced whole, so a reader sees the old index or the new one. Files that it names never
change.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final, Self

from archiver.index.files import Noted, UnusableError
from archiver.local_files import write_whole

NAME: Final = "current-1.json"
"""With the number of its format: software of another one builds an index of its own."""

Days = Mapping[str, Sequence[tuple[date, date]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """What a published index is."""

    archive: str
    manifest: int
    """The last one that was read."""
    head: str | None
    """Its SHA-256."""
    days: Days
    segments: Sequence[Noted]
    """Oldest first; their places follow one another."""

    @property
    def next_place(self) -> int:
        """The place that the next partition's first row takes."""
        return self.segments[-1].first + self.segments[-1].rows if self.segments else 0

    def write(self, folder: Path) -> None:
        """Publish: from now on readers find these segments."""
        content = {
            "archive": self.archive,
            "manifest": self.manifest,
            "head": self.head,
            "days": written_days(self.days),
            "segments": [asdict(one) for one in self.segments],
        }
        write_whole(folder / NAME, json.dumps(content, indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return what is published; None if nothing is.

        Raises:
            UnusableError: It makes no sense.
            OSError: It cannot be read.
        """
        try:
            content = (folder / NAME).read_bytes()
        except FileNotFoundError:
            return None
        try:
            fields: dict[str, Any] = json.loads(content)
            return cls(
                archive=fields["archive"],
                manifest=int(fields["manifest"]),
                head=fields["head"],
                days=parsed_days(fields["days"]),
                segments=[Noted(**one) for one in fields["segments"]],
            )
        # Damaged JSON has any shape.
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"{NAME} is damaged ({type(error).__name__})"
            raise UnusableError(message) from None


def with_days(days: Days, more: Iterable[tuple[str, date]]) -> Days:
    """Return stretches of days with some more, each given with its source."""
    every = {source: set(_each(stretches)) for source, stretches in days.items()}
    for source, day in more:
        every.setdefault(source, set()).add(day)
    return {source: _stretches(sorted(found)) for source, found in sorted(every.items())}


def written_days(days: Days) -> dict[str, list[list[str]]]:
    """Return stretches of days for JSON."""
    return {s: [[str(first), str(last)] for first, last in one] for s, one in days.items()}


def parsed_days(days: Mapping[str, Any]) -> Days:
    """Return stretches of days from JSON."""
    return {
        source: [(date.fromisoformat(first), date.fromisoformat(last)) for first, last in one]
        for source, one in days.items()
    }


def _stretches(days: Sequence[date]) -> list[tuple[date, date]]:
    stretches: list[tuple[date, date]] = []
    for one in days:
        if stretches and one == stretches[-1][1] + timedelta(days=1):
            stretches[-1] = (stretches[-1][0], one)
        else:
            stretches.append((one, one))
    return stretches


def _each(stretches: Sequence[tuple[date, date]]) -> list[date]:
    return [
        first + timedelta(days=number)
        for first, last in stretches
        for number in range((last - first).days + 1)
    ]
