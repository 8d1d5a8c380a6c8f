"""What a request asks, as a schema: nothing unknown, nothing without a limit.

Values come in bodies only: an address is written into the logs of whatever it passes.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from archiver.lookup.answering import Grounds, grounds
from archiver.lookup.question import (
    MAX_CARD_CHARACTERS,
    MAX_CHARACTERS,
    Fact,
    Question,
    conditions,
    fact,
    parse_cursor,
)

Text = Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]
MAX_PAGE = 100


class Asked(BaseModel):
    """What all requests share."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Grounded(Asked):
    """A request that says why: one of the two."""

    purpose: Annotated[str, Field(max_length=500)] | None = None
    case: Annotated[str, Field(max_length=200)] | None = None

    @property
    def why(self) -> Grounds:
        """The grounds, as they will be recorded."""
        return grounds(self.purpose, self.case)


class Sought(Grounded):
    """Orders that have all of this."""

    order: Text | None = None
    payment_no: Text | None = None
    account: Text | None = None
    contact: Text | None = None
    ip: Text | None = None
    merchant: Text | None = None
    target: Text | None = None
    card: Annotated[str, Field(min_length=1, max_length=MAX_CARD_CHARACTERS)] | None = None
    first: date | None = None
    last: date | None = None
    status: Annotated[
        tuple[Literal["completed", "refunded", "failed", "open"], ...], Field(max_length=4)
    ] = ()
    product: Text | None = None
    channel: Text | None = None
    amount: Annotated[str, Field(max_length=30)] | None = None
    source: Annotated[str, Field(max_length=64)] | None = None

    def question(self, zone: ZoneInfo, sources: Sequence[str]) -> Question:
        """Return the question.

        Args:
            zone: The archive's.
            sources: Of which something is sealed.

        Raises:
            RequestError: Something cannot be meant.
        """
        kinds = ("order", "account", "contact", "ip", "merchant", "target", "card")
        facts = [fact(kind, value) for kind in kinds if (value := getattr(self, kind)) is not None]
        if self.payment_no is not None:
            facts.append(fact("payment", self.payment_no))
        return Question(
            facts=facts,
            conditions=conditions(
                zone=zone,
                first=self.first,
                last=self.last,
                statuses=self.status,
                product=self.product,
                channel=self.channel,
                amount=self.amount,
                source=self.source,
                sources=sources,
            ),
        )


class Find(Sought):
    """Orders that have all of this, newest first."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 20
    cursor: Annotated[str, Field(max_length=2_000)] | None = None

    def question(self, zone: ZoneInfo, sources: Sequence[str]) -> Question:
        """Return the question, and which page of its answer; raises what `Sought`'s raises."""
        return replace(
            super().question(zone, sources),
            limit=self.limit,
            after=parse_cursor(self.cursor) if self.cursor is not None else None,
        )


class Export(Sought):
    """All orders that have all of this, as a file."""

    format: Literal["csv", "xlsx", "parquet", "jsonl"] = "csv"


class One(Grounded):
    """One order, by its number."""

    order: Text
    source: Annotated[str, Field(max_length=64)] | None = None
    revision: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None

    @property
    def fact(self) -> Fact:
        """The number."""
        return fact("order", self.order)


class Reveal(Grounded):
    """The card secrets of one order, once."""

    order: Text
    source: Annotated[str, Field(max_length=64)] | None = None
    code: Annotated[str, Field(min_length=6, max_length=16)] | None = None
    """Of the operator's phone; needed once everything else is settled."""

    @property
    def fact(self) -> Fact:
        """The number."""
        return fact("order", self.order)


class Login(Asked):
    """Who somebody says he is."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    password: Annotated[str, Field(min_length=1, max_length=1_000)]
    code: Annotated[str, Field(min_length=1, max_length=64)]


class Confirm(Asked):
    """A fresh code."""

    code: Annotated[str, Field(min_length=6, max_length=16)]


class Decide(Asked):
    """What becomes of somebody else's request."""

    granted: bool


class Release(Asked):
    """Whose block is lifted."""

    subject: Annotated[str, Field(min_length=3, max_length=240)]


class NewOperator(Asked):
    """Somebody who will be an operator."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    role: Literal["support", "compliance", "auditor", "custodian", "administrator"]
    password: Annotated[str, Field(min_length=1, max_length=1_000)]


class NewPassword(Asked):
    """His own choice."""

    password: Annotated[str, Field(min_length=1, max_length=1_000)]


class NewToken(Asked):
    """A token for the shop's site."""

    name: Annotated[str, Field(min_length=1, max_length=48)]
    daily_budget: Annotated[int, Field(ge=1, le=10_000_000)] = 2_000


class Mine(Asked):
    """What a buyer knows of his own order: a number, and whose it is."""

    order: Text | None = None
    payment_no: Text | None = None
    contact: Text | None = None
    account: Text | None = None
    source: Annotated[str, Field(max_length=64)] | None = None
    address: Annotated[str, Field(min_length=2, max_length=64)]
    """The buyer's own IP address, as the site sees it."""

    @property
    def facts(self) -> tuple[Fact, Fact]:
        """The number, and whose it is."""
        number = fact("order", self.order) if self.order else fact("payment", self.payment_no or "")
        whose = (
            fact("contact", self.contact) if self.contact else fact("account", self.account or "")
        )
        return number, whose

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.order is None) == (self.payment_no is None) or (self.contact is None) == (
            self.account is None
        ):
            message = "one of order and payment_no, and one of contact and account"
            raise ValueError(message)
        return self


class Code(Asked):
    """The code that came to the contact of the order."""

    challenge: Annotated[str, Field(min_length=10, max_length=64)]
    code: Annotated[str, Field(pattern=r"^[0-9]{8}$")]
    address: Annotated[str, Field(min_length=2, max_length=64)]
