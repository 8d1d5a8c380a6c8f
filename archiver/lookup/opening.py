"""Opening rows of a partition with the base root: two ranged GETs, one row group.

Responsible for the order of trust: the footer's digest is compared with the signed one before
anything is parsed, and the footer binds every module of the file. Only leaves under the base
key are ever named to the reader: to touch another one aborts the process, and a lookup holds no
key for it.
"""

import base64
import threading
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

BASE_LEAVES: Final = tuple(path for path, key in leaf_paths(ORDER_V1).items() if key == "base")
"""What a lookup reads. Card secrets and free text are not among them."""

_LEFT_TO_THE_DOSSIER: Final = frozenset(
    {
        *("archive", "mapping_digest", "completion_rule", "secret_commitment"),
        *("closed_at", "closed_basis", "source_status"),
        *("seller.sub_site", "seller.promoter", "seller.own"),
        *("buyer.guest", "buyer.minor", "buyer.client_port", "buyer.device"),
        *("product.id", "product.description"),
        *("money.unit_price", "money.discount", "money.coupon_discount", "money.coupon"),
        *("money.fees", "money.cost_price", "money.shares"),
        "payments.list.element.state",
        *(f"deliveries.list.element.{name}" for name in ("card_id", "reusable", "mail_state")),
        *(f"deliveries.list.element.{name}" for name in ("supplier_ref", "downstream_ref")),
    }
)
LISTED: Final = tuple(
    path
    for path in BASE_LEAVES
    if path not in _LEFT_TO_THE_DOSSIER
    and not path.startswith(("events.", "extra.", "after_sales."))
)
"""What a list of orders is made of: each leaf costs a lookup a quarter of a millisecond."""

Row = Mapping[str, Any]
"""An order as a dict of ORDER_V1, without what the base key does not open."""


@dataclass(slots=True)
class BaseKeys:
    """Key-encryption keys of partitions, opened by the base root; cohorts are opened once."""

    archive: Archive
    root: KeyPair = field(repr=False)
    _pairs: dict[str, KeyPair] = field(default_factory=dict, repr=False)
    _opening: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def kek(self, place: PartitionPlace) -> bytes:
        """Return the base KEK of a partition.

        Raises:
            KeyUnavailableError: The root does not open it.
            ObjectMissingError: Its cohort is gone: it was disposed of.
            TamperedError: Its cohort's document does not verify.
        """
        info = keyring.binding("kek", self.archive.id, "base", place.key)
        return self._pair(place.cohort).open(base64.b64decode(place.keys["base"]), info)

    def _pair(self, name: str) -> KeyPair:
        with self._opening:
            if name not in self._pairs:
                cohort: Cohort = self.archive.read_cohort(name)
                self._pairs[name] = keyring.open_cohort_key(cohort, "base", self.root)
            return self._pairs[name]


@dataclass(slots=True)
class Pending:
    """Rows of one row group, their bytes on the way."""

    place: PartitionPlace
    row_group: int
    _keys: BaseKeys
    _tail: "Future[Fetched]"
    _group: "Future[Fetched]"

    def rows(self, rows: Sequence[int], columns: Sequence[str] = BASE_LEAVES) -> Sequence[Row]:
        """Return orders by their places in the row group.

        Raises:
            TamperedError: What is stored is not what was signed.
            ObjectMissingError: The partition, or its cohort's keys, are gone.
            KeyUnavailableError: The base root does not open it.
            StoreError: The store did not answer.
        """
        place = self.place
        kek = self._keys.kek(place)  # while the bytes are on their way
        tail = self._tail.result()
        partition.require_footer(
            memoryview(tail.content), footer_sha256=place.footer.sha256, where=place.key
        )
        sparse = SparseFile(place.size_bytes, [tail, self._group.result()])
        file = partition.open_verified(sparse, {"base": kek}, place.key)
        table = partition.read_row_group(file, self.row_group, columns, place.key)
        if max(rows, default=0) >= len(table):
            raise TamperedError(key=place.key, detail=Said("it has no such row", "没有该行"))
        found: list[Row] = table.take(pa.array(rows, pa.int64())).to_pylist()
        return found


@dataclass(frozen=True, slots=True)
class Opener:
    """Fetches row groups; any number of them at once."""

    archive: Archive
    keys: BaseKeys
    executor: Executor

    def begin(self, place: PartitionPlace, row_group: int) -> Pending:
        """Send the two GETs for one row group, and do not wait for them.

        Raises:
            TamperedError: The partition has no such row group.
        """
        if row_group >= len(place.row_groups):
            raise TamperedError(
                key=place.key, detail=Said("it has no such row group", "没有该行组")
            )
        offset, size, _ = place.row_groups[row_group]
        length = min(max(PREFETCH_BYTES, place.footer.length), place.size_bytes)
        return Pending(
            place,
            row_group,
            self.keys,
            self.executor.submit(self._fetch, place, place.size_bytes - length, length),
            self.executor.submit(self._fetch, place, offset, size),
        )

    def _fetch(self, place: PartitionPlace, start: int, length: int) -> Fetched:
        content = self.archive.store.get(place.key, place.version_id, start=start, length=length)
        return Fetched(start, content)


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
