"""Names by which people search with a word: products, their categories, merchants.

A partition's names are few, so a word is compared with all of them. A field with too many
different ones, numbers within names most likely, has no dictionary: then anything may be in
the partition.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

NAME_FIELDS: Final = {
    "product": ("product", "name"),
    "category": ("product", "category"),
    "merchant": ("seller", "name"),
}
"""Where each stands in ORDER_V1."""
MAX_NAMES: Final = 5_000
MAX_NAME_BYTES: Final = 500_000
"""Of one field and partition; they travel in the segment's footer."""

Names = Mapping[str, Sequence[str] | None]
"""Names by field, sorted; None where a partition has too many."""


def names_of(orders: pa.Table) -> Names:
    """Return the different names in orders, as they were sealed."""
    return {field: _different(orders[path[0]], path[1]) for field, path in NAME_FIELDS.items()}


def folded(text: str) -> str:
    """Return text as words are looked for: full-width as half-width, case-folded, NFC.

    Compatibility forms are folded here (ＱＱ币, QQ币), unlike in tokens: a name that a word
    finds too much costs a look, one that it misses hides orders.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())


def _different(column: pa.ChunkedArray, name: str) -> list[str] | None:
    values = pc.unique(pc.struct_field(column, name)).drop_null()
    if len(values) > MAX_NAMES or (pc.sum(pc.binary_length(values)).as_py() or 0) > MAX_NAME_BYTES:
        return None
    return sorted(values.to_pylist())
