"""The argument from end to end, whatever is wrong on the way.

1. The store's settings and its clock; the lock proof that nights rest on.
2. One listing of all versions: what is hidden, shadowed, foreign, named by nothing.
3. `archive.json` as this host knows it; who may sign, and who was revoked.
4. The chain of manifests, against what this host has seen before; days that are missing.
5. All other signed documents; cohorts' keys, opened where the base root is at hand.
6. The access log: its parts, and this host's state against them.
7. Each object that a manifest names: there, locked as promised, its bytes, its rows.

Everything of 1 to 4 is looked at every time; objects, and documents other than manifests, by
turns (`coverage`), or all of them.
"""

import base64
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from archiver import layout
from archiver.access_log import AccessLog
from archiver.archive import EVIDENCE_YEARS, Archive, Rules, read_anchor
from archiver.keyring import KeyPair, binding
from archiver.ports import BucketRules, Clock, ObjectStore, Progress
from archiver.retention import MINIMUM_YEARS, Rule
from archiver.verification.accesses import of_access_log
from archiver.verification.chain import HERE, Chain, touched_by, walk
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
from archiver.verification.findings import NOBODY, Finding, Touched, found, in_order
from archiver.verification.hidden import of_listing
from archiver.verification.journal import Journal
from archiver.verification.listing import Listing
from archiver.verification.objects import Checked, Task
from archiver.verification.papers import Paper, Signers
from archiver.verification.reading import Reader
from archiver.verification.scope import Scope
from archiver.verification.settings import of_proof, of_settings
from archiver.verification.working import (
    Work,
    digests,
    flaws_of,
    journal_name,
    tasks_of,
    worked,
)
from schemas import documents as schemas
from schemas.documents import Manifest, SealedObject

