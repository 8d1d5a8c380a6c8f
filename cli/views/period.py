"""Why an order is kept until when, as a sum that a person can follow."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from cli.options import Call
from cli.screen import plain, table
from cli.views.dossier import local, plain_text


def show_period(
    console: Console, call: Call, order: Mapping[str, Any], period: Mapping[str, Any]
) -> None:
    """Print the arithmetic and the articles."""
    words = call.words
    console.print(Text(words("period.title", order=plain_text(order["order_id"])), "bold"))
    if period["ended_on"] is None:
        console.print(Text("  " + words("period.unfinished")))
    else:
        listing = table("", "")
        listing.show_header = False
        rule = f"{period['completion_rule']} ({period['basis']})"
        for name, value in (
            ("ended", f"{local(period['ended_at'])}  {rule}"),
            ("last", words("period.years", day=period["last_day"], years=period["years"])),
            (
                "margin",
                words("period.days", day=period["margin_until"], days=period["margin_days"]),
            ),
            ("free", local(period["free_at"])),
        ):
            listing.add_row(f"[dim]{words(f'period.{name}')}[/]", plain(value))
        console.print(Padding(listing, (0, 0, 0, 2)))
    console.print(Text("  " + words("period.locked", until=local(period["locked_until"]))))
    for article in period["articles"]:
        console.print(Text(f"  § {article}", "dim"))
