"""Archives for tests: founded for real, on any store, under a frozen clock."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures import ThreadPoolExecutor as _Threads
from dataclasses import dataclass, field
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
from archiver.initialise import Identity, KeyPlaces, initialise
from archiver.known import KnownOrders
from archiver.mapping import OrderMapping
from archiver.nightly import Night, NightReport
from archiver.ports import Clock, ObjectStore, RawPage, Window
from archiver.retention import Rule
from schemas import documents

RULES: Final = Rules(
    retention=Rule(years=3, margin=timedelta(days=10)),
    zone=ZoneInfo("Asia/Shanghai"),
    grace=timedelta(hours=2),
    lookback=timedelta(days=7),
    max_bytes_per_night=1 << 40,
)

Row = Mapping[str, Any]


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
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  the future carries it
            future.set_exception(error)
        return future


@dataclass(slots=True)
class RowsSource:
    """A source over rows in memory, which a test may change between nights."""

    mapping: OrderMapping
    rows: list[Row]
    page_rows: int = 1000
    name: str = "main"
    children: Mapping[str, Sequence[Row]] = field(default_factory=dict)

    def pages(
        self, ended: Window, changed: Window | None = None, *, limit: int | None = None
    ) -> Iterator[RawPage]:
        """Yield all rows: the widest superset that a source may give."""
        rows = sorted(self.rows, key=lambda row: int(row[self.mapping.key]))[:limit]
        for start in range(0, len(rows), self.page_rows):
            yield RawPage(
                rows=raw_table(rows[start : start + self.page_rows], self.mapping.page_columns),
                children={},
            )

    def days(self, ended: Window) -> Mapping[date, int]:
        """Return the days of the rows' end-time column, read as text."""
        column = self.mapping.times[self.mapping.completion.names[-1]].column
        counts: dict[date, int] = {}
        for row in self.rows:
            try:
                at = datetime.fromisoformat(str(row[column])).replace(tzinfo=UTC)
            except ValueError:
                continue
            if ended.start <= at < ended.end:
                day = at.astimezone(RULES.zone).date()
                counts[day] = counts.get(day, 0) + 1
        return counts


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
        """Found an archive here."""
        identity = Identity(
            name="shop-1",
            role="platform",
            legal_basis="电子商务法第三十一条",
            timezone=rules.zone.key,
            operator=documents.Operator(),
        )
        return initialise(identity, self.keys, store, clock, rules, environment={})

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
        )

    def night(
        self,
        archive: Archive,
        sources: Sequence[MappedSource],
        as_of: date | None = None,
        *,
        threads: int = 0,
    ) -> NightReport:
        """Run a night with the local copies of this place."""
        with _Threads(threads) if threads else Inline() as executor:
            night = Night(
                archive=archive,
                catalog=Catalog(archive, self.folder / "index" / "manifests"),
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
