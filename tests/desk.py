"""An archive at work in a test: a store, a clock that stands still, sources, nights."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from archiver.archive import Archive, Rules
from archiver.capture import MappedSource
from archiver.errors import ArchiverError
from archiver.mapping import OrderMapping
from archiver.naming import DayReport
from archiver.nightly import NightReport
from archiver.ports import NO_PURGES, Clock, Fence, ObjectStore, Purges
from archiver.stores.memory import MemoryStore
from tests import cards
from tests.archives import RULES, Place, Row, RowsSource
from tests.auditor import COUNTED, Audit, audit
from tests.clock import FrozenClock

SHANGHAI = ZoneInfo("Asia/Shanghai")
MONDAY = date(2026, 3, 2)


def at(day: int, hour: float = 12, *, month: int = 3, zone: ZoneInfo = SHANGHAI) -> datetime:
    """Return an instant of March 2026 by Shanghai's clocks."""
    midnight = datetime.combine(date(2026, month, 1), time(), zone).astimezone(UTC)
    return midnight + timedelta(days=day - 1, hours=hour)


def march(day: int) -> date:
    """Return a day of March 2026."""
    return date(2026, 3, day)


@dataclass(slots=True)
class Desk:
    """Everything that a night needs, and what a test asks of it."""

    place: Place
    clock: FrozenClock
    store: ObjectStore
    rules: Rules
    sources: list[RowsSource] = field(default_factory=list)
    night_clock: Clock | None = None
    """A clock that moves, where a test needs one."""
    purges: Purges = NO_PURGES
    """What the sources may delete."""

    @property
    def source(self) -> RowsSource:
        """The first source."""
        return self.sources[0]

    @property
    def rows(self) -> list[Row]:
        """The rows of the first source; a test changes them."""
        return self.source.held

    def open(self, store: ObjectStore | None = None) -> Archive:
        """Open the archive as a night does."""
        return self.place.open(store or self.store, self.night_clock or self.clock, self.rules)

    def night(
        self,
        as_of: date | None = None,
        *,
        store: ObjectStore | None = None,
        threads: int = 0,
        fence: Fence | None = None,
    ) -> NightReport:
        """Run a night and check what every report must show."""
        sources = [
            MappedSource(
                source=source, mapping=source.mapping, session_zone="UTC", purged=self.purges
            )
            for source in self.sources
        ]
        report = self.place.night(self.open(store), sources, as_of, threads=threads, fence=fence)
        for day in report.days:
            assert day.counts["read"] == sum(day.counts[name] for name in COUNTED)
            if day.manifest is not None:
                assert day.manifest.counts.model_dump() == day.counts
        return report

    def night_of(self, day: int) -> NightReport:
        """Run the night that seals a day of March: the next one at 03:00, without failures."""
        self.clock.instant = at(day + 1, 3)
        report = self.night()
        assert report.failures == []
        return report

    def audit(self) -> Audit:
        """Check the whole archive and return what it holds."""
        return audit(self.place, self.store)

    def change(self, number: int, **columns: object) -> None:
        """Change columns of one of the first source's rows; its change time is one of them."""
        (index,) = (i for i, row in enumerate(self.rows) if row["id"] == number)
        self.rows[index] = cards.shown({**self.rows[index], **columns})

    def remove(self, number: int) -> None:
        """Delete one of the first source's rows."""
        self.rows[:] = [row for row in self.rows if row["id"] != number]


def founded(
    folder: Path,
    rows: Sequence[Row] = (),
    *,
    mapping: OrderMapping = cards.OWN,
    now: datetime | None = None,
    rules: Rules = RULES,
    store: ObjectStore | None = None,
    clock: FrozenClock | None = None,
    exact: bool = True,
    page_rows: int = 1000,
) -> Desk:
    """Found an archive with one source."""
    clock = clock or FrozenClock(now or at(5, 3))
    store = store or MemoryStore(clock=clock)
    place = Place(folder)
    place.found(store, clock, rules)
    source = RowsSource(mapping, list(rows), exact=exact, page_rows=page_rows)
    return Desk(place, clock, store, rules, [source])


def sealed_days(report: NightReport) -> list[date]:
    """Return the days that got a manifest, in order."""
    return [day.day for day in report.days if day.manifest is not None]


def totals(report: NightReport) -> dict[str, int]:
    """Return what happened to a night's rows, without what did not."""
    found: dict[str, int] = {}
    for day in report.days:
        for name in ("read", *COUNTED):
            found[name] = found.get(name, 0) + day.counts[name]
    return {name: count for name, count in found.items() if count}


def day_of(report: NightReport, day: date) -> DayReport:
    """Return the report of a day."""
    (found,) = (one for one in report.days if one.day == day)
    return found


def failure(report: NightReport) -> ArchiverError:
    """Return the one thing that went wrong."""
    (error,) = report.failures
    return error


def second_source(rows: list[cards.Row]) -> RowsSource:
    """Return another shop beside a desk's own."""
    return RowsSource(cards.PROXY, list(rows), name="second", exact=True)
