"""The search rows of a partition: a token for everything that an order is found by."""

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archiver.allocation import whole
from archiver.search_tokens.cards import parts_of
from archiver.search_tokens.kinds import Kind
from archiver.search_tokens.normalise import normalised
from archiver.search_tokens.question import SearchKeys
from archiver.tokens import ascending, first_64_bits, tokens
from schemas.orders import SEGMENT_V1

COLUMNS: Final = (
    "order_id",
    "revision",
    "completed_at",
    "seller.merchant_id",
    "seller.name",
    "buyer.account",
    "buyer.contact",
    "buyer.client_ip",
    "product.name",
    "product.category",
    "payments.list.element.provider_no",
    "payments.list.element.aggregator_no",
    "payments.list.element.merchant_no",
    "deliveries.list.element.target",
    "deliveries.list.element.card_token",
    "deliveries.list.element.placeholder",
)
"""Leaves of ORDER_V1 that these rows come from; `SECRET` is another one."""
SECRET: Final = "deliveries.list.element.secret"  # noqa: S105  the name of a leaf

Heads = NDArray[np.uint64]
Rows = NDArray[np.int64]


class SearchRows:
    """Search rows of a partition, gathered from its orders piece by piece.

    The tokens of a few thousand orders are made at once: their text, padded to the longest, takes
    several times the space of the orders themselves.
    """

    def __init__(self, keys: SearchKeys, year: str, kinds: frozenset[Kind]) -> None:
        """Begin.

        Args:
            keys: Of search tokens.
            year: Of the partition's cohort.
            kinds: Which tokens to make.
        """
        self._keys = keys
        self._year = year
        self._found: dict[Kind, list[tuple[Heads, Rows]]] = {kind: [] for kind in sorted(kinds)}
        self._revisions: list[pa.Array] = []
        self._completed: list[pa.Array] = []
        self._count = 0

    def add(self, orders: pa.Table) -> None:
        """Add the next orders.

        Args:
            orders: ORDER_V1 rows with at least `COLUMNS`, and `SECRET` if parts of cards are among
                the kinds.
        """
        for kind, found in self._found.items():
            heads, rows = _of_kind(kind, self._keys, self._year, orders)
            found.append((heads, rows + self._count))
        self._revisions.append(whole(orders["revision"]))
        self._completed.append(whole(orders["completed_at"]))
        self._count += len(orders)

    def table(self, *, group_rows: int) -> pa.Table:
        """Return SEGMENT_V1 rows, sorted by (kind, token).

        A row stands there once for each different value that it has of a kind. Revision and
        completion stand with the order id only: they are the same for all of an order's tokens.

        Args:
            group_rows: Rows of a row group.
        """
        pieces = [
            (kind, *_sorted(*(np.concatenate(parts) for parts in zip(*found, strict=True))))
            for kind, found in self._found.items()
        ]
        kinds = np.concatenate([np.full(len(heads), kind, np.uint8) for kind, heads, _ in pieces])
        rows = np.concatenate([rows for *_, rows in pieces])
        by_id = pa.array(np.where(kinds == Kind.ORDER_ID, rows, -1))
        taken = pc.if_else(pc.greater_equal(by_id, 0), by_id, None)
        columns = [
            pa.array(kinds),
            pa.array(np.concatenate([heads for _, heads, _ in pieces])),
            pa.array((rows // group_rows).astype(np.uint16)),
            pa.array((rows % group_rows).astype(np.uint32)),
            pc.fill_null(pa.concat_arrays(self._revisions).take(taken), 0),
            pa.concat_arrays(self._completed).take(taken),
        ]
        return pa.Table.from_arrays(columns, schema=SEGMENT_V1)


def search_rows(
    keys: SearchKeys, year: str, orders: pa.Table, kinds: frozenset[Kind], *, group_rows: int
) -> pa.Table:
    """Return the search rows of a partition's orders, all of them; see `SearchRows`."""
    rows = SearchRows(keys, year, kinds)
    rows.add(orders)
    return rows.table(group_rows=group_rows)


def _of_kind(kind: Kind, keys: SearchKeys, year: str, orders: pa.Table) -> tuple[Heads, Rows]:
    """Return tokens and the order of each, in no order."""
    if kind is Kind.CARD:
        return _cards(orders)
    found: list[tuple[pa.Array, Rows]] = []
    for column, owners in _values(kind, orders):
        if column.null_count < len(column):
            usable = column.is_valid().to_numpy(zero_copy_only=False)
            found.append((column.drop_null(), owners[usable]))
    if not found:
        return np.zeros(0, np.uint64), np.zeros(0, np.int64)
    values = pa.concat_arrays([one for one, _ in found])
    rows = np.concatenate([one for _, one in found])
    if kind is Kind.CARD_PART:
        normal, of = parts_of(values)
        rows = rows[of]
    elif kind is Kind.MERCHANT:
        encoded = values.dictionary_encode()  # few, each with many orders
        normal = normalised(kind, encoded.dictionary).take(encoded.indices)
    else:
        normal = normalised(kind, values)
    full = pc.greater(pc.binary_length(normal), 0)
    if kind is not Kind.ORDER_ID and not pc.all(full).as_py():
        normal, rows = normal.filter(full), rows[full.to_numpy(zero_copy_only=False)]
    return first_64_bits(tokens(keys.key(kind, year), normal)), rows


def _values(kind: Kind, orders: pa.Table) -> Iterator[tuple[pa.Array, Rows]]:
    """Yield the columns that hold values of a kind, with the order of each value."""
    everyone = np.arange(len(orders), dtype=np.int64)
    match kind:
        case Kind.ORDER_ID:
            yield whole(orders["order_id"]), everyone
        case Kind.ACCOUNT | Kind.CONTACT | Kind.CLIENT_IP | Kind.MERCHANT:
            for outer, inner in _STRUCT_FIELDS[kind]:
                yield _field(whole(orders[outer]), inner), everyone
        case Kind.PAYMENT_NO:
            items, rows = _items(orders["payments"])
            for inner in ("provider_no", "aggregator_no", "merchant_no"):
                yield _field(items, inner), rows
        case Kind.TARGET:
            items, rows = _items(orders["deliveries"])
            yield _field(items, "target"), rows
        case Kind.CARD_PART:
            items, rows = _items(orders["deliveries"])
            goods = _goods(items)
            yield _field(items, "secret").filter(goods), rows[goods.to_numpy(zero_copy_only=False)]
        case Kind.CARD:
            message = "whole cards have their token already"
            raise AssertionError(message)


_STRUCT_FIELDS: Final[Mapping[Kind, tuple[tuple[str, str], ...]]] = {
    Kind.ACCOUNT: (("buyer", "account"),),
    Kind.CONTACT: (("buyer", "contact"),),
    Kind.CLIENT_IP: (("buyer", "client_ip"),),
    Kind.MERCHANT: (("seller", "merchant_id"), ("seller", "name")),
}


def _cards(orders: pa.Table) -> tuple[Heads, Rows]:
    """Return the first 64 bits of card tokens: they are computed already, and once is enough."""
    items, rows = _items(orders["deliveries"])
    made = _field(items, "card_token")
    chosen = pc.and_(made.is_valid(), _goods(items))
    made = made.filter(chosen)
    raw = np.frombuffer(made.buffers()[1] or b"", np.uint8)
    start, width = made.offset, made.type.byte_width
    table = raw[start * width : (start + len(made)) * width].reshape(-1, width)
    return first_64_bits(table), rows[chosen.to_numpy(zero_copy_only=False)]


def _goods(items: pa.Array) -> pa.Array:
    """Return which deliveries are goods: an apology is the same in many orders."""
    return pc.invert(pc.fill_null(_field(items, "placeholder"), False))  # noqa: FBT003


def _items(column: pa.ChunkedArray) -> tuple[pa.Array, Rows]:
    """Return the items of a list column, and the row of each."""
    lists = whole(column)
    counts = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    return lists.flatten(), np.repeat(np.arange(len(lists), dtype=np.int64), counts)


def _field(structs: pa.Array, name: str) -> pa.Array:
    """Return a struct's field, null where the struct is."""
    return pc.struct_field(structs, name)


def _sorted(heads: Heads, rows: Rows) -> tuple[Heads, Rows]:
    """Order by token, and leave out what an order has twice."""
    if (rows[1:] < rows[:-1]).any():
        # Of several columns or parts: an order's own must become neighbours.
        by_row = np.argsort(rows, kind="stable")
        heads, rows = heads[by_row], rows[by_row]
    order = ascending(heads)
    ordered, of = heads[order], rows[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (ordered[1:] != ordered[:-1]) | (of[1:] != of[:-1])
    return (ordered, of) if new.all() else (ordered[new], of[new])
