"""A checked source as tables."""

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.text import Text

from archiver.source_check import SourceCheck
from cli.options import Call
from cli.screen import plain, table

SHOWN: Final = 10
"""Rows of each kind that are drawn; the document has all."""


def show_check(console: Console, call: Call, one: SourceCheck, zone: ZoneInfo) -> None:
    """Print what would become of a source's newest rows."""
    words = call.words
    title = words("check.title", source=one.source, read=one.read, mapping=one.mapping)
    console.print(Text(title, style="bold"))
    for style, mark, said in (
        ("green", "✓", words("check.sealed", count=len(one.orders))),
        ("dim", "-", words("check.skipped", count=one.not_archived)),
        ("yellow", "!", words("check.rejected", count=len(one.rejects))),
    ):
        console.print(Text.assemble((f"  {mark} ", style), said))
    if one.orders:
        console.print()
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
        for order in one.orders[-SHOWN:]:
            listing.add_row(*(plain(cell) for cell in _order(order, zone)))
        console.print(listing)
        console.print(Text(words("check.masked"), style="dim"))
    if one.rejects:
        console.print()
        rejects = table(
            words("column.row"),
            words("column.order"),
            words("column.reason"),
            words("column.column"),
        )
        for row in one.rejects[:SHOWN]:
            cells = (row.row_key, row.order_id, row.reason, row.column)
            rejects.add_row(*(plain(cell or "") for cell in cells))
        console.print(rejects)
    console.print()
    dropped = words("check.dropped", columns=", ".join(one.dropped))
    console.print(Text(dropped if one.dropped else words("check.no-dropped"), style="dim"))
    if one.forms:
        console.print(Text(words("check.forms", columns=", ".join(one.forms)), style="dim"))


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
