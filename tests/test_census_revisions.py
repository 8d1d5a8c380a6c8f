"""What a census must not make of rows: copies of old ones, too many revisions, lost cards."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.errors import (
    Exit,
    RevisionLosesDataError,
    SourceRestoredError,
    TooManyRevisionsError,
    VanishedError,
)
from tests import cards
from tests.archives import RULES, RowsSource
from tests.census_shop import FIVE_DAYS, born, ids, night, shop
from tests.desk import at, failure, totals

# --- restored from a backup ----------------------------------------------------------------------


def test_a_database_restored_to_last_week_is_an_alarm_and_nothing_is_sealed_twice(
    tmp_path: Path,
) -> None:
    desk = shop(tmp_path)
    backup = list(desk.rows)
    desk.change(1, state="refunded", closed_at=at(5), touched_at=at(5))
    desk.rows.extend([born(n, at(5)) for n in range(3, 9)])
    assert night(desk, 5).failures == []
    sealed = ids(desk)
    today = list(desk.rows)

    desk.rows[:] = backup
    report = night(desk, 6)
    assert report.exit is Exit.ALARM
    assert {type(error) for error in report.failures} == {VanishedError, SourceRestoredError}
    assert totals(report) == {"read": 2, "unchanged": 2}
    assert report.days[-1].counts["vanished"] == 6
    assert ids(desk) == sealed

    desk.rows[:] = today
    assert night(desk, 7).failures == []
    assert ids(desk) == sealed


# --- revisions -----------------------------------------------------------------------------------


def test_no_more_revisions_than_foreseen_are_sealed_in_a_night_and_the_rest_later(
    tmp_path: Path,
) -> None:
    rows = [born(n, at(4)) for n in range(3, 13)]
    desk = shop(tmp_path, *rows, rules=replace(RULES, max_revisions_per_night=5))
    desk.sources[0].page_rows = 4
    for number in range(1, 13):
        desk.change(number, paid="77.00", touched_at=at(5))
    desk.rows.extend([born(20, at(5)), born(21, at(4), paid="-1")])

    report = night(desk, 5)

    error = failure(report)
    assert isinstance(error, TooManyRevisionsError)
    assert report.exit is Exit.ALARM
    assert "7 changed orders" in str(error)
    assert totals(report) == {"read": 7, "orders": 1, "revisions": 5, "rejects": 1}
    assert totals(night(desk, 6))["revisions"] == 5
    report = night(desk, 7)
    assert report.failures == []
    assert totals(report)["revisions"] == 2
    assert max(desk.audit().names.values()) == 1


def test_revisions_that_wait_are_sealed_though_the_look_back_has_passed_them(
    tmp_path: Path,
) -> None:
    rules = replace(RULES, max_revisions_per_night=2, lookback=timedelta(days=1))
    desk = shop(tmp_path, *(born(n, at(4)) for n in range(3, 6)), rules=rules)
    for number in range(1, 6):
        desk.change(number, paid="77.00", touched_at=at(5))
    for day, sealed, waiting in ((5, 2, 3), (6, 2, 1), (7, 1, 0), (8, 0, 0)):
        report = night(desk, day)
        assert totals(report).get("revisions", 0) == sealed
        assert len(report.failures) == bool(waiting)
        assert sum(error.params["count"] == waiting for error in report.failures) == bool(waiting)
    assert max(desk.audit().names.values()) == 1


def test_the_limit_counts_all_sources_and_the_census_too(tmp_path: Path) -> None:
    begun = at(4, 9)
    desk = shop(
        tmp_path,
        born(3, begun, state="paid", done_at=None, begun_at=begun),
        rules=replace(FIVE_DAYS, max_revisions_per_night=2, lookback=timedelta(days=2)),
    )
    desk.sources.append(RowsSource(cards.BORN, [born(1, at(4))], name="other"))
    night(desk, 10)
    night(desk, 11)
    later = at(12)
    desk.change(1, paid="77.00", touched_at=later)
    desk.change(3, state="done", done_at=at(8))
    other = desk.sources[1].held
    other[0] = cards.touch(other[0], later, paid="88.00")

    report = night(desk, 12)

    assert totals(report)["revisions"] == 2
    assert "1 changed orders of source other" in str(failure(report))
    assert totals(night(desk, 13))["revisions"] == 1


@pytest.mark.parametrize("secret", [None, "", "CARD-000001-A"])
def test_a_revision_that_loses_cards_is_sealed_and_told(tmp_path: Path, secret: str | None) -> None:
    desk = shop(tmp_path)
    desk.change(1, secret=secret, touched_at=at(5))

    report = night(desk, 5)

    error = failure(report)
    assert isinstance(error, RevisionLosesDataError)
    assert report.exit is Exit.ALARM
    assert "N1" not in str(error)
    one, two = desk.audit().revisions("N1")
    assert len(one["deliveries"]) > len([d for d in two["deliveries"] if d["secret"]])
    assert night(desk, 6).failures == []


def test_a_revision_that_gains_cards_is_no_alarm(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    desk.change(2, secret="A-CARD\nANOTHER", touched_at=at(5))
    assert night(desk, 5).failures == []
