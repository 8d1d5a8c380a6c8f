"""The argument from end to end, whatever is wrong on the way.

1. The store's settings and its clock; the lock proof that nights rest on.
2. One listing of all versions: what is hidden, shadowed, foreign, named by nothing.
3. `archive.json` as this host knows it; who may sign, and who was revoked.
4. The chain of manifests, against what this host has seen before; days that are missing.
5. All other signed documents; the ledger over them, its checkpoints, and who remembers them;
   cohorts' keys, opened where the base root is at hand.
6. The access log: its parts, and this host's state against them.
7. Each object that a manifest names: there, locked as promised, its bytes, its rows.

Everything of 1 to 4 is looked at every time; objects, and documents other than manifests, by
turns (`coverage`), or all of them.
"""

import base64
import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from archiver import layout
from archiver.archive import EVIDENCE_YEARS, Archive, Rules, read_anchor
from archiver.keyring import binding
from archiver.retention import MINIMUM_YEARS, Rule
from archiver.verification.accesses import of_access_log
from archiver.verification.chain import HERE, Chain, gaps, touched_by, walk
from archiver.verification.coverage import TURNS, Coverage, Reading, Seen, is_small, turn_of
from archiver.verification.days import missing_days
from archiver.verification.documents import (
    Documents,
    Opened,
    check_locks,
    open_cohorts,
    promised,
    read_documents,
    trusted,
)
from archiver.verification.findings import NOBODY, Finding, Touched, found
from archiver.verification.ground import Ground, Verified
from archiver.verification.hidden import of_listing
from archiver.verification.journal import Journal
from archiver.verification.ledgers import Book, compare, read_book
from archiver.verification.listing import Listing, is_ours
from archiver.verification.papers import Paper, Signers
from archiver.verification.proven import Proven
from archiver.verification.reading import Reader
from archiver.verification.settings import of_proof, of_settings
from archiver.verification.working import digests, flaws_of, journal_name, tasks_of, worked
from schemas import documents as schemas
from schemas.documents import Manifest, SealedObject

if TYPE_CHECKING:
    from archiver.spreading import Circle

log: Final = logging.getLogger(__name__)
THREADS: Final = 8
"""Small documents that are fetched at a time."""
_DAYS_OF_A_YEAR: Final = 366


