"""The chain of manifests: read once, kept here, verified always."""

import io
from pathlib import Path

import pytest

from archiver import layout
from archiver.catalog import Catalog
from archiver.errors import AnotherRunError, StoreError, TamperedError
from archiver.stores.memory import MemoryStore
from tests import cards
from tests.desk import Desk, at, founded, march
from tests.faults import Count, FaultyStore


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = founded(tmp_path, [cards.order(n, at(n)) for n in (2, 3, 4)])
    desk.night()
    return desk


def read(desk: Desk, folder: str = "cache") -> Catalog:
    catalog = Catalog(desk.open(), desk.place.folder / folder)
    catalog.refresh()
    return catalog


def test_days_are_those_of_a_source(desk: Desk) -> None:
    catalog = read(desk)
    assert catalog.days("main") == {march(2), march(3), march(4)}
    assert catalog.days("other") == set()
    assert [entry.document.number for entry in catalog.since(1)] == [2, 3]
    assert catalog.next_number == 4


def test_an_archive_without_manifests_has_an_empty_chain(tmp_path: Path) -> None:
    catalog = read(founded(tmp_path))
    assert (catalog.entries, catalog.head, catalog.next_number) == ([], None, 1)


def test_what_was_read_once_is_not_fetched_again(desk: Desk) -> None:
    first = read(desk)
    counting = Count(desk.store)
    again = Catalog(desk.open(counting), first.cache)
    before = counting.calls["get"]
    again.refresh()
    assert counting.calls["get"] == before
    assert [entry.sha256 for entry in again.entries] == [e.sha256 for e in first.entries]


def test_a_refresh_reads_what_was_added_since(desk: Desk) -> None:
    catalog = read(desk)
    desk.night_of(5)
    catalog.refresh()
    assert catalog.next_number == 5


def test_other_objects_among_the_manifests_are_not_taken_for_them(desk: Desk) -> None:
    for key in ("manifests/1.json", "manifests/00000004.json.bak", "manifests/notes/00000004.json"):
        desk.store.put(key, io.BytesIO(b"?"), retain_until=at(1).replace(year=2030))
    assert read(desk).next_number == 4


@pytest.mark.parametrize("number", [0, 5, 99_999_999])
def test_a_foreign_file_at_the_place_of_no_next_manifest_stops_no_night(
    desk: Desk, number: int
) -> None:
    desk.store.put(
        layout.manifest_key(number), io.BytesIO(b"{}"), retain_until=at(1).replace(year=2030)
    )
    assert read(desk).next_number == 4


def test_a_manifest_that_is_gone_is_told_whatever_lies_behind_it(desk: Desk) -> None:
    catalog = read(desk)
    assert isinstance(desk.store, MemoryStore)
    key = layout.manifest_key(3)
    (version,) = desk.store.list_versions(key)
    desk.store.drop(key, version.version_id)
    for number in (5, 6):
        desk.store.overwrite(layout.manifest_key(number), b"{}")
    with pytest.raises(TamperedError, match=key):
        catalog.refresh()


def test_a_number_that_another_run_took_is_told(desk: Desk) -> None:
    mine, other = read(desk, "one"), read(desk, "two")
    following = mine.entries[-1].document.model_copy(update={"number": 4, "previous": mine.head})
    other.append(following)
    desk.clock.instant = at(7)
    with pytest.raises(AnotherRunError, match=r"manifests/00000004\.json"):
        mine.append(following.model_copy(update={"day": march(9)}))
    mine.refresh()
    assert mine.head == other.head


def test_a_manifest_whose_reply_was_lost_counts(desk: Desk) -> None:
    catalog = read(desk)
    following = catalog.entries[-1].document.model_copy(
        update={"number": 4, "previous": catalog.head}
    )
    faulty = FaultyStore(desk.store, lost_reply=True)
    unheard = Catalog(desk.open(faulty), catalog.cache)
    unheard.refresh()
    faulty.fail_at = faulty.calls
    with pytest.raises(StoreError):
        unheard.append(following)
    unheard.refresh()
    assert unheard.entries[-1].document == following


@pytest.mark.parametrize("update", [{"number": 3}, {"number": 5}, {"previous": None}])
def test_a_manifest_that_does_not_continue_the_chain_is_not_written(
    desk: Desk, update: dict[str, object]
) -> None:
    catalog = read(desk)
    following = {"number": 4, "previous": catalog.head} | update
    with pytest.raises(ValueError, match="continues the chain"):
        catalog.append(catalog.entries[-1].document.model_copy(update=following))
    assert isinstance(desk.store, MemoryStore)
    assert len(list(desk.store.list_versions("manifests/"))) == 3


def test_a_manifest_with_a_short_lock_is_told_until_it_has_its_own(desk: Desk) -> None:
    content = desk.store.get("manifests/00000003.json")
    [version] = desk.store.list_versions("manifests/00000003.json")
    assert isinstance(desk.store, MemoryStore)
    desk.store.drop("manifests/00000003.json", version.version_id)
    desk.store.put(
        "manifests/00000003.json", io.BytesIO(content), retain_until=at(28).replace(year=2027)
    )
    for _ in range(2):  # the second time, nothing that was kept makes it silent
        catalog = read(desk)
        assert [alarm.code for alarm in catalog.unlocked] == ["lock-not-honoured"]
        assert catalog.next_number == 4


def test_a_certificate_that_does_not_verify_stops_no_night(desk: Desk) -> None:
    until = at(1).replace(year=2040)
    desk.store.put("signers/0002.json", io.BytesIO(b"rubbish"), retain_until=until)
    desk.store.put("signers/0003.json", io.BytesIO(b"[" * 9_000), retain_until=until)
    assert desk.open().signers.keys() == {1}
    assert desk.night_of(5).exit == 0
