"""What is too much: counts over windows against limits, and how loudly that is said. Pure.

Each measure is judged by itself, and the loudest counts. Who is counted, and what becomes of whom,
is the watch's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from archiver.access_log import Entry
from archiver.access_log.tallying import Tally
from archiver.errors import Said


class Level(IntEnum):
    """What follows: so many times over a limit."""

    CALM = 0
    ALARM = 1
    CODE = 2
    BLOCK = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on it is too much, for one operator."""

    orders_per_5m: int = 25
    misses_per_5m: int = 10
    orders_per_hour: int = 60
    orders_per_day: int = 200
    misses_per_hour: int = 20
    misses_per_day: int = 40
    misses_per_week: int = 150
    steps_per_hour: int = 5
    steps_per_day: int = 15
    decoys_per_day: int = 1
    place_factor: int = 4

    def times(self, factor: int) -> "Limits":
        """Return the limits of so many people together; a decoy is one too many for all of them."""
        more = {name: getattr(self, name) * factor for name in MEASURES if name != DECOYS}
        return replace(self, **more)


STANDARD: Final = Limits()
NETWORK_FACTOR: Final = 2
"""A /24 may do so many times what a place may."""
DECOYS: Final = "decoys_per_day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What is compared with the limits, measure by measure."""

    orders_per_5m: int = 0
    misses_per_5m: int = 0
    orders_per_hour: int = 0
    orders_per_day: int = 0
    misses_per_hour: int = 0
    misses_per_day: int = 0
    misses_per_week: int = 0
    steps_per_hour: int = 0
    steps_per_day: int = 0
    decoys_per_day: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The gravest that was found."""

    level: Level
    measure: str = ""
    """The limit's name in `[watch]`."""
    count: int = 0
    limit: int = 0
    subject: str = ""
    """Of whom: `operator:NAME`, `place:PLACE`, `net:NETWORK`, `token:NAME`."""

    @property
    def said(self) -> Said:
        """The same for people."""
        en, zh = MEASURES.get(self.measure, ("", ""))
        return Said(
            f"{self.count} {en}, the limit is {self.limit}",
            f"{zh} {self.count}，限额 {self.limit}",
        )


MEASURES: Final = {
    "orders_per_5m": ("different orders in five minutes", "五分钟内查看的不同订单"),
    "misses_per_5m": ("questions without an answer in five minutes", "五分钟内无结果的查询"),
    "orders_per_hour": ("different orders in an hour", "一小时内查看的不同订单"),
    "orders_per_day": ("different orders in a day", "一天内查看的不同订单"),
    "misses_per_hour": ("questions without an answer in an hour", "一小时内无结果的查询"),
    "misses_per_day": ("questions without an answer in a day", "一天内无结果的查询"),
    "misses_per_week": ("questions without an answer in a week", "一周内无结果的查询"),
    "steps_per_hour": (
        "numbers in sequence or wide ranges in an hour",
        "一小时内连号或大范围的查询",
    ),
    "steps_per_day": (
        "numbers in sequence or wide ranges in a day",
        "一天内连号或大范围的查询",
    ),
    DECOYS: ("decoys in a day", "一天内查询的诱饵"),
}
SHORT: Final = ("orders_per_5m", "misses_per_5m")
"""Who does so much in five minutes is no person: the limit is the block."""
_TENTHS: Final = ((Level.BLOCK, 10), (Level.CODE, 9), (Level.ALARM, 8))
"""Of that limit."""


def level_of(measure: str, count: int, limit: int) -> Level:
    """Return what follows from one count."""
    if measure not in SHORT:
        return Level(min(count // limit, Level.BLOCK))
    for level, tenths in _TENTHS:
        if count * 10 >= limit * tenths:
            return level
    return Level.CALM


def judge(counts: Counts, limits: Limits) -> Judgement:
    """Decide about one operator or place: the measure that is over its limit most often."""
    worst = Judgement(level=Level.CALM)
    for measure in MEASURES:
        count: int = getattr(counts, measure)
        limit: int = getattr(limits, measure)
        level = level_of(measure, count, limit)
        if level > worst.level:
            worst = Judgement(level=level, measure=measure, count=count, limit=limit)
    return worst


MOSTLY: Final = (2, 3)
"""Of a site's questions at least this share finds nothing: no buyers are like that."""


def judge_site(tally: Tally, limits: Limits) -> Judgement:
    """Decide about a site's token: its misses count where they are most of what it asks."""

    def mostly(missed: int, asked: int) -> int:
        return missed if missed * MOSTLY[1] >= asked * MOSTLY[0] else 0

    counts = Counts(
        misses_per_5m=mostly(tally.missed_five, tally.asked_five),
        misses_per_day=mostly(tally.missed_day, tally.asked_day),
        decoys_per_day=tally.decoys_day,
    )
    return judge(counts, limits)


def different_orders(entries: Sequence[Entry]) -> int:
    """Return how many different orders entries have shown; those they do not list all differ."""
    shown = [one for one in entries if one.shown]
    listed = frozenset[str]().union(*(one.orders for one in shown))
    return len(listed) + sum(max(one.shown - len(one.orders), 0) for one in shown)


def discreet(said: Said) -> Said:
    """Return what whoever asks may hear of it: never that something was a decoy."""
    decoys, _ = MEASURES[DECOYS]
    return Said("questions without an answer", "无结果的查询") if decoys in said.en else said
