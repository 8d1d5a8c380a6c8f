"""An order's whole story as a page shows it. Pure.

Takes the order as it was masked for whoever looks, and says only what is there: columns and
lines of which nothing is known are left out, and a stage without a time stays hollow.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from archiver.lookup.diagnosis import Finding
from archiver.lookup.period import Period
from archiver.masking import MASK
from archiver.service.pages.shapes import Amount, At, amount, at, duration
from archiver.service.pages.words import Words

Shown = Mapping[str, Any]
_STAGE_KINDS: Final = {"refunded": "refunded", "failed": "failed", "unfinished": "unfinished"}

_PRODUCT: Final = ("name", "category", "sku", "kind", "id", "description")
_MONEY: Final = (
    *("unit_price", "total", "discount", "coupon_discount", "fees", "cost_price", "shares", "paid"),
)
_BUYER: Final = ("account", "contact", "client_ip", "client_port", "device", "guest", "minor")
_SELLER: Final = ("name", "merchant_id", "sub_site", "promoter", "own")
_PAYMENTS: Final = (
    *("method", "channel", "provider_no", "aggregator_no", "merchant_no", "callback_at", "state"),
    "amount",
)
_DELIVERIES: Final = (
    *("delivery", "hint", "target", "placeholder", "reusable", "card_id", "supplier_ref"),
    *("downstream_ref", "mail_state"),
)
_AFTER_SALES: Final = (
    *("requested_at", "decided_at", "paid_at", "route", "number", "operator", "amount"),
)
_EVENTS: Final = ("at", "kind", "actor")
_NUMBERS: Final = frozenset({"provider_no", "aggregator_no", "merchant_no", "number", "id"})
"""Shown in letters of one width: they are read out and compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One value."""

    text: str = ""
    kind: str = ""
    """How it is set: `number`, `mono`, `when`."""
    label: str = ""
    money: Amount | None = None
    at: At | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table: its heads, and its rows."""

    heads: Sequence[Cell] = ()
    rows: Sequence[Sequence[Cell]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One stage on the line of time."""

    name: str
    kind: str
    at: At | None
    approximate: bool
    took: str
    """How long it was until the next stage of which a time is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """Something odd, in the reader's language."""

    said: str
    check: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One revision."""

    revision: int
    at: At | None
    day: str
    manifest: int
    href: str
    here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """What the page shows."""

    order_id: str
    source: str
    outcome: str
    revision: int
    latest: int
    paid: Amount | None
    timeline: Sequence[Mark]
    findings: Sequence[Odd]
    money: Sequence[Cell]
    product: Sequence[Cell]
    buyer: Sequence[Cell]
    seller: Sequence[Cell]
    payments: Grid
    deliveries: Grid
    after_sales: Grid
    events: Grid
    extra: Grid
    revisions: Sequence[Edition]
    sealed: Mapping[str, Any]

    @property
    def superseded(self) -> bool:
        """There is a later revision."""
        return self.revision < self.latest

    @property
    def approximate(self) -> bool:
        """Some time stands for another one."""
        return any(mark.approximate for mark in self.timeline)


def dossier(
    order: Shown,
    findings: Sequence[Finding],
    words: Words,
    zone: ZoneInfo,
    href: Callable[[int], str],
) -> Dossier:
    """Return the page of an order.

    Args:
        order: As a role sees it, with timeline, history and place of sealing.
        findings: What is odd about it.
        words: The reader's language.
        zone: The archive's.
        href: The link to a revision.
    """
    setting = _Setting(words, zone, (order.get("money") or {}).get("currency") or "")
    money = dict(order.get("money") or {})
    history = order["history"]
    return Dossier(
        order_id=order["order_id"],
        source=order["source"],
        outcome=order["outcome"],
        revision=order["revision"],
        latest=max((one["revision"] for one in history), default=order["revision"]),
        paid=amount(money.get("paid"), money.get("currency")),
        timeline=_marks(order["timeline"], words, zone),
        findings=[_odd(one, words.language) for one in findings],
        money=(
            *setting.facts({"quantity": order.get("quantity")}, ("quantity",), number=True),
            *setting.facts({"coupon": money.get("coupon")}, ("coupon",)),
            *setting.facts(_that_count(money), _MONEY, number=True),
        ),
        product=setting.facts(order.get("product") or {}, _PRODUCT),
        buyer=setting.facts(order.get("buyer") or {}, _BUYER),
        seller=setting.facts(order.get("seller") or {}, _SELLER),
        payments=setting.grid(order.get("payments"), _PAYMENTS),
        deliveries=setting.grid(
            [_hinted(one) for one in order.get("deliveries") or ()], _DELIVERIES
        ),
        after_sales=setting.grid(order.get("after_sales"), _AFTER_SALES),
        events=setting.grid(order.get("events"), _EVENTS),
        extra=setting.grid(order.get("extra"), ("name", "value")),
        revisions=[
            Edition(
                revision=one["revision"],
                at=at(one["completed_at"], zone),
                day=one["day"],
                manifest=one["manifest"],
                href=href(one["revision"]),
                here=one["revision"] == order["revision"],
            )
            for one in history
        ],
        sealed=order["sealed"],
    )


_AMOUNTS: Final = frozenset({*_MONEY, "amount"})
_WORDS: Final = frozenset({"delivery", "channel"})
"""Fields whose values are ours (schemas/orders.py), not the shop's."""
_DEDUCTIONS: Final = frozenset({"discount", "coupon_discount", "fees", "shares"})


@dataclass(frozen=True, slots=True)
class _Setting:
    words: Words
    zone: ZoneInfo
    currency: str

    def facts(self, values: Shown, names: Sequence[str], *, number: bool = False) -> Sequence[Cell]:
        return [
            self.cell(name, values[name], number=number)
            for name in names
            if values.get(name) not in (None, "")
        ]

    def grid(self, items: Sequence[Shown] | None, names: Sequence[str]) -> Grid:
        used = [
            name
            for name in names
            if any(one.get(name) not in (None, "", False) for one in items or ())
        ]
        heads = [
            Cell(label=self.words(f"field.{name}"), kind="number" if name in _AMOUNTS else "")
            for name in used
        ]
        rows = [[self.cell(name, one.get(name)) for name in used] for one in items or ()]
        return Grid(heads=heads, rows=rows)

    def cell(self, name: str, value: object, *, number: bool = False) -> Cell:
        label = self.words(f"field.{name}")
        if name in _AMOUNTS:
            found = amount(None if value is None else str(value), self.currency)
            return Cell(kind="number", label=label, money=found)
        if name == "at" or name.endswith("_at"):
            told = at(value if isinstance(value, str | datetime) else None, self.zone)
            return Cell(kind="when", label=label, at=told)
        if isinstance(value, bool):
            text = self.words("frame.yes" if value else "frame.no")
            return Cell(text=text, label=label)
        if name in _WORDS and self.words.knows(f"{name}.{value}"):
            return Cell(text=self.words(f"{name}.{value}"), label=label)
        kind = "number" if number else "mono" if name in _NUMBERS else ""
        if name == "hint":
            kind = "secret-hint"
        return Cell(text="" if value is None else str(value), kind=kind, label=label)


def _that_count(money: Shown) -> Shown:
    """Return amounts without deductions of nothing."""
    return {
        name: value
        for name, value in money.items()
        if name not in _DEDUCTIONS or value is None or Decimal(value)
    }


def _hinted(delivery: Shown) -> Shown:
    """Return a delivery with its mask, which is of one width: a length would tell something."""
    shown = "" if delivery.get("placeholder") else MASK + (delivery.get("hint") or "")
    return {**delivery, "hint": shown, "delivery": delivery.get("kind")}


def _odd(finding: Finding, language: str) -> Odd:
    if language == "zh":
        return Odd(said=finding.said.zh, check=finding.check.zh)
    return Odd(said=finding.said.en, check=finding.check.en)


def _marks(stages: Sequence[Shown], words: Words, zone: ZoneInfo) -> Sequence[Mark]:
    known = [None if one["at"] is None else datetime.fromisoformat(one["at"]) for one in stages]
    marks = []
    for number, (stage, began) in enumerate(zip(stages, known, strict=True)):
        follows = next((then for then in known[number + 1 :] if then is not None), None)
        took = duration(follows - began, words) if began and follows and follows > began else ""
        kind = "known" if began else "unknown"
        special = _STAGE_KINDS.get(stage["stage"], "")
        if began and number + 1 < len(known) and known[number + 1] is None:
            kind += " ahead"
        marks.append(
            Mark(
                name=stage["stage"],
                kind=f"{kind} {special}".strip(),
                at=at(began, zone),
                approximate=stage["approximate"],
                took=took,
            )
        )
    return marks


def period_rows(period: Period, words: Words, zone: ZoneInfo) -> Sequence[Cell]:
    """Return why an order is kept until when, as a sum that a person can follow."""

    def row(name: str, text: str) -> Cell:
        return Cell(label=words(f"period.{name}"), text=text)

    locked = at(period.locked_until, zone)
    last = row("locked", locked.minute_of_day if locked else "")
    ended, free = at(period.ended_at, zone), at(period.free_at, zone)
    if ended is None or free is None:
        return (row("ended", words("period.unfinished")), last)
    return (
        row("ended", f"{ended.day} {ended.second}"),
        row("rule", f"{period.rule} ({period.basis})"),
        row("last", words("period.years", day=period.last_day, years=period.years)),
        row("margin", words("period.days", day=period.margin_until, days=period.margin_days)),
        row("free", free.minute_of_day),
        last,
    )
