"""The orders that a question found as a table, or what it means that there are none."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from cli.options import Call
from cli.screen import plain, table
from cli.views.dossier import amount, local, plain_text

_SHOWN_DAYS: Final = 5


def show_found(console: Console, call: Call, fields: Mapping[str, Any]) -> None:
    """Print a page of orders."""
    words = call.words
    orders = fields["orders"]
    if orders:
        listing = table(
            *(
                words(f"field.{name}")
                for name in ("order_id", "completed_at", "status", "product", "paid", "contact")
            ),
            numbers=(4,),
            whole=(0, 1),
        )
        for one in orders:
            money = one.get("money") or {}
            listing.add_row(
                plain(plain_text(one["order_id"])),
                local(one["completed_at"]),
                words(f"order.{one['outcome']}"),
                plain(plain_text((one.get("product") or {}).get("name") or "")),
                amount(money.get("paid"), money.get("currency")),
                plain(plain_text((one.get("buyer") or {}).get("contact") or "")),
            )
        console.print(listing)
    show_absence(console, call, fields)
    if fields["next"]:
        console.print(Text(words("find.more", cursor=fields["next"]), "dim"), soft_wrap=True)


def show_cards(console: Console, call: Call, cards: Sequence[Mapping[str, Any]]) -> None:
    """Print which line of the input was found where."""
    words = call.words
    listing = table(words("field.line"), words("field.order_id"), numbers=(0,))
    for one in cards:
        names = ", ".join(plain_text(order["order_id"]) for order in one["orders"])
        listing.add_row(str(one["line"]), plain(names) or "[dim]–[/]")
    console.print(listing)


def show_absence(console: Console, call: Call, fields: Mapping[str, Any]) -> None:
    """Print what a "no" means, and under which number the question is on record."""
    words = call.words
    if fields["answer"] != "found":
        console.print(Text(words(f"answer.{fields['answer']}"), "bold"))
        days = fields["days_unsealed"]
        if days:
            shown = ", ".join(days[:_SHOWN_DAYS]) + (", …" if len(days) > _SHOWN_DAYS else "")
            console.print(Text(words("answer.unsealed", count=len(days), days=shown)))
    for source, covered in fields["days_covered"].items():
        if fields["answer"] != "found":
            console.print(
                Text(
                    words(
                        "answer.covered",
                        source=source,
                        first=covered["first"],
                        last=covered["last"],
                        missing=len(covered["missing"]),
                    ),
                    "dim",
                )
            )
    console.print(
        Text(
            words("answer.record", access=fields["access"], as_of=fields["as_of"] or "–"),
            "dim",
        )
    )
