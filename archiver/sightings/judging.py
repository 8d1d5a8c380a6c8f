"""What has become of an order since it was sighted: expected progress, or a change to be told.

Pure. The rule, for an order that was sighted after its end (FORMAT.md 11):

- the sale (who bought what for how much, how it was paid) and the goods that were delivered must
  be what they were; an order that had failed may be delivered later;
- the outcome may go on from failed to completed and from completed to refunded, not back; tickets,
  refunds and events may be added, not taken away; leftovers may change;
- its end may move later, not earlier;
- it must still be there, in a state that is archived.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

import numpy as np

from archiver.sightings.entries import hint_of
from schemas.orders import OUTCOMES

_PLACE: Final = {name: place for place, name in enumerate(OUTCOMES)}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ORDER: Final = ("failed", "completed", "refunded")
"""How far a finished order has come."""


class Change(StrEnum):
    """What is wrong with an order that was sighted."""

    SALE = "sale"
    """Buyer, seller, product, money, payments or creation differ."""
    GOODS = "goods"
    """What was delivered differs."""
    TURNED_BACK = "turned-back"
    """Its outcome went back, or after-sales or events are missing."""
    BACK_DATED = "back-dated"
    """It ends earlier than it did."""
    PARKED = "parked"
    """It is in a state of orders that were never paid."""
    UNFINISHED = "unfinished"
    """It has not ended any more, and was never sealed."""
    REJECTED = "rejected"
    """It can no longer be read as an order, or there are others of its number instead."""
    UNSEALED = "unsealed"
    """Its day was sealed long ago, and it was not."""
    GONE = "gone"
    """The source no longer has it."""


_CHINESE: Final = {
    Change.SALE: "交易内容",
    Change.GOODS: "发货内容",
    Change.TURNED_BACK: "状态或售后倒退",
    Change.BACK_DATED: "完成时间提前",
    Change.PARKED: "改为未付款状态",
    Change.UNFINISHED: "改为未完成",
    Change.REJECTED: "无法识别或重号",
    Change.UNSEALED: "逾期未封存",
    Change.GONE: "已消失",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An order that must be told."""

    changes: Sequence[Change]
    """At least one."""
    token: bytes
    order: str
    """By the last characters of its id."""
    day: date
    """Under which it was sighted."""
    ended: datetime
    """As it was sighted."""
    sighted_at: datetime
    key: str
    """Of the sighting."""


def changes(sighted: np.void, found: np.void, *, comparable: bool) -> list[Change]:
    """Return what is wrong with a finished order; nothing for progress.

    Args:
        sighted: Its entry in a sighting.
        found: The entry that a sighting would have now.
        comparable: Both were made by the same mapping.
    """
    made: list[Change] = []
    if comparable:
        if (sighted["sale"] != found["sale"]).any():
            made.append(Change.SALE)
        if (sighted["goods"] != found["goods"]).any() and sighted["outcome"] != _PLACE["failed"]:
            made.append(Change.GOODS)
        if any(found[name] < sighted[name] for name in ("after_sales", "events")):
            made.append(Change.TURNED_BACK)
    if _progress(found) < _progress(sighted) and Change.TURNED_BACK not in made:
        made.append(Change.TURNED_BACK)
    if found["ended"] < sighted["ended"]:
        made.append(Change.BACK_DATED)
    return made


def is_finished(entry: np.void) -> bool:
    """Return whether an entry is of an order that has ended."""
    return bool(entry["outcome"] != _PLACE["open"])


def named(finding: Finding, language: str) -> str:
    """Return how an alarm names an order, in `zh` or `en`."""
    return f"{finding.order} ({words(finding, language)})"


def words(finding: Finding, language: str) -> str:
    """Return what has changed, in `zh` or `en`."""
    told = (_CHINESE[one] if language == "zh" else one for one in finding.changes)
    return " + ".join(told)


def finding_of(entry: np.void, *wrong: Change, day: date, at: datetime, key: str) -> Finding:
    """Return what is told of an entry."""
    return Finding(
        changes=wrong,
        token=entry["token"].tobytes(),
        order=hint_of(entry),
        day=day,
        ended=_EPOCH + timedelta(microseconds=int(entry["ended"])),
        sighted_at=at,
        key=key,
    )


def _progress(entry: np.void) -> int:
    return _ORDER.index(OUTCOMES[int(entry["outcome"])])
