"""The stages of an order as buyers know them: 待支付 → 支付中 → 处理中 → 已发货 → 已完成.

Pure. A stage whose time the source lacks has none here either: it is drawn grey, not guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

PROXIES: Final = ("updated", "observed")
"""Bases of a time that stands for another: it is shown, and marked as about right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage and when it began."""

    name: str
    """`awaiting-payment`, `paying`, `processing`, `delivered`, or how the order ended."""
    at: datetime | None
    basis: str | None

    @property
    def approximate(self) -> bool:
        """Another time stands for this one."""
        return self.at is not None and self.basis in PROXIES


ENDINGS: Final = {
    "completed": "completed",
    "refunded": "refunded",
    "failed": "failed",
    "open": "unfinished",
}
"""The last stage by outcome."""


def timeline(order: Mapping[str, Any]) -> Sequence[Stage]:
    """Return the five stages of an order (a row of ORDER_V1), in their order.

    The provider's call-back is the only trace that the paying itself leaves.
    """
    callbacks = [one["callback_at"] for one in order["payments"] or () if one["callback_at"]]
    paying = min(callbacks, default=None)
    ended = None if order["outcome"] == "open" else order["completed_at"]
    return (
        Stage(name="awaiting-payment", at=order["created_at"], basis=order["created_basis"]),
        Stage(name="paying", at=paying, basis="recorded" if paying else None),
        Stage(name="processing", at=order["paid_at"], basis=order["paid_basis"]),
        Stage(name="delivered", at=order["delivered_at"], basis=order["delivered_basis"]),
        Stage(
            name=ENDINGS[order["outcome"]],
            at=ended,
            basis=order["completed_basis"] if ended else None,
        ),
    )
