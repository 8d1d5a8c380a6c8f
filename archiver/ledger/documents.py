"""Documents on their way into the ledger, and which ones are in it already.

Pure. Manifests are entered in the order of their numbers, so their number is all that must be
remembered of them; of the others the keys are, of sightings those of the last days.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from archiver import layout
from schemas.documents import EntryKind, LedgerEntry

KEPT: Final = 10_000
"""Sightings whose keys are kept: a month of them, one every five minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A document that the store has and the ledger lacks: an entry without its number."""

    kind: EntryKind
    key: str
    version_id: str
    sha256: str
    """Of the object's bytes, hexadecimal."""
    at: datetime
    """When the document was made, by its own word."""
    day: date | None = None
    """The day of a manifest or a sighting."""

    def numbered(self, number: int) -> str:
        """Return the entry's text, which is what counts from then on."""
        entry = LedgerEntry(
            number=number,
            kind=self.kind,
            key=self.key,
            version_id=self.version_id,
            sha256=self.sha256,
            at=self.at,
            day=self.day,
        )
        return entry.model_dump_json()


@dataclass(slots=True)
class Taken:
    """What the ledger has, as far as it takes to tell what it lacks."""

    manifests: int = 0
    """The last one's number."""
    manifest: str | None = None
    """SHA-256 of its bytes."""
    others: set[str] = field(default_factory=set)
    """Keys of all other documents but sightings."""
    sightings: dict[str, str] = field(default_factory=dict)
    """SHA-256 by key, of days from `sightings_from` on."""
    sightings_from: date | None = None
    """Sightings of earlier days are in the ledger; None: nobody has looked, and none is kept."""

    def add(self, entry: LedgerEntry) -> None:
        """Remember an entry."""
        if entry.kind == "manifest":
            self.manifests, self.manifest = layout.manifest_number(entry.key) or 0, entry.sha256
        elif entry.kind != "sighting":
            self.others.add(entry.key)
        elif self.sightings_from is not None and not self._is_past(entry.key):
            self.sightings[entry.key] = entry.sha256

    def __contains__(self, noted: Noted) -> bool:
        if noted.kind == "manifest":
            return (layout.manifest_number(noted.key) or 0) <= self.manifests
        return self.has(noted.key)

    def has(self, key: str) -> bool:
        """Return whether a document that is no manifest is in the ledger, whichever version."""
        return key in self.others or key in self.sightings or self._is_past(key)

    def without(self, noted: Sequence[Noted]) -> list[Noted]:
        """Return what is not in the ledger yet."""
        return [one for one in noted if one not in self]

    def look_from(self, day: date) -> None:
        """Forget the sightings before a day: all of them are in the ledger."""
        self.sightings_from = day
        self.sightings = {key: at for key, at in self.sightings.items() if not self._is_past(key)}

    def recall(self, entries: Iterable[LedgerEntry]) -> None:
        """Take up all sightings again, where nobody has looked."""
        self.sightings_from = date.min
        for entry in entries:
            if entry.kind == "sighting":
                self.add(entry)

    def shorten(self) -> None:
        """Let go of sightings where too many are kept: this host reads, and never adds."""
        if len(self.sightings) > KEPT:
            self.sightings_from, self.sightings = None, {}

    def _is_past(self, key: str) -> bool:
        place, since = layout.sighting_place(key), self.sightings_from
        return place is not None and since is not None and place[1] < since

    def fields(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return {
            "manifests": self.manifests,
            "manifest": self.manifest,
            "others": sorted(self.others),
            "sightings": self.sightings,
            "sightings_from": self.sightings_from and self.sightings_from.isoformat(),
        }

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Taken":
        """Return what `fields` gave."""
        since = fields["sightings_from"]
        return cls(
            manifests=int(fields["manifests"]),
            manifest=fields["manifest"],
            others=set(fields["others"]),
            sightings={str(key): str(sha256) for key, sha256 in fields["sightings"].items()},
            sightings_from=None if since is None else date.fromisoformat(since),
        )
