"""What no window shows: orders that appear late, stay open, disappear, come back, lose cards."""

import itertools
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import ParamSpec, TypeVar

import pyarrow as pa
import pytest

from archiver.errors import (
    Exit,
    SourceUnavailableError,
    VanishedError,
)
from archiver.mapping import OrderMapping
from archiver.ports import Window
from tests import cards
from tests.archives import RULES, RowsSource
from tests.census_shop import FIVE_DAYS, HOUR, born, ids, night, shop
from tests.desk import Desk, at, day_of, failure, founded, march, totals
from tests.faults import Count, FaultyStore
from tests.hard_night import Original, attempt

P = ParamSpec("P")
T = TypeVar("T")

# --- unknown -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mapping", [cards.BORN, cards.OWN], ids=["created", "no creation"])
def test_an_order_that_appears_long_after_its_end_is_sealed_under_the_last_day(
    tmp_path: Path, mapping: OrderMapping
) -> None:
    desk = shop(tmp_path, mapping=mapping)
    night(desk, 20)
    desk.rows.append(born(3, at(5), days=2))  # committed weeks later, its times say nothing

    report = night(desk, 21)

    assert report.failures == []
    last = day_of(report, march(21))
    assert (last.counts["read"], last.counts["orders"]) == (1, 1)
    (named,) = desk.audit().of("orders")[-1:]
    assert [row["order_id"] for row in named.rows] == ["N3"]
    assert named.rows[0]["completed_at"] == at(5)
    assert totals(desk.night()) == {}
    assert ids(desk) == ["N1/1", "N2/1", "N3/1"]


