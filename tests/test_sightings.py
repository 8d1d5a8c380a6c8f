"""What is done to an order between its end and its night is named; what is lawful is not."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from archiver.archive import Rules
from archiver.capture import MappedSource
from archiver.catalog import Catalog
from archiver.errors import ArchiverError, Exit, SourceRetiredError, StoreError
from archiver.known import KnownOrders
from archiver.ledger import Ledger
from archiver.mapping import OrderMapping
from archiver.nightly import NightReport
from archiver.ports import NO_PURGES, ObjectStore, Purges, RawPage, VersionEntry, Window
from archiver.retirement import retire
from archiver.sightings import Looked, Sight, look_around, sight
from archiver.sightings.reading import Sightings
from schemas.documents import LedgerEntry
from tests import cards
from tests.archives import RULES, RowsSource, Silent
from tests.desk import Desk, at, founded, march
from tests.faults import Count, FaultyStore

MINUTES = timedelta(minutes=1)
TEN_TO_MIDNIGHT = at(5, 23 + 50 / 60)
LATE = at(5, 22)
"""When the orders of these tests end: on the fifth, whose night is at three on the sixth."""


def sold(number: int, ended: datetime = LATE, **columns: object) -> cards.Row:
    """Return an order with an id long enough to be named by its end."""
    begun = ended - timedelta(hours=1)
    no = f"ORDER-2026-{number:06d}"
    return cards.order(number, ended, **{"no": no, "begun_at": begun} | columns)


def shop(
    folder: Path,
    *rows: cards.Row,
    mapping: OrderMapping = cards.BORN,
    rules: Rules = RULES,
    store: ObjectStore | None = None,
) -> Desk:
    """Return an archive after the night of the fourth, with orders that ended on the fifth."""
    desk = founded(folder, [sold(1, at(4))], mapping=mapping, rules=rules, store=store)
    assert desk.night().failures == []
    desk.rows.extend(rows or (sold(7), sold(8), sold(9)))
    desk.clock.instant = LATE + 5 * MINUTES
    return desk


def mapped(desk: Desk, source: RowsSource | None = None) -> MappedSource:
    source = source or desk.source
    return MappedSource(
        source=source, mapping=source.mapping, session_zone="UTC", purged=desk.purges
    )


def look(desk: Desk, store: ObjectStore | None = None) -> Sight:
    return sight(desk.open(store), mapped(desk), Silent())


def night(desk: Desk, day: int = 5) -> NightReport:
    desk.clock.instant = at(day + 1, 3)
    return desk.night()


def alarm(report: NightReport, code: str) -> ArchiverError:
    """Return the one alarm of a night, which must have this code."""
    (error,) = report.failures
    assert (error.code, report.exit) == (code, Exit.ALARM)
    return error


def sightings(desk: Desk) -> list[str]:
    return [one.key for one in desk.store.list_versions("sightings/")]


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


# --- taking sightings -----------------------------------------------------------------------------


def test_nothing_new_is_no_object(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    assert look(desk).sighted == 3
    before = sightings(desk)
    for minutes in (1, 5, 60):
        desk.clock.instant = LATE + minutes * MINUTES
        assert look(desk).sightings == []
    assert sightings(desk) == before
    assert len(before) == 1


def test_a_sighting_goes_on_where_the_last_one_ended_on_any_host(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    look(desk)
    shutil.rmtree(tmp_path / "index")
    desk.rows.extend([sold(10, LATE + 20 * MINUTES), sold(11, LATE - 8 * MINUTES)])
    desk.change(8, state="refunded", touched_at=LATE + 30 * MINUTES)
    desk.clock.instant = LATE + 40 * MINUTES
    found = look(desk)
    assert found.window.start == LATE - 10 * MINUTES
    assert found.sighted == 3  # a row that was committed late is among them


def test_a_sighting_holds_nothing_of_an_order_in_plain_and_is_locked_as_evidence(
    tmp_path: Path,
) -> None:
    desk = shop(tmp_path)
    (taken,) = look(desk).sightings
    stored = taken.stored
    content = desk.store.get(stored.key, stored.version_id)
    for word in (b"ORDER-2026", b"buyer-7", b"CARD-000007", b"0007"):
        assert word not in content
    assert stored.key.startswith("sightings/main/2026-03-05/")
    assert stored.retain_until == desk.open().evidence_until()
    (one,) = Sightings(desk.open()).of("main", [march(5)])
    assert b"ORDER-2026" not in one.entries.tobytes()
    assert len(one.entries) == taken.rows == 3


def test_a_sighting_reads_what_has_ended_or_changed_and_no_more(tmp_path: Path) -> None:
    desk = shop(tmp_path, sold(7), sold(8, at(3)), sold(9, at(4, 23)), sold(10, state="paid"))
    desk.change(8, touched_at=LATE)
    desk.rows.append(sold(12, LATE - timedelta(days=1600), touched_at=LATE))  # long free
    found = look(desk)
    assert (found.read, found.sighted) == (2, 2)


def test_a_look_that_dies_between_its_sightings_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.sightings.taking.ROWS", 2)
    numbers = range(10, 17)
    desk = shop(tmp_path, *(sold(n, LATE - timedelta(hours=n - 9)) for n in numbers))
    for lost_reply in (False, True):
        for fail_at in range(40):
            store = FaultyStore(desk.store, fail_at=fail_at, lost_reply=lost_reply)
            try:
                look(desk, store)
            except StoreError:
                continue
            break
    desk.clock.instant += 60 * MINUTES
    look(desk)
    held = Sightings(desk.open()).of("main", [march(5)])
    tokens = {entry["token"].tobytes() for one in held for entry in one.entries}
    assert len(tokens) == len(numbers)
    assert night(desk).failures == []


class Listed(Count):
    """Remembers which prefixes were listed."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.prefixes: list[str] = []

    def list_versions(self, prefix: str) -> Iterator[VersionEntry]:
        self.prefixes.append(prefix)
        return super().list_versions(prefix)


