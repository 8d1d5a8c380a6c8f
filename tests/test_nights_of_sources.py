"""Nights of several sources, and of sources that fail, join and go."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from archiver.errors import (
    ConfigurationError,
    Exit,
    LockNotHonouredError,
    RetentionRefusedError,
    SourceGoneError,
    SourceUnavailableError,
    StoreError,
    TamperedError,
)
from archiver.nightly import NightReport
from tests import cards
from tests.desk import at, failure, founded, march, sealed_days, second_source, totals
from tests.faults import Count

T = TypeVar("T")


def test_two_sources_may_use_the_same_order_ids(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(4, at(4))])
    desk.sources.append(second_source([cards.order(4, at(4, 15))]))
    report = desk.night()
    assert [(day.source, day.day) for day in report.days] == [
        ("main", march(4)),
        ("second", march(4)),
    ]
    assert set(desk.audit().names) == {("main", "N4", 1), ("second", "N4", 1)}
    assert totals(desk.night()) == {"read": 2, "unchanged": 2}


@pytest.mark.parametrize("down", [0, 1])
def test_a_source_that_is_down_does_not_keep_the_other_from_being_sealed(
    tmp_path: Path, down: int
) -> None:
    desk = founded(tmp_path, [cards.order(4, at(4))])
    desk.sources.append(second_source([cards.order(4, at(4))]))
    desk.sources[down].dies_after = 0

    report = desk.night()

    assert isinstance(failure(report), SourceUnavailableError)
    assert report.exit is Exit.TRY_LATER
    assert [day.source for day in report.days] == [desk.sources[1 - down].name]
    desk.sources[down].dies_after = None
    assert desk.night().failures == []
    assert len(desk.audit().orders) == 2


def test_a_source_that_dies_half_way_leaves_nothing_visible(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(n, at(4)) for n in range(1, 21)], page_rows=5)
    desk.source.dies_after = 3
    report = desk.night()
    assert report.exit is Exit.TRY_LATER
    assert "main" in str(failure(report))
    assert not desk.audit().manifests
    desk.source.dies_after = None
    desk.night()
    assert len(desk.audit().orders) == 20


def test_a_source_that_joins_later_begins_at_its_own_first_order(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(1, at(1))])
    desk.night()
    desk.sources.append(second_source([cards.order(3, at(3))]))
    assert sealed_days(desk.night()) == [march(3), march(4)]


def test_a_sealed_source_that_is_no_longer_configured_is_an_alarm(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(n, at(n)) for n in (4, 5)])
    desk.sources.append(second_source([cards.order(4, at(4))]))
    desk.night()
    one, other = desk.sources
    desk.sources = [one]
    desk.clock.instant = at(6, 3)

    report = desk.night()

    assert isinstance(failure(report), SourceGoneError)
    assert "second is sealed up to 2026-03-04, and the configuration" in str(failure(report))
    assert report.exit is Exit.FIX_REQUEST
    assert sealed_days(report) == [march(5)]
    desk.sources = [one, other]
    assert desk.night().failures == []


def test_a_source_of_which_nothing_was_sealed_may_go(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(4, at(4))])
    desk.sources.append(second_source([]))
    desk.night()
    del desk.sources[1]
    assert desk.night().failures == []


def test_an_alarm_of_the_store_stops_the_night(tmp_path: Path) -> None:
    class Careless(Count):
        """Drops every lock."""

        def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
            if method == "put":
                raise LockNotHonouredError(key=key, detail="dropped")
            return act()

    desk = founded(tmp_path, [cards.order(4, at(4))])
    desk.sources.append(second_source([cards.order(4, at(4))]))
    report = desk.night(store=Careless(desk.store))
    assert report.exit is Exit.ALARM
    # The first source and the ledger have met it, the second source was not tried.
    assert [type(one) for one in report.failures] == [LockNotHonouredError] * 2
    assert not report.days


def test_the_highest_alarm_wins() -> None:
    errors = {
        Exit.ALARM: TamperedError(key="x", detail=""),
        Exit.FORBIDDEN: RetentionRefusedError(detail=""),
        Exit.TRY_LATER: StoreError(key="x", detail=""),
        Exit.FIX_REQUEST: ConfigurationError(detail=""),
    }
    report = NightReport()
    for exit_code in (Exit.FIX_REQUEST, Exit.TRY_LATER, Exit.FORBIDDEN, Exit.ALARM):
        report.failures.append(errors[exit_code])
        assert report.exit is exit_code


def test_new_rejects_are_told_by_the_exit_code_and_only_once(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(4, at(4)), cards.order(5, at(4), paid="x")])
    assert desk.night().exit is Exit.REJECTS
    assert desk.night().exit is Exit.DONE
