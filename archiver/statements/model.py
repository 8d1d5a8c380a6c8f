"""What all statements have in common: entries, broken lines, and what a layout can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, Protocol

from archiver.errors import Said


class Kind(StrEnum):
    """What a row of a statement is about."""

    PAYMENT = "payment"
    REFUND = "refund"
    OTHER = "other"
    """A fee, a transfer, a withdrawal: nothing that an order answers for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of a statement."""

    line: int
    """In the file, counted from 1."""
    kind: Kind
    identity: str
    """What the provider calls this row; a second row of the same kind with it is a repetition."""
    amount: Decimal
    """Of the payment or refund, never negative; two decimals."""
    at: datetime
    """Aware."""
    label: str = ""
    """The provider's own word for the kind."""
    provider_no: str | None = None
    """Of the payment, also where the row is its refund."""
    merchant_no: str | None = None
    """The number that the shop gave the payment."""
    refund_no: str | None = None
    """The number that the shop gave the refund."""
    provider_refund_no: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenLine:
    """A line that is no entry. What it says is not repeated here: it may name a buyer."""

    line: int
    reason: Said


class BrokenLineError(Exception):
    """This line is no entry."""

    def __init__(self, en: str, zh: str) -> None:
        self.said = Said(en, zh)
        super().__init__(en)


class UnusableError(Exception):
    """The statement as a whole cannot be used; the message says why, without its contents."""

    def __init__(self, en: str, zh: str) -> None:
        self.said = Said(en, zh)
        super().__init__(en)


class Layout(Protocol):
    """One table of a statement: a header row, and what the rows below it mean.

    A new one is made for every header row that is met, for files may be joined.
    """

    name: ClassVar[str]
    """E.g. `alipay-account`."""
    channel: ClassVar[str]
    """Whose export it is: `alipay`, `wechat`; empty for any other."""

    @property
    def accounts(self) -> set[tuple[str, ...]]:
        """Names of accounts met in rows; a row may know its account by several."""

    def entry(self, line: int, cells: Sequence[str]) -> Entry:
        """Return a row as an entry.

        Raises:
            BrokenLineError: It is none.
        """

    def begins_totals(self, cells: Sequence[str]) -> bool:
        """Say whether this row is the header of the totals behind the table."""

    def check_totals(self, cells: Sequence[str]) -> None:
        """Compare the row of totals with the entries that were read.

        Raises:
            UnusableError: Rows are missing or were altered.
        """

    def check_remark(self, remark: str) -> bool:
        """Compare a remark behind the table, if it states a total; False if it states none.

        Raises:
            UnusableError: Rows are missing or were altered.
        """


def positions(header: Sequence[str]) -> Mapping[str, int]:
    """Return where each column is; of two with one name the first."""
    places: dict[str, int] = {}
    for place, name in enumerate(header):
        if name:
            places.setdefault(name, place)
    return places
