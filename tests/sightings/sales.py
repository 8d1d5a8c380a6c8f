"""A shop whose orders are sighted before their night, and what a test asks of it."""

from datetime import datetime, timedelta
from pathlib import Path

from archiver.archive import Rules
from archiver.capture import MappedSource
from archiver.errors import ArchiverError, Exit
from archiver.mapping import OrderMapping
from archiver.nightly import NightReport
from archiver.ports import ObjectStore
from archiver.sightings import Sight, sight
from tests import cards
from tests.archives import RULES, RowsSource, Silent
from tests.desk import Desk, at, founded

MINUTES = timedelta(minutes=1)
TEN_TO_MIDNIGHT = at(5, 23 + 50 / 60)
LATE = at(5, 22)
"""When the orders of these tests end: on the fifth, whose night is at three on the sixth."""


def sold(number: int, ended: datetime = LATE, **columns: object) -> cards.Row:
    """Return an order with an id long enough to be named by its end."""
    begun = ended - timedelta(hours=1)
    no = f"ORDER-2026-{number:06d}"
    return cards.order(number, ended, **{"no": no, "begun_at": begun} | columns)


def shop(
    folder: Path,
    *rows: cards.Row,
    mapping: OrderMapping = cards.BORN,
    rules: Rules = RULES,
    store: ObjectStore | None = None,
) -> Desk:
    """Return an archive after the night of the fourth, with orders that ended on the fifth."""
    desk = founded(folder, [sold(1, at(4))], mapping=mapping, rules=rules, store=store)
    assert desk.night().failures == []
    desk.rows.extend(rows or (sold(7), sold(8), sold(9)))
    desk.clock.instant = LATE + 5 * MINUTES
    return desk


def mapped(desk: Desk, source: RowsSource | None = None) -> MappedSource:
    """Return the shop, or another source, as a look sees it."""
    source = source or desk.source
    return MappedSource(
        source=source, mapping=source.mapping, session_zone="UTC", purged=desk.purges
    )


def look(desk: Desk, store: ObjectStore | None = None) -> Sight:
    """Look at the shop once."""
    return sight(desk.open(store), mapped(desk), Silent())


def night(desk: Desk, day: int = 5) -> NightReport:
    """Run the night that seals a day of March."""
    desk.clock.instant = at(day + 1, 3)
    return desk.night()


def alarm(report: NightReport, code: str) -> ArchiverError:
    """Return the one alarm of a night, which must have this code."""
    (error,) = report.failures
    assert (error.code, report.exit) == (code, Exit.ALARM)
    return error


def sightings(desk: Desk) -> list[str]:
    """Return the keys of all sightings in the store."""
    return [one.key for one in desk.store.list_versions("sightings/")]
