"""The chain of manifests, walked to its end whatever is wrong on the way.

A night stops at the first link that does not hold (`catalog`). Here each missing, forged or
altered manifest is named, and the others still say what they name: one deletion must not hide the
next. What this host has seen before (its copies of manifests, the last head) shows what was
rolled back; without a memory only a ledger's witness can.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from archiver import layout
from archiver.errors import Said
from archiver.ports import VersionEntry
from archiver.verification.findings import Finding, Touched, found
from archiver.verification.listing import Listing
from archiver.verification.papers import Fault, Form, Paper, Signers, examine, judge, told
from archiver.verification.reading import Reader
from schemas.documents import Manifest, SealedObject

MANIFEST: Final = Form(
    kind="manifest",
    model=Manifest,
    belongs=lambda one, key: layout.manifest_key(one.number) == key,
)
HERE: Final = Said("this host", "本机")
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""A kept copy was written before any revocation: it was taken when it verified."""


@dataclass(slots=True)
class Chain:
    """What the manifests say."""

    papers: list[Paper[Manifest]] = field(default_factory=list)
    """Those that count, in the order of their numbers."""
    listed: frozenset[str] = frozenset()
    """Keys of all that was there to be read."""
    missing: list[int] = field(default_factory=list)
    """Numbers without one that counts, below the last."""
    lost: dict[int, Manifest] = field(default_factory=dict)
    """Manifests that this host has seen and the store does not have, by number."""
    objects: dict[str, tuple[SealedObject, Paper[Manifest]]] = field(default_factory=dict)
    """What is named, by key."""
    _by_number: dict[int, Manifest] = field(default_factory=dict)

    @property
    def last(self) -> int:
        """The number of the last one, 0 if there is none."""
        return self.papers[-1].document.number if self.papers else 0

    @property
    def head(self) -> str | None:
        """SHA-256 of the last one's bytes."""
        return self.papers[-1].sha256 if self.papers else None

    def manifest(self, number: int) -> Manifest | None:
        """Return a manifest, be it one that this host remembers only."""
        if not self._by_number:
            self._by_number.update((one.document.number, one.document) for one in self.papers)
        return self._by_number.get(number) or self.lost.get(number)

    def touched_by_cohorts(self) -> dict[str, Touched]:
        """Return whom the cohorts concern, by their keys."""
        days: dict[str, set[date]] = {}
        orders: dict[str, int] = {}
        for stored, paper in self.objects.values():
            key = layout.cohort_key(stored.cohort)
            days.setdefault(key, set()).add(paper.document.day)
            rows = stored.rows if stored.kind == "orders" else 0
            orders[key] = orders.get(key, 0) + rows
        return {key: Touched(days=tuple(sorted(days[key])), orders=orders[key]) for key in days}

    def touched_by_object(self, key: str) -> Touched:
        """Return whom a named object concerns: its day, and its rows or those it describes."""
        stored, paper = self.objects[key]
        orders = stored
        if stored.of is not None and stored.of in self.objects:
            orders = self.objects[stored.of][0]
        rows = orders.rows if orders.kind == "orders" else 0
        return Touched(days=(paper.document.day,), orders=rows)

    def all_touched(self) -> Touched:
        """Return everybody."""
        return sum_of(touched_by(paper.document) for paper in self.papers)


def gaps(chain: Chain, known_days: Mapping[int, date | None]) -> Iterator[Finding]:
    """Yield the manifests that are missing in front of later ones.

    Args:
        chain: The manifests.
        known_days: Days of manifests by number, as the ledger has them.
    """
    for number in chain.missing:
        if number >= chain.last:
            continue  # what lies there is told, and nothing follows it
        touched = Touched()
        if number in chain.lost:
            touched = touched_by(chain.lost[number])
        elif day := known_days.get(number):
            touched = Touched(days=(day,))
        yield found("manifest-missing", key=layout.manifest_key(number), touched=touched)


def touched_by(manifest: Manifest) -> Touched:
    """Return whom a manifest concerns."""
    counts = manifest.counts
    return Touched(days=(manifest.day,), orders=counts.orders + counts.revisions)


def sum_of(all_touched: Iterator[Touched]) -> Touched:
    """Return all of them together."""
    days: set[date] = set()
    orders = 0
    for one in all_touched:
        days.update(one.days)
        orders += one.orders
    return Touched(days=tuple(sorted(days)), orders=orders)


