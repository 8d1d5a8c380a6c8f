"""Building the index: whole or not there, in the way of nobody, and from nothing but the store."""

import json
import os
import resource
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from archiver.archive import Archive
from archiver.catalog import Catalog
from archiver.errors import (
    AnotherRunError,
    ArchiverError,
    Exit,
    IndexStaleError,
    IndexUnusableError,
    KeyUnavailableError,
    LocalDiskError,
    ObjectMissingError,
    StoreError,
    TamperedError,
)
from archiver.index import Index, IndexBuilder, IndexKeys
from archiver.ports import ObjectStore
from archiver.search_tokens import ALL_KINDS, Kind, ask
from archiver.stores.directory import DirectoryStore
from tests import search_oracle
from tests.archives import Place, Silent
from tests.auditor import audit
from tests.clock import FrozenClock
from tests.desk import at
from tests.faults import Count, FaultyStore
from tests.golden.make import V1
from tests.index.shelf import Shelf, found, order, places, shelf

T = TypeVar("T")
CONTACT = "buyer@qq.com"


@pytest.fixture
def here(tmp_path: Path) -> Shelf:
    """Three days of orders by the same buyer, and one of somebody else."""
    made = shelf(tmp_path / "archive")
    for day in range(3):
        made.seal([order(f"N{day}", buyer={"contact": CONTACT}), order(f"X{day}")])
    return made


def contacts(index: Index, shelf: Shelf) -> list[str]:
    rows = found(index, shelf.keys, Kind.CONTACT, CONTACT)
    return sorted(str(shelf.orders[place]["order_id"]) for place in rows)


# --- damaged, missing, another's ------------------------------------------------------------------


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped": flip,
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "file", ["*.tokens.duckdb", "*.rows.raw", "*.partitions.arrow", "current-1.json"]
)
def test_there_is_no_answer_from_a_damaged_index_until_it_is_rebuilt(
    here: Shelf, tmp_path: Path, file: str, damage: str
) -> None:
    folder = tmp_path / "search"
    here.builder(folder).update(here.entries)
    (path,) = folder.glob(file)
    DAMAGES[damage](path)
    if (file, damage) == ("current-1.json", "flipped"):
        path.write_text(path.read_text().replace('"head"', '"haed"'))

    for act in (lambda: here.index(folder), lambda: here.builder(folder).update(here.entries)):
        if (file, damage) == ("current-1.json", "gone") and folder.exists():
            with pytest.raises(IndexUnusableError, match="none yet"):
                here.index(folder)
            break
        with pytest.raises(IndexUnusableError) as caught:
            act()
        assert caught.value.next_command == "archiver rebuild-index"
        assert caught.value.exit is Exit.FIX_REQUEST

    here.builder(folder).rebuild(here.entries)
    assert contacts(here.index(folder), here) == ["N0", "N1", "N2"]


def test_a_block_that_rots_in_place_is_found_when_it_is_read(here: Shelf, tmp_path: Path) -> None:
    here.builder(tmp_path).update(here.entries)
    (path,) = tmp_path.glob("*.tokens.duckdb")
    before = path.stat()
    content = bytearray(path.read_bytes())
    # Blocks of 64 kB lie behind three headers of 4 kB, each behind its own checksum.
    for start in range(3 * 4096, len(content), 1 << 16):
        content[start + 64] ^= 1
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(IndexUnusableError) as caught:
        contacts(here.index(tmp_path), here)
    assert caught.value.next_command == "archiver rebuild-index"
    here.seal([order(f"M{n}", buyer={"contact": CONTACT}) for n in range(9)])
    with pytest.raises(IndexUnusableError, match="cannot be read"):
        here.builder(tmp_path).update(here.entries)


def test_a_disk_that_is_full_leaves_the_index_as_it_was(here: Shelf, tmp_path: Path) -> None:
    here.builder(tmp_path).update(here.entries[:2])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Every file ends there, as on a disk that has no room for DuckDB's.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(LocalDiskError):
            here.builder(tmp_path).update(here.entries)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(list(tmp_path.glob("*.duckdb*"))) == 1
    assert contacts(here.index(tmp_path), here) == ["N0", "N1"]
    here.builder(tmp_path).update(here.entries)
    assert contacts(here.index(tmp_path), here) == ["N0", "N1", "N2"]


