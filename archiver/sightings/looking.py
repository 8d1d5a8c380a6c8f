"""A look around: every source is sighted once, one that fails does not keep the others from it.

Also what an officer does after an alarm: all that was sighted on some days is compared again, and
listed order by order.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from archiver.archive import Archive
from archiver.capture import MappedSource
from archiver.catalog import Catalog
from archiver.errors import AnotherRunError, ArchiverError, Exit
from archiver.known import KnownOrders
from archiver.ledger import Extension, extend_ledger
from archiver.ports import Progress
from archiver.sightings.comparing import Compared, compare, days_sealed, sealed_lately, told
from archiver.sightings.taking import Sight, sight
from archiver.spreading import Circle, Spread, spread

log: Final = logging.getLogger(__name__)
_GRAVEST_FIRST: Final = (Exit.ALARM, Exit.FORBIDDEN, Exit.TRY_LATER, Exit.FIX_REQUEST)


@dataclass(slots=True)
class Looked:
    """What a look around came to."""

    sights: list[Sight] = field(default_factory=list)
    failures: list[ArchiverError] = field(default_factory=list)
    ledger: Extension | None = None
    """What became of the ledger; None where nothing was new, or it is left to the next run."""
    spread: Spread | None = None
    """Who holds its head; None where nobody was told."""

    @property
    def exit(self) -> Exit:
        """The exit code: the highest alarm wins."""
        return _gravest(self.failures)

    @property
    def sighted(self) -> int:
        """How many orders were new or had changed."""
        return sum(one.sighted for one in self.sights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What became of what was sighted in one source."""

    source: str
    days: Sequence[date]
    compared: Compared

    @property
    def alarms(self) -> Sequence[ArchiverError]:
        """What must be told of it."""
        return tuple(told(self.source, self.compared))

    @property
    def exit(self) -> Exit:
        """The exit code."""
        return _gravest(self.alarms)


def look_around(
    archive: Archive,
    catalog: Catalog,
    sources: Sequence[MappedSource],
    progress: Progress,
    circle: Callable[[], Circle] = Circle,
) -> Looked:
    """Sight all sources, enter what is new into the ledger, and tell witnesses its head.

    Args:
        archive: Opened to seal.
        catalog: The manifests, not yet read; they are, if there is something to enter.
        sources: The configured ones.
        progress: Shown the rows as they come.
        circle: Who is told; opened last, for no mistake in it may keep orders from being sighted.
    """
    looked = Looked()
    for source in sources:
        name = source.source.name
        progress.start(name)
        try:
            found = sight(archive, source, progress)
        except ArchiverError as error:
            looked.failures.append(error)
            about = {"source": name, "code": error.code, "reason": str(error)}
            log.error("sight failed", extra=about)  # noqa: TRY400  a traceback may quote rows
            if error.exit is Exit.ALARM:
                break  # the store or the clock lies: another source would meet the same
        else:
            looked.sights.append(found)
            counts = {"rows": found.read, "sighted": found.sighted}
            log.info("sighted", extra={"source": name, **counts})
        finally:
            progress.finish()
    if looked.sighted:
        _enter(archive, catalog, sources, looked)
        _tell(archive, circle, looked)
    looked.failures += archive.alarms
    return looked


def _enter(
    archive: Archive, catalog: Catalog, sources: Sequence[MappedSource], looked: Looked
) -> None:
    """Take new sightings into the ledger; they stand whatever comes of it."""
    try:
        catalog.refresh()
        names = [source.source.name for source in sources]
        looked.ledger = extend_ledger(archive, catalog, names)
    except AnotherRunError:
        log.info("ledger left to the next run")  # somebody else extends it just now
    except ArchiverError as error:
        log.error("ledger failed", extra={"code": error.code, "reason": str(error)})  # noqa: TRY400  as above
        looked.failures.append(error)


def _tell(archive: Archive, circle: Callable[[], Circle], looked: Looked) -> None:
    """Tell witnesses the ledger's head; who is late is the nights' business, and the status'."""
    if looked.ledger is None:
        return
    try:
        looked.spread = spread(archive, looked.ledger.ledger, circle())
    except ArchiverError as error:
        log.error("witnesses were not told", extra={"code": error.code, "reason": str(error)})  # noqa: TRY400  as above
        looked.failures.append(error)
    else:
        looked.failures += [one for one in looked.spread.failures if one.exit is Exit.ALARM]


def judge(
    archive: Archive,
    catalog: Catalog,
    known: KnownOrders,
    sources: Sequence[MappedSource],
    asked: tuple[date | None, date | None] = (None, None),
) -> Iterator[Judged]:
    """Compare again what was sighted, source by source.

    Args:
        archive: Opened to seal.
        catalog: The manifests, read.
        known: Up to the last of them.
        sources: Which to look at.
        asked: First and last day; without either, the days that the next night would compare.

    Raises:
        ArchiverError: A source or the store failed.
    """
    first, last = asked
    for source in sources:
        name = source.source.name
        if first is None and last is None:
            days = sealed_lately(catalog, name, archive.rules, archive.clock.now())
        else:
            bounds = (first or date.min, last or date.max)
            sealed = days_sealed(catalog, name).items()
            days = {day: at for day, at in sealed if bounds[0] <= day <= bounds[1]}
        compared = compare(archive, source, known, days) if days else Compared()
        yield Judged(source=name, days=sorted(days), compared=compared)


def _gravest(failures: Sequence[ArchiverError]) -> Exit:
    codes = {failure.exit for failure in failures}
    return next((code for code in _GRAVEST_FIRST if code in codes), Exit.DONE)