def walk(
    listing: Listing, reader: Reader, signers: Signers, kept: Path | None
) -> tuple[Chain, list[Finding]]:
    """Read all manifests.

    Args:
        listing: What the store has.
        reader: Fetches them.
        signers: Who may sign.
        kept: This host's copies.

    Raises:
        StoreError: The store did not answer.
    """
    chain, findings = Chain(), []
    numbered = {
        number: listing.versions[key]
        for key in listing.below(layout.MANIFESTS)
        if (number := layout.manifest_number(key)) is not None
    }
    chain.listed = frozenset(map(layout.manifest_key, numbered))
    listed = sorted(number for number in numbered if number > 0)

    def read(number: int) -> bytes:
        return reader.manifest(number, numbered[number][0])

    before: Paper[Manifest] | None = None
    expected = 1
    for number, content in reader.each(listed, read):
        if number > expected:
            before = None
        paper, said = _one(numbered[number], content, before, reader, signers)
        findings += said
        if paper is None:
            # What does not count opens no gap: anybody may have put it there, however far ahead.
            before, expected = None, number + 1
            continue
        chain.missing += range(chain.last + 1, number)
        expected = number + 1
        if number > 1 and before is not None and paper.document.previous != before.sha256:
            findings.append(
                found(
                    "chain-broken",
                    key=paper.key,
                    version_id=paper.version.version_id,
                    touched=touched_by(paper.document),
                )
            )
        chain.papers.append(paper)
        before = paper
    findings += _named(chain)
    if kept is not None:
        findings += _remembered(chain, kept, signers, listing)
    return chain, findings


def _one(
    versions: Sequence[VersionEntry],
    content: bytes,
    before: Paper[Manifest] | None,
    reader: Reader,
    signers: Signers,
) -> tuple[Paper[Manifest] | None, list[Finding]]:
    """Judge a manifest's versions: the earliest that verifies and continues the chain counts."""
    first = versions[0]

    def contents(version: VersionEntry) -> bytes:
        return content if version is first else reader.get(version)

    def continues(raw: bytes, version: VersionEntry) -> Paper[Manifest] | Fault:
        one = judge(signers, MANIFEST, raw, version)
        # Of a single one it is told, and it counts: what it names must not be forgotten.
        if len(versions) == 1 or before is None or isinstance(one, Fault):
            return one
        if one.document.previous != before.sha256:
            return Fault(code="chain-broken")
        return one

    examined = examine(versions, contents, continues)
    touched = touched_by(examined.counting.document) if examined.counting else Touched()
    return examined.counting, list(told(examined, touched, twice="two-manifests"))


def _named(chain: Chain) -> Iterator[Finding]:
    """Take in what manifests name, and compare their counts with it."""
    for paper in chain.papers:
        manifest = paper.document
        touched = touched_by(manifest)
        for stored in manifest.objects:
            if stored.key in chain.objects:
                first = chain.objects[stored.key][1].document.number
                yield found(
                    "named-twice",
                    key=stored.key,
                    version_id=stored.version_id,
                    touched=touched,
                    first=first,
                    second=manifest.number,
                )
            else:
                chain.objects[stored.key] = (stored, paper)
        for what, kind, expected in (
            ("orders", "orders", manifest.counts.orders + manifest.counts.revisions),
            ("rejects", "rejects", manifest.counts.rejects),
        ):
            rows = sum(one.rows for one in manifest.objects if one.kind == kind)
            if rows != expected:
                yield found(
                    "counts-differ",
                    key=paper.key,
                    version_id=paper.version.version_id,
                    touched=touched,
                    what=what,
                    expected=expected,
                    found=rows,
                )


def _remembered(chain: Chain, kept: Path, signers: Signers, listing: Listing) -> Iterator[Finding]:
    """Compare the chain with the manifests of which this host has kept copies.

    A copy that does not verify says nothing: it is this host's own file, and nights fetch anew.
    """
    by_number = {paper.document.number: paper for paper in chain.papers}
    for path in sorted(kept.glob("[0-9]" * 8 + "-*.json")):
        number = int(path.name[:8])
        content = path.read_bytes()
        there = by_number.get(number)
        if there is not None and hashlib.sha256(content).hexdigest() == there.sha256:
            continue
        key = layout.manifest_key(number)
        version = VersionEntry(
            key=key,
            version_id="",
            is_latest=True,
            is_delete_marker=False,
            size_bytes=len(content),
            written_at=_LONG_AGO,
        )
        one = judge(signers, MANIFEST, content, version)
        if isinstance(one, Fault):
            continue
        touched = touched_by(one.document)
        if there is not None:
            yield found(
                "rewritten", key=key, version_id=there.version.version_id, touched=touched, who=HERE
            )
            continue
        if number > chain.last and listing.look_again(key):
            continue  # a night has gone on meanwhile
        chain.lost[number] = one.document
        if number > chain.last:
            yield found("rollback", key=key, touched=touched, who=HERE)
