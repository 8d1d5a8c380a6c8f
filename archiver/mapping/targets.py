"""Which fields of ORDER_V1 a mapping may fill, and of what type they are."""

from typing import Final

import pyarrow as pa

from archiver.errors import Said
from schemas.orders import ORDER_V1

_STRUCTS: Final = ("seller", "buyer", "product", "money")
_LISTS: Final = ("payments", "deliveries", "after_sales", "events")
_ARCHIVES_OWN: Final = frozenset({"hint", "card_token", "placeholder"})
"""Leaves of deliveries that the archive fills."""

FIELDS: Final[dict[str, pa.DataType]] = {
    "quantity": ORDER_V1.field("quantity").type,
    **{
        f"{struct}.{leaf.name}": leaf.type
        for struct in _STRUCTS
        for leaf in ORDER_V1.field(struct).type
    },
}
LEAVES: Final[dict[str, dict[str, pa.DataType]]] = {
    name: {leaf.name: leaf.type for leaf in ORDER_V1.field(name).type.value_type} for name in _LISTS
}


def check_field(path: str, *, constant: bool) -> None:
    """Refuse a field that is not an order's, or not a mapping's to fill.

    Raises:
        ValueError: It names the field.
    """
    if path not in FIELDS:
        raise ValueError(
            Said(
                f"an order has no field {path} for a mapping to fill",
                f"订单没有可由映射填充的字段 {path}",
            )
        )
    kind = FIELDS[path]
    if constant and not (pa.types.is_string(kind) or pa.types.is_boolean(kind)):
        raise ValueError(Said(f"{path} cannot be a constant", f"{path} 不能是常量"))


def check_leaf(field: str, leaf: str, *, is_time: bool) -> None:
    """Refuse a leaf that the list `field` lacks, or a time where none belongs.

    Raises:
        ValueError: It names the leaf.
    """
    if leaf not in LEAVES[field] or leaf in _ARCHIVES_OWN:
        raise ValueError(
            Said(
                f"{field} has no {leaf} for a mapping to fill",
                f"{field} 没有可由映射填充的 {leaf}",
            )
        )
    if pa.types.is_timestamp(LEAVES[field][leaf]) != is_time:
        wanted = (
            Said("is no time and has no zone", "不是时间，没有时区")
            if is_time
            else Said("needs a column and its zone", "需要列及其时区")
        )
        raise ValueError(Said(f"{field}.{leaf} {wanted}", f"{field}.{leaf} {wanted.zh}"))
