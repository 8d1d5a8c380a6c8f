"""Two ranged GETs open a row, and nothing is parsed before the footer is the signed one."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from archiver import keyring
from archiver.archive import Archive
from archiver.errors import KeyUnavailableError, TamperedError
from archiver.index import PartitionPlace
from archiver.lookup import opening, sifting
from archiver.lookup.opening import (
    BASE_LEAVES,
    LISTED,
    ONE_GET_BYTES,
    PREFETCH_BYTES,
    BaseKeys,
    Opener,
    whole_partition,
)
from archiver.lookup.sparse import Fetched, NotFetchedError, SparseFile
from archiver.lookup.values import LEAVES
from archiver.partition import ROW_GROUP_ROWS
from archiver.ports import ObjectStore
from schemas.documents import Footer
from tests import cards
from tests.desk import Desk, at, founded
from tests.lookup.rooms import finder_at

ROWS = ROW_GROUP_ROWS + 5


@dataclass(slots=True)
class Counting:
    """A store that notes what is read from it, and may have a flipped bit in its partitions."""

    inner: ObjectStore
    read: list[tuple[str, int, int | None]]
    flipped: int | None = None
    """The byte that has it."""

    def get(
        self, key: str, version_id: str | None = None, *, start: int = 0, length: int | None = None
    ) -> bytes:
        """Read, and note it."""
        self.read.append((key, start, length))
        content = bytearray(self.inner.get(key, version_id, start=start, length=length))
        if self.flipped is not None and key.startswith("orders/"):
            at = self.flipped - start
            if 0 <= at < len(content):
                content[at] ^= 1
        return bytes(content)

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)


@dataclass(slots=True)
class Sealed:
    """A sealed partition of two row groups."""

    archive: Archive
    store: Counting
    place: PartitionPlace
    opener: Opener


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder: Path = tmp_path_factory.mktemp("opening")
    made = founded(folder, [cards.order(n, at(4)) for n in range(1, ROWS + 1)], page_rows=20_000)
    assert made.night().failures == []
    return made


@pytest.fixture
def sealed(desk: Desk) -> Iterator[Sealed]:
    store = Counting(desk.store, [])
    with finder_at(desk, store=store) as finder:  # type: ignore[arg-type]
        (place,) = finder.index.partitions()
        finder.opener.keys._pairs.clear()
        finder.opener.keys._keks.clear()
        store.read.clear()
        yield Sealed(finder.opener.archive, store, place, finder.opener)


def test_a_row_is_read_by_two_ranged_gets_of_its_version(sealed: Sealed) -> None:
    rows = sealed.opener.begin(sealed.place, 0).rows([0, 4])

    assert [row["order_id"] for row in rows] == ["N1", "N5"]
    gets = [read for read in sealed.store.read if read[0] == sealed.place.key]
    offset, length, _ = sealed.place.row_groups[0]
    tail = max(sealed.place.footer.length, PREFETCH_BYTES)
    ends = (sealed.place.key, sealed.place.size_bytes - tail, tail)
    assert sorted(gets) == sorted([(sealed.place.key, offset, length), ends])


def test_a_row_near_the_end_is_read_by_one_get_that_brings_the_footer(sealed: Sealed) -> None:
    rows = sealed.opener.begin(sealed.place, 1).rows([0, 4])

    assert [row["order_id"] for row in rows] == [f"N{ROW_GROUP_ROWS + 1}", f"N{ROWS}"]
    offset, _, _ = sealed.place.row_groups[1]
    size = sealed.place.size_bytes - offset
    assert size < ONE_GET_BYTES < sealed.place.size_bytes
    gets = [read for read in sealed.store.read if read[0] == sealed.place.key]
    assert gets == [(sealed.place.key, offset, size)]


@pytest.mark.parametrize("rows", [[], [3], [7, 2], [9_999, 0, 5_000], [5, 4, 3, 2, 1, 0]])
def test_rows_come_in_the_order_in_which_they_were_asked_for(
    sealed: Sealed, rows: list[int]
) -> None:
    found = sealed.opener.begin(sealed.place, 0).rows(rows, ["order_id"])

    assert [row["order_id"] for row in found] == [f"N{row + 1}" for row in rows]


def test_a_cohort_is_opened_once(sealed: Sealed) -> None:
    for _ in range(3):
        sealed.opener.begin(sealed.place, 0).rows([0])

    assert len([read for read in sealed.store.read if read[0].startswith("cohorts/")]) == 1


def test_rows_hold_no_leaf_of_the_reveal_key(sealed: Sealed) -> None:
    (row,) = sealed.opener.begin(sealed.place, 0).rows([0])

    assert {name for one in row["deliveries"] for name in one}.isdisjoint({"secret", "note"})
    assert row["deliveries"][0]["hint"] is not None
    assert "deliveries.list.element.secret" not in BASE_LEAVES
    assert "CARD-000001" not in repr(row)


def test_a_whole_partition_gives_all_rows_in_their_order(sealed: Sealed) -> None:
    tables = list(whole_partition(sealed.archive, sealed.opener.keys, sealed.place, ["order_id"]))

    ids = [name for table in tables for name in table["order_id"].to_pylist()]
    assert ids == [f"N{n}" for n in range(1, ROWS + 1)]


def test_a_footer_that_was_not_signed_is_refused_before_it_is_parsed(sealed: Sealed) -> None:
    other = replace(sealed.place, footer=Footer(length=sealed.place.footer.length, sha256="0" * 64))

    with pytest.raises(TamperedError, match="footer"):
        sealed.opener.begin(other, 0).rows([0])


@pytest.mark.parametrize("part", ["start", "middle", "end"])
@pytest.mark.parametrize("group", [0, 1])
def test_a_flipped_bit_in_a_row_group_is_told(sealed: Sealed, group: int, part: str) -> None:
    offset, length, _ = sealed.place.row_groups[group]
    sealed.store.flipped = offset + {"start": 20, "middle": length // 2, "end": length - 20}[part]

    with pytest.raises(TamperedError):
        sealed.opener.begin(sealed.place, group).rows([0])


@pytest.mark.parametrize("group", [0, 1])
def test_a_flipped_bit_in_the_footer_is_told(sealed: Sealed, group: int) -> None:
    sealed.store.flipped = sealed.place.size_bytes - sealed.place.footer.length // 2

    with pytest.raises(TamperedError, match="footer"):
        sealed.opener.begin(sealed.place, group).rows([0])


def test_row_groups_that_change_places_are_told(sealed: Sealed) -> None:
    first, second = sealed.place.row_groups
    swapped = replace(sealed.place, row_groups=[second, first])

    with pytest.raises(TamperedError):
        sealed.opener.begin(swapped, 0).rows([0])


@pytest.mark.parametrize(("group", "row"), [(0, ROW_GROUP_ROWS), (1, 5), (2, 0)])
def test_a_row_that_is_not_there_is_told(sealed: Sealed, group: int, row: int) -> None:
    with pytest.raises(TamperedError):
        sealed.opener.begin(sealed.place, group).rows([row])


def test_a_kek_of_another_partition_does_not_open_this_one(sealed: Sealed) -> None:
    other = replace(sealed.place, key=sealed.place.key.replace("orders/", "orders/x"))

    with pytest.raises(KeyUnavailableError):
        sealed.opener.keys.kek(other)


def test_the_keks_that_were_used_last_are_kept_and_no_more(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "KEPT_KEKS", 1)
    keys = sealed.opener.keys
    first = keys.kek(sealed.place)
    keys._keks["another", "kek"] = keys._keks.popitem()[1]

    assert keys.kek(sealed.place) == first
    assert list(keys._keks) == [(sealed.place.key, sealed.place.keys["base"])]
    assert keys.kek(sealed.place) is keys.kek(sealed.place)


def test_another_root_opens_nothing(sealed: Sealed) -> None:
    keys = BaseKeys(sealed.archive, keyring.KeyPair.generate())

    with pytest.raises(KeyUnavailableError):
        keys.kek(sealed.place)


def test_a_list_of_orders_has_what_conditions_look_at() -> None:
    """Times are read besides when they are asked about."""
    assert set(sifting.LEAVES) - set(LISTED) == {"first_seen_at"}
    assert set(LISTED) < set(BASE_LEAVES)
    assert {leaf for leaves in LEAVES.values() for leaf in leaves} < set(BASE_LEAVES)


def test_a_sparse_file_never_invents_what_was_not_fetched() -> None:
    file = SparseFile(100, [Fetched(10, b"x" * 10), Fetched(90, b"y" * 10)])

    file.seek(-10, io.SEEK_END)
    assert file.read() == b"y" * 10
    assert file.read(1) == b""
    file.seek(12)
    assert file.read(3) == b"xxx"
    assert file.tell() == 15
    with pytest.raises(NotFetchedError):
        file.read(6)
    file.seek(0)
    with pytest.raises(NotFetchedError):
        file.read(1)