log: Final = logging.getLogger(__name__)
SETTLED: Final = timedelta(hours=12)
"""What is younger and not named yet may be of a run that is at work (`orphans`)."""
THREADS: Final = 8
"""Small documents that are fetched at a time."""
EVERY_YEAR: Final = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What is verified, with what, on which host."""

    anchor: bytes
    """This host's `archive.json`."""
    store: ObjectStore
    scope: Scope
    clock: Clock
    executor: Executor
    """Where objects are checked …"""
    work: Work
    """… and by what."""
    workers: int
    progress: Progress
    root: KeyPair | None = None
    """The base root; None: what needs no key is checked."""
    memory: Path | None = None
    """Where this host keeps what it remembers of the archive itself, not of copies."""
    rules: Rules | None = None
    """Of the configuration; None where there is none."""
    sources: Sequence[str] = ()
    """Configured."""
    bucket: BucketRules | None = None
    """The bucket's settings, where they can be read."""
    access: AccessLog | None = None
    """Of the state that this host uses, if it has any."""
    fenced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was looked at, and what was found."""

    archive: str
    findings: Sequence[Finding]
    """The gravest first."""
    full: bool
    opened: bool
    """The base root was at hand: rows were decrypted and leaves computed."""
    manifests: int
    objects: int
    """Data objects that manifests name."""
    objects_read: int
    bytes_read: int
    resumed: int
    """Objects that an interrupted run had found sound."""
    turns: Sequence[int]
    coverage: Coverage

    @property
    def alarms(self) -> list[Finding]:
        """Findings that are alarms."""
        return [one for one in self.findings if one.severity == "alarm"]


@dataclass(slots=True)
class Verification:
    """One verification."""

    ground: Ground
    full: bool = False
    _findings: list[Finding] = field(default_factory=list)
    _cohorts: dict[str, Touched] = field(default_factory=dict)

    def run(self) -> Verified:
        """Verify.

        Raises:
            StoreError: The store did not answer; a run of everything goes on from there.
            TamperedError: This host's own `archive.json` is damaged.
        """
        ground = self.ground
        document = read_anchor(ground.anchor)
        now = ground.clock.now()
        zone = now.astimezone(ground.rules.zone) if ground.rules else now
        today = zone.date()
        coverage = Coverage.load(ground.memory, document.archive, today)
        log.info("verification started", extra={"archive": document.archive, "full": self.full})
        ground.progress.start("", None)
        with ThreadPoolExecutor(THREADS, "documents") as threads:
            listing = Listing.read(ground.store, ground.progress)
            ground.progress.finish()
            turns, small = self._turns(listing, coverage, today)
            reader = Reader(
                ground.store,
                threads,
                kept=None if ground.memory is None else ground.memory / "manifests",
                due=lambda key: turn_of(key) in turns,
            )
            signers, said = trusted(
                document, ground.anchor, listing, reader, dated=ground.scope.versions
            )
            self._findings += said
            chain, said = walk(listing, reader, signers, reader.kept)
            self._findings += said
            self._compare_with(coverage, chain)
            self._cohorts = _by_cohort(chain)
            papers, said = read_documents(
                listing,
                reader,
                signers,
                lambda key: self._concerned(key, chain),
                lambda key: _always(key, listing) or turn_of(key) in turns,
            )
            self._findings += said
            self._settings(papers, now)
            self._findings += of_listing(
                listing, chain, ground.scope, now, lambda key: self._concerned(key, chain)
            )
            self._days(listing, chain, now)
            opened = self._open(papers, chain)
            self._locks(threads, papers, chain, turns)
        self._findings += of_access_log(
            self._archive(document, signers), ground.access, ground.root, listing
        )
        due = [
            stored for stored, _ in self._present(listing, chain) if turn_of(stored.key) in turns
        ]
        tasks = tasks_of(
            chain, due, opened, token_key=self._token_key(document), scope=ground.scope
        )
        checked, resumed = self._objects(document, chain, tasks, now)
        read = sum(one.size_bytes for one in checked)
        after = coverage
        if not ground.scope.is_copy:
            readings = self._readings(chain, turns, now)
            seen = Seen(manifest=chain.last, head=chain.head)
            if coverage.seen and coverage.seen.manifest > chain.last:
                seen = coverage.seen  # what was rolled back must go on being told
            whole = self.full or small
            after = coverage.after(today, readings, seen, full=whole)
            after.save(ground.memory)
        findings = in_order(self._findings)
        log.info("verification finished", extra={"findings": len(findings), "objects": len(tasks)})
        return Verified(
            archive=document.archive,
            findings=findings,
            full=self.full or small,
            opened=ground.root is not None,
            manifests=len(chain.papers),
            objects=len(chain.objects),
            objects_read=len(checked),
            bytes_read=read + reader.fetched_bytes,
            resumed=resumed,
            turns=sorted(turns),
            coverage=after,
        )

    # --- what to read -------------------------------------------------------------------------

    def _turns(
        self, listing: Listing, coverage: Coverage, today: date
    ) -> tuple[frozenset[int], bool]:
        sizes = [versions[0].size_bytes for versions in listing.versions.values()]
        small = is_small(sizes)
        if self.full or small or self.ground.scope.is_copy:
            return frozenset(range(TURNS)), small
        return coverage.turns_due(today), False

    def _concerned(self, key: str, chain: Chain) -> Touched:
        """Return whom an object or document concerns."""
        if key in chain.objects:
            return chain.touched_by_object(key)
        if key in self._cohorts:
            return self._cohorts[key]
        number = layout.manifest_number(key)
        if number is not None:
            for paper in chain.papers:
                if paper.document.number == number:
                    return touched_by(paper.document)
            if number in chain.lost:
                return touched_by(chain.lost[number])
        if key == layout.ARCHIVE or key.startswith(layout.SIGNERS):
            return chain.all_touched()
        return NOBODY

    # --- 1 and 2 ------------------------------------------------------------------------------

    def _settings(self, papers: Documents, now: datetime) -> None:
        scope, ground = self.ground.scope, self.ground
        if scope.settings is None:
            return
        proof = papers.last_proof
        longest = ground.rules.retention.years if ground.rules else MINIMUM_YEARS
        self._findings += of_settings(
            scope.settings,
            ground.bucket,
            proof,
            now=now,
            longest_days=(longest + EVIDENCE_YEARS) * EVERY_YEAR,
        )
        self._findings += of_proof(scope.settings, proof, now, fenced=ground.fenced)

    # --- 4 ------------------------------------------------------------------------------------

    def _compare_with(self, coverage: Coverage, chain: Chain) -> None:
        """Compare the end of the chain with the one that this host saw last time."""
        seen = coverage.seen
        if seen is None or seen.head is None or self.ground.scope.is_copy:
            return
        told = {(one.code, one.key) for one in self._findings}
        key = layout.manifest_key(seen.manifest)
        code = None
        if seen.manifest > chain.last:
            code = "rollback"
        else:
            there = {one.document.number: one.sha256 for one in chain.papers}
            if there.get(seen.manifest, seen.head) != seen.head:
                code = "rewritten"
        if code and (code, key) not in told:
            self._findings.append(found(code, key=key, who=HERE))

    def _days(self, listing: Listing, chain: Chain, now: datetime) -> None:
        rules = self.ground.rules
        unnamed = [
            key
            for key in listing.versions
            if layout.data_place(key) is not None and key not in chain.objects
        ]
        due = last = None
        if rules is not None and not self.ground.scope.is_copy:
            due = dict.fromkeys(self.ground.sources, rules.since or date.max)
            last = rules.last_closed_day(now)
        self._findings += missing_days(chain, unnamed, due, last=last)

    # --- 5 ------------------------------------------------------------------------------------

    def _open(self, papers: Documents, chain: Chain) -> Opened:
        """Open cohorts' keys where the root is at hand; say which cohorts are gone."""
        cohorts = papers.cohorts
        used: dict[str, int] = {}
        for stored, _ in chain.objects.values():
            used[stored.cohort] = used.get(stored.cohort, 0) + 1
        for name in sorted(used.keys() - cohorts.keys()):
            key = layout.cohort_key(name)
            touched = self._concerned(key, chain)
            self._findings.append(
                found("cohort-missing", key=key, touched=touched, objects=used[name])
            )
        if self.ground.root is None:
            return {}
        opened, said = open_cohorts(
            cohorts, self.ground.root, lambda key: self._concerned(key, chain)
        )
        self._findings += said
        return opened

    def _locks(
        self, threads: Executor, papers: Documents, chain: Chain, turns: frozenset[int]
    ) -> None:
        """Look at the locks of documents whose turn it is."""
        if not self.ground.scope.locks:
            return
        years = [paper.document.retention_years for paper in chain.papers]
        years += [self.ground.rules.retention.years] if self.ground.rules else []
        longest = max(years, default=MINIMUM_YEARS)
        everything: list[Paper[Any]] = [*chain.papers, *papers.papers.values()]
        due = [
            (paper.key, paper.version.version_id, *promised(paper, longest))
            for paper in everything
            if turn_of(paper.key) in turns
        ]
        self._findings += check_locks(
            self.ground.store,
            threads,
            due,
            lambda key: self._concerned(key, chain),
            compliance=self.ground.scope.compliance,
        )

    def _archive(self, document: schemas.Archive, signers: Signers) -> Archive:
        """Return the archive as others open it, without what would refuse it."""
        ground = self.ground
        return Archive(
            document=document,
            store=ground.store,
            settings=ground.store.settings(),
            clock=ground.clock,
            rules=ground.rules or _any_rules(document),
            keys=None,
            signers=signers.public_keys,
        )

    # --- 7 ------------------------------------------------------------------------------------

    def _token_key(self, document: schemas.Archive) -> bytes | None:
        """Open the token key where the root is at hand: it opens known entries."""
        root = self.ground.root
        if root is None:
            return None
        info = binding("token-key", document.archive)
        return root.open(base64.b64decode(document.token_key), info)

    def _present(
        self, listing: Listing, chain: Chain
    ) -> Iterator[tuple[SealedObject, Paper[Manifest]]]:
        """Yield the named objects that are there; those that are gone are told."""
        for key, (stored, paper) in chain.objects.items():
            if listing.has(key, stored.version_id if self.ground.scope.versions else ""):
                yield stored, paper
                continue
            touched = chain.touched_by_object(key)
            self._findings.append(
                found("object-missing", key=key, version_id=stored.version_id, touched=touched)
            )

    def _objects(
        self, document: schemas.Archive, chain: Chain, tasks: Sequence[Task], now: datetime
    ) -> tuple[list[Checked], int]:
        """Check objects, several at a time; note which are sound."""
        ground = self.ground
        memory = ground.memory if self.full and not ground.scope.is_copy else None
        journal = Journal.open(memory, document.archive, now, opened=ground.root is not None)
        names = {one.stored.key: journal_name(one) for one in tasks}
        left = [one for one in tasks if names[one.stored.key] not in journal.done]
        by_digest: dict[str, str] = {}
        checked: list[Checked] = []
        ground.progress.start("", len(left))
        try:
            for done in worked(left, ground.executor, ground.work, ground.workers):
                ground.progress.advance(len(done))
                sound = [one for one in done if not one.flaws]
                journal.note((names[one.key], one.size_bytes) for one in sound)
                checked += done
                for one in done:
                    if one.flaws and not by_digest:
                        by_digest = digests(chain)
                    self._findings += flaws_of(one, chain, by_digest)
        finally:
            journal.close()
            ground.progress.finish()
        journal.finish()
        return checked, len(tasks) - len(left)

    def _readings(self, chain: Chain, turns: frozenset[int], now: datetime) -> dict[int, Reading]:
        """Return what was read of each turn."""
        objects = dict.fromkeys(turns, 0)
        size = dict.fromkeys(turns, 0)
        for key, (stored, _) in chain.objects.items():
            turn = turn_of(key)
            if turn in turns:
                objects[turn] += 1
                size[turn] += stored.size_bytes
        alarms = dict.fromkeys(turns, 0)
        for one in self._findings:
            if one.severity == "alarm" and one.key and turn_of(one.key) in turns:
                alarms[turn_of(one.key)] += 1
        return {
            turn: Reading(
                at=now,
                objects=objects[turn],
                size_bytes=size[turn],
                opened=self.ground.root is not None,
                findings=alarms[turn],
            )
            for turn in turns
        }


def _always(key: str, listing: Listing) -> bool:
    """Return whether a document is read every time: keys, and the last lock proof."""
    if key.startswith(layout.COHORTS):
        return True
    number = layout.proof_number(key)
    return number is not None and layout.proof_key(number + 1) not in listing.versions


def _by_cohort(chain: Chain) -> dict[str, Touched]:
    days: dict[str, set[date]] = {}
    orders: dict[str, int] = {}
    for stored, paper in chain.objects.values():
        key = layout.cohort_key(stored.cohort)
        days.setdefault(key, set()).add(paper.document.day)
        rows = stored.rows if stored.kind == "orders" else 0
        orders[key] = orders.get(key, 0) + rows
    return {key: Touched(days=tuple(sorted(days[key])), orders=orders[key]) for key in days}


def _any_rules(document: schemas.Archive) -> Rules:
    """Return rules for a copy without a configuration: nothing is sealed by them."""
    return Rules(
        retention=Rule(years=MINIMUM_YEARS, margin=timedelta()),
        zone=ZoneInfo(document.timezone),
        grace=timedelta(),
        lookback=timedelta(),
        max_bytes_per_night=0,
    )
