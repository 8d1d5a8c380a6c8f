"""The ledger as a table: a line for each checkpoint, the newest last."""

import base64
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.text import Text

from archiver.ledger import Ledger, PlacedPart
from cli.commands.ledger import kinds_of
from cli.options import Call
from cli.screen import count, table
from cli.texts import Words

KINDS = ("manifest", "access", "lock-proof", "reconciliation", "retirement", "sighting")


def show_ledger(
    console: Console,
    call: Call,
    zone: ZoneInfo,
    found: Ledger,
    parts: Sequence[PlacedPart],
    *,
    waiting: int,
) -> None:
    """Print the head, and by what the ledger grew."""
    words = call.words
    counted = [(part, kinds_of(part)) for part in parts]
    used = [kind for kind in KINDS if any(kinds.get(kind) for _, kinds in counted)]
    if parts:
        listing = table(
            words("ledger.size"),
            words("ledger.at"),
            *(words(f"ledger.kind.{kind}") for kind in used),
            numbers=(0, *range(2, len(used) + 2)),
            whole=(1,),
            title=words("ledger.title"),
        )
        for part, kinds in counted:
            at = part.created_at.astimezone(zone)
            cells = (count(kinds.get(kind, 0)) for kind in used)
            listing.add_row(f"{part.size:,}", f"{at:%Y-%m-%d %H:%M %Z}", *cells)
        console.print(listing)
        console.print()
    show_head(console, words, zone, found, waiting)
    if head := found.checkpoint():
        console.print(Text(f"{head.key}  sha256 {head.sha256}", style="dim"), soft_wrap=True)


def show_head(console: Console, words: Words, zone: ZoneInfo, found: Ledger, waiting: int) -> None:
    """Print in one line how long the ledger is, and its root."""
    if found.grown_at is None:
        console.print(words("ledger.empty"))
        return
    at = found.grown_at.astimezone(zone)
    root = base64.b64encode(found.root).decode()
    console.print(
        Text(words("ledger.head", size=found.size, root=root, at=f"{at:%Y-%m-%d %H:%M %Z}")),
        soft_wrap=True,
    )
    if waiting:
        console.print(Text.assemble(("· ", "yellow"), words("ledger.waiting", count=waiting)))
    if found.checkpoint() is None:
        console.print(Text.assemble(("· ", "yellow"), words("ledger.unsigned")))
