"""Rows of any of our schemas, generated from the schema itself.

Rows are plain Python values, so that a test can compute what it expects from them without
Arrow, and with an oracle of its own.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

Row = Mapping[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TEXTS = st.one_of(
    st.sampled_from(["", "a", "ab", "卡密", "🎮🃏", "e\u0301", "\x00", "x" * 300]),
    st.text(max_size=6),
)
BYTES = st.one_of(st.binary(max_size=20), st.sampled_from([b"", b"\xff\xfe", b"\x00" * 40]))
CENTS = st.integers(-(10**18) + 1, 10**18 - 1)
MICROSECONDS = st.integers(-(2**51), 2**52)


def values(kind: pa.DataType) -> st.SearchStrategy[Any]:  # noqa: PLR0911  one per type
    """Values of a type, never None at its top."""
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries(
            {kind.field(i).name: nullable(kind.field(i)) for i in range(kind.num_fields)}
        )
    if pa.types.is_list(kind):
        return st.lists(nullable(pa.field("element", kind.value_type)), max_size=3)
    if pa.types.is_string(kind):
        return TEXTS
    if pa.types.is_large_binary(kind):
        return BYTES
    if pa.types.is_fixed_size_binary(kind):
        return st.binary(min_size=kind.byte_width, max_size=kind.byte_width)
    if pa.types.is_decimal(kind):
        return CENTS.map(lambda cents: Decimal(cents).scaleb(-2))
    if pa.types.is_timestamp(kind):
        return MICROSECONDS.map(lambda count: EPOCH + timedelta(microseconds=count))
    if pa.types.is_boolean(kind):
        return st.booleans()
    signed = not pa.types.is_unsigned_integer(kind)
    low = -(1 << kind.bit_width - 1) if signed else 0
    return st.integers(low, low + (1 << kind.bit_width) - 1)


def nullable(field: pa.Field) -> st.SearchStrategy[Any]:
    """Values of a field, None where it may be."""
    present = values(field.type)
    return st.one_of(st.none(), present) if field.nullable else present


def rows(schema: pa.Schema, min_size: int = 0, max_size: int = 4) -> st.SearchStrategy[list[Row]]:
    """Lists of rows of a schema."""
    return st.lists(
        st.fixed_dictionaries({field.name: nullable(field) for field in schema}),
        min_size=min_size,
        max_size=max_size,
    )


def table(schema: pa.Schema, content: Sequence[Row]) -> pa.Table:
    """Return rows as a table in one piece."""
    return pa.Table.from_pylist(list(content), schema=schema)


def in_pieces(whole: pa.Table, cuts: list[int]) -> pa.Table:
    """Return the same rows as a slice of a longer table, in chunks cut anywhere."""
    longer = pa.concat_tables([whole, whole, whole]).combine_chunks()
    bounds = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    pieces = [longer.slice(len(whole) + start, end - start) for start, end in pairwise(bounds)]
    return pa.concat_tables(pieces) if pieces else whole


def empty_order(**fields: object) -> Row:
    """Return an order with only its required fields, and those given."""
    required: dict[str, object] = {
        "archive": "0" * 32,
        "source": "main",
        "order_id": "A1",
        "revision": 1,
        "first_seen_at": EPOCH,
        "outcome": "completed",
        "mapping_digest": "0" * 64,
        "completion_rule": "paid",
        "secret_commitment": bytes(32),
    }
    return required | fields
