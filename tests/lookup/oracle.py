"""The answer to a question, found by looking at every sealed row. Shares no code with lookups."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from unicodedata import normalize

from archiver.lookup.question import Question
from tests.search_oracle import address, card, client_ip, trimmed, wanted

Row = Mapping[str, Any]
AS_COMPARED: Mapping[str, tuple[int, Callable[[str], str]]] = {
    "order": (1, lambda text: text),
    "payment": (2, trimmed),
    "account": (3, address),
    "contact": (4, address),
    "ip": (5, client_ip),
    "merchant": (6, lambda text: trimmed(text).casefold()),
    "target": (7, address),
}


def has(row: Row, kind: str, value: str) -> bool:
    """Tell whether a revision has a value."""
    found = set(wanted(row))
    if kind == "card":
        parts = {
            part for _, part in wanted({**_EMPTY, "deliveries": [{"secret": value}]}) if _ == 9
        }
        whole = card(value)
        return bool({(8, whole), (9, whole)} & found) or bool(
            parts and {(9, part) for part in parts} <= found
        )
    number, compared = AS_COMPARED[kind]
    return (number, compared(value)) in found


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


def answer(rows: Sequence[Row], question: Question) -> list[tuple[str, str, int, datetime]]:
    """Return source, order id, latest revision and place in time of all orders, newest first."""
    asked = question.conditions
    matching: dict[tuple[str, str], Row] = {}
    latest: dict[tuple[str, str], Row] = {}
    for row in rows:
        name = (row["source"], row["order_id"])
        if name not in latest or latest[name]["revision"] < row["revision"]:
            latest[name] = row
        if (asked.start and when(row) < asked.start) or (asked.end and when(row) >= asked.end):
            continue
        if all(has(row, fact.kind, fact.value) for fact in question.facts) and (
            name not in matching or matching[name]["revision"] < row["revision"]
        ):
            matching[name] = row
    found = [
        (*name, latest[name]["revision"], when(row))
        for name, row in matching.items()
        if _satisfies(latest[name], question)
    ]
    return sorted(found, key=lambda one: (one[3], one), reverse=True)


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


def scan(rows: Sequence[Row], question: Question) -> list[tuple[str, str, int]]:
    """Return source, order id and revision of all orders whose latest revision satisfies all."""
    asked = question.conditions
    latest: dict[tuple[str, str], Row] = {}
    for row in rows:
        name = (row["source"], row["order_id"])
        if name not in latest or latest[name]["revision"] < row["revision"]:
            latest[name] = row
    return [
        (*name, row["revision"])
        for name, row in latest.items()
        if _satisfies(row, question)
        and (asked.start is None or when(row) >= asked.start)
        and (asked.end is None or when(row) < asked.end)
    ]
