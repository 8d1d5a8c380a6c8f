"""A merchant's sales as a table."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.options import Call
from cli.screen import plain, table
from cli.views.dossier import plain_text

AMOUNTS = ("gross", "refunds", "net")


def show_sales(console: Console, call: Call, fields: Mapping[str, Any], quarter: str) -> None:
    """Print the months and the totals."""
    words = call.words
    merchant = plain_text(fields["merchant"])
    if not fields["months"]:
        console.print(Text(words("report.nothing")))
        return
    names = ("month", "currency", "count", *AMOUNTS)
    listing = table(
        *(words(f"field.{name}") for name in names),
        numbers=(2, 3, 4, 5),
        title=plain(words("report.title", merchant=merchant, quarter=quarter)),
    )
    for one in fields["months"]:
        listing.add_row(one["month"], plain(one["currency"]), *_cells(one))
    listing.add_section()
    for one in fields["totals"]:
        listing.add_row(words("total"), plain(one["currency"]), *_cells(one), style="bold")
    console.print(listing)


def _cells(one: Mapping[str, Any]) -> list[str]:
    return [f"{one['count']:,}", *(one[name] for name in AMOUNTS)]
