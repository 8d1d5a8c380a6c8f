"""Segments: the sealed piece of the search index that finds the rows of one partition.

Responsible for the file of a segment, written and read (FORMAT.md 6): tokens in rows, and in
the encrypted footer where the partition and its row groups lie, which kinds of tokens there
are, and the names that occur.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from archiver import partition
from archiver.errors import Said, TamperedError
from archiver.partition import EncryptedFile, Layout
from archiver.search_tokens import ALL_KINDS, Kind, NamesFound, SearchKeys, SearchRows
from archiver.search_tokens.names import NAME_FIELDS, Names
from schemas.documents import Footer, SealedObject
from schemas.orders import SEGMENT_V1, leaf_paths

LEAVES: Final = dict.fromkeys(leaf_paths(SEGMENT_V1), "index")
_LAYOUT: Final = Layout(
    plain=frozenset({"token", "row", "completed_at"}),
    # Bits that are needed and no more: smaller than zstd makes plain numbers, and faster.
    encodings=dict.fromkeys(("token", "row"), "DELTA_BINARY_PACKED"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a segment says of its partition, beside the rows."""

    orders: str
    """The partition's key."""
    version_id: str
    size_bytes: int
    footer: Footer
    row_groups: Sequence[tuple[int, int, int]]
    """Offset, length and rows of each."""
    kinds: frozenset[Kind]
    """Kinds whose tokens are all there; what was sealed by older software lacks some."""
    names: Names


class SegmentContent:
    """What a partition's orders bring into its segment, gathered row group by row group."""

    def __init__(self, keys: SearchKeys, year: str) -> None:
        """Begin.

        Args:
            keys: Of search tokens.
            year: Of the partition's cohort.
        """
        self.rows = SearchRows(keys, year, ALL_KINDS)
        self.names = NamesFound()

    def add(self, written: pa.Table) -> None:
        """Add the next row group as it is written, card tokens filled in."""
        self.rows.add(written)
        self.names.add(written)


def segment_table(content: SegmentContent, orders: SealedObject, of: EncryptedFile) -> pa.Table:
    """Return the rows of a partition's segment, what describes it in their schema's metadata.

    Args:
        content: All its orders.
        orders: The partition as its manifest will name it.
        of: Its file.
    """
    about = {
        "orders": orders.key,
        "version_id": orders.version_id,
        "size_bytes": orders.size_bytes,
        "footer": {"length": of.footer_length, "sha256": of.footer_sha256},
        "row_groups": [[r.offset, r.length, r.rows] for r in of.row_groups],
    }
    search = {"kinds": sorted(map(int, ALL_KINDS)), "names": content.names.names()}
    rows = content.rows.table(group_rows=partition.ROW_GROUP_ROWS)
    return rows.replace_schema_metadata(
        {
            "schema": "SEGMENT_V1",
            "partition": json.dumps(about),
            "search": json.dumps(search, ensure_ascii=False),
        }
    )


def write_segment(table: pa.Table, kek: bytes) -> EncryptedFile:
    """Return a segment's file; all of it opens with the index KEK."""
    writer = partition.FileWriter(
        table.schema,
        {"index": kek},
        LEAVES,
        footer_key="index",
        layout=_LAYOUT,
    )
    writer.write_row_group(table)
    return writer.finish()


def read_segment(content: bytes, kek: bytes, stored: SealedObject) -> tuple[Described, pa.Table]:
    """Return a segment that a manifest names.

    Args:
        content: The object's bytes.
        kek: Its index KEK, opened.
        stored: The object, as its manifest names it.

    Raises:
        TamperedError: It is not the one that was signed, or says nothing that makes sense.
        KeyUnavailableError: The KEK is another object's.
    """
    file = partition.open_file(
        content, {"index": kek}, footer_sha256=stored.footer.sha256, where=stored.key
    )
    rows = partition.read_rows(file, list(LEAVES), stored.key)
    try:
        described = _described(file.schema_arrow.metadata or {})
    except (ValueError, KeyError, TypeError) as error:
        raise TamperedError(
            key=stored.key,
            detail=Said(
                f"it does not describe its partition ({type(error).__name__})",
                f"未能说明其对应的分区（{type(error).__name__}）",
            ),
        ) from None
    return described, rows


def _described(metadata: Mapping[bytes, bytes]) -> Described:
    about: dict[str, Any] = json.loads(metadata[b"partition"])
    # Segments that were sealed before other kinds existed say nothing of kinds.
    search: dict[str, Any] = json.loads(metadata.get(b"search", b'{"kinds": [1], "names": {}}'))
    known = {int(kind) for kind in Kind}
    return Described(
        orders=about["orders"],
        version_id=about["version_id"],
        size_bytes=about["size_bytes"],
        footer=Footer(**about["footer"]),
        row_groups=[(offset, length, rows) for offset, length, rows in about["row_groups"]],
        kinds=frozenset(Kind(kind) for kind in search["kinds"] if kind in known),
        names={field: search["names"].get(field) for field in NAME_FIELDS},
    )
