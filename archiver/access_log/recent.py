"""The log's last week in memory, as the watch asks about it: who was shown and missed how much.

A service asks this of every question, and the rows of a week are tens of thousands: they are read
once for each operator, place and network that asks, and from then on only what the log has grown
by. Every use first reads what all nodes and processes have committed until then, so an answer is
as exact as the database's own (`AccessLog.tally`, to which tests hold it).
"""

import json
import threading
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, bindparam, select

from archiver.access_log.entry import Outcome
from archiver.access_log.tables import PART, entries, heads
from archiver.access_log.tallying import Tally, from_places
from archiver.state import State
from archiver.state.looks import Look

WEEK: Final = 7 * 86_400 * 1_000_000
"""Microseconds: nothing older is asked for."""
DAY: Final = 86_400 * 1_000_000
"""Microseconds for which it is remembered what was asked for."""
SUBJECTS: Final = 5_000
"""Remembered at once; of more, those not asked about for longest are read again when they are."""
_MISSED: Final = (Outcome.MISSED.value, Outcome.DECOYED.value)
_ANSWERED: Final = (*_MISSED, Outcome.ANSWERED.value, Outcome.REVEALED.value)
_COUNTS: Final = ("shown", "missed", "asked", "decoys", "stepped")

Subject = tuple[str, str]
"""`operator`, `place` or `network`, and which one."""


class Grown(NamedTuple):
    """What counts of an entry."""

    node: str
    number: int
    at: int
    operator: str | None
    place: str
    outcome: str
    shown: int
    stepped: int
    body: bytes


_COLUMNS: Final = tuple(entries.c[name] for name in Grown._fields)
_HEADS: Final = Look(select(heads.c.node, heads.c.number))
_GROWN: Final = Look(
    select(*_COLUMNS)
    .where(
        entries.c.node == bindparam("node"),
        entries.c.number > bindparam("behind"),
        entries.c.number <= bindparam("until"),
    )
    .order_by(entries.c.number)
)


@dataclass(slots=True)
class Course:
    """The entries of one subject by time, with running sums of what is counted."""

    since: int
    """From here on it is whole, microseconds since 1970."""
    at: "array[int]" = field(default_factory=lambda: array("q"))
    sums: dict[str, "array[int]"] = field(
        default_factory=lambda: {name: array("q", [0]) for name in _COUNTS}
    )
    operators: dict[str, int] = field(default_factory=dict)
    """When each was last seen."""
    tokens: dict[str, int] = field(default_factory=dict)
    """When each value was last asked for."""

    def add(self, row: Grown, tokens: Sequence[str]) -> None:
        """Take in an entry; clocks of nodes differ, so it may lie before the last one."""
        place = len(self.at)
        if place and row.at < self.at[-1]:
            place = bisect_left(self.at, row.at)
        self.at.insert(place, row.at)
        for name, count in zip(_COUNTS, _counted(row), strict=True):
            sums = self.sums[name]
            sums.insert(place + 1, sums[place] + count)
            if count:
                for later in range(place + 2, len(sums)):
                    sums[later] += count
        if row.operator is not None:
            self.operators[row.operator] = max(row.at, self.operators.get(row.operator, 0))
        for token in tokens:
            self.tokens[token] = max(row.at, self.tokens.get(token, 0))

    def count(self, name: str, since: int) -> int:
        """Return a sum over the entries from an instant on."""
        sums = self.sums[name]
        return sums[-1] - sums[bisect_left(self.at, since)]

    def forget(self, now: int) -> None:
        """Let go of what is older than a week, once it is most of what there is."""
        old = bisect_left(self.at, now - WEEK)
        if 2 * old > len(self.at):
            self.since = max(self.since, now - WEEK)
            del self.at[:old]
            for sums in self.sums.values():
                base = sums[old]
                del sums[:old]
                for place in range(len(sums)):
                    sums[place] -= base
            self.operators = {k: at for k, at in self.operators.items() if at >= now - WEEK}
        if len(self.tokens) > 2 * len(self.at) + 100:
            self.tokens = {k: at for k, at in self.tokens.items() if at >= now - DAY}


