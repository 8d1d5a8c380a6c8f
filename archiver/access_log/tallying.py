"""What the watch asks the log: one query for all windows of one operator, place or network.

The statement is made once for each kind of question and takes its times and names as parameters:
to make it anew takes longer than to run it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    ARRAY,
    BigInteger,
    BindParameter,
    ColumnElement,
    Executable,
    String,
    bindparam,
    case,
    func,
    literal,
    select,
)

from archiver.access_log.entry import Entry, Outcome
from archiver.access_log.tables import entries

Whose = Literal["operator", "place", "places"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the watch asks the log, in one query."""

    shown_hour: int
    """Orders that were shown, the same one as often as it was."""
    shown_day: int
    missed_hour: int
    missed_week: int
    stepped_hour: int
    stepped_day: int = 0
    shown_five: int = 0
    """Within five minutes."""
    missed_five: int = 0
    asked_five: int = 0
    """Questions that were answered, with orders or with none."""
    decoys_day: int = 0
    """Questions for what only a harvester asks."""
    missed_day: int = 0
    asked_day: int = 0
    askers: int = 1
    """How many different operators they are from, within a week."""

    def with_more(self, entries: Sequence[Entry]) -> "Tally":
        """Return the same with entries of this very moment; of askers none is new."""
        shown = sum(one.shown for one in entries)
        stepped = sum(one.stepped for one in entries)
        decoys = sum(one.outcome is Outcome.DECOYED for one in entries)
        missed = decoys + sum(one.outcome is Outcome.MISSED for one in entries)
        asked = missed + sum(one.outcome in (Outcome.ANSWERED, Outcome.REVEALED) for one in entries)
        return Tally(
            shown_five=self.shown_five + shown,
            shown_hour=self.shown_hour + shown,
            shown_day=self.shown_day + shown,
            missed_five=self.missed_five + missed,
            missed_hour=self.missed_hour + missed,
            missed_day=self.missed_day + missed,
            missed_week=self.missed_week + missed,
            stepped_hour=self.stepped_hour + stepped,
            stepped_day=self.stepped_day + stepped,
            asked_five=self.asked_five + asked,
            asked_day=self.asked_day + asked,
            decoys_day=self.decoys_day + decoys,
            askers=self.askers,
        )


def question(
    operator: str | None, place: str | None, places: Sequence[str], *, shared: bool
) -> tuple[Executable, Mapping[str, object]]:
    """Return the statement and its parameters but for the times `five`, `hour`, `day`, `week`.

    Args:
        operator: Whose entries; or
        place: From where; or
        places: From all of these together.
        shared: The database is PostgreSQL.
    """
    if operator is not None:
        return _statement("operator", shared), {"whose": operator}
    if place is not None:
        return _statement("place", shared), {"whose": place}
    listed = list(places) if shared else json.dumps(list(places))
    return _statement("places", shared), {"whose": listed}


def among(places: ColumnElement[Any], *, shared: bool) -> ColumnElement[bool]:
    """Return the condition that an entry's place is one of these: one parameter for all of them."""
    if shared:
        return entries.c.place == func.any(places)
    listed = func.json_each(places).table_valued("value")
    return entries.c.place.in_(select(listed.c.value))


def from_places(places: Sequence[str], *, shared: bool) -> ColumnElement[bool]:
    """Return the condition that an entry is from one of these places."""
    value = list(places) if shared else json.dumps(list(places))
    return among(literal(value, ARRAY(String) if shared else String), shared=shared)


@cache
def _statement(whose: Whose, shared: bool) -> Executable:  # noqa: FBT001  a key of the cache
    decoy = entries.c.outcome == Outcome.DECOYED.value
    missed = (entries.c.outcome == Outcome.MISSED.value) | decoy
    answered = missed | entries.c.outcome.in_((Outcome.ANSWERED.value, Outcome.REVEALED.value))
    windows = ("five", "hour", "day", "week")
    five, hour, day, week = (bindparam(name, type_=BigInteger) for name in windows)

    def counted(what: ColumnElement[int], since: BindParameter[Any]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((entries.c.at >= since, what), else_=0)), 0)

    def those(what: ColumnElement[bool]) -> ColumnElement[int]:
        return case((what, 1), else_=0)

    one = those(missed)
    if whose == "places":
        kind = ARRAY(String) if shared else String()
        theirs = among(bindparam("whose", type_=kind), shared=shared)
    else:
        theirs = entries.c[whose] == bindparam("whose")
    return select(
        counted(entries.c.shown, five).label("shown_five"),
        counted(one, five).label("missed_five"),
        counted(those(answered), five).label("asked_five"),
        counted(those(decoy), day).label("decoys_day"),
        counted(one, day).label("missed_day"),
        counted(those(answered), day).label("asked_day"),
        func.count(entries.c.operator.distinct()).label("askers"),
        counted(entries.c.shown, hour).label("shown_hour"),
        counted(entries.c.shown, day).label("shown_day"),
        counted(one, hour).label("missed_hour"),
        counted(one, week).label("missed_week"),
        counted(entries.c.stepped, hour).label("stepped_hour"),
        counted(entries.c.stepped, day).label("stepped_day"),
    ).where(entries.c.at >= week, theirs)
