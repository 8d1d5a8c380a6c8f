"""Nights: which days are sealed when, in what order, and what stops them."""

import shutil
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from archiver.archive import Rules
from archiver.errors import (
    ConfigurationError,
    Exit,
    LocalDiskError,
    RetentionRefusedError,
)
from archiver.ports import ObjectStore
from archiver.stores.directory import DirectoryStore
from archiver.stores.memory import MemoryStore
from tests import cards
from tests.archives import RULES
from tests.auditor import lawful_date
from tests.clock import FrozenClock
from tests.desk import at, day_of, failure, founded, march, sealed_days, second_source, totals
from tests.faults import Count

MICROSECOND = timedelta(microseconds=1)


def in_zone(name: str, **others: object) -> Rules:
    return replace(RULES, zone=ZoneInfo(name), **others)  # type: ignore[arg-type]


# --- which days are due --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Asia/Shanghai", date(2026, 3, 4)),
        ("UTC", date(2026, 3, 4)),
        ("Europe/Berlin", date(2026, 3, 29)),  # 23 hours
        ("Europe/Berlin", date(2026, 10, 25)),  # 25 hours
        ("America/St_Johns", date(2026, 3, 8)),  # 23 hours, half-hour offset
        ("America/St_Johns", date(2026, 11, 1)),
        ("Pacific/Kiritimati", date(2026, 3, 4)),
    ],
)
def test_a_day_is_closed_when_its_grace_is_over_and_not_a_microsecond_before(
    tmp_path: Path, zone: str, day: date
) -> None:
    rules = in_zone(zone)
    after = day + timedelta(days=1)
    midnight = datetime(after.year, after.month, after.day, tzinfo=rules.zone).astimezone(UTC)
    desk = founded(tmp_path, now=midnight, rules=rules)
    desk.rows.append(cards.order(1, midnight - MICROSECOND))
    desk.rows.append(cards.order(2, midnight))

    desk.clock.instant = midnight + rules.grace - MICROSECOND
    assert day not in sealed_days(desk.night())
    desk.clock.instant = midnight + rules.grace
    report = desk.night()

    assert sealed_days(report)[-1:] == [day]
    assert day_of(report, day).counts["orders"] == 1
    assert [row["order_id"] for row in desk.audit().orders] == ["N1"]


def test_missed_days_are_caught_up_oldest_first(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(n, at(n)) for n in range(1, 7)], now=at(3, 3))
    assert sealed_days(desk.night()) == [march(1), march(2)]

    desk.clock.instant = at(7, 3)
    report = desk.night()

    assert sealed_days(report) == [march(n) for n in (3, 4, 5, 6)]
    said = [(m["number"], m["day"], m["counts"]["orders"]) for m in desk.audit().manifests]
    assert said == [(n, str(march(n)), 1) for n in range(1, 7)]


def test_a_night_may_be_told_to_stop_at_an_earlier_day(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(n, at(n)) for n in range(1, 7)], now=at(7, 3))
    assert sealed_days(desk.night(as_of=march(2))) == [march(1), march(2)]
    assert sealed_days(desk.night(as_of=march(2))) == []
    assert sealed_days(desk.night()) == [march(n) for n in (3, 4, 5, 6)]


def test_a_day_that_is_not_closed_is_refused(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(1, at(4))], now=at(5, 1))
    with pytest.raises(ConfigurationError, match=r"2026-03-04 is not closed yet.*2026-03-03"):
        desk.night(as_of=march(4))
    assert not desk.audit().manifests


def test_a_day_without_orders_gets_a_manifest_too(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(1, at(1)), cards.order(3, at(3))], now=at(5, 3))
    desk.night()
    assert [(m["day"], len(m["objects"])) for m in desk.audit().manifests] == [
        (str(march(1)), 3),
        (str(march(2)), 0),
        (str(march(3)), 3),
        (str(march(4)), 0),
    ]


