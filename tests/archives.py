"""Archives for tests: founded for real, on any store, under a frozen clock."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures import ThreadPoolExecutor as _Threads
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import roots
from archiver.archive import Archive, Rules, open_archive
from archiver.capture import MappedSource
from archiver.catalog import Catalog
from archiver.errors import SourceUnavailableError
from archiver.initialise import Identity, KeyPlaces, initialise
from archiver.known import KnownOrders
from archiver.lockproof import Proven, Trial, judge_proof, latest_proof, prove_lock
from archiver.mapping import OrderMapping
from archiver.mapping.model import TimeName
from archiver.nightly import Night, NightReport
from archiver.ports import Clock, Fence, ObjectStore, RawPage, Window
from archiver.retention import Rule
from schemas import documents
from tests.provers import prover_of

RULES: Final = Rules(
    retention=Rule(years=3, margin=timedelta(days=10)),
    zone=ZoneInfo("Asia/Shanghai"),
    grace=timedelta(hours=2),
    lookback=timedelta(days=7),
    max_bytes_per_night=1 << 40,
)

Row = Mapping[str, Any]
SOUND_YEARS: Final = range(1990, 2200)
"""What claims to be of another is absurd; a source gives it, whatever the window."""


class Silent:
    """Shows progress to nobody."""

    def start(self, label: str, total: int | None = None) -> None:
        """Show nothing."""

    def advance(self, units: int = 1) -> None:
        """Show nothing."""

    def finish(self) -> None:
        """Show nothing."""


class Inline(Executor):
    """Runs at once, so that a test's order of calls is the same every time."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
        """Run it now."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  the future carries it
            future.set_exception(error)
        return future


@dataclass(slots=True)
class RowsSource:
    """A source over rows in memory, which a test may change between nights.

    Attributes:
        page_rows: Rows to a page.
        children: Child rows by the order field they fill.
        exact: Give the rows of the windows only, not all of them; times must be UTC text.
        dies_after: Die after so many pages.
        passes: How often it was read.
    """

    mapping: OrderMapping
    held: list[Row]
    page_rows: int = 1000
    name: str = "main"
    children: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    exact: bool = False
    dies_after: int | None = None
    passes: int = 0

    def pages(
        self,
        ended: Window,
        changed: Window | None = None,
        *,
        beyond: datetime | None = None,
        limit: int | None = None,
        exact: bool = False,  # noqa: ARG002  times of these rows have no zone to be wrong
    ) -> Iterator[RawPage]:
        """Yield all rows, the widest superset that a source may give, or the fewest it may."""
        self.passes += 1
        rows = sorted(self.held, key=lambda row: int(row[self.mapping.key]))[:limit]
        if self.exact:
            rows = [row for row in rows if self._asked_for(row, ended, changed, beyond)]
        for number, start in enumerate(range(0, len(rows), self.page_rows)):
            if number == self.dies_after:
                raise SourceUnavailableError(source=self.name, detail="connection lost")
            part = rows[start : start + self.page_rows]
            yield RawPage(
                rows=raw_table(part, self.mapping.page_columns), children=self._children_of(part)
            )

    def days(self, ended: Window) -> Mapping[date, int]:
        """Return the days on which rows end, by UTC: not the archive's calendar."""
        ends = [end for row in self.held if (end := self._ended(row)) is not None]
        return Counter(end.date() for end in ends if ended.start <= end < ended.end)

    def census(self, created: Window, ended: Window) -> Iterator[pa.Table]:
        """Yield who is there: all that are not ignored, or if `exact` as few as may be."""
        mapping, status = self.mapping, self.mapping.status
        rows = sorted(self.held, key=lambda row: int(row[mapping.key]))
        rows = [row for row in rows if str(row[status.column]) not in status.ignored]
        if self.exact:
            rows = [row for row in rows if self._counted(row, created, ended)]
        yield from self._roll(rows)

    def roll_call(self, created: Window | None = None) -> Iterator[pa.Table]:
        """Yield who is there, whatever their states; if `exact` as few as may be."""
        rows = sorted(self.held, key=lambda row: int(row[self.mapping.key]))
        if self.exact and created and "created" in self.mapping.times:
            begun = ((row, self._instant(row, "created")) for row in rows)
            rows = [row for row, at in begun if not at or created.start <= at < created.end]
        yield from self._roll(rows)

    def _roll(self, rows: Sequence[Row]) -> Iterator[pa.Table]:
        mapping = self.mapping
        names = (mapping.key, mapping.order_id, mapping.status.column)
        for start in range(0, len(rows), self.page_rows):
            table = raw_table(rows[start : start + self.page_rows], names)
            columns = (table[name] for name in names)
            yield pa.table(dict(zip(("key", "order_id", "state"), columns, strict=True)))

    def rows(self, keys: Sequence[bytes]) -> Iterator[RawPage]:
        """Yield the rows with these keys, whatever their states and times."""
        rows = {str(row[self.mapping.key]).encode(): row for row in self.held}
        found = [rows[key] for key in dict.fromkeys(keys) if key in rows]
        for start in range(0, len(found), self.page_rows):
            part = sorted(
                found[start : start + self.page_rows],
                key=lambda row: int(row[self.mapping.key]),
            )
            yield RawPage(
                rows=raw_table(part, self.mapping.page_columns), children=self._children_of(part)
            )

    def _counted(self, row: Row, created: Window, ended: Window) -> bool:
        begun = self._instant(row, "created") if "created" in self.mapping.times else None
        if begun and not created.start <= begun < created.end:
            return False
        if str(row[self.mapping.status.column]) in self.mapping.status.open:
            return True
        told = [n for n in self.mapping.completion.latest_of if n != self.mapping.changed_at]
        ends = [self._instant(row, name) for name in told]
        if any(at and at >= ended.end for at in ends):
            return False
        all_ends = [self._instant(row, name) for name in self.mapping.completion.names]
        known = [at for at in (*all_ends, begun) if at]
        return not any(all_ends) or any(at >= ended.start for at in known)

    def _asked_for(
        self, row: Row, ended: Window, changed: Window | None, beyond: datetime | None
    ) -> bool:
        end = self._ended(row)
        if end is None or ended.start <= end < ended.end or (beyond and end >= beyond):
            return True
        if changed is None or self.mapping.changed_at is None:
            return False
        at = self._instant(row, self.mapping.changed_at)
        return at is None or changed.start <= at < changed.end

    def _ended(self, row: Row) -> datetime | None:
        rule = self.mapping.completion
        known = [at for name in rule.latest_of if (at := self._instant(row, name))]
        if known or rule.otherwise is None:
            return max(known, default=None)
        return self._instant(row, rule.otherwise)

    def _instant(self, row: Row, name: TimeName) -> datetime | None:
        try:
            at = datetime.fromisoformat(str(row[self.mapping.times[name].column]))
        except ValueError:
            return None
        return at.replace(tzinfo=UTC) if at.year in SOUND_YEARS else None

    def _children_of(self, rows: Sequence[Row]) -> Mapping[str, pa.Table]:
        tables: dict[str, pa.Table] = {}
        for child in self.mapping.children:
            parents = {row[child.on or self.mapping.key] for row in rows}
            theirs = [
                row for row in self.children.get(child.field, ()) if row[child.key] in parents
            ]
            tables[child.field] = raw_table(theirs, self.mapping.child_columns(child))
        return tables


