"""Every role sees of every field what the policy says, and not even the name of what it hides."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from archiver.lookup.opening import BASE_LEAVES
from archiver.lookup.shown import plain, shown
from archiver.masking import MASK
from archiver.policy import FIELDS, Role, Visibility, visibility
from schemas.orders import ORDER_V1
from tests.lookup.orders import an_order

VALUES = {
    pa.string(): "somebody@example.com",
    pa.int32(): 54321,
    pa.int64(): 7,
    pa.bool_(): True,
    pa.binary(16): b"\x01" * 16,
    pa.binary(32): b"\x02" * 32,
}


def full(kind: pa.DataType, path: str) -> Any:  # noqa: ANN401
    """Return a value with every leaf of the base key filled in."""
    if pa.types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        below = {f.name: full(f.type, f"{path}.{f.name}") for f in fields}
        return {name: value for name, value in below.items() if value is not None}
    if pa.types.is_list(kind):
        return [full(kind.value_type, f"{path}.list.element")]
    if path not in BASE_LEAVES:
        return None  # a lookup never has it
    if pa.types.is_timestamp(kind):
        return datetime(2026, 3, 4, tzinfo=UTC)
    return Decimal("1.50") if pa.types.is_decimal(kind) else VALUES[kind]


ORDER = {field.name: full(field.type, field.name) for field in ORDER_V1} | {"outcome": "completed"}


def leaf(order: Any, path: str) -> Any:  # noqa: ANN401
    """Return a leaf; the empty tuple where it is not there."""
    for name in path.replace(".list.element", ".0").split("."):
        try:
            order = order[int(name)] if name == "0" else order[name]
        except (KeyError, IndexError):
            return ()
    return order


@pytest.mark.parametrize("role", Role)
def test_every_cell_of_role_and_field_is_as_the_policy_says(role: Role) -> None:
    seen = shown(ORDER, role)
    cells = 0
    for path in BASE_LEAVES:
        value = leaf(seen, path)
        match visibility(role, path):
            case Visibility.WHOLE:
                assert value == plain(leaf(ORDER, path)), path
            case Visibility.MASKED:
                assert MASK in value, path
                assert value != leaf(ORDER, path), path
            case Visibility.HIDDEN:
                assert value == (), path
        cells += 1
    assert cells == len(BASE_LEAVES)


def test_a_field_that_nobody_has_decided_about_is_hidden_from_everybody() -> None:
    for role in Role:
        assert "whatever" not in shown({**ORDER, "whatever": "x"}, role)


def test_the_policy_knows_every_leaf_that_a_lookup_has() -> None:
    assert set(BASE_LEAVES) <= set(FIELDS)


def test_a_secret_in_a_row_would_be_hidden_from_every_role() -> None:
    deliveries = [{**one, "secret": "SECRET-1"} for one in ORDER["deliveries"]]
    for role in Role:
        assert "SECRET-1" not in repr(shown({**ORDER, "deliveries": deliveries}, role))


def test_what_is_null_stays_null_and_times_are_utc() -> None:
    seen = shown(an_order(buyer=None, payments=None), Role.COMPLIANCE)
    assert seen["buyer"] is None
    assert seen["payments"] is None
    assert seen["created_at"] == "2026-03-04T04:00:00Z"
    assert seen["money"]["paid"] == "10.00"
