"""What is odd about an order, and what to check next."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.options import Call
from cli.views.dossier import plain_text, show_timeline


def show_findings(
    console: Console, call: Call, order: Mapping[str, Any], findings: Sequence[Mapping[str, Any]]
) -> None:
    """Print the findings of an order."""
    words = call.words
    console.print(Text(words("diagnose.title", order=plain_text(order["order_id"])), "bold"))
    show_timeline(console, words, order["timeline"])
    console.print()
    if not findings:
        console.print(Text.assemble(("✓ ", "green"), words("diagnose.nothing")))
    for one in findings:
        console.print(Text.assemble(("! ", "bold yellow"), (one["message"], "bold")))
        console.print(Text.assemble("  ", (words("diagnose.check"), "dim"), " ", one["check"]))
