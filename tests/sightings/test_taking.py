"""Sightings are taken once, in order and whole, whatever happens meanwhile."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from archiver.catalog import Catalog
from archiver.errors import Exit, SourceRetiredError, StoreError
from archiver.known import KnownOrders
from archiver.ledger import Ledger
from archiver.ports import ObjectStore, RawPage, VersionEntry, Window
from archiver.retirement import retire
from archiver.sightings import Looked, Sight, look_around, sight
from archiver.sightings.reading import Sightings
from archiver.stores.memory import MemoryStore
from schemas.documents import LedgerEntry
from tests.archives import RowsSource, Silent
from tests.desk import Desk, at, march
from tests.faults import Count, FaultyStore
from tests.sightings.sales import (
    LATE,
    MINUTES,
    alarm,
    look,
    mapped,
    night,
    shop,
    sightings,
    sold,
)


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


@pytest.mark.parametrize("lost_reply", [False, True])
def test_a_look_that_dies_between_its_sightings_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, lost_reply: bool
) -> None:
    monkeypatch.setattr("archiver.sightings.taking.ROWS", 2)
    rows = [sold(n, LATE - timedelta(hours=n - 9)) for n in range(10, 15)]
    rows += [sold(n, at(6, 0.1)) for n in range(20, 23)]
    desk = shop(tmp_path, *rows)
    desk.clock.instant = at(6, 1)
    store = MemoryStore(clock=desk.clock)
    before = desk.store
    assert isinstance(before, MemoryStore)
    for fail_at in itertools.count(4):  # once the archive is open
        store._versions = {key: list(found) for key, found in before._versions.items()}
        faulty = FaultyStore(store, fail_at=fail_at, lost_reply=lost_reply)
        with suppress(StoreError):
            look(desk, faulty)
        look(desk, store)
        held = Sightings(desk.open(store)).of("main", [march(5), march(6)])
        tokens = [entry["token"].tobytes() for one in held for entry in one.entries]
        assert len(tokens) == len(set(tokens)) == len(rows)
        if faulty.calls <= fail_at:
            break


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


def test_a_delete_marker_hides_no_sighting_and_a_later_version_replaces_none(
    tmp_path: Path,
) -> None:
    desk = shop(tmp_path)
    (taken,) = look(desk).sightings
    store = desk.store
    assert isinstance(store, MemoryStore)
    store.overwrite(taken.stored.key, b"{}", retain_until=at(30))
    store.add_delete_marker(taken.stored.key)
    shutil.rmtree(tmp_path / "index")
    desk.remove(7)
    assert alarm(night(desk), "sighted-gone").params["orders"] == "•••0007"


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
