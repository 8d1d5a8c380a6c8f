"""The bytes of a row whose keyed digest tells whether the order changed at the source.

They cover the row's own allow-listed columns and its child rows, after passwords were dropped;
not look-ups, not the change time, and no key that only says which row is whose: rows that a
migration has numbered anew are the same orders. They are compared and never parsed, and two
different rows never give the same bytes:

- a mapped row: its columns' bytes in the mapping's order, NULL as the byte ff, then for each
  child table the number of rows and theirs, all joined with NUL. A mapped row holds no NUL and
  is valid UTF-8, in which ff does not occur, and knows the number of its columns.
- a reject may hold anything: each value is preceded by its length, NULL by a length of ff.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archiver.mapping.faults import Positions

_SEPARATOR: Final = pa.scalar(b"\0", pa.large_binary())
_NULL: Final = b"\xff"


def joined(columns: Sequence[pa.Array]) -> pa.Array:
    """Return for each row the bytes of its columns, joined."""
    return pc.binary_join_element_wise(
        *columns, _SEPARATOR, null_handling="replace", null_replacement=_NULL
    )


def of_children(
    columns: Sequence[pa.Array], row: Positions, rows: int
) -> tuple[pa.Array, pa.Array]:
    """Return for each of `rows` rows how many children it has, and their joined bytes.

    Args:
        columns: The child table's columns.
        row: The page row of each child, ascending.
        rows: The page's rows.
    """
    counts = np.bincount(row, minlength=rows)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    grouped = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), joined(columns))
    told = pc.cast(pc.cast(pa.array(counts), pa.string()), pa.large_binary())
    return told, pc.binary_join(grouped, _SEPARATOR)


def of_reject(values: Iterable[bytes | None]) -> bytes:
    """Return the bytes of one rejected row."""
    return b"".join(
        b"\xff" * 8 if value is None else len(value).to_bytes(8, "big") + value for value in values
    )
