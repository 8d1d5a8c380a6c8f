"""A checked source as tables."""

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from archiver.sources.check import Inspection
from archiver.sources.database import DatabaseSource
from cli.commands.source import form_columns
from cli.options import Call
from cli.screen import plain, table
from cli.texts import Words

SHOWN: Final = 10
"""Rows of each kind that are drawn; the document has all."""


def show_check(
    console: Console, call: Call, opened: DatabaseSource, found: Inspection, zone: ZoneInfo
) -> None:
    """Print what would become of a source's newest rows."""
    words = call.words
    mapping = opened.mapping.label
    title = words("check.title", source=opened.name, read=found.rows, mapping=mapping)
    console.print(Text(title, style="bold"))
    states = ", ".join(f"{state} × {count}" for state, count in sorted(found.not_archived.items()))
    skipped = sum(found.not_archived.values())
    for style, mark, said in (
        ("green", "✓", words("check.sealed", count=len(found.orders))),
        ("dim", "-", words("check.skipped", count=skipped, states=states or "·")),
        ("yellow", "!", words("check.rejected", count=len(found.rejected))),
    ):
        console.print(Text.assemble((f"  {mark} ", style), said))
    if found.orders:
        console.print()
        console.print(_orders(words, found, zone))
        console.print(Text(words("check.masked"), style="dim"))
    if found.rejected:
        console.print()
        console.print(_rejects(words, found))
    console.print()
    dropped, forms = found.columns_dropped, form_columns(opened)
    kept = words("check.no-dropped")
    told = words("check.dropped", columns=", ".join(dropped)) if dropped else kept
    console.print(Text(told, style="dim"))
    if forms:
        console.print(Text(words("check.forms", columns=", ".join(forms)), style="dim"))


def _orders(words: Words, found: Inspection, zone: ZoneInfo) -> Table:
    listing = table(
        words("column.order"),
        words("column.outcome"),
        words("column.completed"),
        words("column.product"),
        words("column.amount"),
        words("column.delivery"),
        numbers=(4,),
        whole=(0, 1, 2),
    )
    for order in found.orders[-SHOWN:]:
        listing.add_row(*(plain(cell) for cell in _order(order, zone)))
    return listing


def _rejects(words: Words, found: Inspection) -> Table:
    listing = table(
        words("column.row"),
        words("column.reason"),
        words("column.column"),
        words("column.shape"),
    )
    for row in found.rejected[:SHOWN]:
        cells = (row.row_key, row.reason, row.column, row.shape)
        listing.add_row(*(plain(cell or "") for cell in cells))
    return listing


def _order(order: Mapping[str, Any], zone: ZoneInfo) -> tuple[str, ...]:
    money, delivered = order["money"] or {}, order["deliveries"] or ()
    completed = order["completed_at"]
    return (
        order["order_id"],
        order["outcome"],
        f"{completed.astimezone(zone):%Y-%m-%d %H:%M}" if completed else "",
        (order["product"] or {}).get("name") or "",
        str(money.get("paid") or ""),
        _delivered([one["secret"] or one["target"] or "" for one in delivered]),
    )


def _delivered(masked: list[str]) -> str:
    """Return the first delivery and how many more there are."""
    return f"{masked[0]} +{len(masked) - 1}" if len(masked) > 1 else "".join(masked)
