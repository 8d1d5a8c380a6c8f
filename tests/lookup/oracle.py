"""The answer to a question, found by looking at every sealed row. Shares no code with lookups."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from unicodedata import normalize

from archiver.lookup.question import Question
from tests.search_oracle import address, card, client_ip, trimmed, wanted

Row = Mapping[str, Any]
Name = tuple[str, str]
AS_COMPARED: Mapping[str, tuple[int, Callable[[str], str]]] = {
    "order": (1, lambda text: text),
    "payment": (2, trimmed),
    "account": (3, address),
    "contact": (4, address),
    "ip": (5, client_ip),
    "merchant": (6, lambda text: trimmed(text).casefold()),
    "target": (7, address),
}


_EMPTY: Row = {
    "order_id": "",
    "payments": [],
    "deliveries": [],
    "buyer": None,
    "seller": None,
}


def when(row: Row) -> datetime:
    """Return the time of a revision."""
    at: datetime = row["completed_at"] or row["created_at"] or row["first_seen_at"]
    return at


@dataclass(slots=True)
class Oracle:
    """All sealed rows, sorted by what is wanted of them: many questions, each by brute force."""

    rows: Sequence[Row]
    latest: dict[Name, Row] = field(default_factory=dict)
    having: dict[tuple[int, str], list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the rows."""
        for number, row in enumerate(self.rows):
            name = (row["source"], row["order_id"])
            if name not in self.latest or self.latest[name]["revision"] < row["revision"]:
                self.latest[name] = row
            for pair in wanted(row):
                self.having.setdefault(pair, []).append(number)

    def answer(self, question: Question) -> list[tuple[str, str, int, datetime]]:
        """Return source, order id, latest revision and place in time of orders, newest first."""
        asked = question.conditions
        matching: dict[Name, Row] = {}
        for number in set.intersection(*(self._with(f.kind, f.value) for f in question.facts)):
            row = self.rows[number]
            name = (row["source"], row["order_id"])
            if (asked.start and when(row) < asked.start) or (asked.end and when(row) >= asked.end):
                continue
            if name not in matching or matching[name]["revision"] < row["revision"]:
                matching[name] = row
        found = [
            (*name, self.latest[name]["revision"], when(row))
            for name, row in matching.items()
            if _satisfies(self.latest[name], question)
        ]
        return sorted(found, key=lambda one: (one[3], one), reverse=True)

    def scan(self, question: Question) -> list[tuple[str, str, int]]:
        """Return source, order id and revision of orders whose latest revision satisfies all."""
        asked = question.conditions
        return [
            (*name, row["revision"])
            for name, row in self.latest.items()
            if _satisfies(row, question)
            and (asked.start is None or when(row) >= asked.start)
            and (asked.end is None or when(row) < asked.end)
        ]

    def _with(self, kind: str, value: str) -> set[int]:
        if kind == "card":
            pairs = wanted({**_EMPTY, "deliveries": [{"secret": value}]})
            parts = [self._having(9, part) for number, part in pairs if number == 9]
            whole = card(value)
            found = self._having(8, whole) | self._having(9, whole)
            return found | (set.intersection(*parts) if parts else set())
        number, compared = AS_COMPARED[kind]
        return self._having(number, compared(value))

    def _having(self, kind: int, value: str) -> set[int]:
        return set(self.having.get((kind, value), ()))


def _satisfies(row: Row, question: Question) -> bool:
    asked = question.conditions
    payments = row["payments"] or []

    def folded(text: str | None) -> str:
        return normalize("NFC", text or "").lower()

    def wide(text: str | None) -> str:
        return normalize("NFC", normalize("NFKC", text or "").casefold())

    product = wide((row["product"] or {}).get("name"))
    paid: Decimal | None = row["money"]["paid"]
    return (
        (not asked.outcomes or row["outcome"] in asked.outcomes)
        and (asked.source is None or row["source"] == asked.source)
        and (asked.product is None or wide(asked.product) in product)
        and (
            asked.channel is None
            or any(
                folded(asked.channel) in (folded(one["method"]), folded(one["channel"]))
                for one in payments
            )
        )
        and (
            asked.amount is None
            or asked.amount == paid
            or any(one["amount"] == asked.amount for one in payments)
        )
    )
