"""Opening rows of a partition with the base root: two ranged GETs, one of them if it is small.

Responsible for the order of trust: the footer's digest is compared with the signed one before
anything is parsed, and the footer binds every module of the file. Only leaves under the base
key are ever named to the reader: to touch another one aborts the process, and a lookup holds no
key for it.
"""

import base64
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from archiver import keyring, partition
from archiver.archive import Archive
from archiver.errors import Said, TamperedError
from archiver.index import PartitionPlace
from archiver.keyring import KeyPair
from archiver.lookup.sparse import Fetched, SparseFile
from schemas.documents import Cohort
from schemas.orders import ORDER_V1, leaf_paths

PREFETCH_BYTES: Final = 64 << 10
"""What pyarrow reads from a file's end at once; a longer footer is fetched whole."""
ONE_GET_BYTES: Final = 512 << 10
"""What begins so near to an object's end comes with its footer: half a megabyte costs less than
a second GET."""

BASE_LEAVES: Final = tuple(path for path, key in leaf_paths(ORDER_V1).items() if key == "base")
"""What a lookup reads. Card secrets and free text are not among them."""

_LEFT_TO_THE_DOSSIER: Final = frozenset(
    {
        *("archive", "mapping_digest", "completion_rule", "secret_commitment"),
        *("first_seen_at", "closed_at", "closed_basis", "source_status"),
        *(f"seller.{name}" for name in ("merchant_id", "sub_site", "promoter", "own")),
        *(f"buyer.{name}" for name in ("guest", "minor", "client_ip", "client_port", "device")),
        *(f"product.{name}" for name in ("id", "category", "description", "kind", "sku")),
        *("money.unit_price", "money.discount", "money.coupon_discount", "money.coupon"),
        *("money.fees", "money.cost_price", "money.shares"),
        "payments.list.element.state",
        *(f"deliveries.list.element.{name}" for name in ("card_id", "card_token", "reusable")),
        "deliveries.list.element.mail_state",
        *(f"deliveries.list.element.{name}" for name in ("supplier_ref", "downstream_ref")),
    }
)
LISTED: Final = tuple(
    path
    for path in BASE_LEAVES
    if path not in _LEFT_TO_THE_DOSSIER
    and not path.startswith(("events.", "extra.", "after_sales."))
)
"""What a list of orders is made of; a question adds what its facts are confirmed by (`values`).
Each leaf costs a lookup an eighth of a millisecond."""

KEPT_KEKS: Final = 4_096
"""A megabyte with their names: those of a shop's days of ten years. Opening one takes as long as
a tenth of a small partition."""
FEW: Final = 4
"""Rows that are cheaper one by one than gathered into a table first."""

_DECODING: Final = threading.Semaphore(os.cpu_count() or 1)
"""Decodes as many row groups at a time as there are processors. The reader calls back into Python
for the key of each column: more threads hand the interpreter to one another most of the time, and
32 of them get half as much done."""

Row = Mapping[str, Any]
"""An order as a dict of ORDER_V1, without what the base key does not open."""


@dataclass(slots=True)
class BaseKeys:
    """Key-encryption keys of partitions, opened by the base root; cohorts are opened once.

    The last `KEPT_KEKS` are kept: whoever has this object can open them all the same.
    """

    archive: Archive
    root: KeyPair = field(repr=False)
    _pairs: dict[str, KeyPair] = field(default_factory=dict, repr=False)
    _keks: OrderedDict[tuple[str, str], bytes] = field(default_factory=OrderedDict, repr=False)
    _opening: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def kek(self, place: PartitionPlace) -> bytes:
        """Return the base KEK of a partition.

        Raises:
            KeyUnavailableError: The root does not open it.
            ObjectMissingError: Its cohort is gone: it was disposed of.
            TamperedError: Its cohort's document does not verify.
        """
        wrapped = place.keys["base"]
        with self._opening:
            known = self._keks.get((place.key, wrapped))
            if known is not None:
                self._keks.move_to_end((place.key, wrapped))
                return known
        info = keyring.binding("kek", self.archive.id, "base", place.key)
        opened = self._pair(place.cohort).open(base64.b64decode(wrapped), info)
        with self._opening:
            self._keks[place.key, wrapped] = opened
            if len(self._keks) > KEPT_KEKS:
                self._keks.popitem(last=False)
        return opened

    def _pair(self, name: str) -> KeyPair:
        with self._opening:
            if name not in self._pairs:
                cohort: Cohort = self.archive.read_cohort(name)
                self._pairs[name] = keyring.open_cohort_key(cohort, "base", self.root)
            return self._pairs[name]