def test_a_late_order_shares_the_manifest_of_the_last_day(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    night(desk, 20)
    desk.rows.extend([born(3, at(6)), born(4, at(21))])

    report = night(desk, 21)

    (day,) = report.days
    assert day.counts["orders"] == 2
    partitions = {tuple(r["order_id"] for r in one.rows) for one in desk.audit().of("orders")}
    assert partitions == {("N1", "N2"), ("N3",), ("N4",)}
    assert sum(line.sealed_orders for line in day.sums) == 2


def test_a_census_reaches_as_far_as_configured_by_creation(tmp_path: Path) -> None:
    desk = shop(tmp_path, rules=replace(RULES, census=timedelta(days=20)))
    night(desk, 29)
    edge = at(30, 0) - timedelta(days=20)
    desk.rows.append(born(3, edge + 2 * HOUR, begun_at=edge))
    desk.rows.append(born(4, edge + 2 * HOUR, begun_at=edge - timedelta(microseconds=1)))
    night(desk, 29)
    assert ids(desk)[2:] == ["N3/1"]


def test_no_census_is_taken_where_it_reaches_nowhere(tmp_path: Path) -> None:
    desk = shop(tmp_path, rules=replace(RULES, census=timedelta()))
    night(desk, 20)
    desk.rows.append(born(3, at(5)))
    desk.remove(1)
    assert night(desk, 21).failures == []
    assert ids(desk) == ["N1/1", "N2/1"]


def test_orders_that_ended_before_since_are_not_read_night_after_night(tmp_path: Path) -> None:
    rows = [born(n, at(1)) for n in range(10, 40)]
    desk = shop(tmp_path, *rows, rules=replace(RULES, since=march(4)))
    reads = Reads(desk)
    assert night(desk, 5).failures == []
    assert reads.keys == []
    assert ids(desk) == ["N1/1", "N2/1"]


def test_what_a_night_has_just_sealed_or_rejected_is_not_read_again(tmp_path: Path) -> None:
    desk = founded(
        tmp_path,
        [
            *(born(n, at(4)) for n in range(1, 30)),
            born(30, at(4), paid="-1"),
            born(31, at(4), state="what"),
            born(32, at(4), no="N1", paid="77.00"),
            born(33, at(4), done_at=None),
            born(34, at(4), no="N2"),
            born(35, at(25), begun_at=at(3)),
        ],
        mapping=cards.BORN,
        page_rows=7,
    )
    reads = Reads(desk)
    first = totals(desk.night())
    assert (first["read"], first["rejects"]) == (35, 8)
    assert totals(night(desk, 5)) == {
        "read": 35,
        "unchanged": 27,
        "rejected_before": 8,
    }
    assert reads.keys == []


def test_a_reject_that_was_mended_without_a_trace_is_found_by_the_census(tmp_path: Path) -> None:
    desk = shop(tmp_path, born(3, at(4), paid="-1", touched_at=at(4)))
    assert len(desk.audit().rejects) == 1
    night(desk, 20)
    desk.change(3, paid="5.00")
    assert totals(night(desk, 21)) == {"read": 1, "orders": 1}
    assert totals(night(desk, 22)) == {}


def test_a_row_in_an_unknown_state_is_a_reject_however_late_and_once(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    night(desk, 19)
    desk.rows.append(born(3, at(5), state="what"))
    assert totals(night(desk, 20)) == {"read": 1, "rejects": 1}
    assert totals(night(desk, 21)) == {"read": 1, "rejected_before": 1}


@pytest.mark.parametrize(("paid", "counted"), [("9.00", {"rejects": 2}), (None, None)])
def test_late_rows_of_one_id_are_settled_in_one_reading(
    tmp_path: Path, paid: str | None, counted: dict[str, int] | None
) -> None:
    desk = shop(tmp_path)
    night(desk, 19)
    twin = {} if paid is None else {"paid": paid}
    first = born(3, at(5))
    desk.rows.extend([first, cards.shown({**first, "id": 4, **twin})])
    reads = Reads(desk)
    report = night(desk, 20)
    assert totals(report) == {"read": 2, **(counted or {"orders": 1, "duplicates": 1})}
    assert reads.keys == [b"3", b"4"]


def test_thousands_of_late_orders_are_read_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.capture.KEYS_AT_ONCE", 7)
    desk = shop(tmp_path)
    night(desk, 19)
    desk.rows.extend([born(n, at(5)) for n in range(10, 60)])
    reads = Reads(desk)
    assert totals(night(desk, 20)) == {"read": 50, "orders": 50}
    assert len(reads.keys) == 50
    assert reads.calls == 8
    desk.audit()


def test_a_finished_order_without_an_end_is_a_reject_until_it_has_one(tmp_path: Path) -> None:
    desk = shop(tmp_path, born(3, at(4), done_at=None))
    (reject,) = desk.audit().rejects
    assert (reject["order_id"], reject["reason"]) == (b"N3", "missing-end-time")
    assert totals(night(desk, 20))["rejected_before"] == 1
    assert totals(night(desk, 21)) == {"read": 1, "rejected_before": 1}
    desk.change(3, done_at=at(4))  # touches no other time
    assert totals(night(desk, 22)) == {"read": 1, "orders": 1}


def test_an_end_in_the_future_is_a_reject_tonight_and_sealed_when_it_has_come(
    tmp_path: Path,
) -> None:
    desk = shop(tmp_path, born(3, at(10), begun_at=at(4)))
    assert [row["reason"] for row in desk.audit().rejects] == ["future-time"]
    assert totals(night(desk, 7))["rejected_before"] == 1
    assert "orders" not in totals(night(desk, 9))
    assert totals(night(desk, 10))["orders"] == 1
    assert desk.audit().revisions("N3")[0]["completed_at"] == at(10)


# --- open ----------------------------------------------------------------------------------------


def test_an_order_that_stays_open_is_sealed_as_it_is_and_again_when_it_ends(
    tmp_path: Path,
) -> None:
    begun = at(4, 9)
    row = born(3, begun, state="paid", done_at=None, begun_at=begun)
    desk = shop(tmp_path, row, rules=FIVE_DAYS)
    assert len(ids(desk)) == 2

    assert "orders" not in totals(night(desk, 8))
    report = night(desk, 9)

    assert totals(report)["orders"] == 1
    assert report.days[-1].outcomes == {"open": 1}
    (sealed,) = desk.audit().revisions("N3")
    assert (sealed["outcome"], sealed["completed_at"], sealed["completed_basis"]) == (
        "open",
        None,
        None,
    )
    assert "revisions" not in totals(night(desk, 10))

    desk.change(3, state="done", done_at=at(12), touched_at=at(12))
    night(desk, 12)
    first, second = desk.audit().revisions("N3")
    assert (first["outcome"], second["outcome"]) == ("open", "completed")
    assert second["completed_at"] == at(12)
    assert second["first_seen_at"] == first["first_seen_at"]
    assert totals(night(desk, 13)) == {"read": 1, "unchanged": 1}


@pytest.mark.parametrize("after", [2, 14])
def test_the_end_of_an_open_order_is_found_though_it_touches_no_time(
    tmp_path: Path, after: int
) -> None:
    begun = at(4, 9)
    row = born(3, begun, state="paid", done_at=None, begun_at=begun)
    desk = shop(tmp_path, row, rules=replace(FIVE_DAYS, census=timedelta(days=12)))
    night(desk, 10)
    night(desk, 10 + after)
    desk.change(3, state="done", done_at=at(5))

    report = desk.night()

    assert totals(report) == {"read": 1, "revisions": 1}
    assert desk.audit().revisions("N3")[1]["completed_at"] == at(5)
    assert totals(desk.night()) == {}


def test_open_orders_are_left_alone_where_no_period_is_configured(tmp_path: Path) -> None:
    begun = at(4, 9)
    row = born(3, begun, state="paid", done_at=None, begun_at=begun)
    desk = shop(tmp_path, row, rules=replace(RULES, open_after=None))
    night(desk, 20)
    assert len(ids(desk)) == 2


def test_an_open_order_without_any_time_is_sealed_at_once(tmp_path: Path) -> None:
    row = born(3, at(4), state="paid", done_at=None, begun_at=None, touched_at=None)
    desk = shop(tmp_path, row)
    assert desk.audit().revisions("N3")[0]["outcome"] == "open"


def test_a_finished_order_that_is_open_again_is_neither_gone_nor_sealed_as_open(
    tmp_path: Path,
) -> None:
    desk = shop(tmp_path, rules=FIVE_DAYS)
    desk.change(1, state="paid", touched_at=at(5))
    assert night(desk, 5).failures == []
    assert night(desk, 15).failures == []
    assert ids(desk) == ["N1/1", "N2/1"]
    desk.change(1, state="done", touched_at=at(16))
    assert night(desk, 16).failures == []
    assert ids(desk) == ["N1/1", "N2/1"]


# --- gone ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mapping", [cards.BORN, cards.OWN], ids=["created", "no creation"])
def test_an_order_that_somebody_deletes_is_missed_each_night_until_it_is_back(
    tmp_path: Path, mapping: OrderMapping
) -> None:
    desk = shop(tmp_path, mapping=mapping)
    deleted = next(row for row in desk.rows if row["id"] == 1)
    desk.remove(1)

    report = night(desk, 5)

    error = failure(report)
    assert isinstance(error, VanishedError)
    assert report.exit is Exit.ALARM
    assert "1 sealed orders are gone from source main" in str(error)
    assert "2026-03-04 (1)" in str(error)
    assert day_of(report, march(5)).counts["vanished"] == 1
    assert desk.audit().manifests[-1]["counts"]["vanished"] == 1
    assert "N1" not in str(error)
    for lost in ("known", None):
        if lost:
            for file in (desk.place.folder / "index" / lost).iterdir():
                file.unlink()
        assert isinstance(failure(desk.night()), VanishedError)

    desk.rows.append(deleted)
    report = night(desk, 6)
    assert report.failures == []
    assert report.days[-1].counts["vanished"] == 0
    assert ids(desk) == ["N1/1", "N2/1"]


def test_an_order_is_missed_as_long_as_the_census_reaches_back_to_its_creation(
    tmp_path: Path,
) -> None:
    desk = shop(tmp_path, rules=replace(RULES, census=timedelta(days=20)))
    desk.remove(1)
    assert failure(night(desk, 23)).code == "vanished"
    assert night(desk, 24).failures == []


@pytest.mark.parametrize("state", ["unpaid", "done"])
def test_an_order_whose_number_or_state_hides_it_is_missed(tmp_path: Path, state: str) -> None:
    desk = shop(tmp_path)
    desk.change(1, state=state, no="N1" if state == "unpaid" else "another")
    assert failure(night(desk, 20)).code == "vanished"
    assert ids(desk)[:2] == ["N1/1", "N2/1"]


def test_what_the_shop_may_delete_is_not_missed(tmp_path: Path) -> None:
    desk = shop(tmp_path, born(3, at(2)))
    for number in (1, 2, 3):
        desk.remove(number)
    desk.purges = replace(desk.purges, after=timedelta(days=3))
    error = failure(night(desk, 5))
    assert "2 sealed orders" in str(error)
    desk.purges = replace(desk.purges, through=march(4))
    assert night(desk, 6).failures == []


def test_an_older_revision_in_another_file_is_not_taken_for_a_missing_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.known.MAX_FILE_ROWS", 1)
    desk = shop(tmp_path)
    desk.change(1, paid="99.00", touched_at=at(5))
    assert night(desk, 5).failures == []
    desk.remove(1)
    assert "1 sealed orders" in str(failure(night(desk, 6)))


def test_orders_of_other_sources_are_not_missed(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    desk.sources.append(RowsSource(cards.BORN, [born(1, at(4)), born(9, at(4))], name="other"))
    assert night(desk, 5).failures == []
    desk.sources[1].held.pop()
    error = failure(night(desk, 6))
    assert "1 sealed orders are gone from source other" in str(error)


def test_an_order_whose_end_was_moved_into_the_future_is_not_missed(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    desk.change(1, closed_at=at(25), touched_at=at(5))
    assert night(desk, 5).failures == []


def test_an_earlier_day_than_the_last_sealed_one_misses_nobody(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    desk.rows.append(born(3, at(8)))
    night(desk, 8)
    assert desk.night(march(5)).failures == []


# --- failures ------------------------------------------------------------------------------------


def test_a_source_that_dies_in_its_census_does_not_keep_its_days_from_being_sealed(
    tmp_path: Path,
) -> None:
    desk = shop(tmp_path)
    night(desk, 19)

    class Dying(RowsSource):
        """Answers passes, and no census."""

        def census(self, created: Window, ended: Window) -> Iterator[pa.Table]:
            yield from itertools.islice(RowsSource.census(self, created, ended), 1)
            raise SourceUnavailableError(source=self.name, detail="connection lost")

    alive = desk.sources[0]
    desk.rows.extend([born(5, at(20)), born(6, at(8))])
    desk.sources[0] = Dying(alive.mapping, alive.held, exact=True)
    report = night(desk, 20)
    assert report.exit is Exit.TRY_LATER
    assert ids(desk)[-1] == "N5/1"

    desk.sources[0] = alive
    assert desk.night().failures == []
    assert ids(desk)[-1] == "N6/1"


@pytest.mark.parametrize("lost_reply", [False, True], ids=["not-done", "unheard"])
def test_a_census_can_be_repeated_after_a_failure_at_any_call(
    tmp_path: Path, lost_reply: bool
) -> None:
    (tmp_path / "original").mkdir()
    original = Original(tmp_path / "original", "memory")
    for fail_at in range(12 + lost_reply, 200, 9):  # calls before that seal days
        desk = original.copy(tmp_path / str(fail_at))
        desk.rows.append(cards.order(30, at(-9)))
        desk.rows.append(cards.order(31, at(1), state="paid", done_at=None, touched_at=at(-60)))
        store = FaultyStore(desk.store, fail_at=fail_at, lost_reply=lost_reply)
        attempt(lambda: desk.night(store=store))  # noqa: B023  called at once
        if store.calls <= fail_at:
            break
        assert attempt(desk.night) is None
        found = desk.audit()
        assert set(found.names.values()) == {1}
        late, still_open = found.revisions("N30"), found.revisions("N31")
        assert (late[0]["outcome"], still_open[0]["outcome"]) == ("completed", "open")
    assert fail_at > 30


def test_a_night_without_orders_puts_no_more_than_without_a_census(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    desk.clock.instant = at(6, 3)
    counting = Count(desk.store)
    desk.night(store=counting)
    assert counting.calls["put"] == 3  # its manifest, and that in the ledger under a checkpoint


def test_nothing_of_an_order_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk = shop(tmp_path)
    desk.rows.append(born(33, at(5), no="CANARY-33"))
    desk.change(1, secret="", no="CANARY-1", touched_at=at(5))
    night(desk, 20)
    assert "CANARY" not in caplog.text
    assert "buyer-" not in caplog.text


def test_a_census_is_taken_while_the_last_partition_is_being_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = founded(tmp_path, [born(1, at(4))], mapping=cards.BORN, rules=RULES)
    order: list[str] = []
    source = desk.sources[0]

    class Asked(RowsSource):
        """Notes when it is asked who is there."""

        def census(self, created: Window, ended: Window) -> Iterator[pa.Table]:
            order.append("census")
            return RowsSource.census(self, created, ended)

    class Reluctant(Executor):
        """Works when a result is waited for, and no sooner."""

        def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
            class Late(Future[T]):
                def result(self, timeout: float | None = None) -> T:  # noqa: ARG002
                    order.append("sealed")
                    return fn(*args, **kwargs)

            return Late()

    desk.sources[0] = Asked(source.mapping, source.held, source.page_rows, exact=source.exact)
    monkeypatch.setattr("tests.archives.Inline", Reluctant)
    assert desk.night().failures == []
    assert (order, ids(desk)) == (["census", "sealed"], ["N1/1"])


class Reads:
    """Which rows a desk's source is asked for by key."""

    def __init__(self, desk: Desk) -> None:
        self.keys: list[bytes] = []
        self.calls = 0
        source = desk.sources[0]

        class Noted(RowsSource):
            """Notes them."""

            def rows(noted, keys):  # type: ignore[no-untyped-def]  # noqa: N805, ANN001, ANN202
                self.keys += keys
                self.calls += 1
                return RowsSource.rows(noted, keys)

        desk.sources[0] = Noted(source.mapping, source.held, source.page_rows, exact=source.exact)
