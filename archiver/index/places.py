"""Where an order is: its partition, and all that is needed to fetch one row group of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

import numpy as np
import pyarrow as pa

from archiver.search_tokens import Kind
from schemas.documents import Footer


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionPlace:
    """A sealed partition. Its row group and its footer take two ranged GETs at most."""

    key: str
    version_id: str
    size_bytes: int
    footer: Footer
    """Lies at the end; whoever has read it compares its digest, which is the signed one."""
    row_groups: Sequence[tuple[int, int, int]]
    """Offset, length and rows of each."""
    source: str
    day: date
    manifest: int
    cohort: str
    keys: Mapping[Literal["base", "reveal", "index"], str]
    """KEKs, sealed to the cohort, as the manifest has them."""
    rows: int
    kinds: frozenset[Kind]
    """By which of them its orders are found."""
    first: int
    """Place of its first row, counted over all partitions in the order of their manifests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A row that has the tokens that were asked for; decrypting it confirms that."""

    partition: PartitionPlace
    row_group: int
    row: int
    """Within the row group."""
    revision: int
    completed_at: datetime | None
    cursor: str
    """Where the next page begins, if this is the last hit of one."""

    @property
    def range(self) -> tuple[int, int]:
        """Offset and length of the row group's bytes."""
        offset, length, _ = self.partition.row_groups[self.row_group]
        return offset, length


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What an index knows of."""

    manifest: int
    """The last manifest that was read; 0 for none."""
    head: str | None
    """SHA-256 of that manifest."""
    days: Mapping[str, Sequence[tuple[date, date]]]
    """Sealed days by source, as first and last of each unbroken stretch."""
    tokens: int
    orders: int
    """Rows: revisions count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """Partitions whose orders are not found by a kind of value: their segments lack it."""

    kind: Kind
    partitions: int
    days: Sequence[date]


ROW: Final = np.dtype([("completed", "<i8"), ("revision", "<i4")])
"""What is known of a row before it is decrypted; its completion is microseconds since 1970 UTC."""
OPEN: Final = (1 << 63) - 1
"""Stands for the completion of what has none: it may still go on, so it is the newest."""

PARTITIONS: Final = pa.schema(
    [
        pa.field("first", pa.int64()),
        pa.field("rows", pa.int32()),
        pa.field("manifest", pa.int32()),
        pa.field("source", pa.string()),
        pa.field("day", pa.date32()),
        pa.field("cohort", pa.string()),
        pa.field("key", pa.string()),
        pa.field("version_id", pa.string()),
        pa.field("size_bytes", pa.int64()),
        pa.field("footer_length", pa.int64()),
        pa.field("footer_sha256", pa.string()),
        pa.field("row_groups", pa.list_(pa.int64())),  # offset, length, rows; offset, …
        pa.field("keys", pa.string()),  # JSON
        pa.field("kinds", pa.list_(pa.uint8())),
        pa.field("names", pa.binary()),  # sealed
    ]
)