@dataclass(frozen=True, slots=True)
class Pending:
    """Rows of one row group, asked for; the footer that vouches for them may be on its way."""

    place: PartitionPlace
    row_group: int
    _opener: "Opener" = field(repr=False)
    _start: int
    """From where on the row group is fetched."""
    _length: int
    _tail: "Future[tuple[Fetched, bytes]] | None" = field(repr=False)
    """What comes with a GET of its own, and the KEK; None where one GET brings everything."""

    def rows(self, rows: Sequence[int], columns: Sequence[str] = BASE_LEAVES) -> Sequence[Row]:
        """Fetch the row group, on this thread, and return orders by their places in it.

        Raises:
            TamperedError: What is stored is not what was signed.
            ObjectMissingError: The partition, or its cohort's keys, are gone.
            KeyUnavailableError: The base root does not open it.
            StoreError: The store did not answer.
        """
        if not rows:
            return []
        place = self.place
        group = self._opener.fetch(place, self._start, self._length)
        if self._tail is None:
            kek, ranges = self._opener.unlock(place, group), [group]
        else:
            tail, kek = self._tail.result()
            ranges = [group, tail]
        with _DECODING:
            file = partition.open_verified(
                SparseFile(place.size_bytes, ranges), {"base": kek}, place.key
            )
            read = partition.read_until(file, self.row_group, max(rows), columns, place.key)
        if read is None:
            raise TamperedError(key=place.key, detail=Said("it has no such row", "没有该行"))
        if len(rows) <= FEW:
            return [row for at in rows for row in read.slice(at, 1).to_pylist()]
        found: list[Row] = read.take(pa.array(rows, pa.int64())).to_pylist()
        return found


@dataclass(frozen=True, slots=True)
class Opener:
    """Fetches row groups; any number of them at once."""

    archive: Archive
    keys: BaseKeys
    executor: Executor

    def begin(self, place: PartitionPlace, row_group: int) -> Pending:
        """Send for the footer of one row group, and do not wait for it.

        Raises:
            TamperedError: The partition has no such row group.
        """
        if row_group >= len(place.row_groups):
            raise TamperedError(
                key=place.key, detail=Said("it has no such row group", "没有该行组")
            )
        start, length, _ = place.row_groups[row_group]
        first = min(start, _tail_start(place))
        if place.size_bytes - first <= ONE_GET_BYTES:
            return Pending(place, row_group, self, first, place.size_bytes - first, None)
        tail = self.executor.submit(self._vouching, place)
        return Pending(place, row_group, self, start, length, tail)

    def fetch(self, place: PartitionPlace, start: int, length: int) -> Fetched:
        """Return a range of a partition's object."""
        content = self.archive.store.get(place.key, place.version_id, start=start, length=length)
        return Fetched(start, content)

    def unlock(self, place: PartitionPlace, tail: Fetched) -> bytes:
        """Return the KEK of a partition whose footer is the one that was signed.

        Raises what `Pending.rows` raises.
        """
        partition.require_footer(
            memoryview(tail.content), footer_sha256=place.footer.sha256, where=place.key
        )
        return self.keys.kek(place)

    def _vouching(self, place: PartitionPlace) -> tuple[Fetched, bytes]:
        start = _tail_start(place)
        tail = self.fetch(place, start, place.size_bytes - start)
        return tail, self.unlock(place, tail)


def _tail_start(place: PartitionPlace) -> int:
    """Return from where on pyarrow wants an object's end before it opens it."""
    return max(0, place.size_bytes - max(PREFETCH_BYTES, place.footer.length))


def whole_partition(
    archive: Archive, keys: BaseKeys, place: PartitionPlace, columns: Sequence[str]
) -> Iterator[pa.Table]:
    """Yield some leaves of a partition's orders, row group by row group.

    Raises what `Pending.rows` raises.
    """
    content = archive.store.get(place.key, place.version_id)
    file = partition.open_file(
        content, {"base": keys.kek(place)}, footer_sha256=place.footer.sha256, where=place.key
    )
    yield from partition.read_row_groups(file, columns, place.key)
