"""A shop whose orders have times of creation, and the nights that look at it."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from archiver.archive import Rules
from archiver.mapping import OrderMapping
from archiver.nightly import NightReport
from tests import cards
from tests.archives import RULES
from tests.desk import Desk, at, founded

HOUR = timedelta(hours=1)
FIVE_DAYS = replace(RULES, open_after=timedelta(days=5))


def born(number: int, ended: datetime, *, days: float = 0, **columns: object) -> cards.Row:
    """Return an order that was created `days` and an hour before its end."""
    begun = ended - timedelta(days=days) - HOUR
    return cards.order(number, ended, **{"begun_at": begun} | columns)


def shop(
    folder: Path, *rows: cards.Row, rules: Rules = RULES, mapping: OrderMapping = cards.BORN
) -> Desk:
    """Return an archive after its first night, that of the fourth."""
    desk = founded(folder, [born(1, at(4)), born(2, at(4)), *rows], mapping=mapping, rules=rules)
    assert desk.night().failures == []
    return desk


def night(desk: Desk, day: int, *, month: int = 3) -> NightReport:
    """Run the night that seals a day."""
    desk.clock.instant = at(day + 1, 3, month=month)
    return desk.night()


def ids(desk: Desk) -> list[str]:
    """Return what is sealed, as id and revision."""
    return [f"{row['order_id']}/{row['revision']}" for row in desk.audit().orders]
