"""An order's card secrets on a screen."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.options import Call
from cli.views.dossier import plain_text


def show_secrets(console: Console, call: Call, fields: Mapping[str, Any]) -> None:
    """Print what was revealed, a line to each secret: they are there to be copied."""
    words = call.words
    order = fields["order"]
    title = words("reveal.title", order=plain_text(order["order_id"]), revision=order["revision"])
    console.print(Text(title, "bold"))
    for one in order["deliveries"]:
        if one["secret"] is not None:
            console.print(Text(f"  {plain_text(one['secret'])}"), soft_wrap=True)
    if not any(one["secret"] for one in order["deliveries"]):
        console.print(Text("  " + words("reveal.nothing"), "dim"))
    console.print(Text(words("reveal.record", access=fields["access"]), "dim"))
