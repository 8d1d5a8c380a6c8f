"""Which rows of a page cannot be mapped, why, and because of which column.

A row's first fault is the one that counts: columns are looked at in a fixed order, so the same
row gives the same reason every night.
"""

from enum import StrEnum
from typing import Final, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Mask: TypeAlias = npt.NDArray[np.bool_]
Positions: TypeAlias = npt.NDArray[np.int64]


class Reason(StrEnum):
    """The fixed codes of rejects."""

    NULL_ORDER_ID = "null-order-id"
    """The order id is NULL, empty or blank."""
    DUPLICATE_ID = "duplicate-id"
    """Several rows have this order id and differ; all of them are rejects."""
    TOO_LARGE = "too-large"
    """A value of more than 16 MiB."""
    NUL_BYTE = "nul-byte"
    """A text holds a NUL byte."""
    BROKEN_UTF8 = "broken-utf8"
    """A text is no valid UTF-8."""
    UNKNOWN_STATUS = "unknown-status"
    """The mapping does not say what this state means, or it is NULL."""
    BAD_TIME = "bad-time"
    """A time that cannot be parsed, or lies before 1990 or after 2199 (0000 and 9999 do); or an
    end more than a day before the order was created."""
    MISSING_END_TIME = "missing-end-time"
    """Finished, and every time of the completion rule is NULL."""
    FUTURE_TIME = "future-time"
    """Completed more than a day after we saw it: its retention could not be computed."""
    BAD_NUMBER = "bad-number"
    """A number or truth value that cannot be parsed, or a count that does not fit."""
    NEGATIVE_MONEY = "negative-money"
    """An amount below zero."""
    MONEY_TOO_WIDE = "money-too-wide"
    """An amount beyond decimal(18, 2), or with a third decimal that is not zero."""


_REASONS: Final = tuple(Reason)


class Sink(Protocol):
    """Where faults of a set of rows are noted."""

    def mark(self, bad: Mask, reason: Reason, column: str) -> None:
        """Note that the rows in `bad` have this fault, unless they have one already."""


class Faults:
    """The faults of one page."""

    def __init__(self, rows: int) -> None:
        self._reason = np.zeros(rows, np.uint8)
        self._column = np.zeros(rows, np.uint16)
        self._columns: list[str] = []

    def mark(self, bad: Mask, reason: Reason, column: str) -> None:
        """Note that the rows in `bad` have this fault, unless they have one already."""
        fresh = bad & (self._reason == 0)
        if not fresh.any():
            return
        if column not in self._columns:
            self._columns.append(column)
        self._reason[fresh] = _REASONS.index(reason) + 1
        self._column[fresh] = self._columns.index(column)

    @property
    def bad(self) -> Mask:
        """The rows that have a fault."""
        bad: Mask = self._reason != 0
        return bad

    def of(self, row: int) -> tuple[Reason, str]:
        """Return reason and column of a row that has a fault."""
        return _REASONS[self._reason[row] - 1], self._columns[self._column[row]]


class FaultsAt:
    """Notes faults of chosen or child rows with the page's rows that they belong to."""

    def __init__(self, faults: Faults, rows: int, positions: Positions) -> None:
        self._faults = faults
        self._rows = rows
        self._positions = positions

    def mark(self, bad: Mask, reason: Reason, column: str) -> None:
        """Note the fault with every page row that one of the bad rows belongs to."""
        if bad.any():
            there = np.zeros(self._rows, np.bool_)
            there[self._positions[bad]] = True
            self._faults.mark(there, reason, column)


class Forgiving:
    """Notes nothing: for look-ups, whose faults are not the order's."""

    def mark(self, bad: Mask, reason: Reason, column: str) -> None:
        """Let it pass; the value is null."""