def test_a_shop_without_any_order_gets_its_last_closed_day_sealed(tmp_path: Path) -> None:
    desk = founded(tmp_path)
    assert sealed_days(desk.night()) == [march(4)]
    assert sealed_days(desk.night()) == []


@pytest.mark.parametrize("page_rows", [1, 1000])
def test_one_stray_date_costs_no_manifest_for_each_day_since(
    tmp_path: Path, page_rows: int
) -> None:
    stray = [cards.order(n, datetime(1991, 2, n, tzinfo=UTC)) for n in (8, 9)]
    rows = [*stray, cards.order(2, at(2)), cards.order(4, at(4))]
    desk = founded(tmp_path, rows, page_rows=page_rows)

    report = desk.night()

    assert sealed_days(report) == [march(2), march(3), march(4)]
    assert [day.counts["expired"] for day in report.days] == [2, 0, 0]
    assert totals(report) == {"read": 4, "expired": 2, "orders": 2}
    assert sum(line.source_orders for day in report.days for line in day.sums) == 4
    assert totals(desk.night_of(5)) == {"read": 2, "unchanged": 2}


def test_a_shop_of_nothing_but_old_orders_gets_its_last_closed_day_sealed(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(8, datetime(1991, 2, 8, tzinfo=UTC))])
    report = desk.night()
    assert sealed_days(report) == [march(4)]
    assert totals(report) == {"read": 1, "expired": 1}


def test_a_first_night_seals_whatever_must_still_be_kept(tmp_path: Path) -> None:
    ends = [
        at(day, hour, month=1) - timedelta(days=1095) for day in range(45, 60) for hour in (0, 12)
    ]
    rows = [cards.order(n, end) for n, end in enumerate(ends, 1)]
    desk = founded(tmp_path, rows)
    report = desk.night()
    kept = [end for end in ends if lawful_date(end) > desk.clock.now()]
    assert 0 < len(kept) < len(ends)
    assert totals(report) == {
        "read": len(ends),
        "orders": len(kept),
        "expired": len(ends) - len(kept),
    }
    assert len(desk.audit().orders) == len(kept)


# --- since ---------------------------------------------------------------------------------------


def test_orders_before_since_are_not_this_archives(tmp_path: Path) -> None:
    rules = replace(RULES, since=march(3))
    desk = founded(tmp_path, [cards.order(n, at(n)) for n in (1, 2, 3, 4)], rules=rules)
    assert sealed_days(desk.night()) == [march(3), march(4)]
    assert totals(desk.night()) == {"read": 2, "unchanged": 2}


def test_since_may_begin_before_the_first_order(tmp_path: Path) -> None:
    rules = replace(RULES, since=march(1))
    desk = founded(tmp_path, [cards.order(3, at(3))], rules=rules)
    assert sealed_days(desk.night()) == [march(n) for n in (1, 2, 3, 4)]


def test_before_since_nothing_is_due(tmp_path: Path) -> None:
    rules = replace(RULES, since=march(9))
    desk = founded(tmp_path, [cards.order(3, at(3))], rules=rules)
    assert desk.night().days == []
    assert not desk.audit().manifests


def test_since_may_be_moved_back_and_the_days_before_are_sealed(tmp_path: Path) -> None:
    desk = founded(
        tmp_path, [cards.order(n, at(n)) for n in range(1, 5)], rules=replace(RULES, since=march(4))
    )
    desk.night()
    desk.rules = replace(RULES, since=march(2))
    assert sealed_days(desk.night()) == [march(2), march(3)]
    assert [row["order_id"] for row in desk.audit().orders] == ["N4", "N2", "N3"]


@pytest.mark.parametrize("since", [march(2), march(6), date(2099, 1, 1)])
def test_since_cannot_be_moved_later_and_so_end_the_archiving(tmp_path: Path, since: date) -> None:
    desk = founded(tmp_path, [cards.order(n, at(n)) for n in range(1, 8)])
    desk.night()
    desk.rules = replace(RULES, since=since)
    desk.clock.instant = at(7, 3)

    report = desk.night()

    assert isinstance(failure(report), ConfigurationError)
    assert f"since = {since}, but source main is sealed from 2026-03-01" in str(failure(report))
    assert report.exit is Exit.FIX_REQUEST
    assert report.days == []
    desk.rules = replace(RULES, since=march(1))
    assert sealed_days(desk.night()) == [march(5), march(6)]


