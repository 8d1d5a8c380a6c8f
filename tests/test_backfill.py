"""Backfills: as if nights had been run, whatever else runs, and however often they break off."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from archiver.backfill import PassTask
from archiver.errors import (
    Exit,
    LockNotProvenError,
    OlderOrdersError,
    RequestError,
    RetentionRefusedError,
    SourceRetiredError,
    SourceUnavailableError,
    StoreError,
    WorkerLostError,
)
from archiver.executors import Inline
from archiver.nightly import NightReport
from tests import cards
from tests.archives import RULES, Place, RowsSource
from tests.auditor import Audit
from tests.backfills import Bench
from tests.desk import Desk, at, failure, founded, march, sealed_days, totals
from tests.faults import Count, FaultyStore
from tests.test_retirement import retired

T = TypeVar("T")
DAYS = 12


@pytest.fixture(scope="module", autouse=True)
def _small_passes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archiver.spans.ROWS_PER_PASS", 12)
        patch.setattr("archiver.history.BACKFILL_ROWS_PER_PASS", 12)
        yield


def history() -> list[cards.Row]:
    """Twelve days of a shop with all the habits that two passes can fall out over."""
    rows = [cards.order(n, at(n % DAYS + 1, n % 24)) for n in range(1, 49)]
    rows += [
        # Touched in the days of another pass.
        cards.order(101, at(2), touched_at=at(8)),
        cards.order(102, at(6), touched_at=at(12)),
        # One id in two passes: the same row but for its key, and another content.
        cards.order(103, at(3)),
        cards.order(105, at(10), no="N103"),
        # Rejects: in the days of one pass, touched in another's, without any usable time.
        cards.order(110, at(4), paid="-1"),
        cards.order(111, at(6), paid="-1", touched_at=at(11)),
        cards.order(112, at(7), done_at="0000-00-00", touched_at="0000-00-00"),
        # Equal rows count once.
        {**cards.order(5, at(6, 5)), "id": 120},
        # A refund that closed later: it ended then.
        cards.order(121, at(3), state="refunded", closed_at=at(11), touched_at=at(11)),
        # Committed long after its end, in a day of its own.
        cards.order(122, at(8, 23.9)),
        cards.order(123, at(1, 0.5)),
    ]
    return rows


def said(found: Audit) -> dict[tuple[str, int], dict[str, Any]]:
    """What the orders of an archive say, apart from what depends on its keys."""
    own = {"archive", "secret_commitment", "deliveries"}
    return {
        (row["order_id"], row["revision"]): {k: v for k, v in row.items() if k not in own}
        for row in found.orders
    }


def rejected(found: Audit) -> list[tuple[bytes, str]]:
    return sorted((row["row_key"], row["reason"]) for row in found.rejects)


def places(found: Audit) -> dict[tuple[str, int], date]:
    """On which day each revision counts."""
    return {
        (row["order_id"], row["revision"]): named.day
        for named in found.of("orders")
        for row in named.rows
    }


def desk_of(folder: Path, rows: list[cards.Row], **others: Any) -> Desk:  # noqa: ANN401
    folder.mkdir()
    return founded(folder, rows, now=at(DAYS + 2, 3), **others)


@pytest.fixture(scope="module")
def as_nights_do(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """What one night seals that catches up with all of it."""
    desk = desk_of(tmp_path_factory.mktemp("nights") / "here", history())
    desk.night(as_of=march(DAYS))
    return desk.audit()


def require_as_nights_do(desk: Desk, theirs: Audit) -> None:
    """Exactly the same is sealed, under the same days."""
    mine = desk.audit()
    assert said(mine) == said(theirs)
    assert places(mine) == places(theirs)
    assert rejected(mine) == rejected(theirs)


@pytest.mark.parametrize(("workers", "exact"), [(1, True), (3, False), (50, True)])
def test_a_backfill_seals_what_nights_would_have_sealed(
    tmp_path: Path, as_nights_do: Audit, workers: int, exact: bool
) -> None:
    desk = desk_of(tmp_path / "here", history(), exact=exact)
    bench = Bench(desk, workers)

    report = bench.run(march(1), march(DAYS))

    assert report.failures == []
    assert sealed_days(report) == [march(n) for n in range(1, DAYS + 1)]
    require_as_nights_do(desk, as_nights_do)
    assert len(set(bench.passes())) >= 4
    assert bench.stretches[-1].days_done == bench.stretches[-1].days == DAYS


# --- passes that meet ----------------------------------------------------------------------------


def test_an_id_in_two_passes_is_settled_as_nights_would_have(tmp_path: Path) -> None:
    desk = desk_of(tmp_path / "here", [cards.order(n, at(1 + n // 6)) for n in range(1, 48)])
    desk.rows.append(cards.order(60, at(2), no="N47"))
    bench = Bench(desk, workers=50)

    report = bench.run(march(1), march(8))

    assert report.failures == []
    one, two = desk.audit().revisions("N47")
    assert (one["completed_at"], str(one["money"]["paid"])) == (at(2), "70.50")
    assert str(two["money"]["paid"]) == "57.50"
    # The pass of the 8th was made again, as far as it had no manifest, and nothing else was.
    again = [task for task in bench.tasks if task.through > 0]
    assert [task.span.days for task in again] == [[march(8)]]


def test_orders_touched_in_the_days_of_another_pass_are_left_to_their_own(tmp_path: Path) -> None:
    rows = [cards.order(n, at(n % DAYS + 1), touched_at=at(DAYS)) for n in range(1, 49)]
    desk = desk_of(tmp_path / "here", rows)
    bench = Bench(desk, workers=50)
    report = bench.run(march(1), march(DAYS))
    assert totals(report) == {"read": 48, "orders": 48}
    assert len(bench.tasks) == len(set(bench.passes())) > 3
    assert all(day.counts["orders"] == 4 for day in report.days)


def test_rejects_that_every_pass_meets_are_sealed_once(tmp_path: Path) -> None:
    desk = desk_of(tmp_path / "here", [cards.order(n, at(n)) for n in range(1, 30)])
    absurd = {"done_at": "0000-00-00", "touched_at": "0000-00-00"}
    desk.rows.extend(cards.order(n, at(1), **absurd) for n in range(40, 43))
    desk.rows.extend(cards.order(n, at(8, 23.9), paid="-1") for n in (50, 51))
    bench = Bench(desk, workers=50)
    report = bench.run(march(1), march(DAYS))
    assert report.exit is Exit.REJECTS
    assert len(desk.audit().rejects) == 5
    # Counted where they are met, as in nights; and no pass was made again for them.
    counted = totals(report)
    assert (counted["rejects"], counted["rejected_before"]) == (5, 3 * len(bench.tasks) - 3)
    assert len(bench.tasks) == len(set(bench.passes()))


def test_an_order_that_moves_to_another_day_while_it_is_read_is_sealed_once(
    tmp_path: Path,
) -> None:
    desk = desk_of(tmp_path / "here", [cards.order(n, at(1 + n // 6)) for n in range(1, 48)])
    bench = Bench(desk, workers=50)

    def move(task: PassTask) -> None:
        if march(2) in task.span.days:
            desk.change(7, done_at=at(7), touched_at=at(22))

    bench.after = move
    assert bench.run(march(1), march(8)).failures == []
    # Sealed as it was read first; the change is the next revision.
    assert [row["completed_at"] for row in desk.audit().revisions("N7")] == [at(2), at(7)]


# --- others at work meanwhile --------------------------------------------------------------------


@pytest.mark.parametrize(("as_of", "other_host"), [(4, False), (7, True), (DAYS, True)])
def test_a_night_in_between_takes_nothing_and_doubles_nothing(
    tmp_path: Path, as_nights_do: Audit, as_of: int, other_host: bool
) -> None:
    desk = desk_of(tmp_path / "here", history())
    elsewhere = desk
    if other_host:
        shutil.copytree(desk.place.folder, tmp_path / "there")
        elsewhere = replace(desk, place=Place(tmp_path / "there"))
    bench = Bench(desk, workers=4)

    def night(task: PassTask) -> None:
        # It knows of no reservation, and seals what the backfill is sealing.
        if march(6) in task.span.days and not nights:
            nights.append(elsewhere.night(as_of=march(as_of)))

    nights: list[NightReport] = []
    bench.after = night

    report = bench.run(march(1), march(DAYS))

    assert report.failures == nights[0].failures == []
    mine = desk.audit()
    assert said(mine) == said(as_nights_do)
    assert rejected(mine) == rejected(as_nights_do)
    assert {m["day"] for m in mine.manifests} >= {str(march(n)) for n in range(1, DAYS + 1)}
    assert desk.night().failures == []


def test_a_number_taken_between_two_looks_costs_nothing(tmp_path: Path) -> None:
    desk = desk_of(tmp_path / "here", [cards.order(n, at(n)) for n in range(1, 9)])
    shutil.copytree(desk.place.folder, tmp_path / "there")
    elsewhere = replace(desk, place=Place(tmp_path / "there"), sources=[second()])

    class Contended(Count):
        """Lets a night on another host write a manifest just before the third of ours."""

        def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
            if method == "put" and key == "manifests/00000003.json" and not self.calls["night"]:
                self.calls["night"] = 1
                assert sealed_days(elsewhere.night(as_of=march(1))) == [march(1)]
            return super()._call(method, key, act)

    report = Bench(desk, workers=2).run(march(1), march(8), store=Contended(desk.store))

    assert report.failures == []
    said_by = [(m["number"], m["source"], m["day"]) for m in desk.audit().manifests]
    assert said_by[2] == (3, "second", "2026-03-01")
    assert [day for _, source, day in said_by if source == "main"] == [
        str(march(n)) for n in range(1, 9)
    ]


def second() -> RowsSource:
    return RowsSource(cards.OWN, [cards.order(1, at(1))], name="second", exact=True)


# --- again, after whatever ------------------------------------------------------------------------


@pytest.mark.parametrize("lost_reply", [False, True], ids=["not-done", "unheard"])
def test_a_backfill_can_be_repeated_after_a_failure_at_any_call(
    tmp_path: Path, lost_reply: bool
) -> None:
    rows = [cards.order(n, at(n % 4 + 1, n)) for n in range(1, 13)]
    rows += [cards.order(20, at(2), paid="-1"), cards.order(21, at(4), paid="-1")]
    theirs = None
    for fail_at in range(int(lost_reply), 10_000, 13):
        desk = desk_of(tmp_path / str(fail_at), rows)
        store = FaultyStore(desk.store, fail_at=fail_at, lost_reply=lost_reply)
        with suppress(StoreError):
            report = Bench(desk, workers=3).run(march(1), march(4), store=store)
            assert bool(report.failures) == (store.calls > fail_at)
        if fail_at % 2:
            shutil.rmtree(desk.place.folder / "index")  # another host goes on
        assert Bench(desk).run(march(1), march(4)).failures == []
        found = desk.audit()
        theirs = theirs or found
        assert said(found) == said(theirs)
        assert rejected(found) == rejected(theirs)
        if store.calls <= fail_at:
            break
    assert fail_at > 40


def test_a_range_that_is_sealed_is_not_even_read(tmp_path: Path) -> None:
    desk = desk_of(tmp_path / "here", [cards.order(n, at(n)) for n in range(1, 9)])
    Bench(desk).run(march(1), march(8))
    before, read = desk.audit(), desk.source.passes
    counting = Count(desk.store)
    report = Bench(desk).run(march(2), march(7), store=counting)
    assert (report.exit, report.days, report.sealed_before) == (Exit.DONE, [], {"main": 6})
    assert not counting.puts
    assert desk.source.passes == read
    assert desk.audit() == before


def test_only_the_missing_days_are_read(tmp_path: Path) -> None:
    desk = desk_of(tmp_path / "here", [cards.order(n, at(n)) for n in range(1, 19)])
    Bench(desk).run(march(5), march(6))
    bench = Bench(desk)
    report = bench.run(march(1), march(9))
    assert sealed_days(report) == [march(n) for n in (1, 2, 3, 4, 7, 8, 9)]
    assert list(bench.passes()) == [(march(1), march(4)), (march(7), march(9))]
    assert report.sealed_before == {"main": 2}


def test_a_gap_is_sealed_with_all_that_happened_in_it(tmp_path: Path) -> None:
    def happens(desk: Desk) -> None:
        desk.night(as_of=march(4))
        desk.rows.append(cards.order(40, at(4, 23.9)))  # committed after its night
        desk.change(3, contact="someone@else.example", touched_at=at(6, 8))
        desk.change(2, contact="someone@else.example", touched_at=at(10, 8))

    rows = [cards.order(n, at(n)) for n in range(1, DAYS + 1)]
    nights = desk_of(tmp_path / "nights", rows)
    happens(nights)
    nights.night(as_of=march(DAYS))
    desk = desk_of(tmp_path / "here", rows)
    happens(desk)

    report = Bench(desk, workers=50).run(march(5), march(DAYS))

    assert report.failures == []
    require_as_nights_do(desk, nights.audit())
    assert len(desk.audit().revisions("N2")) == 2


def test_a_source_that_continues_another_one_takes_its_orders_over(tmp_path: Path) -> None:
    rows = [cards.order(n, at(n)) for n in range(1, 5)]
    desk = founded(tmp_path, rows, now=at(5, 3))
    Bench(desk).run(march(1), march(4))
    new = RowsSource(cards.OWN, [*rows, cards.order(5, at(5))], name="new", exact=True)
    desk.sources[:] = [new]
    retired(desk)
    desk.clock.instant = at(9, 3)
    desk.change(3, contact="someone@else.example", touched_at=at(6))

    report = Bench(desk, workers=50).run(march(1), march(8))

    assert report.failures == []
    assert totals(report) == {"read": 5, "unchanged": 3, "revisions": 1, "orders": 1}
    names = Counter((row["order_id"], row["revision"]) for row in desk.audit().orders)
    assert names == Counter([*((f"N{n}", 1) for n in range(1, 6)), ("N3", 2)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(new, "name", "main")
        assert isinstance(failure(Bench(desk).run(march(1), march(8))), SourceRetiredError)


# --- ranges --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (march(8), march(7), "2026-03-08 comes after 2026-03-07"),
        (march(1), march(14), "2026-03-14 is not closed yet; the last one is 2026-03-13"),
        (march(1), march(7), "2026-03-01 is before .archive. since = 2026-03-02"),
    ],
)
def test_a_range_that_cannot_be_is_refused(
    tmp_path: Path, first: date, last: date, told: str
) -> None:
    desk = desk_of(tmp_path / "here", [], rules=replace(RULES, since=march(2)))
    with pytest.raises(RequestError, match=told):
        Bench(desk).run(first, last)


def test_days_before_the_first_order_and_past_retention_cost_no_manifests(tmp_path: Path) -> None:
    rows = [cards.order(n, at(n)) for n in (5, 6, 9)]
    rows += [cards.order(n, datetime(2019, 5, n, tzinfo=UTC)) for n in range(20, 24)]
    rows += [cards.order(30, datetime(1991, 2, 8, tzinfo=UTC))]
    desk = desk_of(tmp_path / "here", rows)
    report = Bench(desk).run(date(2015, 1, 1), march(9))
    assert sealed_days(report) == [march(n) for n in range(5, 10)]
    assert report.days[0].counts["expired"] == 4  # the one of 1991 lies before the range
    assert totals(report) == {"read": 7, "orders": 3, "expired": 4}
    assert report.exit is Exit.DONE


def test_a_range_of_nothing_but_old_orders_is_counted_and_gets_no_manifest(tmp_path: Path) -> None:
    rows = [cards.order(n, datetime(2019, 5, n, tzinfo=UTC)) for n in range(20, 24)]
    rows += [cards.order(25, datetime(2019, 5, 25, tzinfo=UTC), paid="-1"), cards.order(5, at(5))]
    desk = desk_of(tmp_path / "here", rows)
    report = Bench(desk).run(date(2019, 1, 1), date(2019, 12, 31))
    assert totals(report) == {"read": 4, "expired": 4}
    assert [day.manifest for day in report.days] == [None]
    found = desk.audit()
    assert not found.manifests
    assert sealed_days(desk.night_of(20)) == [march(n) for n in range(5, 21)]


def test_a_range_without_any_order_has_nothing_to_seal(tmp_path: Path) -> None:
    desk = desk_of(tmp_path / "here", [cards.order(15, at(15))])
    report = Bench(desk).run(march(1), march(9))
    assert (report.exit, report.days) == (Exit.DONE, [])
    assert not desk.audit().manifests


def test_older_orders_that_no_night_would_look_for_are_told(tmp_path: Path) -> None:
    desk = desk_of(tmp_path / "here", [cards.order(n, at(n)) for n in range(1, 19)])
    report = Bench(desk).run(march(9), march(12))
    (error,) = report.failures
    assert isinstance(error, OlderOrdersError)
    assert error.next_command == "archiver backfill --from 2026-03-01 --to 2026-03-08 --source main"
    assert report.exit is Exit.FIX_REQUEST
    assert sealed_days(report) == [march(n) for n in range(9, 13)]
    # What ended before is left to its own day.
    assert totals(report) == {"read": 4, "orders": 4}
    assert Bench(desk).run(march(1), march(8)).failures == []
    assert len(desk.audit().orders) == 12


def test_orders_before_since_are_nobodys(tmp_path: Path) -> None:
    rows = [cards.order(n, at(n)) for n in range(1, 9)]
    desk = desk_of(tmp_path / "here", rows, rules=replace(RULES, since=march(3)))
    report = Bench(desk).run(march(3), march(5))
    assert report.failures == []
    assert sorted(row["order_id"] for row in desk.audit().orders) == ["N3", "N4", "N5"]


# --- what stops it -------------------------------------------------------------------------------


def test_a_source_that_is_down_does_not_keep_the_other_from_being_sealed(tmp_path: Path) -> None:
    desk = desk_of(tmp_path / "here", [cards.order(n, at(n)) for n in range(1, 9)])
    desk.sources.append(second())
    desk.source.dies_after = 0
    report = Bench(desk).run(march(1), march(3))
    assert isinstance(failure(report), SourceUnavailableError)
    assert {day.source for day in report.days} == {"second"}


def test_a_worker_that_dies_is_told_with_what_to_do(tmp_path: Path) -> None:
    class Broken(Inline):
        """Loses a worker at the third pass."""

        calls = 0

        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:  # noqa: ANN401
            self.calls += 1
            if self.calls < 3:
                return super().submit(fn, *args, **kwargs)
            future: Future[Any] = Future()
            future.set_exception(BrokenProcessPool())
            return future

    desk = desk_of(tmp_path / "here", history())
    report = Bench(desk, executor=Broken()).run(march(1), march(DAYS))
    assert isinstance(failure(report), WorkerLostError)
    assert report.exit is Exit.TRY_LATER
    assert report.days  # those of the first two passes
    assert Bench(desk).run(march(1), march(DAYS)).failures == []


def test_more_bytes_than_foreseen_are_refused(tmp_path: Path) -> None:
    rules = replace(RULES, max_bytes_per_night=20_000)
    desk = desk_of(tmp_path / "here", history(), rules=rules)
    report = Bench(desk).run(march(1), march(DAYS))
    assert isinstance(failure(report), RetentionRefusedError)
    assert report.exit is Exit.FORBIDDEN


def test_no_proof_of_the_lock_no_backfill(tmp_path: Path) -> None:
    desk = desk_of(tmp_path / "here", history())
    desk.clock.instant = at(60)
    bench = Bench(desk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Place, "keep_proven", lambda *_: None)
        with pytest.raises(LockNotProvenError):
            bench.run(march(1), march(3))
    assert not bench.tasks


def test_the_time_left_is_estimated_from_what_is_done(tmp_path: Path) -> None:
    desk = desk_of(tmp_path / "here", [cards.order(n, at(n % DAYS + 1)) for n in range(1, 49)])

    def tick(_: PassTask) -> None:
        desk.clock.instant += timedelta(seconds=60)

    bench = Bench(desk, workers=1, before=tick)
    bench.run(march(1), march(DAYS))
    total = len(bench.tasks)
    estimates = [one.left for one in bench.stretches if one.left is not None]
    assert estimates[-1] == timedelta()
    first = bench.stretches[0]
    assert first.left is not None
    assert abs(first.left - timedelta(seconds=60 * (total - 1))) < timedelta(seconds=30)
    assert first.rows == 48