def test_places_that_rot_are_found_when_the_index_is_opened(here: Shelf, tmp_path: Path) -> None:
    here.builder(tmp_path).update(here.entries)
    (path,) = tmp_path.glob("*.partitions.arrow")
    before = path.stat()
    content = path.read_bytes()
    with path.open("r+b") as file:
        file.write(content.replace(b"v00000", b"v99999"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(IndexUnusableError, match="was altered"):
        here.index(tmp_path)


def test_an_index_that_is_behind_says_so(here: Shelf, tmp_path: Path) -> None:
    here.builder(tmp_path).update(here.entries)
    index = here.index(tmp_path)
    index.require_current(3)
    with pytest.raises(IndexStaleError, match="ends at manifest 3, the archive at 4") as caught:
        index.require_current(4)
    assert caught.value.next_command == "archiver update-index"


def test_a_copy_from_a_back_up_is_read_through_and_used(here: Shelf, tmp_path: Path) -> None:
    here.builder(tmp_path / "one").update(here.entries)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert contacts(here.index(tmp_path / "two"), here) == ["N0", "N1", "N2"]


def test_the_index_of_another_archive_is_refused(here: Shelf, tmp_path: Path) -> None:
    here.builder(tmp_path / "search").update(here.entries)
    other = shelf(tmp_path / "other")
    for act in (
        lambda: other.index(tmp_path / "search"),
        lambda: other.builder(tmp_path / "search").update([]),
    ):
        with pytest.raises(IndexUnusableError, match="another archive"):
            act()


def test_the_root_of_another_archive_opens_nothing(here: Shelf, tmp_path: Path) -> None:
    other = shelf(tmp_path / "other")
    with pytest.raises(KeyUnavailableError):
        IndexKeys.open(here.archive, other.root("root"))


def test_an_archive_without_orders_has_an_index_that_finds_none(tmp_path: Path) -> None:
    empty = shelf(tmp_path / "archive")
    built = empty.builder(tmp_path / "search").update([])
    assert (built.manifest, built.orders, built.tokens) == (0, 0, 0)
    empty.seal()
    built = empty.builder(tmp_path / "search").update(empty.entries)
    assert (built.manifest, built.orders) == (1, 0)
    index = empty.index(tmp_path / "search")
    assert found(index, empty.keys, Kind.ORDER_ID, "N1") == []
    assert index.covered().days == {"main": [(empty.day - timedelta(1),) * 2]}


# --- the chain ------------------------------------------------------------------------------------


def test_a_store_that_was_rolled_back_or_replaced_is_an_alarm(here: Shelf, tmp_path: Path) -> None:
    here.builder(tmp_path).update(here.entries)
    with pytest.raises(TamperedError, match="rolled back"):
        here.builder(tmp_path).update(here.entries[:-1])
    forged = [*here.entries[:-1], replace(here.entries[-1], sha256="f" * 64)]
    with pytest.raises(TamperedError, match=r"00000003.*not the one"):
        here.builder(tmp_path).update(forged)
    assert contacts(here.index(tmp_path), here) == ["N0", "N1", "N2"]


def test_a_segment_of_another_partition_is_not_believed(here: Shelf, tmp_path: Path) -> None:
    segments = [one for e in here.entries for one in e.document.objects if one.kind == "segments"]
    last = here.entries[-1]
    swapped = [
        segments[0].model_copy(update={"of": one.of}) if one.kind == "segments" else one
        for one in last.document.objects
    ]
    document = last.document.model_copy(update={"objects": swapped})
    entries = [*here.entries[:-1], replace(last, document=document)]
    with pytest.raises(TamperedError, match="does not fit"):
        here.builder(tmp_path).update(entries)
    none = document.model_copy(update={"objects": [o for o in swapped if o.kind != "segments"]})
    with pytest.raises(TamperedError, match="no segment"):
        here.builder(tmp_path).update([*here.entries[:-1], replace(last, document=none)])


# --- ended half-way -------------------------------------------------------------------------------


def test_an_index_that_the_disk_refuses_at_any_step_stays_what_it_was(
    here: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.builder(tmp_path).update(here.entries[:2])
    fsync, steps = os.fsync, 0

    def refuse(descriptor: int) -> None:
        nonlocal steps
        steps -= 1
        if steps < 0:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    for fail_at in range(100):
        steps = fail_at
        monkeypatch.setattr("os.fsync", refuse)
        try:
            here.builder(tmp_path).update(here.entries)
        except LocalDiskError:
            monkeypatch.setattr("os.fsync", fsync)
            index = here.index(tmp_path)
            # The last step makes the folder durable: then the new one is there already.
            assert contacts(index, here) in (["N0", "N1"], ["N0", "N1", "N2"])
            assert len(contacts(index, here)) == index.covered().manifest
        else:
            break
    assert fail_at > 5
    monkeypatch.setattr("os.fsync", fsync)
    assert contacts(here.index(tmp_path), here) == ["N0", "N1", "N2"]
    names = {path.name.partition(".")[0] for path in tmp_path.glob("*.tokens.duckdb")}
    assert names == {one.name for one in here.index(tmp_path).pointer.segments}


class Gets(Count):
    """Counts what is fetched, by kind."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.gets: Counter[str] = Counter()

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        if method == "get":
            self.gets[key.partition("/")[0]] += 1
        return super()._call(method, key, act)


def test_a_build_goes_on_where_it_was_ended(
    here: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.index.runs.RUN_TOKENS", 1)
    monkeypatch.setattr("archiver.index.building.READERS", 1)
    archive = replace(here.archive, store=FaultyStore(here.archive.store, fail_at=2))
    builder = IndexBuilder(archive=archive, keys=here.keys, folder=tmp_path, progress=Silent())
    with pytest.raises(StoreError):
        builder.rebuild(here.entries)
    with pytest.raises(IndexUnusableError, match="none yet"):
        here.index(tmp_path)
    done = json.loads((tmp_path / "building" / "progress.json").read_text())
    assert done["partitions"] >= 1

    counting = Gets(here.archive.store)
    archive = replace(here.archive, store=counting)
    IndexBuilder(archive=archive, keys=here.keys, folder=tmp_path, progress=Silent()).rebuild(
        here.entries
    )
    assert counting.gets["segments"] == 3 - done["partitions"]
    assert contacts(here.index(tmp_path), here) == ["N0", "N1", "N2"]


def test_two_builds_at_once_are_refused(here: Shelf, tmp_path: Path) -> None:
    builder = here.builder(tmp_path)
    with builder._alone(), pytest.raises(AnotherRunError, match="being built"):
        here.builder(tmp_path).update(here.entries)


def test_readers_keep_what_they_have_while_newer_ones_are_published(
    here: Shelf, tmp_path: Path
) -> None:
    here.builder(tmp_path).update(here.entries[:1])
    old = here.index(tmp_path)
    here.builder(tmp_path).update(here.entries)
    assert contacts(old, here) == ["N0"]
    new = old.renewed()
    assert contacts(new, here) == ["N0", "N1", "N2"]
    assert new.renewed() is new
    here.builder(tmp_path).rebuild(here.entries)
    assert contacts(old, here) == ["N0"]
    assert contacts(new, here) == contacts(new.renewed(), here) == ["N0", "N1", "N2"]


def test_an_update_with_nothing_new_writes_nothing(here: Shelf, tmp_path: Path) -> None:
    here.builder(tmp_path).update(here.entries)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.*")}
    built = here.builder(tmp_path).update(here.entries)
    assert (built.read, built.manifest, built.orders) == (0, 3, 6)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.*")} == before


# --- what lies there ------------------------------------------------------------------------------


def test_nothing_on_the_host_tells_a_value(tmp_path: Path) -> None:
    made = shelf(tmp_path / "archive")
    made.seal(
        [
            order(
                "CANARYORDER",
                buyer={"contact": "canary@x.cn", "account": "CANARYACCOUNT"},
                seller={"merchant_id": "CANARYMERCHANT", "name": "CANARYNAME"},
                product={"name": "CANARYPRODUCT"},
                payments=[{"provider_no": "CANARYPAYMENT"}],
                deliveries=[{"secret": "CANARYSECRET----CANARYPASSWORD", "target": "CANARYTARGET"}],
            )
        ]
    )
    made.builder(tmp_path / "search").update(made.entries)
    for path in (tmp_path / "search").rglob("*"):
        if path.is_file():
            assert b"canary" not in path.read_bytes().lower(), path.name
    index = made.index(tmp_path / "search")
    (name,) = index.names(made.keys.search, "product", "ｃａｎａｒｙ")
    assert name == "CANARYPRODUCT"


def test_partitions_that_were_destroyed_after_their_time_are_left_out(
    here: Shelf, tmp_path: Path
) -> None:
    first = here.entries[0].document.objects
    clock = FrozenClock(first[0].retain_until + timedelta(days=1))
    here.desk.clock.instant = clock.instant  # the store's, too
    for stored in first:
        here.archive.store.delete_version(stored.key, stored.version_id)
    archive = replace(here.archive, clock=clock)
    builder = IndexBuilder(archive=archive, keys=here.keys, folder=tmp_path, progress=Silent())
    built = builder.rebuild(here.entries)
    assert built.orders == 6
    index = here.index(tmp_path)
    assert contacts(index, here) == ["N1", "N2"]
    assert not index.lacking(ALL_KINDS)
    assert index.unnamed(here.keys.search, "product") == []


def test_a_segment_that_is_missing_before_its_time_is_an_error(here: Shelf, tmp_path: Path) -> None:
    class Losing(Count):
        """A store whose segments are gone."""

        def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
            if key.startswith("segments/"):
                raise ObjectMissingError(key=key, detail="gone")
            return super()._call(method, key, act)

    archive = replace(here.archive, store=Losing(here.archive.store))
    builder = IndexBuilder(archive=archive, keys=here.keys, folder=tmp_path, progress=Silent())
    with pytest.raises(ObjectMissingError):
        builder.rebuild(here.entries)


# --- what was sealed before -----------------------------------------------------------------------


@pytest.fixture
def golden(tmp_path: Path) -> tuple[Place, Archive, Catalog]:
    """The golden archive: its segments hold order ids only."""
    shutil.copytree(V1, tmp_path / "v1")
    for key in (tmp_path / "v1").glob("*.key"):
        key.chmod(0o600)
    place = Place(tmp_path / "v1")
    clock = FrozenClock(at(6, 3))
    archive = place.open(DirectoryStore(tmp_path / "v1" / "vault", clock), clock)
    catalog = Catalog(archive, tmp_path / "manifests")
    catalog.refresh()
    return place, archive, catalog


@pytest.mark.parametrize("reveal", [False, True], ids=["base root", "both roots"])
def test_old_segments_are_completed_from_their_partitions(
    golden: tuple[Place, Archive, Catalog], tmp_path: Path, *, reveal: bool
) -> None:
    place, archive, catalog = golden
    held = Shelf(None, archive)  # type: ignore[arg-type]  # its roots are beside it
    held.desk = type("Desk", (), {"place": place})()
    keys = held.all_keys if reveal else held.keys
    builder = IndexBuilder(archive=archive, keys=keys, folder=tmp_path / "s", progress=Silent())

    built = builder.rebuild(catalog.entries)
    assert {one.kind for one in built.lacking} == ALL_KINDS - {Kind.ORDER_ID}
    assert {one.partitions for one in built.lacking} == {4}
    index = Index.open(tmp_path / "s", archive.id)
    assert len(found(index, keys, Kind.ORDER_ID, "N9")) == 2
    assert found(index, keys, Kind.CONTACT, "changed@example.com") == []
    assert len(index.unnamed(keys.search, "category")) == 4

    built = builder.rebuild(catalog.entries, deep=True)
    assert [one.kind for one in built.lacking] == ([] if reveal else [Kind.CARD_PART])
    index = Index.open(tmp_path / "s", archive.id)
    orders = audit(place, archive.store).orders
    wanted: dict[tuple[int, str], int] = {}
    for row in orders:
        for pair in search_oracle.wanted(row):
            wanted[pair] = wanted.get(pair, 0) + 1
    for (kind, value), count in wanted.items():
        if kind != Kind.CARD_PART:
            assert len(found(index, keys, Kind(kind), value)) == count, (kind, value)
    assert sum(map(len, index.names(keys.search, "category", "点卡").values())) == 4
    assert index.unnamed(keys.search, "category") == []


# --- pages ----------------------------------------------------------------------------------------


def test_hits_come_newest_first_in_pages_and_within_a_range(tmp_path: Path) -> None:
    made = shelf(tmp_path / "archive")
    times = [at(4, hour) for hour in (3, 1, 2, 2, 5)]
    for day, part in enumerate((times[:2], times[2:])):
        made.seal(
            [
                order(
                    f"N{day}{n}",
                    completed_at=when,
                    buyer={"contact": CONTACT, "client_ip": f"10.0.0.{n}"},
                )
                for n, when in enumerate(part)
            ]
        )
    made.builder(tmp_path / "s").update(made.entries)
    index = made.index(tmp_path / "s")
    contact = ask(made.keys.search, Kind.CONTACT, CONTACT)
    ip = ask(made.keys.search, Kind.CLIENT_IP, "10.0.0.1")
    assert contact
    assert ip

    def ids(**options: Any) -> list[str]:  # noqa: ANN401
        return [
            str(made.orders[place]["order_id"])
            for place in places(index.find(options.pop("of", [contact]), **options))
        ]

    newest = ["N12", "N00", "N11", "N10", "N01"]
    assert ids() == newest
    assert ids(newest_first=False) == newest[::-1]
    assert ids(since=at(4, 2), until=at(4, 5)) == ["N00", "N11", "N10"]
    assert ids(of=[contact, ip]) == ["N11", "N01"]
    for backwards in (False, True):
        seen: list[str] = []
        cursor = None
        while page := index.find([contact], limit=2, after=cursor, newest_first=not backwards):
            seen += [str(made.orders[place]["order_id"]) for place in places(page)]
            cursor = page[-1].cursor
        assert seen == (newest[::-1] if backwards else newest)
    hit = index.find([ip])[0]
    assert hit.range == hit.partition.row_groups[0][:2]
    assert (hit.revision, hit.completed_at) == (1, at(4, 2))
    with pytest.raises(ArchiverError, match="cursor"):
        index.find([contact], after="N12")
    assert [one.day for one in index.partitions()] == [
        made.day - timedelta(1),
        made.day - timedelta(2),
    ]
    assert index.partitions(first=made.day) == []