def test_a_night_before_the_first_sealed_day_does_nothing(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(4, at(4))])
    desk.night()
    assert desk.night(as_of=march(2)).days == []
    assert len(desk.audit().manifests) == 1


# --- what comes late -----------------------------------------------------------------------------


def test_late_rows_become_a_supplement_of_the_night_that_finds_them(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(1, at(1)), cards.order(4, at(4))])
    desk.night()
    desk.rows.append(cards.order(2, at(2)))
    desk.rows.append(cards.order(5, at(5)))

    report = desk.night_of(5)

    assert sealed_days(report) == [march(5)]
    assert totals(report) == {"read": 4, "orders": 2, "unchanged": 2}
    partitions = [
        [row["order_id"] for row in one.rows]
        for one in desk.audit().of("orders")
        if one.number == 5
    ]
    assert sorted(partitions) == [["N2"], ["N5"]]


def test_a_late_row_is_found_when_the_night_is_only_repeated(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(4, at(4))])
    desk.night()
    desk.rows.append(cards.order(3, at(3)))

    report = desk.night()

    assert sealed_days(report) == [march(4)]
    assert totals(report) == {"read": 2, "orders": 1, "unchanged": 1}
    assert desk.audit().revisions("N3")


def test_the_look_back_reaches_exactly_as_far_as_configured(tmp_path: Path) -> None:
    edge = at(13, 0) - RULES.lookback
    rules = replace(RULES, census=timedelta())
    desk = founded(tmp_path, [cards.order(1, at(1))], now=at(13, 3), rules=rules)
    desk.night()
    desk.rows.append(cards.order(2, edge))
    desk.rows.append(cards.order(3, edge - MICROSECOND))
    desk.night()
    assert [row["order_id"] for row in desk.audit().orders] == ["N1", "N2"]


def test_a_late_row_from_before_the_first_sealed_day_is_sealed(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(4, at(4))])
    desk.night()
    desk.rows.append(cards.order(3, at(3)))
    desk.night_of(5)
    assert [row["order_id"] for row in desk.audit().orders] == ["N4", "N3"]


@pytest.mark.parametrize("zone", ["America/St_Johns", "Pacific/Kiritimati", "Europe/Berlin"])
@pytest.mark.parametrize("hour", [0, 3, 9, 15, 21, 23.9])
def test_a_first_night_misses_nothing_where_source_and_archive_have_other_calendars(
    tmp_path: Path, zone: str, hour: float
) -> None:
    ends = [at(1, hour) + timedelta(days=9 * n) for n in range(3)]
    # Without a census, which finds all of them again.
    rules = in_zone(zone, lookback=timedelta(days=1), census=timedelta())
    rows = [cards.order(n, end) for n, end in enumerate(ends, 1)]
    desk = founded(tmp_path, rows, rules=rules, now=at(25))
    desk.night()
    assert sorted(row["order_id"] for row in desk.audit().orders) == ["N1", "N2", "N3"]


@pytest.mark.parametrize("away", [1, 6, 9, 25])
@pytest.mark.parametrize("rows_per_pass", [1, 100_000])
def test_what_happened_while_no_night_ran_is_caught_up_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, away: int, rows_per_pass: int
) -> None:
    monkeypatch.setattr("archiver.spans.ROWS_PER_PASS", rows_per_pass)
    rules = replace(RULES, census=timedelta())  # which would find all of it again
    desk = founded(tmp_path, [cards.order(n, at(n)) for n in range(1, 5)], rules=rules)
    desk.night()
    # A row that ended before the last night and was committed after it; an old order that was
    # edited the day after; one order a day.
    desk.rows.append(cards.order(40, at(4, 23.9)))
    desk.change(3, contact="someone@else.example", touched_at=at(5, 8))
    desk.rows.extend(cards.order(n, at(n)) for n in range(5, 5 + away))

    report = desk.night_of(4 + away)

    assert sealed_days(report) == [march(n) for n in range(5, 5 + away)]
    found = desk.audit()
    assert found.revisions("N40")
    assert len(found.revisions("N3")) == 2
    assert len(found.orders) == 4 + 2 + away


