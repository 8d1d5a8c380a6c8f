"""Orders as a lookup sees them, made by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from schemas.orders import ORDER_V1

NOON = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)


def an_order(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  columns of any type
    """Return a paid and delivered order of one card; `changes` replace its columns."""
    order: dict[str, Any] = {
        field.name: _nothing(field.type) for field in ORDER_V1 if field.name != "secret_commitment"
    }
    order |= {
        "archive": "a" * 32,
        "source": "main",
        "order_id": "N1",
        "revision": 1,
        "first_seen_at": NOON + timedelta(days=1),
        "outcome": "completed",
        "quantity": 1,
        "created_at": NOON,
        "created_basis": "recorded",
        "paid_at": NOON + timedelta(minutes=1),
        "paid_basis": "recorded",
        "delivered_at": NOON + timedelta(minutes=2),
        "delivered_basis": "recorded",
        "completed_at": NOON + timedelta(minutes=2),
        "completed_basis": "recorded",
        "payments": [a_payment()],
        "deliveries": [a_card()],
        "mapping_digest": "b" * 64,
        "completion_rule": "completed",
    }
    order["money"] |= {
        "total": Decimal("10.00"),
        "paid": Decimal("10.00"),
        "currency": "CNY",
    }
    return order | changes


def a_card(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a delivered card without its secret."""
    one: dict[str, Any] = _nothing(ORDER_V1.field("deliveries").type.value_type)
    del one["secret"]
    return one | {"kind": "card", "hint": "1-A", "card_token": b"t" * 16} | changes


def a_payment(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a payment of the whole."""
    one: dict[str, Any] = _nothing(ORDER_V1.field("payments").type.value_type)
    return one | {"method": "alipay", "channel": "direct", "amount": Decimal("10.00")} | changes


def a_refund(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return money given back."""
    one: dict[str, Any] = _nothing(ORDER_V1.field("after_sales").type.value_type)
    del one["note"]
    return one | {"amount": Decimal("10.00"), "route": "original"} | changes


def _nothing(kind: pa.DataType) -> Any:  # noqa: ANN401
    if pa.types.is_struct(kind):
        return {kind.field(i).name: _nothing(kind.field(i).type) for i in range(kind.num_fields)}
    return None