@dataclass(slots=True)
class Watched(RowsSource):
    """Something happens when it is read for the first time."""

    meanwhile: Callable[[], None] = lambda: None

    def pages(
        self,
        ended: Window,
        changed: Window | None = None,
        *,
        beyond: datetime | None = None,
        limit: int | None = None,
        exact: bool = False,
    ) -> Iterator[RawPage]:
        found = RowsSource.pages(self, ended, changed, beyond=beyond, limit=limit, exact=exact)
        read = list(found)
        if self.passes == 1:
            self.meanwhile()
        return iter(read)


def test_two_sights_at_once_store_twice_at_most_and_a_night_minds_neither(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    elsewhere = replace(desk.open(), memory=tmp_path / "elsewhere")
    slow = Watched(desk.source.mapping, desk.rows, exact=True)
    slow.meanwhile = lambda: looked.append(sight(elsewhere, mapped(desk), Silent()))
    looked: list[Sight] = []
    assert sight(desk.open(), mapped(desk, slow), Silent()).sighted == 3
    assert (looked[0].sighted, len(sightings(desk))) == (3, 2)
    assert night(desk).failures == []


def test_a_sight_while_a_night_runs_is_compared_by_the_next_one(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    look(desk)
    desk.clock.instant = at(6, 3)
    inner = desk.source

    def meanwhile() -> None:
        inner.held.append(sold(20, at(5, 23)))  # behind the night's back
        assert sight(desk.open(), mapped(desk, inner), Silent()).sighted == 1

    busy = Watched(inner.mapping, inner.held, exact=True)
    busy.meanwhile = meanwhile
    desk.sources[0] = busy
    assert desk.night().failures == []
    desk.sources[0] = inner
    assert night(desk, 6).failures == []
    assert len(desk.audit().orders) == 5


def around(desk: Desk, store: ObjectStore | None = None) -> Looked:
    archive = desk.open(store)
    catalog = Catalog(archive, desk.place.folder / "index" / "manifests")
    return look_around(archive, catalog, [mapped(desk)], Silent())


def entered(desk: Desk) -> list[str]:
    ledger = Ledger(desk.open())
    ledger.refresh()
    entries = [LedgerEntry.model_validate_json(text) for text in ledger.entries]
    return [entry.key for entry in entries if entry.kind == "sighting"]


@pytest.mark.parametrize("lost_reply", [False, True])
def test_a_sighting_is_in_the_ledger_once_wherever_its_look_dies(
    tmp_path: Path, *, lost_reply: bool
) -> None:
    desk = shop(tmp_path)
    calls = Count(desk.store)
    assert around(desk, calls).exit is Exit.DONE
    for fail_at in range(0, calls.calls.total(), 3):
        desk.clock.instant += MINUTES
        desk.rows.append(sold(100 + fail_at, desk.clock.instant))
        with suppress(StoreError):
            around(desk, FaultyStore(desk.store, fail_at=fail_at, lost_reply=lost_reply))
    desk.clock.instant += MINUTES
    around(desk)
    assert night(desk).failures == []
    assert sorted(entered(desk)) == sorted(sightings(desk))


def test_one_source_that_is_down_does_not_keep_others_from_being_sighted(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    down = RowsSource(desk.source.mapping, [sold(50)], name="down", dies_after=0)
    archive = desk.open()
    catalog = Catalog(archive, tmp_path / "index" / "manifests")
    looked = look_around(archive, catalog, [mapped(desk, down), mapped(desk)], Silent())
    assert [error.code for error in looked.failures] == ["source-unavailable"]
    assert (looked.exit, looked.sighted) == (Exit.TRY_LATER, 3)


def test_a_clock_that_was_ahead_leaves_no_gap(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    desk.clock.instant = LATE + 4 * MINUTES
    look(desk)
    desk.clock.instant = LATE + 1 * MINUTES
    desk.rows.append(sold(10, LATE + MINUTES))
    assert look(desk).sighted == 1


def test_a_retired_source_is_not_sighted(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    archive = desk.open()
    catalog = Catalog(archive, tmp_path / "index" / "manifests")
    catalog.refresh()
    known = KnownOrders.open(archive, tmp_path / "index" / "known")
    retire(archive, catalog, known, "main", "other", configured=["other"])
    with pytest.raises(SourceRetiredError):
        look(desk)


def test_a_foreign_file_among_sightings_is_an_alarm_and_stops_nothing(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    (taken,) = look(desk).sightings
    content = desk.store.get(taken.stored.key, taken.stored.version_id)
    for key, wrong in (("0" * 32, b"{}"), ("1" * 32, content)):
        place = f"sightings/main/2026-03-05/{key}.json"
        desk.store.put(place, BytesIO(wrong), retain_until=at(30))
    desk.remove(7)
    report = night(desk)
    assert [error.code for error in report.failures] == ["sighted-gone", "tampered", "tampered"]


def test_a_night_without_sightings_pays_one_request(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    desk.clock.instant = at(6, 3)
    store = Listed(desk.store)
    desk.night(store=store)
    assert [one for one in store.prefixes if one.startswith("sightings/m")] == ["sightings/main/"]


def test_local_copies_are_used_and_those_of_days_past_are_removed(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    look(desk)
    night(desk)
    copies = tmp_path / "index" / "sightings" / "main"
    assert [folder.name for folder in copies.iterdir()] == ["2026-03-05"]
    (copy,) = (copies / "2026-03-05").iterdir()
    copy.write_bytes(b"not what was signed")
    assert night(desk, 6).failures == []
    assert copy.read_bytes() != b"not what was signed"
    night(desk, 20)
    assert list(copies.iterdir()) == []


def test_many_entries_are_told_apart(tmp_path: Path) -> None:
    rows = [sold(number) for number in range(100, 400)]
    desk = shop(tmp_path, *rows)
    assert look(desk).sighted == 300
    (one,) = Sightings(desk.open()).of("main", [march(5)])
    assert len(np.unique(one.entries["digest"], axis=0)) == 300
    for number in (150, 250, 350):
        desk.remove(number)
    assert alarm(night(desk), "sighted-gone").params["count"] == 3