@pytest.mark.parametrize(("rows_per_pass", "passes"), [(1, 8), (3, 3), (100_000, 1)])
def test_a_catch_up_after_an_outage_is_cut_into_passes_that_memory_can_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_per_pass: int, passes: int
) -> None:
    monkeypatch.setattr("archiver.spans.ROWS_PER_PASS", rows_per_pass)
    desk = founded(tmp_path, [cards.order(4, at(4))])
    desk.night()
    desk.rows.extend(cards.order(n, at(n)) for n in range(5, 13))
    before = desk.source.passes
    assert sealed_days(desk.night_of(12)) == [march(n) for n in range(5, 13)]
    assert desk.source.passes - before == passes
    assert len(desk.audit().orders) == 9


def test_a_catch_up_in_two_goes_loses_nothing_of_what_happened_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.spans.ROWS_PER_PASS", 1)
    desk = founded(tmp_path, [cards.order(n, at(n)) for n in range(1, 5)])
    desk.night()
    desk.change(3, contact="someone@else.example", touched_at=at(5, 8))
    desk.change(4, contact="someone@else.example", touched_at=at(18, 8))
    desk.rows.extend(cards.order(n, at(n)) for n in range(5, 30))
    desk.clock.instant = at(30, 3)
    desk.night(as_of=march(16))
    desk.night()
    found = desk.audit()
    assert len(found.revisions("N3")) == 2
    assert len(found.revisions("N4")) == 2


# --- doing it again ------------------------------------------------------------------------------


def test_a_night_that_is_run_again_seals_and_puts_nothing(tmp_path: Path) -> None:
    rows = [cards.order(n, at(n % 4 + 1)) for n in range(1, 30)]
    desk = founded(tmp_path, [*rows, cards.order(50, at(4), paid="x"), {**rows[0], "id": 51}])
    desk.night()
    before = desk.audit()
    counting = Count(desk.store)
    report = desk.night(store=counting)
    assert sealed_days(report) == []
    assert counting.calls["put"] == 0
    assert desk.audit() == before


@pytest.mark.parametrize("kind", ["memory", "dir"])
def test_an_empty_night_makes_at_most_6_puts_and_one_with_a_partition_15(
    tmp_path: Path, kind: str
) -> None:
    clock = FrozenClock(at(5, 3))
    store: ObjectStore = (
        MemoryStore(clock=clock) if kind == "memory" else DirectoryStore(tmp_path / "v", clock)
    )
    desk = founded(tmp_path, [cards.order(4, at(4))], store=store, clock=clock)
    counting = Count(store)
    desk.night(store=counting)
    assert counting.calls["put"] <= 15
    data, evidence = {"orders": 1, "segments": 1, "known": 1}, {"ledger": 1, "checkpoints": 1}
    assert counting.puts == {**data, "manifests": 1, **evidence}

    desk.clock.instant = at(6, 3)
    counting = Count(store)
    desk.night(store=counting)
    assert counting.puts == {"manifests": 1, **evidence}
    # The dearest single partition: of a month that has no keys yet.
    desk.rows.append(cards.order(60, at(25, month=5)))
    desk.clock.instant = at(26, 3, month=5)
    desk.night(as_of=date(2026, 5, 24))
    counting = Count(store)
    desk.night(store=counting)
    assert sum(counting.puts.values()) == 7
    assert counting.puts["cohorts"] == 1


