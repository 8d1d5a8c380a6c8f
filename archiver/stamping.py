"""What the archive itself says of a row: which end time stands, its revision, its first sight.

Pure. Relies on the known orders for what was sealed before.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archiver.recognition import instants
from archiver.tokens import Bytes2D, token_array
from schemas.orders import ORDER_V1, REJECT_V1

PROXY_BASES: Final = ("updated", "observed")
"""End times that are not the transaction's own: a touch of the row moves them."""
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def ends_that_stand(orders: pa.Table, own_ends: Ints, first_ends: Ints, changed: Mask) -> Ints:
    """Return the end time by which each order is kept.

    The first sealed end time stands unless the rule itself moves it later: a proxy moves whenever
    somebody touches the row, and that must not prolong anything. An order that was open when it
    was sealed has its first end now.

    Args:
        orders: ORDER_V1.
        own_ends: What the rows say, in microseconds.
        first_ends: The first sealed ones; 0 where the order was open.
        changed: Which orders were sealed before; only these have a first end.
    """
    if not changed.any():
        return own_ends
    proxy = by_proxy(orders)
    later = np.maximum(first_ends, own_ends)
    stands = np.where(proxy & (first_ends != 0), first_ends, later)
    ends: Ints = np.where(changed, stands, own_ends)
    return ends


def by_proxy(orders: pa.Table) -> Mask:
    """Return which orders have an end that a touch of the row moves."""
    proxy: Mask = pc.is_in(orders["completed_basis"], pa.array(PROXY_BASES)).to_numpy()
    return proxy


def stamped(
    orders: pa.Table, revision: NDArray[np.int32], ends: pa.Array, first_seen: Ints
) -> pa.Table:
    """Return orders with revision, end time and first sight as the archive keeps them."""
    columns = {
        "revision": pa.array(revision),
        "completed_at": ends,
        "first_seen_at": instants(first_seen),
    }
    for name, column in columns.items():
        position = ORDER_V1.get_field_index(name)
        orders = orders.set_column(position, ORDER_V1.field(name), column)
    return orders


def reject_rows(rows: pa.Table, digests: Bytes2D, first_seen: Ints) -> pa.Table:
    """Return rejects as REJECT_V1, with their digests."""
    columns = {
        "row_digest": token_array(digests),
        "first_seen_at": instants(first_seen),
    }
    return pa.Table.from_arrays(
        [
            columns.get(name, rows[name] if name in rows.column_names else None)
            for name in REJECT_V1.names
        ],
        schema=REJECT_V1,
    )