@dataclass(slots=True)
class Verification:
    """One verification."""

    ground: Ground
    full: bool = False
    deep: bool = False
    """Leaves are computed again, also of what was compared before."""
    _findings: list[Finding] = field(default_factory=list, init=False)
    _document: schemas.Archive = field(init=False)
    _now: datetime = field(init=False)
    _coverage: Coverage = field(init=False)
    _listing: Listing = field(init=False)
    _turns: frozenset[int] = field(init=False)
    """Those to be read now."""
    _whole: bool = field(init=False)
    """All of them, because it was asked for, or because the archive is small."""
    _reader: Reader = field(init=False)
    _signers: Signers = field(init=False)
    _chain: Chain = field(default_factory=Chain, init=False)
    _papers: Documents = field(default_factory=Documents, init=False)
    _book: Book = field(default_factory=Book, init=False)
    _cohorts: dict[str, Touched] = field(default_factory=dict, init=False)
    """Whom a cohort concerns, by its key."""

    def run(self) -> Verified:
        """Verify.

        Raises:
            StoreError: The store did not answer; a run of everything goes on from there.
            TamperedError: This host's own `archive.json` is damaged.
        """
        with ThreadPoolExecutor(THREADS, "documents") as threads:
            self._begin(threads)
            self._read_chain()
            self._read_documents()
            self._look_at_settings()
            self._look_at_days()
            opened = self._open_cohorts()
            self._look_at_locks(threads)
        archive = self._archive()
        self._tell(of_access_log(archive, self.ground.access, self.ground.root, self._listing))
        read, size, resumed = self._check_objects(opened)
        log.info("verification finished", extra={"findings": len(self._findings), "objects": read})
        return Verified.of(
            self._findings,
            archive=self._document.archive,
            full=self._whole,
            opened=self.ground.root is not None,
            manifests=len(self._chain.papers),
            entries=self._book.size,
            objects=len(self._chain.objects),
            objects_read=read,
            bytes_read=size + self._reader.fetched_bytes,
            resumed=resumed,
            coverage=self._remember(),
        )

    def _tell(self, findings: Iterable[Finding]) -> None:
        self._findings += findings

    # --- 2: what there is, and what is to be read of it ------------------------------------------

    def _begin(self, threads: Executor) -> None:
        ground = self.ground
        self._document = read_anchor(ground.anchor)
        self._now = ground.clock.now()
        self._coverage = Coverage.load(ground.memory, self._document.archive, self._today)
        about = {"archive": self._document.archive, "full": self.full}
        log.info("verification started", extra=about)
        ground.progress.start("", None)
        self._listing = Listing.read(ground.store, ground.progress)
        ground.progress.finish()
        sizes = [versions[0].size_bytes for versions in self._listing.versions.values()]
        self._whole = self.full or ground.scope.is_copy or is_small(sizes)
        due = self._coverage.turns_due(self._today)
        self._turns = frozenset(range(TURNS)) if self._whole else due
        kept = None if ground.memory is None else ground.memory / "manifests"
        self._reader = Reader(ground.store, threads, kept=kept, due=self._is_due)

    @property
    def _today(self) -> date:
        zone = self.ground.rules.zone if self.ground.rules else ZoneInfo(self._document.timezone)
        return self._now.astimezone(zone).date()

    def _is_due(self, key: str) -> bool:
        return turn_of(key) in self._turns

    def _is_read(self, key: str) -> bool:
        """Return whether a document is read: keys and the last lock proof are every time."""
        if key.startswith(layout.COHORTS) or self._is_due(key):
            return True
        number = layout.proof_number(key)
        return number is not None and layout.proof_key(number + 1) not in self._listing.versions

    def _concerned(self, key: str) -> Touched:
        """Return whom an object or document concerns."""
        chain = self._chain
        if key in chain.objects:
            return chain.touched_by_object(key)
        if key in self._cohorts:
            return self._cohorts[key]
        if (number := layout.manifest_number(key)) is not None:
            manifest = chain.manifest(number)
            return touched_by(manifest) if manifest else NOBODY
        if key == layout.ARCHIVE or key.startswith(layout.SIGNERS):
            return chain.all_touched()
        return NOBODY

    # --- 3 and 4 ----------------------------------------------------------------------------------

    def _read_chain(self) -> None:
        ground = self.ground
        self._signers, said = trusted(
            self._document,
            ground.anchor,
            self._listing,
            self._reader,
            dated=ground.scope.versions,
        )
        self._tell(said)
        self._chain, said = walk(self._listing, self._reader, self._signers, self._reader.kept)
        self._tell(said)
        self._cohorts = self._chain.touched_by_cohorts()
        self._compare_with_last_time()
        self._tell(of_listing(self._listing, self._chain, ground.scope, self._now, self._concerned))

    def _compare_with_last_time(self) -> None:
        """Compare the end of the chain with the one that this host saw last."""
        seen = self._coverage.seen
        if seen is None or seen.head is None or self.ground.scope.is_copy:
            return
        key = layout.manifest_key(seen.manifest)
        there = {one.document.number: one.sha256 for one in self._chain.papers}
        code = None
        if seen.manifest > self._chain.last:
            code = "rollback"
        elif there.get(seen.manifest, seen.head) != seen.head:
            code = "rewritten"
        if code and (code, key) not in {(one.code, one.key) for one in self._findings}:
            self._tell([found(code, key=key, who=HERE)])

    def _look_at_days(self) -> None:
        rules = self.ground.rules
        unnamed = [
            key
            for key in self._listing.versions
            if layout.data_place(key) is not None and key not in self._chain.objects
        ]
        due = last = None
        if rules is not None and not self.ground.scope.is_copy:
            due = dict.fromkeys(self.ground.sources, rules.since or date.max)
            last = rules.last_closed_day(self._now)
        known = self._book.manifest_days
        self._tell(missing_days(self._chain, unnamed, due, last=last, known_days=known))

    # --- 1 and 5 ----------------------------------------------------------------------------------

    def _read_documents(self) -> None:
        self._papers, said = read_documents(
            self._listing, self._reader, self._signers, self._concerned, self._is_read
        )
        self._tell(said)
        # Where nothing is remembered, there is no copy of the ledger to read on from.
        whole = self._whole or self.ground.memory is None or self._is_ledger_due()
        self._book, said = read_book(
            self._archive(), self._listing, self._reader, self._signers, whole=whole
        )
        self._tell(said)
        papers = (*self._chain.papers, *self._papers.papers.values())
        read = {one.key: one.sha256 for one in papers}
        self._tell(compare(self._book, self._listing, self._chain, read, self._concerned))
        self._tell(gaps(self._chain, self._book.manifest_days))
        if self.ground.circle is not None:
            self._ask_outsiders(self.ground.circle)

    def _is_ledger_due(self) -> bool:
        """Return whether the ledger is read anew: in its turn, and where something lies over it."""
        if self._is_due(layout.LEDGER_PARTS):
            return True
        listing = self._listing
        for prefix, place_of in (
            (layout.LEDGER_PARTS, layout.ledger_first),
            (layout.CHECKPOINTS, layout.checkpoint_size),
            (layout.COSIGNATURES, layout.cosignature_place),
            (layout.TIMESTAMPS, layout.timestamp_place),
        ):
            taken = set[object]()
            for key in listing.below(prefix):
                place = place_of(key)
                if place is not None and (len(listing.versions[key]) > 1 or place in taken):
                    return True
                taken.add(place)
        return False

    def _ask_outsiders(self, circle_of: "Callable[[Archive], Circle]") -> None:
        # Not above: most of what starts up with it is for witnesses alone.
        from archiver.verification.outsiders import (  # noqa: PLC0415
            of_countersignatures,
            of_witnesses,
        )

        archive = self._archive()
        circle = circle_of(archive)
        self._tell(of_countersignatures(self._book, self._listing, self._reader, circle))
        if not self.ground.scope.is_copy:
            self._tell(of_witnesses(self._book, self._listing, archive, circle))

    def _look_at_settings(self) -> None:
        ground, settings = self.ground, self.ground.scope.settings
        if settings is None:
            return
        proof = self._papers.last_proof
        years = ground.rules.retention.years if ground.rules else MINIMUM_YEARS
        longest = (years + EVIDENCE_YEARS) * _DAYS_OF_A_YEAR
        self._tell(of_settings(settings, ground.bucket, proof, now=self._now, longest_days=longest))
        self._tell(of_proof(settings, proof, self._now, fenced=ground.fenced))

    def _open_cohorts(self) -> Opened:
        """Open cohorts' keys where the root is at hand; say which cohorts are gone."""
        used: dict[str, int] = {}
        for stored, _ in self._chain.objects.values():
            used[stored.cohort] = used.get(stored.cohort, 0) + 1
        self._look_for_cohorts(used.keys())
        cohorts = self._papers.cohorts
        for name in sorted(used.keys() - cohorts.keys()):
            key = layout.cohort_key(name)
            touched = self._concerned(key)
            self._tell([found("cohort-missing", key=key, touched=touched, objects=used[name])])
        if self.ground.root is None:
            return {}
        opened, said = open_cohorts(cohorts, self.ground.root, self._concerned)
        self._tell(said)
        return opened

    def _look_for_cohorts(self, names: Collection[str]) -> None:
        """Look once more for cohorts that were made while the listing was read."""
        keys = {layout.cohort_key(name) for name in names}
        new = {key for key in keys - self._listing.versions.keys() if self._listing.look_again(key)}
        if new:
            more, said = read_documents(
                self._listing, self._reader, self._signers, self._concerned, new.__contains__
            )
            self._papers.papers.update((key, more.papers[key]) for key in new & more.papers.keys())
            self._tell(one for one in said if one.key in new)

    def _look_at_locks(self, threads: Executor) -> None:
        """Look at the locks of documents whose turn it is."""
        scope, rules = self.ground.scope, self.ground.rules
        if not scope.locks:
            return
        years = [paper.document.retention_years for paper in self._chain.papers]
        years += [rules.retention.years] if rules else []
        longest = max(years, default=MINIMUM_YEARS)
        papers: list[Paper[Any]] = [*self._chain.papers, *self._papers.papers.values()]
        counting = {one.key: one for one in papers}
        due = []
        for key, versions in self._listing.versions.items():
            if layout.data_place(key) is not None or not is_ours(key) or not self._is_due(key):
                continue
            paper = counting.get(key)
            version = paper.version if paper else versions[0]
            made = version.written_at
            if key == layout.ARCHIVE:  # by the founding's date, however long it took
                made = self._document.created_at
            manifest = paper.document if paper else None
            manifest = manifest if isinstance(manifest, Manifest) else None
            due.append((key, version.version_id, *promised(key, made, manifest, longest)))
        self._tell(
            check_locks(
                self.ground.store, threads, due, self._concerned, compliance=scope.compliance
            )
        )

    # --- 6 and 7 ----------------------------------------------------------------------------------

    def _archive(self) -> Archive:
        """Return the archive as others open it, without what would refuse it."""
        ground = self.ground
        return Archive(
            document=self._document,
            store=ground.store,
            settings=ground.scope.settings or ground.store.settings(),
            clock=ground.clock,
            rules=ground.rules or _any_rules(self._document),
            keys=None,
            signers=self._signers.public_keys,
            memory=None if ground.scope.is_copy else ground.memory,
        )

    def _present(self) -> Iterator[tuple[SealedObject, Paper[Manifest]]]:
        """Yield the named objects that are there; those that are gone are told."""
        for key, (stored, paper) in self._chain.objects.items():
            version_id = stored.version_id if self.ground.scope.versions else ""
            there = self._listing.has(key, version_id)
            if there or (self._listing.look_again(key) and self._listing.has(key, version_id)):
                yield stored, paper
                continue
            touched = self._concerned(key)
            version = stored.version_id
            self._tell([found("object-missing", key=key, version_id=version, touched=touched)])

    def _check_objects(self, opened: Opened) -> tuple[int, int, int]:
        """Check the objects whose turn it is, several at a time.

        Returns:
            How many were read, their bytes, and how many an interrupted run had found sound.
        """
        ground, chain = self.ground, self._chain
        due = [stored for stored, _ in self._present() if self._is_due(stored.key)]
        kept = None if ground.scope.is_copy else ground.memory
        proven = Proven.open(kept, ground.root, anew=self.deep)
        tasks = tasks_of(
            chain,
            due,
            opened,
            token_key=self._token_key(),
            proven=proven.has,
            scope=ground.scope,
        )
        memory = ground.memory if self.full and not ground.scope.is_copy else None
        decrypts = ground.root is not None
        journal = Journal.open(memory, self._document.archive, self._now, opened=decrypts)
        by_key = {one.stored.key: one for one in tasks}
        names = {key: journal_name(one) for key, one in by_key.items()}
        left = [one for one in tasks if names[one.stored.key] not in journal.done]
        by_digest: dict[str, str] = {}
        count = size = 0
        ground.progress.start("", len(left))
        try:
            for done in worked(left, ground.executor, ground.work, ground.workers):
                ground.progress.advance(len(done))
                sound = [one for one in done if not one.flaws]
                opened_now = (by_key[one.key] for one in sound if one.opened)
                proven.add((one.stored, one.rule) for one in opened_now if not one.proven)
                journal.note((names[one.key], one.size_bytes) for one in sound)
                for one in done:
                    count, size = count + 1, size + one.size_bytes
                    if one.flaws:
                        by_digest = by_digest or digests(chain)
                        self._tell(flaws_of(one, chain, by_digest))
        finally:
            journal.close()
            proven.close()
            ground.progress.finish()
        journal.finish()
        return count, size, len(tasks) - len(left)

    def _token_key(self) -> bytes | None:
        """Open the token key where the root is at hand: it opens known entries."""
        if self.ground.root is None:
            return None
        info = binding("token-key", self._document.archive)
        return self.ground.root.open(base64.b64decode(self._document.token_key), info)

    # --- what is remembered -----------------------------------------------------------------------

    def _remember(self) -> Coverage:
        """Write down what was read; of a copy, nothing."""
        if self.ground.scope.is_copy:
            return self._coverage
        seen = self._coverage.seen
        if seen is None or seen.manifest <= self._chain.last:
            # What was rolled back must go on being told.
            seen = Seen(manifest=self._chain.last, head=self._chain.head)
        after = self._coverage.after(self._today, self._readings(), seen, full=self._whole)
        after.save(self.ground.memory)
        return after

    def _readings(self) -> dict[int, Reading]:
        """Return what was read of each turn."""
        objects, size, alarms = (dict.fromkeys(self._turns, 0) for _ in range(3))
        for key, (stored, _) in self._chain.objects.items():
            if self._is_due(key):
                objects[turn_of(key)] += 1
                size[turn_of(key)] += stored.size_bytes
        for one in self._findings:
            if one.severity == "alarm" and one.key and self._is_due(one.key):
                alarms[turn_of(one.key)] += 1
        return {
            turn: Reading(
                at=self._now,
                objects=objects[turn],
                size_bytes=size[turn],
                opened=self.ground.root is not None,
                findings=alarms[turn],
            )
            for turn in self._turns
        }


def _any_rules(document: schemas.Archive) -> Rules:
    """Return rules for a copy without a configuration: nothing is sealed by them."""
    return Rules(
        retention=Rule(years=MINIMUM_YEARS, margin=timedelta()),
        zone=ZoneInfo(document.timezone),
        grace=timedelta(),
        lookback=timedelta(),
        max_bytes_per_night=0,
    )