def test_a_night_with_threads_seals_the_same(tmp_path: Path) -> None:
    rows = [cards.order(n, at(n % 4 + 1)) for n in range(1, 60)]
    rows += [cards.order(n, at(4), paid="x") for n in range(60, 63)]
    desk = founded(tmp_path, rows, page_rows=7)
    desk.night(threads=3)
    found = desk.audit()
    assert sorted(row["order_id"] for row in found.orders) == sorted(f"N{n}" for n in range(1, 60))
    assert len(found.rejects) == 3


# --- refusals ------------------------------------------------------------------------------------


def test_more_bytes_than_foreseen_are_refused_and_nothing_counts(tmp_path: Path) -> None:
    desk = founded(
        tmp_path,
        [cards.order(n, at(4)) for n in range(1, 200)],
        rules=replace(RULES, max_bytes_per_night=1000),
    )
    report = desk.night()
    assert isinstance(failure(report), RetentionRefusedError)
    assert report.exit is Exit.FORBIDDEN
    assert "main 2026-03-04" in str(failure(report))
    assert not desk.audit().manifests
    desk.rules = RULES
    desk.night()
    assert len(desk.audit().orders) == 199


def test_bytes_of_all_sources_count_together(tmp_path: Path) -> None:
    rules = replace(RULES, max_bytes_per_night=60_000)
    desk = founded(tmp_path, [cards.order(n, at(4)) for n in range(1, 70)], rules=rules)
    desk.sources.append(second_source([cards.order(n, at(4)) for n in range(1, 70)]))
    report = desk.night()
    assert [day.source for day in report.days] == ["main"]
    assert report.exit is Exit.FORBIDDEN


@pytest.mark.parametrize("folder", ["index", "index/known", "index/manifests"])
def test_a_local_disk_that_cannot_be_written_is_said_so_and_loses_nothing(
    tmp_path: Path, folder: str
) -> None:
    desk = founded(tmp_path, [cards.order(n, at(n)) for n in (3, 4)])
    blocked = tmp_path / folder
    shutil.rmtree(tmp_path / "index")
    blocked.parent.mkdir(exist_ok=True)
    blocked.write_text("a file where the folder should be")
    report = desk.night()
    assert isinstance(failure(report), LocalDiskError)
    assert report.exit is Exit.TRY_LATER
    blocked.unlink()
    assert desk.night().failures == []
    assert len(desk.audit().orders) == 2


# --- zones ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Asia/Kolkata"])
def test_days_are_the_archives_and_retention_is_the_laws(tmp_path: Path, zone: str) -> None:
    rules = in_zone(zone)
    # Every second hour over a month's end, where both calendars part company most.
    ends = [datetime(2026, 3, 28, tzinfo=UTC) + timedelta(hours=2 * n) for n in range(60)]
    rows = [cards.order(n, end) for n, end in enumerate(ends, 1)]
    desk = founded(tmp_path, rows, rules=rules, now=datetime(2026, 4, 3, 12, tzinfo=UTC))

    desk.night()

    found = desk.audit()  # counts every date on its fingers, in Shanghai
    assert len(found.orders) == 60
    first = date(2026, 3, 28)  # by the source's calendar; what ended before comes as late
    for named in found.of("orders"):
        days = {row["completed_at"].astimezone(rules.zone).date() for row in named.rows}
        assert days == {named.day} or max(days) < first


@dataclass(slots=True)
class Running:
    """A clock that runs: each look at it is a millisecond later."""

    instant: datetime

    def now(self) -> datetime:
        """Return the instant, a millisecond after the last one."""
        self.instant += timedelta(milliseconds=1)
        return self.instant


def test_first_sight_is_the_same_in_every_revision_though_clocks_run(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(n, at(4)) for n in range(1, 6)], page_rows=2)
    desk.night_clock = Running(desk.clock.now())
    desk.night()
    desk.change(2, contact="someone@else.example", touched_at=at(5))
    desk.clock.instant = at(6, 3)
    desk.night_clock = Running(desk.clock.now())
    desk.night()
    one, two = desk.audit().revisions("N2")
    assert one["first_seen_at"] == two["first_seen_at"]
