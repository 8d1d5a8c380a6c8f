"""What a service remembers of the access log is what the database says."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver.access_log import AccessLog, Asked, Entry, Outcome
from archiver.access_log.entry import network_of, place_of
from archiver.access_log.recent import Recent
from tests.access_log.logs import QUESTION, log_in, sql
from tests.clock import FrozenClock
from tests.service.world import hasten

OPERATORS = ("ann", "bob", None)
ORIGINS = ("ip:203.0.113.7", "ip:203.0.113.9 via:192.0.2.1", "ip:2001:db8::7", "ann@desk ssh:x")
TOKENS = [f"{n:016x}" for n in range(12)]
DAY, WEEK = timedelta(days=1), timedelta(days=7)


def some_entry(random_: random.Random) -> Entry:
    asked = Asked(kind="order", token=random_.choice(TOKENS), beside=random_.random() < 0.2)
    return replace(
        QUESTION,
        outcome=random_.choice(list(Outcome)),
        operator=random_.choice(OPERATORS),
        origin=random_.choice(ORIGINS),
        case="12" if random_.random() < 0.2 else None,
        question=(asked,) if random_.random() < 0.9 else (),
        count=random_.randrange(4),
    )


def tallies(log: AccessLog, now: datetime, released: timedelta) -> Iterator[object]:
    """Yield all that the watch could ask."""
    windows = {"five": timedelta(minutes=5), "hour": timedelta(hours=1), "day": DAY, "week": WEEK}
    since: Any = {name: now - min(span, released) for name, span in windows.items()}
    places = [place_of(one) for one in ORIGINS]
    for operator in ("ann", "bob"):
        yield log.tally(**since, operator=operator)
        yield log.asked(TOKENS[:3], since=now - DAY, operator=operator)
    for place in places:
        yield log.tally(**since, place=place)
        yield log.asked(TOKENS[3:5], since=now - timedelta(hours=1), place=place)
    yield log.tally(**since, places=network_of(places[0]))


def test_what_is_remembered_is_what_the_database_says_whoever_writes_it(tmp_path: Path) -> None:
    random_, clock = random.Random(11), FrozenClock()
    logs = [replace(log_in(tmp_path, clock, node=node), head_file=None) for node in ("a", "b")]
    hasten(logs[0].state)
    remembering = replace(logs[0], recent=Recent(logs[0].state))
    for _ in range(60):
        for _ in range(random_.randrange(5)):
            random_.choice([*logs, remembering]).record(some_entry(random_))
        # Steps of seconds and of days, and a clock that is set back.
        seconds = random_.choice((0, 1, 100, 3_000, 40_000, 200_000, -500, -300_000))
        clock.advance(timedelta(seconds=seconds))
        released = random_.choice((WEEK, timedelta(hours=3)))
        told = list(tallies(remembering, clock.now(), released))
        assert told == list(tallies(logs[1], clock.now(), released))


def test_a_log_that_was_restored_from_a_copy_is_read_anew(tmp_path: Path) -> None:
    log = replace(log_in(tmp_path), head_file=None)
    hasten(log.state)
    log = replace(log, recent=Recent(log.state))
    for _ in range(5):
        log.record(QUESTION)
    assert log.asked([QUESTION.question[0].token], since=log.clock.now(), operator="alice")
    sql(log.state, "DELETE FROM access_entries WHERE number > 1")
    sql(log.state, "UPDATE access_entries SET body = 'not an entry'")
    sql(log.state, "UPDATE access_heads SET number = 1")

    assert not log.asked([QUESTION.question[0].token], since=log.clock.now(), operator="alice")
    times: Any = dict.fromkeys(("five", "hour", "day", "week"), log.clock.now())
    assert log.tally(**times, operator="alice").shown_five == 1


def shown_lately(log: AccessLog) -> int:
    times: Any = dict.fromkeys(("five", "hour", "day", "week"), log.clock.now())
    shown: int = log.tally(**times, operator="alice").shown_five
    return shown


def test_whoever_looks_within_another_look_sees_what_others_recorded_meanwhile(
    tmp_path: Path,
) -> None:
    log, other = (replace(log_in(tmp_path, node=node), head_file=None) for node in ("a", "b"))
    hasten(log.state)
    log = replace(log, recent=Recent(log.state))
    assert shown_lately(log) == 0
    with log.one_moment():
        other.record(QUESTION)
        assert shown_lately(log) == 0
        with log.one_moment():
            assert shown_lately(log) == 1


def test_what_was_read_before_the_database_broke_off_is_not_counted_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, other = (replace(log_in(tmp_path, node=node), head_file=None) for node in ("a", "b"))
    hasten(log.state)
    remembering = replace(log, recent=Recent(log.state))
    assert shown_lately(remembering) == 0
    for one in (log, other):
        one.record(QUESTION)
    taken, take_in = [], Recent._take_in

    def breaks_off(recent: Recent, rows: Any) -> None:  # noqa: ANN401  rows of the database
        taken.append(rows)
        if len(taken) == 2:
            raise ConnectionError
        take_in(recent, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Recent, "_take_in", breaks_off)
        with pytest.raises(ConnectionError):
            shown_lately(remembering)
    assert shown_lately(remembering) == 2