@dataclass(slots=True)
class Recent:
    """What a process remembers of the log. Threads share it."""

    state: State
    _courses: OrderedDict[Subject, Course] = field(default_factory=OrderedDict)
    _seen: dict[str, int] = field(default_factory=dict)
    """The last entry of each node that was read."""
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _asking: threading.Lock = field(default_factory=threading.Lock)
    _asked: int = 0
    _answered: int = 0
    """Of those who have asked, all up to this one have been read for."""
    _still: set[int] = field(default_factory=set)
    """The threads for which it is one moment."""

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """Read now, and for this thread not again before the block is left.

        A block within reads again: whoever records there decides about others' entries, too.
        """
        me = threading.get_ident()
        self._up_to_now()
        if me in self._still:
            yield
            return
        self._still.add(me)
        try:
            yield
        finally:
            self._still.discard(me)

    def tally(
        self, subject: Subject, *, now: int, five: int, hour: int, day: int, week: int
    ) -> Tally:
        """Return what one subject was shown and missed, over all nodes, until now.

        Args:
            subject: Whose.
            now: Microseconds since 1970, as all of these.
            five: From when on the last five minutes count.
            hour: The same for the last hour.
            day: The same for the last day.
            week: The same for the last week.
        """
        with self._course(subject, now) as course:
            return Tally(
                shown_five=course.count("shown", five),
                missed_five=course.count("missed", five),
                asked_five=course.count("asked", five),
                decoys_day=course.count("decoys", day),
                missed_day=course.count("missed", day),
                asked_day=course.count("asked", day),
                askers=sum(at >= week for at in course.operators.values()),
                shown_hour=course.count("shown", hour),
                shown_day=course.count("shown", day),
                missed_hour=course.count("missed", hour),
                missed_week=course.count("missed", week),
                stepped_hour=course.count("stepped", hour),
                stepped_day=course.count("stepped", day),
            )

    def asked(self, subject: Subject, tokens: Sequence[str], *, now: int, since: int) -> bool:
        """Tell whether a subject has asked for one of these values, from an instant on."""
        with self._course(subject, now) as course:
            return any(course.tokens.get(one, -1) >= since for one in tokens)

    @contextmanager
    def _course(self, subject: Subject, now: int) -> Iterator[Course]:
        if threading.get_ident() not in self._still:
            self._up_to_now()
        with self._turn:
            course = self._courses.get(subject)
            if course is None or now - WEEK < course.since:  # the second: a clock was set back
                course = self._courses[subject] = self._read(subject, now - WEEK)
                while len(self._courses) > SUBJECTS:
                    self._courses.popitem(last=False)
            self._courses.move_to_end(subject)
            yield course

    def _up_to_now(self) -> None:
        with self._asking:
            self._asked += 1
            mine = self._asked
        with self._turn:
            # Whoever began to read while this one waited has read for both of them.
            if self._answered < mine:
                self._catch_up()

    def _catch_up(self) -> None:
        """Read what the log has grown by."""
        with self._asking:
            until = self._asked
        now = {row.node: int(row.number) for row in self.state.look(PART, _HEADS)}
        if any(now.get(node, 0) < number for node, number in self._seen.items()):
            self._courses.clear()  # another log than before: somebody has restored a copy
            self._seen = now
        for node, number in now.items():
            behind = self._seen.get(node, 0)
            if behind < number and self._courses:
                # What a head names has been committed, and does not change.
                told = {"node": node, "behind": behind, "until": number}
                self._take_in(self.state.look(PART, _GROWN, **told))
            self._seen[node] = number  # at once: should the next one fail, this is not read again
        self._seen = now
        self._answered = until

    def _take_in(self, rows: Sequence[Grown]) -> None:
        for row in rows:
            tokens: Sequence[str] | None = None
            for subject in subjects_of(row.operator, row.place):
                if (course := self._courses.get(subject)) is not None:
                    tokens = _tokens(row) if tokens is None else tokens
                    course.add(row, tokens)
                    course.forget(row.at)

    def _read(self, subject: Subject, since: int) -> Course:
        """Read what a subject has asked, up to where the others are read."""
        course = Course(since=since)
        query = select(*_COLUMNS).where(self._theirs(subject), entries.c.at >= since)
        with self.state.reading(PART) as connection:
            for row in map(Grown._make, connection.execute(query.order_by(entries.c.at))):
                if row.number <= self._seen.get(row.node, 0):
                    course.add(row, _tokens(row))
        return course

    def _theirs(self, subject: Subject) -> ColumnElement[bool]:
        kind, name = subject
        if kind == "network":
            return from_places([f"{name}.{last}" for last in range(256)], shared=self.state.shared)
        return entries.c[kind] == name


def subjects_of(operator: str | None, place: str) -> Iterator[Subject]:
    """Yield whose an entry is."""
    if operator is not None:
        yield "operator", operator
    yield "place", place
    if (network := network_name(place)) is not None:
        yield "network", network


def network_name(place: str) -> str | None:
    """Return an IPv4 place's /24, without its last number; None for any other place."""
    name, dot, _ = place.rpartition(".")
    return name if dot and place.startswith("ip:") and ":" not in name[3:] else None


def _counted(row: Grown) -> tuple[int, ...]:
    """Return what an entry adds, in the order of `_COUNTS`."""
    return (
        int(row.shown),
        int(row.outcome in _MISSED),
        int(row.outcome in _ANSWERED),
        int(row.outcome == Outcome.DECOYED.value),
        int(row.stepped),
    )


def _tokens(row: Grown) -> Sequence[str]:
    """Return what an entry's bytes say was asked for; `access verify` is who judges them."""
    try:
        return [str(one["token"]) for one in json.loads(row.body)["question"]]
    except (ValueError, KeyError, TypeError):
        return ()
