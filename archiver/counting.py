"""What became of the rows of a pass: counted by day as manifests state it, and to be told. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from schemas.documents import Counts


@dataclass(slots=True)
class DayCount:
    """What became of a day's rows so far."""

    counts: Counter[str] = field(default_factory=Counter)
    vanished: int = 0
    """Sealed orders that the source no longer has."""
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def document(self) -> Counts:
        """Return the counts as a manifest states them."""
        return Counts(read=self.counts.total(), vanished=self.vanished, **self.counts)

    def with_rejects_known(self, reasons: Sequence[str]) -> "DayCount":
        """Return the counts as they are when these rejects were sealed by somebody else."""
        moved = Counter({"rejects": len(reasons)})
        return DayCount(
            counts=self.counts - moved + Counter({"rejected_before": len(reasons)}),
            vanished=self.vanished,
            outcomes=self.outcomes,
            reasons=self.reasons - Counter(reasons),
        )

    def include(self, other: "DayCount") -> None:
        """Add what became of further rows."""
        self.counts.update(other.counts)
        self.outcomes.update(other.outcomes)
        self.reasons.update(other.reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vanished:
    """Sealed orders that the source no longer has."""

    days: Mapping[date, int] = field(default_factory=dict)
    """How many by the day of their end; of open ones, of their creation. Oldest first."""
    explained: int = 0
    """Others, which the source is allowed to delete."""

    @property
    def count(self) -> int:
        """How many."""
        return sum(self.days.values())


@dataclass(slots=True)
class Notes:
    """What somebody must be told of the rows of a pass and its census."""

    revisions: int = 0
    """How many of these rows are sealed as revisions."""
    deferred: int = 0
    """Changed orders beyond the limit of revisions: they are not counted as read …"""
    deferred_heads: list[NDArray[np.uint64]] = field(default_factory=list)
    """… and their token heads."""
    restored: int = 0
    """Orders that are back in a state which was sealed and then left behind."""
    lessened: int = 0
    """Revisions with fewer deliveries or card secrets than the one before …"""
    lessened_orders: list[str] = field(default_factory=list)
    """… and some of these orders, by their last characters."""
    vanished: Vanished = field(default_factory=Vanished)

    def include(self, other: "Notes") -> None:
        """Add what must be told of further rows."""
        self.revisions += other.revisions
        self.deferred += other.deferred
        self.deferred_heads += other.deferred_heads
        self.restored += other.restored
        self.lessened += other.lessened
        self.lessened_orders += other.lessened_orders
