"""The manifests: what has been sealed, in the order in which it counts.

Responsible for reading the chain of numbered manifests and for adding the next one. Relies on
the store's conditional write: a number is taken once, and that is the fence between two runs.
Where the store is no fence, one outside of it decides which bytes a number has before they are
sent, and what a run that died had not sent is sent for it. Refuses a chain with a gap, with a
link that does not fit, or that is shorter than the one this host or the fence has seen before.
"""

import hashlib
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from archiver import layout
from archiver.archive import EVIDENCE_YEARS, Archive, require_locked
from archiver.bounded_get import document_bytes
from archiver.errors import (
    AlreadyStoredError,
    AnotherRunError,
    FencePassedError,
    ForeignObjectError,
    LockNotHonouredError,
    Said,
    SourceGoneError,
    SourceRetiredError,
    TamperedError,
)
from archiver.ledger import Ledger
from archiver.ledger.parts import tell
from archiver.ledger.pending import require_same_chain
from archiver.local_files import write_whole
from archiver.ports import Claim, Fence, StoredObject, VersionEntry
from archiver.retention import Rule, retain_until
from archiver.retired import read_retirements
from archiver.signed_documents import SignedDocument, versions_of
from archiver.write_once import put_once
from schemas.documents import Manifest, Retirement

log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class Catalog:
    """The chain as of the last `refresh`.

    `cache` keeps the envelopes that were read, so that a night in its third year does not
    fetch a thousand of them; what comes from there is verified like what comes from the store,
    and fetched again if it does not hold.
    """

    archive: Archive
    cache: Path
    entries: list[SignedDocument[Manifest]] = field(default_factory=list)
    retired: Mapping[str, Retirement] = field(default_factory=dict)
    """Sources that another one continues, by name."""
    unlocked: list[LockNotHonouredError] = field(default_factory=list)
    """Alarms: manifests that a server stored without their lock."""
    fence: Fence | None = None
    """Needed by a run that adds manifests to a store which lets several writers win a key."""
    _passed: bool = field(default=False, init=False)
    """The chain has what the fence does not know: it is new, or others pass it by."""

    def refresh(self) -> None:
        """Read the manifests that were added since; send the one that a dead run had claimed.

        Raises:
            TamperedError: The chain does not hold.
            StoreError: The store did not answer.
            AnotherRunError: Another run has overtaken this one.
        """
        self._read_on()
        if self.fence is not None:
            self._agree(self.fence)

    def _read_on(self) -> None:
        by_number: dict[int, list[VersionEntry]] = {}
        for version in self.archive.store.list_versions(layout.MANIFESTS):
            number = layout.manifest_number(version.key)
            if number is not None and not version.is_delete_marker:
                by_number.setdefault(number, []).insert(0, version)
        for number in range(1, len(self.entries) + 1):
            if number not in by_number:
                raise TamperedError(
                    key=layout.manifest_key(number),
                    detail=Said("it is no longer in the store", "存储中已不存在"),
                )
        while self.next_number in by_number:
            entry = self._read(self.next_number, by_number[self.next_number])
            if entry is None:
                # Nothing of ours: the number is free, unless the ledger knows it to be taken.
                self._require_all(self.next_number)
                break
            self.entries.append(entry)
        beyond = (by_number[number] for number in sorted(by_number) if number > self.next_number)
        if any(self._is_later(version) for versions in beyond for version in versions):
            raise TamperedError(
                key=layout.manifest_key(self.next_number),
                detail=Said("it is missing, later ones exist", "缺失，而其后的清单存在"),
            )
        self.retired = read_retirements(self.archive)

    def _require_all(self, number: int) -> None:
        """Ask the ledger whether the chain really ends in front of a foreign file.

        Whoever can destroy a manifest can put a file in its place as well.

        Raises:
            RollbackError: The ledger knows manifests that are not there.
        """
        log.warning("foreign file at the next manifest's key", extra={"number": number})
        ledger = Ledger(self.archive)
        ledger.refresh()
        require_same_chain(ledger.taken, self.entries)

    def days(self, source: str) -> set[date]:
        """Return the days of a source that are sealed."""
        return {entry.document.day for entry in self.entries if entry.document.source == source}

    def gone(self, configured: Collection[str]) -> list[SourceGoneError]:
        """Return an alarm for every source with sealed rows that nobody continues."""
        last: dict[str, date] = {}
        for manifest in (entry.document for entry in self.entries):
            if manifest.source in configured or manifest.source in self.retired:
                continue
            if manifest.objects or manifest.source in last:
                last[manifest.source] = max(manifest.day, last.get(manifest.source, date.min))
        return [SourceGoneError(source=name, day=day) for name, day in sorted(last.items())]

    def require_in_use(self, source: str) -> None:
        """Refuse to seal under the name of a source that another one continues.

        Raises:
            SourceRetiredError: It is retired.
        """
        if retirement := self.retired.get(source):
            raise SourceRetiredError(
                source=source,
                successor=retirement.successor,
                day=retirement.created_at.date(),
            )

    def since(self, number: int) -> Sequence[SignedDocument[Manifest]]:
        """Return the entries behind manifest `number`."""
        return self.entries[number:]

    @property
    def next_number(self) -> int:
        """The number that the next manifest takes."""
        return len(self.entries) + 1

    @property
    def head(self) -> str | None:
        """SHA-256 of the last manifest's bytes, None before the first."""
        return self.entries[-1].sha256 if self.entries else None

    def append(self, manifest: Manifest) -> None:
        """Add the next manifest. From this call's return on, its objects count.

        Raises:
            AnotherRunError: Another run took the number. Nothing of ours counts.
            StoreError: Nothing is known; `refresh` tells whether it counts.
        """
        if manifest.number != self.next_number or manifest.previous != self.head:
            message = "a manifest continues the chain that its run has read"
            raise ValueError(message)
        content = self.archive.signed(manifest, "manifest")
        if self.fence is not None:
            if self._passed:
                self.fence.adopt(len(self.entries), self.head)
                self._passed = False
            self.fence.claim(manifest.number, content)
        self._store(manifest, content)
        about = {"number": manifest.number, "source": manifest.source, "day": str(manifest.day)}
        log.info("manifest written", extra={**about, **manifest.counts.model_dump()})

    def _store(self, manifest: Manifest, content: bytes) -> None:
        key = layout.manifest_key(manifest.number)
        until = max(self.archive.evidence_until(), _due(manifest))
        try:
            stored = put_once(
                self.archive.store,
                key,
                content,
                retain_until=until,
                ours=self._counts,
                told=lambda: tell(self.archive, ForeignObjectError(key=key)),
            )
        except AlreadyStoredError:
            raise AnotherRunError(detail=Said(f"it has written {key}", f"它已写入 {key}")) from None
        if self.fence is not None:
            self._require_first(manifest.number, stored)
        self._remember(manifest.number, stored.version_id, content)
        self.entries.append(
            SignedDocument(document=manifest, version_id=stored.version_id, sha256=stored.sha256)
        )

    def _require_first(self, number: int, stored: StoredObject) -> None:
        """Look whether what was stored counts, where others may have stored under its key, too.

        Raises:
            AnotherRunError: A writer whom the fence does not know was faster.
        """
        for version in versions_of(self.archive.store, stored.key):
            if version.version_id == stored.version_id:
                return
            content = document_bytes(self.archive.store, version)
            if hashlib.sha256(content).hexdigest() == stored.sha256:
                return
            with suppress(TamperedError):
                self._verify(number, version, content)
                raise AnotherRunError(
                    detail=Said(f"it has written {stored.key}", f"它已写入 {stored.key}")
                )

    def claimed(self, claim: Claim | None) -> Manifest | None:
        """Return the manifest that a fence has decided on and that the store does not have yet.

        Raises:
            TamperedError: What was decided is none that would continue the chain.
        """
        if claim is None or claim.content is None or claim.number != self.next_number:
            return None
        return self._stated(claim.number, layout.manifest_key(claim.number), claim.content)

    def _agree(self, fence: Fence) -> None:
        """Bring chain and fence together after reading the chain.

        Where the chain has what the fence did not decide, somebody writes without it, or its
        database was set back: the chain counts, and it is told.

        Raises:
            TamperedError: The chain lacks what the fence knows to have been there.
        """
        claim = fence.last()
        manifest = self.claimed(claim)
        if claim is not None and claim.content is not None and manifest is not None:
            log.warning("sending a claimed manifest", extra={"number": manifest.number})
            self._store(manifest, claim.content)
        last = len(self.entries)
        if claim is not None and claim.number > last:
            raise TamperedError(
                key=layout.manifest_key(claim.number),
                detail=Said(
                    "the fence knows it, and it is no longer in the store",
                    "围栏记录中有它，但存储中已不存在",
                ),
            )
        if claim is not None and (claim.number, claim.sha256) == (last, self.head):
            self._passed = False
            return
        if claim is not None:
            self.archive.alarms.append(FencePassedError(place=fence.place, number=last))
        self._passed = True  # told again until a manifest has been decided on

    def _read(
        self, number: int, versions: Sequence[VersionEntry]
    ) -> SignedDocument[Manifest] | None:
        """Return the earliest version that verifies and continues the chain.

        None where nothing but foreign versions lie there: whoever may write to the bucket must
        not be able to stop nights with a file. One that our signers signed, and that does not
        continue the chain, is no accident and stops them.
        """
        failure: TamperedError | None = None
        for version in versions:
            for content, fetched in self._contents(number, version):
                try:
                    manifest = self._verify(number, version, content)
                except TamperedError as error:
                    if self._counts(content, version):
                        failure = error
                    continue
                if fetched and self._is_locked(version, manifest):
                    # One without its lock is fetched, and told, until somebody locks it.
                    self._remember(number, version.version_id, content)
                return SignedDocument(
                    document=manifest,
                    version_id=version.version_id,
                    sha256=hashlib.sha256(content).hexdigest(),
                )
        if failure is not None:
            raise failure
        tell(self.archive, ForeignObjectError(key=layout.manifest_key(number)))
        return None

    def _verify(self, number: int, version: VersionEntry, content: bytes) -> Manifest:
        return self._stated(number, version.key, content, version.written_at)

    def _stated(
        self, number: int, key: str, content: bytes, written_at: datetime | None = None
    ) -> Manifest:
        manifest = self.archive.verify(content, "manifest", Manifest, key, written_at)
        if manifest.archive != self.archive.id or manifest.number != number:
            raise TamperedError(
                key=key,
                detail=Said("it belongs to another archive or number", "属于其他档案库或编号"),
            )
        if manifest.previous != self.head:
            raise TamperedError(
                key=key,
                detail=Said("it does not continue the manifest before it", "与前一份清单不衔接"),
            )
        return manifest

    def _counts(self, content: bytes, version: VersionEntry) -> bool:
        """Return whether a version at the next number's key is one that must not be passed over.

        So is all that one of our signers signed as a manifest while he could, but for copies of
        earlier manifests, which anybody can make, and write another way.
        """
        try:
            self.archive.verify_signature(content, "manifest", version)
        except TamperedError:
            return False
        try:
            manifest = self.archive.verify(
                content, "manifest", Manifest, version.key, version.written_at
            )
        except TamperedError:
            return True  # signed by us, and of no form that we know
        return all(one.document != manifest for one in self.entries)

    def _is_later(self, version: VersionEntry) -> bool:
        """Return whether an object is the manifest of its number, whatever it continues."""
        content = document_bytes(self.archive.store, version)
        try:
            manifest = self.archive.verify(
                content, "manifest", Manifest, version.key, version.written_at
            )
        except TamperedError as error:
            about = {"key": version.key, "why": str(error)}
            log.warning("what lies at a later manifest's place does not verify", extra=about)
            return False
        number = layout.manifest_number(version.key)
        return (manifest.archive, manifest.number) == (self.archive.id, number)

    def _contents(self, number: int, version: VersionEntry) -> Iterator[tuple[bytes, bool]]:
        """Yield a version's bytes and whether they were fetched: kept ones first."""
        if (kept := self.kept(number, version.version_id)) is not None:
            yield kept, False
        yield document_bytes(self.archive.store, version), True

    def _is_locked(self, version: VersionEntry, manifest: Manifest) -> bool:
        """Return whether a manifest has its lock; one that has none becomes an alarm.

        The run that wrote it raised the alarm and ended there. The manifest is whole and names
        locked objects, so it counts.
        """
        try:
            require_locked(self.archive.store, version.key, version.version_id, _due(manifest))
        except LockNotHonouredError as unlocked:
            self.unlocked.append(unlocked)
            return False
        return True

    def _remember(self, number: int, version_id: str, content: bytes) -> None:
        write_whole(self._cached(number, version_id), content)

    def kept(self, number: int, version_id: str) -> bytes | None:
        """Return a manifest's envelope as this host has kept it, unverified; None if it has not."""
        with suppress(OSError):
            return self._cached(number, version_id).read_bytes()
        return None

    def _cached(self, number: int, version_id: str) -> Path:
        # Version ids are the store's own; hashed, any of them is a file name.
        name = hashlib.sha256(version_id.encode()).hexdigest()[:16]
        return self.cache / f"{number:08d}-{name}.json"


def _due(manifest: Manifest) -> datetime:
    """Return the date that a manifest's lock must reach, by what it says itself."""
    rule = Rule(
        years=manifest.retention_years + EVIDENCE_YEARS,
        margin=timedelta(days=manifest.retention_margin_days),
    )
    return retain_until(manifest.created_at, rule)
