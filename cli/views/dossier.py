"""An order as a person reads it: how it went, what was paid, delivered and given back."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.columns import Columns
from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from archiver.masking import MASK
from archiver.retention import LEGAL_ZONE
from cli.options import Call
from cli.screen import plain, table
from cli.texts import Words

Shown = Mapping[str, Any]

_STAGE: Final = 18
"""Columns of a stage: five of them stand side by side also where there is no terminal."""
_COLOURS: Final = {
    "completed": "green",
    "refunded": "yellow",
    "failed": "red",
    "open": "yellow",
}


def show_dossier(console: Console, call: Call, order: Shown) -> None:
    """Print an order, as it was masked for whoever looks."""
    words = call.words
    _title(console, words, order)
    show_timeline(console, words, order["timeline"])
    console.print()
    _facts(console, words, order)
    _listing(console, words, "payments", order.get("payments"), _PAYMENTS)
    _listing(console, words, "deliveries", order.get("deliveries"), _DELIVERIES)
    _listing(console, words, "after_sales", order.get("after_sales"), _AFTER_SALES)
    _listing(console, words, "events", order.get("events"), _EVENTS)
    _listing(console, words, "extra", order.get("extra"), ("name", "value"))
    _history(console, words, order)


def show_timeline(console: Console, words: Words, stages: Sequence[Shown]) -> None:
    """Draw the stages; those without a time stay grey."""
    drawn = Table(box=None, pad_edge=False, show_header=False, padding=(0, 0))
    for _ in stages:
        drawn.add_column(width=_STAGE, no_wrap=True)
    marks, names, days, times = [], [], [], []
    for number, stage in enumerate(stages):
        known = stage["at"] is not None
        line = "" if number == len(stages) - 1 else "─" * (_STAGE - 3)
        mark = ("● ", "bold green") if known else ("○ ", "dim")
        marks.append(Text.assemble(mark, (line, "dim")))
        names.append(Text(words(f"stage.{stage['stage']}"), "bold" if known else "dim"))
        day, _, time = local(stage["at"]).partition(" ")
        days.append(Text(day or "·", "" if known else "dim"))
        times.append(Text(f"≈ {time}" if stage["approximate"] else time))
    for row in (marks, names, days, times):
        drawn.add_row(*row)
    console.print(Padding(drawn, (0, 0, 0, 2)))
    if any(stage["approximate"] for stage in stages):
        console.print(Text("  " + words("dossier.approximate"), "dim"))


def local(at: str | None) -> str:
    """Return an instant of an answer as the shop's clocks show it."""
    if at is None:
        return ""
    return f"{datetime.fromisoformat(at).astimezone(LEGAL_ZONE):%Y-%m-%d %H:%M:%S}"


def amount(value: str | None, currency: str | None) -> str:
    """Return an amount with its currency, nothing where there is none."""
    return "" if value is None else f"{value} {currency or ''}".strip()


_PAYMENTS: Final = (
    *("method", "channel", "amount", "provider_no", "aggregator_no", "merchant_no"),
    *("callback_at", "state"),
)
_DELIVERIES: Final = (
    *("kind", "target", "hint", "placeholder", "reusable", "card_id", "supplier_ref"),
    *("downstream_ref", "mail_state"),
)
_AFTER_SALES: Final = (
    "requested_at",
    "decided_at",
    "paid_at",
    "amount",
    "route",
    "number",
    "operator",
)
_EVENTS: Final = ("at", "kind", "actor")


def _title(console: Console, words: Words, order: Shown) -> None:
    colour = _COLOURS[order["outcome"]]
    console.print()
    console.print(
        Rule(
            Text.assemble(
                (plain_text(order["order_id"]), "bold"),
                " · ",
                plain_text(order["source"]),
                " · ",
                (words(f"order.{order['outcome']}"), colour),
                " · ",
                words("dossier.revision", number=order["revision"], of=len(order["history"])),
            ),
            align="left",
            style="dim",
        )
    )


def _facts(console: Console, words: Words, order: Shown) -> None:
    money = order.get("money") or {}
    currency = money.get("currency")
    parts = (
        ("product", order.get("product") or {}, ("name", "category", "sku", "kind", "id")),
        (
            "money",
            {
                name: amount(value, currency) if name != "coupon" else value
                for name, value in money.items()
                if name != "currency"
            }
            | {"quantity": order.get("quantity")},
            (
                "paid",
                "total",
                "unit_price",
                "quantity",
                "discount",
                "coupon_discount",
                "coupon",
                "fees",
            ),
        ),
        (
            "buyer",
            order.get("buyer") or {},
            ("account", "contact", "client_ip", "client_port", "device", "guest", "minor"),
        ),
        (
            "seller",
            order.get("seller") or {},
            ("name", "merchant_id", "sub_site", "promoter", "own"),
        ),
        (
            "sealed",
            order["sealed"],
            ("manifest", "day"),
        ),
    )
    blocks = []
    for title, values, names in parts:
        rows = [(name, values[name]) for name in names if values.get(name) not in (None, "")]
        if not rows:
            continue
        block = Table(
            box=None,
            pad_edge=False,
            show_header=False,
            title=words(f"dossier.{title}"),
            title_justify="left",
            title_style="bold",
        )
        for name, value in rows:
            block.add_row(Text(words(f"field.{name}"), "dim"), Text(_cell(words, value)))
        blocks.append(Padding(block, (0, 3, 1, 0)))
    console.print(Padding(Columns(blocks), (0, 0, 0, 2)))


def _listing(
    console: Console,
    words: Words,
    title: str,
    items: Sequence[Shown] | None,
    names: Sequence[str],
) -> None:
    """Print a list of the order's, with the columns that say something."""
    if not items:
        return
    used = [name for name in names if any(one.get(name) not in (None, "") for one in items)]
    if title == "deliveries" and "hint" not in used:
        used.insert(1, "hint")
    listing = table(*(words(f"field.{name}") for name in used), title=words(f"dossier.{title}"))
    for one in items:
        listing.add_row(*(plain(_item_cell(words, title, name, one)) for name in used))
    console.print(Padding(listing, (0, 0, 1, 2)))


def _item_cell(words: Words, title: str, name: str, one: Shown) -> str:
    value = one.get(name)
    if name.endswith("_at") or name == "at":
        return local(value)
    if title == "deliveries" and name == "hint":
        # Of fixed width, whatever the secret: its length would tell something.
        return "" if one.get("placeholder") else MASK + (value or "")
    return _cell(words, value)


def _cell(words: Words, value: object) -> str:
    if isinstance(value, bool):
        return words("yes") if value else words("no")
    return "" if value is None else plain_text(str(value))


def _history(console: Console, words: Words, order: Shown) -> None:
    history = order["history"]
    if len(history) < 2:  # noqa: PLR2004  one revision has no history
        return
    listing = table(
        *(words(f"field.{name}") for name in ("revision", "completed_at", "day", "manifest")),
        title=words("dossier.history"),
        numbers=(0, 3),
    )
    for one in history:
        mark = " ←" if one["revision"] == order["revision"] else ""
        listing.add_row(
            f"{one['revision']}{mark}", local(one["completed_at"]), one["day"], str(one["manifest"])
        )
    console.print(Padding(listing, (0, 0, 1, 2)))


def plain_text(text: str) -> str:
    """Return text from a shop without what would move the cursor or change colours."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)
