"""The canonical form against a slow encoder written from FORMAT.md 5, row by row."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.canonical import (
    canonical_bytes,
    order_leaves,
    reject_leaves,
    salts,
    secret_commitments,
)
from schemas.orders import ORDER_V1, REJECT_V1
from tests.order_rows import EPOCH, Row, empty_order, in_pieces, nullable, rows, table
from tests.slow_canonical import (
    commitment,
    encode,
    everything,
    fields_of,
    is_buyer,
    is_secret,
    is_transaction,
    order_leaf,
    reject_leaf,
    salt,
)

KEK = bytes(range(32))
OTHER_KEK = bytes(range(1, 33))
# --- equal to the oracle -------------------------------------------------------------------------


ORDERS = rows(ORDER_V1)
CUTS = st.lists(st.integers(0, 10), max_size=2)


@given(ORDERS, CUTS)
@settings(max_examples=60)
def test_orders_are_encoded_as_the_format_says(content: list[Row], cuts: list[int]) -> None:
    orders = in_pieces(table(ORDER_V1, content), cuts)
    for chosen in (is_transaction, is_buyer, is_secret, everything):
        expected = [encode(list(ORDER_V1), row, chosen) for row in content]
        assert canonical_bytes(orders, chosen).to_pylist() == expected


@given(rows(REJECT_V1), CUTS, st.integers(0, 2**40))
@settings(max_examples=60)
def test_rejects_are_encoded_as_the_format_says(
    content: list[Row], cuts: list[int], first_row: int
) -> None:
    rejects = in_pieces(table(REJECT_V1, content), cuts)
    assert reject_leaves(rejects, KEK, first_row=first_row) == [
        reject_leaf(row, position, KEK) for position, row in enumerate(content, first_row)
    ]


@given(ORDERS, CUTS, st.integers(0, 2**40))
@settings(max_examples=60)
def test_leaves_and_commitments_are_as_the_format_says(
    content: list[Row], cuts: list[int], first_row: int
) -> None:
    orders = in_pieces(table(ORDER_V1, content), cuts)
    places = list(enumerate(content, first_row))
    assert order_leaves(orders, KEK, first_row=first_row) == [
        order_leaf(row, position, KEK) for position, row in places
    ]
    assert secret_commitments(orders, KEK, first_row=first_row).to_pylist() == [
        commitment(row, position, KEK) for position, row in places
    ]


def test_salts_are_single_blocks_over_the_row_number() -> None:
    made = salts(KEK, "buyer", 2**33, 3)
    assert [bytes(one) for one in made] == [salt(KEK, "buyer", 2**33 + i) for i in range(3)]


# --- what the form must tell apart ---------------------------------------------------------------


def same(one: Row, other: Row) -> bool:
    first, second = canonical_bytes(table(ORDER_V1, [one, other]), everything).to_pylist()
    return bool(first == second)


def card(**fields: object) -> dict[str, object]:
    return {"kind": "card", **fields}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # Text that moves from one field to the next.
        ({"order_id": "ab", "outcome": "c"}, {"order_id": "a", "outcome": "bc"}),
        ({"seller": {"name": "ab", "sub_site": None}}, {"seller": {"name": "a", "sub_site": "b"}}),
        # Nothing, and an empty something.
        ({"source_status": None}, {"source_status": ""}),
        ({"deliveries": None}, {"deliveries": []}),
        ({"deliveries": []}, {"deliveries": [{}]}),
        ({"deliveries": [{}]}, {"deliveries": [{}, {}]}),
        ({"quantity": None}, {"quantity": 0}),
        ({"seller": {"own": None}}, {"seller": {"own": False}}),
        ({"money": {"paid": None}}, {"money": {"paid": Decimal("0.00")}}),
        ({"paid_at": None}, {"paid_at": EPOCH}),
        ({"deliveries": [{"card_token": None}]}, {"deliveries": [{"card_token": bytes(16)}]}),
        # Where one element ends and the next begins, and their order.
        (
            {"deliveries": [card(secret="ab"), card(secret="c")]},
            {"deliveries": [card(secret="a"), card(secret="bc")]},
        ),
        (
            {"deliveries": [card(secret="a"), card(secret="b")]},
            {"deliveries": [card(secret="b"), card(secret="a")]},
        ),
        # The same text in another list, and the same number in another field.
        ({"events": [{"note": "x"}]}, {"after_sales": [{"note": "x"}]}),
        ({"money": {"paid": Decimal(1)}}, {"money": {"total": Decimal(1)}}),
        ({"money": {"paid": Decimal("1.00")}}, {"money": {"paid": Decimal("-1.00")}}),
        # Composed and decomposed letters are other bytes; nothing is normalised.
        ({"source_status": "\u00e9"}, {"source_status": "e\u0301"}),
        # A text that looks like the encoding of a null.
        ({"source_status": "\x00\x00\x00\x00"}, {"source_status": "\x00\x00\x00"}),
    ],
)
def test_different_orders_have_different_bytes(
    one: dict[str, object], other: dict[str, object]
) -> None:
    assert not same(empty_order(**one), empty_order(**other))


@given(
    row=rows(ORDER_V1, min_size=1, max_size=1).map(lambda content: content[0]),
    change=st.sampled_from(list(ORDER_V1)).flatmap(
        lambda field: st.tuples(st.just(field.name), nullable(field))
    ),
)
@settings(max_examples=100)
def test_an_order_with_another_value_anywhere_has_other_bytes(
    row: Row, change: tuple[str, object]
) -> None:
    one, other = row, dict(row) | dict([change])
    assert same(one, other) == (dissolved(one) == dissolved(other))


def dissolved(row: Row) -> dict[str, Any]:
    """A null struct says what a struct of nulls says, in an order and in a list."""
    found: dict[str, Any] = {}
    for field in ORDER_V1:
        value = row[field.name]
        if pa.types.is_struct(field.type):
            found[field.name] = value or dict.fromkeys(f.name for f in fields_of(field.type))
        elif pa.types.is_list(field.type) and value is not None:
            nothing = dict.fromkeys(f.name for f in fields_of(field.type.value_type))
            found[field.name] = [item or nothing for item in value]
        else:
            found[field.name] = value
    return found


def test_a_missing_struct_is_one_whose_fields_are_all_missing() -> None:
    assert same(empty_order(buyer=None), empty_order(buyer={}))
    assert same(empty_order(events=[None]), empty_order(events=[{}]))


def test_what_a_null_list_hides_does_not_count() -> None:
    shown = table(ORDER_V1, [empty_order(events=[{"kind": "x"}])] * 2)
    column = shown.schema.get_field_index("events")
    events = shown["events"].combine_chunks()
    hidden = pa.ListArray.from_arrays(
        events.offsets, events.values, type=events.type, mask=pa.array([True, False])
    )
    assert len(hidden.values) == 2  # the null list still owns an element in the buffers
    masked = shown.set_column(column, shown.schema.field(column), hidden)
    expected = [empty_order(events=None), empty_order(events=[{"kind": "x"}])]
    assert (
        canonical_bytes(masked, everything).to_pylist()
        == canonical_bytes(table(ORDER_V1, expected), everything).to_pylist()
    )


def test_a_type_without_a_canonical_form_is_refused() -> None:
    with pytest.raises(TypeError, match="double"):
        canonical_bytes(pa.table({"x": pa.array([1.5])}), everything)


def test_no_rows_have_no_leaves() -> None:
    for nothing in (table(ORDER_V1, []), ORDER_V1.empty_table(), pa.table([[]] * 30, ORDER_V1)):
        assert order_leaves(nothing, KEK, first_row=0) == []
        assert len(secret_commitments(nothing, KEK, first_row=0)) == 0
    assert reject_leaves(REJECT_V1.empty_table(), KEK, first_row=0) == []


# --- what the leaves bind ------------------------------------------------------------------------


def sealed_form(content: list[Row]) -> pa.Table:
    orders = table(ORDER_V1, content)
    made = secret_commitments(orders, KEK, first_row=0)
    return orders.set_column(
        orders.schema.get_field_index("secret_commitment"),
        ORDER_V1.field("secret_commitment"),
        made,
    )


def without_secrets(orders: pa.Table) -> pa.Table:
    """The table as a process without the reveal key reads it: those leaves are not there."""
    for index, field in enumerate(orders.schema):
        if pa.types.is_list(field.type):
            array = orders[field.name].combine_chunks()
            items = array.values
            kept = [leaf for leaf in fields_of(items.type) if not is_secret((), leaf)]
            struct = pa.StructArray.from_arrays(
                [pc.struct_field(items, leaf.name) for leaf in kept],
                fields=kept,
                mask=items.is_null(),
            )
            lists = pa.ListArray.from_arrays(array.offsets, struct, mask=array.is_null())
            orders = orders.set_column(index, field.with_type(lists.type), lists)
    return orders


@given(ORDERS)
@settings(max_examples=40)
def test_leaves_need_no_reveal_column(content: list[Row]) -> None:
    orders = sealed_form(content)
    closed = without_secrets(orders)
    assert not any(
        is_secret((), leaf)
        for field in closed.schema
        if pa.types.is_list(field.type)
        for leaf in fields_of(field.type.value_type)
    )
    assert order_leaves(closed, KEK, first_row=0) == order_leaves(orders, KEK, first_row=0)


def test_a_changed_secret_changes_the_leaf_through_its_commitment() -> None:
    one, other = (
        sealed_form([empty_order(deliveries=[card(secret=secret, hint="3")])])
        for secret in ("card-123", "card-223")
    )
    assert without_secrets(one).drop("secret_commitment") == without_secrets(other).drop(
        "secret_commitment"
    )
    assert order_leaves(one, KEK, first_row=0) != order_leaves(other, KEK, first_row=0)


def test_every_field_changes_the_leaf() -> None:
    plain = empty_order()
    leaves = {order_leaf(plain, 0, KEK)}
    changes: list[Row] = [
        empty_order(order_id="A2"),
        empty_order(revision=2),
        empty_order(buyer={"contact": "a@example.com"}),
        empty_order(buyer={"client_port": -1}),
        empty_order(secret_commitment=b"\x01" * 32),
        empty_order(extra=[{"name": "a", "value": "b"}]),
        empty_order(closed_basis="updated"),
    ]
    for change in changes:
        leaves.update(order_leaves(table(ORDER_V1, [change]), KEK, first_row=0))
    assert len(leaves) == 1 + len(changes)


def test_equal_orders_in_other_rows_or_partitions_have_other_leaves() -> None:
    twice = table(ORDER_V1, [empty_order(), empty_order()])
    first, second = order_leaves(twice, KEK, first_row=0)
    assert first != second
    assert order_leaves(twice, OTHER_KEK, first_row=0)[0] != first
    assert len(set(secret_commitments(twice, KEK, first_row=0).to_pylist())) == 2


@given(ORDERS, st.integers(0, 4))
@settings(max_examples=30)
def test_a_partition_may_be_hashed_row_group_by_row_group(content: list[Row], cut: int) -> None:
    orders = table(ORDER_V1, content)
    cut = min(cut, len(orders))
    halves = order_leaves(orders.slice(0, cut), KEK, first_row=5) + order_leaves(
        orders.slice(cut), KEK, first_row=5 + cut
    )
    assert halves == order_leaves(orders, KEK, first_row=5)