def raw_table(rows: Sequence[Row], columns: Sequence[str]) -> pa.Table:
    """Return rows as a source gives them: everything as bytes."""

    def raw(value: object) -> bytes | None:
        if value is None or isinstance(value, bytes):
            return value
        return str(value).encode()

    return pa.table(
        {
            name: pa.array([raw(row.get(name)) for row in rows], pa.large_binary())
            for name in columns
        }
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where an archive of a test lives: key files and local copies below a folder."""

    folder: Path

    @property
    def keys(self) -> KeyPlaces:
        """Where its keys are."""
        return KeyPlaces(
            anchor=self.folder / "archive.json",
            identity=self.folder / "identity.key",
            signer=self.folder / "signer.key",
            token=self.folder / "token.key",
            roots={
                "base": roots.FileRoot(self.folder / "root.key"),
                "reveal": roots.FileRoot(self.folder / "reveal-root.key"),
            },
        )

    def found(self, store: ObjectStore, clock: Clock, rules: Rules = RULES) -> Archive:
        """Found an archive here and prove its store's lock."""
        identity = Identity(
            name="shop-1",
            role="platform",
            legal_basis="电子商务法第三十一条",
            timezone=rules.zone.key,
            operator=documents.Operator(),
        )
        archive = initialise(
            identity,
            self.keys,
            store,
            clock,
            rules,
            environment={},
            memory=self.folder / "index",
        )
        self.prove_lock(archive)
        return archive

    def prove_lock(self, archive: Archive) -> Trial:
        """Make a lock proof, on the store inside of whatever the test has put around it."""
        store, prover = prover_of(archive.store)
        return prove_lock(replace(archive, store=store), prover)

    def keep_proven(self, archive: Archive) -> None:
        """Make a lock proof where the last one is not fresh, as an operator does weekly."""
        store, _ = prover_of(archive.store)
        inner = replace(archive, store=store)
        latest = latest_proof(inner)
        judged = judge_proof(
            latest.document if latest else None,
            now=archive.clock.now(),
            store=archive.settings.description,
        )
        if archive.settings.worm and not isinstance(judged, Proven):
            self.prove_lock(inner)

    def open(self, store: ObjectStore, clock: Clock, rules: Rules = RULES) -> Archive:
        """Open the archive as a night does."""
        anchor = self.keys.anchor.read_bytes()
        archive = documents_archive(anchor)
        return open_archive(
            anchor=anchor,
            store=store,
            clock=clock,
            rules=rules,
            signer=Ed25519PrivateKey.from_private_bytes(
                roots.read_secret_file(self.keys.signer, "signer", archive)
            ),
            token_key=roots.read_secret_file(self.keys.token, "token", archive),
            memory=self.folder / "index",
        )

    def night(
        self,
        archive: Archive,
        sources: Sequence[MappedSource],
        as_of: date | None = None,
        *,
        threads: int = 0,
        proven: bool = True,
        fence: Fence | None = None,
    ) -> NightReport:
        """Run a night with the local copies of this place, on a fresh lock proof if `proven`."""
        if proven:
            self.keep_proven(archive)
        with _Threads(threads) if threads else Inline() as executor:
            night = Night(
                archive=archive,
                catalog=Catalog(archive, self.folder / "index" / "manifests", fence=fence),
                known=KnownOrders.open(archive, self.folder / "index" / "known"),
                sources=sources,
                executor=executor,
                in_flight=max(threads, 1),
                progress=Silent(),
            )
            return night.run(as_of)


def documents_archive(anchor: bytes) -> str:
    """Return the archive id in an anchor."""
    from archiver.archive import read_anchor

    return read_anchor(anchor).archive
