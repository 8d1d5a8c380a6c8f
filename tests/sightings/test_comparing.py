"""What is done to an order between its end and its night is named; what is lawful is not."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.errors import Exit
from archiver.ports import NO_PURGES, Purges
from tests import cards
from tests.desk import Desk, at, march
from tests.sightings.sales import LATE, MINUTES, TEN_TO_MIDNIGHT, alarm, look, night, shop, sold

# --- the attacks: at ten to midnight, by somebody who may write to the shop's database ------------


ALTERED: dict[str, Callable[[Desk], None]] = {
    "sale": lambda desk: desk.change(7, paid="0.01"),
    "goods": lambda desk: desk.change(7, secret="OTHER", touched_at=TEN_TO_MIDNIGHT),
    "parked": lambda desk: desk.change(7, state="unpaid", touched_at=TEN_TO_MIDNIGHT),
    "unfinished": lambda desk: desk.change(7, state="paid"),
    "back-dated": lambda desk: desk.change(7, done_at=LATE - timedelta(hours=23)),
    "rejected": lambda desk: desk.change(7, state="nonsense"),
    "turned-back": lambda desk: desk.change(7, state="failed"),
}


@pytest.mark.parametrize("change", ALTERED)
def test_an_order_that_is_changed_before_its_night_is_named(tmp_path: Path, change: str) -> None:
    desk = shop(tmp_path)
    assert look(desk).sighted == 3
    ALTERED[change](desk)  # some of them touch no time

    report = night(desk)

    told = [error for error in report.failures if error.code == "sighted-altered"]
    assert [str(error.params["orders"]) for error in told] == [f"•••0007 ({change})"]
    assert report.exit is Exit.ALARM


@pytest.mark.parametrize(
    "earlier", [timedelta(days=300), timedelta(days=1500)], ids=["out of the census", "expired"]
)
def test_an_order_that_is_dated_out_of_sight_is_named(tmp_path: Path, earlier: timedelta) -> None:
    desk = shop(tmp_path)
    look(desk)
    moved = LATE - earlier
    desk.change(7, done_at=moved, begun_at=moved, touched_at=moved)

    report = night(desk)

    assert str(alarm(report, "sighted-altered").params["orders"]) == "•••0007 (sale + back-dated)"


def test_an_end_that_stands_in_the_change_time_is_not_dated_back_unseen(tmp_path: Path) -> None:
    desk = shop(tmp_path, mapping=cards.PROXY)
    look(desk)
    desk.change(7, touched_at=LATE - timedelta(days=3))  # its content is what it was

    report = night(desk)

    assert str(alarm(report, "sighted-altered").params["orders"]) == "•••0007 (back-dated)"
    assert len(desk.audit().orders) == 4  # it is sealed, under the earlier end


def test_an_order_that_is_removed_before_its_night_is_named(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    look(desk)
    desk.remove(8)

    report = night(desk)

    gone = alarm(report, "sighted-gone")
    assert gone.params == {
        "source": "main",
        "count": 1,
        "days": "2026-03-05 (1)",
        "orders": "•••0008",
    }
    assert gone.next_command == "archiver sight --compare --source main"


def test_an_order_that_gets_another_number_is_gone(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    look(desk)
    desk.change(8, no="ORDER-2026-999999")
    assert alarm(night(desk), "sighted-gone").params["orders"] == "•••0008"


def test_a_second_order_of_the_same_number_hides_no_change(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    look(desk)
    desk.rows.append(sold(10, no="ORDER-2026-000007", paid="0.01"))
    assert night(desk).failures == []  # both are sealed as rejects, which is told
    desk.change(7, paid="0.02")
    told = alarm(night(desk), "sighted-altered")
    assert str(told.params["orders"]) == "•••0007 (rejected)"


def test_what_is_changed_and_put_back_is_named_if_it_was_sighted_meanwhile(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    look(desk)
    before = dict(next(row for row in desk.rows if row["id"] == 7))
    desk.change(7, paid="0.01", touched_at=LATE + 10 * MINUTES)
    desk.clock.instant = LATE + 12 * MINUTES
    assert look(desk).sighted == 1
    desk.rows[:] = [before if row["id"] == 7 else row for row in desk.rows]
    assert str(alarm(night(desk), "sighted-altered").params["orders"]) == "•••0007 (sale)"


def test_an_end_cannot_be_moved_from_night_to_night(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    look(desk)
    desk.change(7, done_at=at(6, 1))
    assert night(desk).failures == []
    desk.change(7, done_at=at(7, 1))
    desk.clock.instant = at(6, 12)
    report = night(desk, 6)
    desk.change(7, done_at=at(8, 1))
    report = night(desk, 7)
    assert str(alarm(report, "sighted-altered").params["orders"]) == "•••0007 (unsealed)"


def test_the_alarm_is_told_each_night_of_the_look_back_and_on_any_host(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    look(desk)
    desk.change(7, paid="0.01")
    alarm(night(desk), "sighted-altered")
    shutil.rmtree(tmp_path / "index")
    alarm(night(desk, 6), "sighted-altered")
    alarm(night(desk, 11), "sighted-altered")
    assert night(desk, 13).failures == []


def test_what_an_outage_of_weeks_leaves_is_compared_when_it_is_sealed(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    look(desk)
    desk.change(7, paid="0.01")
    alarm(night(desk, 25), "sighted-altered")


# --- lawful progress ----------------------------------------------------------------------------


LAWFUL: dict[str, Callable[[Desk], None]] = {
    "nothing": lambda _: None,
    "saved again": lambda desk: desk.change(7, touched_at=TEN_TO_MIDNIGHT),
    "refunded": lambda desk: desk.change(
        7, state="refunded", closed_at=TEN_TO_MIDNIGHT, touched_at=TEN_TO_MIDNIGHT
    ),
    "a product renamed": lambda desk: desk.change(7, category="会员"),
    "refunded after midnight": lambda desk: desk.change(
        7, state="refunded", closed_at=at(6, 1), touched_at=at(6, 1)
    ),
}


@pytest.mark.parametrize("change", LAWFUL)
def test_what_may_happen_to_an_order_is_no_alarm(tmp_path: Path, change: str) -> None:
    desk = shop(tmp_path)
    look(desk)
    LAWFUL[change](desk)
    for day in (5, 6, 7):
        assert night(desk, day).failures == []


def test_a_sealed_order_whose_proxy_of_an_end_moves_is_not_dated_back(tmp_path: Path) -> None:
    desk = shop(tmp_path, mapping=cards.PROXY)
    desk.change(1, state="refunded", touched_at=LATE)
    assert look(desk).sighted == 4
    assert night(desk).failures == []  # the first end stands, which is earlier
    assert night(desk, 6).failures == []


def test_a_ticket_may_be_opened_but_not_taken_away(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    row = {"order_id": 7, "kind": "ticket", "at": cards.text(LATE)}
    desk.source.children = {"events": [row]}
    look(desk)
    desk.source.children = {"events": [row, {**row, "kind": "answer"}]}
    assert night(desk).failures == []
    desk.rows.append(sold(10, at(6)))
    desk.clock.instant = at(6, 12.1)
    desk.source.children = {"events": [row, {**row, "order_id": 10}]}
    assert look(desk).sighted == 1
    desk.source.children = {"events": [row]}
    assert str(alarm(night(desk, 6), "sighted-altered").params["orders"]) == "•••0010 (turned-back)"


def test_a_failed_order_may_be_delivered_later(tmp_path: Path) -> None:
    desk = shop(tmp_path, sold(7, state="failed", secret=None))
    look(desk)
    desk.change(7, state="done", secret="CARD-7", touched_at=TEN_TO_MIDNIGHT)
    assert night(desk).failures == []


def test_a_changed_mapping_makes_no_alarm_but_what_is_gone_is_told(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    look(desk)
    desk.source.mapping = cards.BORN.model_copy(update={"version": 2})
    vars(desk.source.mapping).pop("digest")  # that of the first version
    desk.change(8, paid="0.01")
    desk.remove(9)
    assert alarm(night(desk), "sighted-gone").params["orders"] == "•••0009"


def test_what_a_source_may_delete_is_no_alarm(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    look(desk)
    desk.remove(9)
    desk.purges = Purges(through=march(5))
    assert night(desk).failures == []
    desk.purges = NO_PURGES
    alarm(night(desk), "sighted-gone")


def test_an_order_of_today_is_compared_tomorrow(tmp_path: Path) -> None:
    desk = shop(tmp_path, sold(7), sold(8, at(6, 0.5)))
    desk.clock.instant = at(6, 1)
    assert look(desk).sighted == 2
    desk.remove(8)
    assert night(desk).failures == []
    assert alarm(night(desk, 6), "sighted-gone").params["orders"] == "•••0008"
