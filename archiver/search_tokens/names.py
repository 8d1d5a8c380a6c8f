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


class NamesFound:
    """The different names in a partition, gathered from its orders piece by piece."""

    def __init__(self) -> None:
        self._found: dict[str, pa.Array | None] = dict.fromkeys(
            NAME_FIELDS, pa.array([], pa.string())
        )

    def add(self, orders: pa.Table) -> None:
        """Add the names of the next orders, as they were sealed."""
        for field, (outer, inner) in NAME_FIELDS.items():
            before = self._found[field]
            if before is not None:
                new = pc.unique(pc.struct_field(orders[outer], inner)).drop_null()
                self._found[field] = _few(pc.unique(pa.concat_arrays([before, new])))

    def names(self) -> Names:
        """Return them."""
        return {
            field: None if values is None else sorted(values.to_pylist())
            for field, values in self._found.items()
        }


def names_of(orders: pa.Table) -> Names:
    """Return the different names in orders, as they were sealed."""
    found = NamesFound()
    found.add(orders)
    return found.names()


def folded(text: str) -> str:
    """Return text as words are looked for: full-width as half-width, case-folded, NFC.

    Compatibility forms are folded here (ＱＱ币, QQ币), unlike in tokens: a name that a word
    finds too much costs a look, one that it misses hides orders.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())


def _few(values: pa.Array) -> pa.Array | None:
    """Return names, or None if they are too many."""
    size = pc.sum(pc.binary_length(values)).as_py() or 0
    return None if len(values) > MAX_NAMES or size > MAX_NAME_BYTES else values
