"""What is asked: facts that the index knows, and conditions that only the orders themselves show.

Pure. Refuses what cannot be meant: empty or enormous values, reversed ranges, unknown words. A
value is taken literally; there are no wildcards anywhere.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo

from archiver.errors import RequestError, Said
from archiver.lookup.standing import STANDINGS
from schemas.orders import OUTCOMES

MAX_CHARACTERS: Final = 1_000
"""Of one value. No shop's column for such a thing is longer; a card secret may be."""
MAX_CARD_CHARACTERS: Final = 64_000
MAX_DAYS: Final = 366 * 11
"""A range of ten years is answered; one of a thousand is a mistake in the year."""
MAX_LIMIT: Final = 1_000
DEFAULT_LIMIT: Final = 20
_CENTS: Final = Decimal("0.01")
_MAX_AMOUNT: Final = Decimal(10) ** 16
_FIRST_YEAR: Final = 1990

FACTS: Final = (
    "order",
    "payment",
    "account",
    "contact",
    "ip",
    "merchant",
    "target",
    "card",
)
"""By what an order is found through the index, in the order in which options are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A value that the order must have."""

    kind: str
    """One of `FACTS`."""
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What the latest revision of an order must also satisfy."""

    start: datetime | None = None
    end: datetime | None = None
    """Exclusive. Of the completion; of the creation, where the order is unfinished."""
    outcomes: Sequence[str] = ()
    product: str | None = None
    """Part of the product's name, whatever its case and width."""
    channel: str | None = None
    """A payment's method or channel."""
    amount: Decimal | None = None
    """What was paid."""
    source: str | None = None
    standing: str | None = None
    """One of `archiver.lookup.standing.STANDINGS`."""

    @property
    def timed(self) -> bool:
        """They name a time."""
        return self.start is not None or self.end is not None

    @property
    def narrow(self) -> bool:
        """They name an amount, a time or a product: what a buyer knows of his own order."""
        return self.timed or self.product is not None or self.amount is not None

    @property
    def any(self) -> bool:
        """They ask for something beyond the time."""
        words = (self.outcomes, self.product, self.channel, self.source, self.standing)
        return any(words) or self.amount is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question."""

    facts: Sequence[Fact] = ()
    """All must hold, of the same revision."""
    conditions: Conditions = Conditions()
    limit: int = DEFAULT_LIMIT
    after: "Cursor | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Behind which row the next page begins."""

    question: str
    """Digest of what was asked: a cursor continues its own question only."""
    behind: str
    """The index's own cursor of the last row that was looked at."""

    def text(self) -> str:
        """Return it as the next call takes it."""
        content = json.dumps([self.question, self.behind], separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def parse_cursor(text: str) -> Cursor:
    """Return a cursor as an earlier answer gave it.

    Raises:
        RequestError: It is not one.
    """
    try:
        padded = text + "=" * (-len(text) % 4)
        question, behind = json.loads(base64.b64decode(padded, b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise RequestError(
            detail=Said("--cursor: not one that an answer gave", "--cursor：不是查询结果给出的游标")
        ) from None
    return Cursor(question=str(question), behind=str(behind))


def fact(kind: str, value: str) -> Fact:
    """Return a fact, its value taken literally.

    Raises:
        RequestError: It is empty, enormous, or holds what no shop stores.
    """
    text = value.strip()
    longest = MAX_CARD_CHARACTERS if kind == "card" else MAX_CHARACTERS
    option = f"--{'payment-no' if kind == 'payment' else kind}"
    _require_text(option, text, longest)
    return Fact(kind=kind, value=text)


def conditions(
    *,
    zone: ZoneInfo,
    first: date | None = None,
    last: date | None = None,
    statuses: Sequence[str] = (),
    product: str | None = None,
    channel: str | None = None,
    amount: str | None = None,
    source: str | None = None,
    sources: Sequence[str] = (),
    standing: str | None = None,
) -> Conditions:
    """Return conditions from what was said.

    Args:
        zone: The archive's: whose days `first` and `last` are.
        first: The first day.
        last: The last day, inclusive.
        statuses: Outcomes.
        product: Part of a product's name.
        channel: Of a payment.
        amount: In major units, `12.5`.
        source: A source's name.
        sources: The names there are.
        standing: One of `STANDINGS`.

    Raises:
        RequestError: Something cannot be meant.
    """
    if first and last:
        if first > last:
            raise RequestError(detail=Said("--from lies behind --to", "--from 晚于 --to"))
        if (last - first).days > MAX_DAYS:
            raise RequestError(
                detail=Said(
                    "--from and --to lie more than eleven years apart",
                    "--from 与 --to 相距超过十一年",
                )
            )
    for option, text in (("--product", product), ("--channel", channel)):
        if text is not None:
            _require_text(option, text.strip(), MAX_CHARACTERS)
    for status in statuses:
        if status not in OUTCOMES:
            raise RequestError(
                detail=Said(
                    f"--status: there is no such status; there are {', '.join(OUTCOMES)}",
                    f"--status：没有该状态，可用：{'、'.join(OUTCOMES)}",
                )
            )
    if source is not None and source not in sources:
        known = ", ".join(sources)
        raise RequestError(
            detail=Said(
                f"--source: nothing is sealed of such a source; there are: {known}",
                f"--source：没有该数据源的封存记录，可用：{known}",
            )
        )
    if standing is not None and standing not in STANDINGS:
        raise RequestError(
            detail=Said(
                f"there is no such standing; there are {', '.join(STANDINGS)}",
                f"没有该类别，可用：{'、'.join(STANDINGS)}",
            )
        )
    return Conditions(
        start=midnight(first, zone, "--from") if first else None,
        end=midnight(last, zone, "--to") + timedelta(days=1) if last else None,
        outcomes=tuple(dict.fromkeys(statuses)),
        product=product.strip() if product is not None else None,
        channel=channel.strip() if channel is not None else None,
        amount=_amount(amount) if amount is not None else None,
        source=source,
        standing=standing,
    )


def digest(question: Question, tokens: Sequence[str]) -> str:
    """Return what a cursor carries to know its question again.

    Args:
        question: The question.
        tokens: What stands for its facts: keyed, for a plain hash of a telephone number is one.
    """
    asked = question.conditions
    told = [
        sorted(tokens),
        asked.start.isoformat() if asked.start else None,
        asked.end.isoformat() if asked.end else None,
        sorted(asked.outcomes),
        asked.product,
        asked.channel,
        str(asked.amount) if asked.amount is not None else None,
        asked.source,
        asked.standing,
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def midnight(day: date, zone: ZoneInfo, option: str) -> datetime:
    """Return the instant at which a day begins in a zone.

    Raises:
        RequestError: No order was ever made then.
    """
    if not _FIRST_YEAR <= day.year < date.max.year:
        raise RequestError(
            detail=Said(f"{option}: no order is of {day}", f"{option}：没有 {day} 的订单")
        )
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _require_text(option: str, text: str, longest: int) -> None:
    if not text:
        raise RequestError(detail=Said(f"{option} is empty", f"{option} 为空"))
    if len(text) > longest:
        raise RequestError(
            detail=Said(
                f"{option} has {len(text):,} characters; at most {longest:,} are possible",
                f"{option} 有 {len(text):,} 个字符，最多 {longest:,} 个",
            )
        )
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise RequestError(
            detail=Said(f"{option} is not text in UTF-8", f"{option} 不是 UTF-8 文本")
        )


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text.strip().removeprefix("¥").removeprefix("￥").replace(",", ""))
        sound = amount.is_finite() and abs(amount) < _MAX_AMOUNT
        cents = amount.quantize(_CENTS) if sound else None
    except InvalidOperation:
        amount, cents = Decimal(0), None
    if cents is None or cents != amount:
        raise RequestError(
            detail=Said("--amount: not an amount such as 12.50", "--amount：不是形如 12.50 的金额")
        )
    return cents
