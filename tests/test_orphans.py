"""What crashes and lost races leave behind is told from what a running night is about to name."""

import shutil
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from archiver import layout
from archiver.catalog import Catalog
from archiver.errors import AnotherRunError, StoreError
from archiver.orphans import SETTLED, Tally, Unnamed, unnamed
from archiver.ports import ObjectStore, VersionEntry
from archiver.signed_documents import SignedDocument
from archiver.stores.memory import MemoryStore
from tests import cards
from tests.archives import Place, Silent
from tests.desk import Desk, at, failure, founded
from tests.faults import Count

T = TypeVar("T")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    folder = tmp_path / "one"
    folder.mkdir()
    desk = founded(folder, [cards.order(n, at(n)) for n in (2, 3)])
    desk.night_of(3)
    return desk


def found(desk: Desk, *, claimed: bool = False) -> list[Unnamed]:
    catalog = Catalog(desk.open(), desk.place.folder / "another cache")
    catalog.refresh()
    manifests = [catalog.entries.pop().document] if claimed else []
    return list(unnamed(catalog, desk.clock.now(), Silent(), manifests))


def data_keys(desk: Desk) -> set[str]:
    return {v.key for prefix in layout.DATA for v in desk.store.list_versions(prefix)}


class Dying(Count):
    """Dies at the first manifest."""

    def _call(self, method: str, key: str, act: Any) -> Any:  # noqa: ANN401
        if method == "put" and key.startswith("manifests/"):
            raise StoreError(key=key, detail="died")
        return super()._call(method, key, act)


def test_an_archive_without_bad_luck_has_none(desk: Desk) -> None:
    assert found(desk) == []


def test_what_a_dead_night_had_stored_is_recent_first_and_an_orphan_half_a_day_later(
    desk: Desk,
) -> None:
    before = data_keys(desk)
    desk.rows.append(cards.order(4, at(4)))
    desk.clock.instant = at(5, 3)
    assert isinstance(failure(desk.night(store=Dying(desk.store))), StoreError)
    left = data_keys(desk) - before
    assert len(left) == 3

    assert {(one.kind, one.key) for one in found(desk)} == {("recent", key) for key in left}
    desk.night()  # it seals them again, under other names
    desk.clock.advance(SETTLED)
    assert {one.kind for one in found(desk)} == {"recent"}
    desk.clock.advance(timedelta(microseconds=1))
    orphans = found(desk)
    assert {(one.kind, one.key) for one in orphans} == {("orphan", key) for key in left}
    assert {one.holds for one in orphans} == {"orders", "segments", "known"}
    assert {(one.source, one.day) for one in orphans} == {("main", date(2026, 3, 4))}
    for one in orphans:
        assert one.age == SETTLED + timedelta(microseconds=1)
        assert one.size_bytes == desk.store.head(one.key, one.version_id).size_bytes
        assert one.written_at == at(5, 3)


def test_both_lost_races_are_found_and_what_the_winners_stored_is_not(
    desk: Desk, tmp_path: Path
) -> None:
    desk.rows.append(cards.order(4, at(4)))
    desk.clock.instant = at(5, 3)
    left: set[str] = set()
    for number in range(2):
        folder = tmp_path / f"host-{number}"
        shutil.copytree(desk.place.folder, folder, ignore=shutil.ignore_patterns("index"))
        slow = replace(desk, place=Place(folder), sources=[replace(desk.source)])
        before = data_keys(desk)
        ours: set[str] = set()

        class Overtaken(Count):
            """Another night comes before its first manifest."""

            def _call(self, method: str, key: str, act: Any) -> Any:  # noqa: ANN401
                if method == "put" and key.startswith("manifests/"):
                    ours.update(data_keys(desk) - before)  # noqa: B023  called at once
                    assert desk.night().failures == []
                return super()._call(method, key, act)

        assert isinstance(failure(slow.night(store=Overtaken(desk.store))), AnotherRunError)
        left |= ours
        desk.rows.append(cards.order(5, at(5)))
        desk.clock.instant = at(6, 3)
    assert desk.night().failures == []
    desk.clock.advance(timedelta(days=2))
    assert len(left) == 6
    assert {(one.kind, one.key) for one in found(desk)} == {("orphan", key) for key in left}


def test_what_a_fence_has_decided_on_is_no_orphan(desk: Desk) -> None:
    desk.clock.advance(timedelta(days=2))
    assert found(desk, claimed=True) == []


def test_other_versions_of_what_is_named_are_told_apart_and_markers_are_none(desk: Desk) -> None:
    assert isinstance(desk.store, MemoryStore)
    key = min(data_keys(desk))
    version = desk.store.overwrite(key, b"something else")
    desk.store.add_delete_marker(key)
    desk.clock.advance(timedelta(days=2))
    (one,) = found(desk)
    assert (one.kind, one.key, one.version_id) == ("other-version", key, version)


@pytest.mark.parametrize(
    "key", ["orders/notes.txt", "orders/main/2026/13/40/" + "0" * 32 + ".parquet"]
)
def test_what_is_none_of_ours_is_listed_without_a_day(desk: Desk, key: str) -> None:
    assert isinstance(desk.store, MemoryStore)
    desk.store.overwrite(key, b"?")
    (one,) = found(desk)
    assert (one.key, one.holds, one.source, one.day) == (key, None, None, None)


def test_keys_of_unused_cohorts_are_no_data(desk: Desk) -> None:
    desk.open().cohort("orders-2035-01")
    desk.clock.advance(timedelta(days=2))
    assert found(desk) == []


@dataclass
class Endless:
    """A store whose listing is long: four objects a day, every tenth of them an orphan."""

    inner: ObjectStore
    named: list[tuple[str, str]]

    def list_versions(self, prefix: str) -> Iterator[VersionEntry]:
        for number, (key, version) in enumerate(self.named):
            if key.startswith(prefix):
                yield entry(key, version)
                if number % 10 == 0:
                    yield entry(key[:-40] + f"{number:032x}.parquet", version)


def entry(key: str, version: str) -> VersionEntry:
    return VersionEntry(
        key=key,
        version_id=version,
        is_latest=True,
        is_delete_marker=False,
        size_bytes=10,
        written_at=at(1),
    )


def test_three_years_of_objects_are_gone_through_in_little_memory(desk: Desk) -> None:
    catalog = Catalog(desk.open(), desk.place.folder / "cache")
    catalog.refresh()
    model = catalog.entries[-1]
    (like, *_) = model.document.objects
    entries, named = [], []
    for number in range(1095):
        day = date(2023, 1, 1) + timedelta(days=number)
        objects = []
        for kind in ("orders", "rejects", "segments", "known"):
            key = layout.data_key(kind, "main", day, f"{number + 1_000_000:032x}")
            objects.append(like.model_copy(update={"key": key, "version_id": f"v{number}"}))
            named.append((key, f"v{number}"))
        document = model.document.model_copy(update={"objects": objects})
        entries.append(SignedDocument(document=document, version_id="v", sha256="0" * 64))
    catalog.entries = entries
    store: Any = Endless(desk.store, named)
    catalog.archive = replace(catalog.archive, store=store)
    tally = Tally()

    tracemalloc.start()
    for one in unnamed(catalog, at(20), Silent()):
        tally.add(one)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert tally.objects == {"orphan": 438, "recent": 0, "other-version": 0}
    assert tally.size_bytes["orphan"] == 4380
    assert peak < 2_000_000
