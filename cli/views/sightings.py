"""Sightings for people: what a look came to, and which orders are not what they were."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.text import Text

from archiver.sightings import Judged, Sight
from archiver.sightings import words as changes
from cli.options import Call
from cli.screen import table

if TYPE_CHECKING:
    from datetime import datetime

SHOWN: Final = 100
"""Lines of the table; the document has all."""


def show_sights(console: Console, call: Call, sights: Sequence[Sight]) -> None:
    """Print a line for each source."""
    for one in sights:
        told = call.words(
            "sight.sighted" if one.sighted else "sight.nothing",
            source=one.source,
            read=one.read,
            sighted=one.sighted,
            objects=len(one.sightings),
        )
        console.print(Text.assemble(("✓ ", "green"), told))


def show_judged(console: Console, call: Call, judged: Sequence[Judged], zone: ZoneInfo) -> None:
    """Print what became of what was sighted, and each order that is not what it was."""
    words = call.words
    for one in judged:
        counts = one.compared
        console.print(
            words(
                "sight.compared",
                source=one.source,
                days=len(one.days),
                sealed=counts.sealed,
                progressed=counts.progressed,
                waiting=counts.waiting,
                explained=counts.explained,
            )
        )
        if not counts.findings:
            console.print(Text.assemble(("✓ ", "green"), words("sight.as-sighted")))
            continue
        columns = ("order", "change", "ended", "sighted")
        lines = table(*(words(f"column.{name}") for name in columns), whole=(0, 2, 3))
        for found in counts.findings[:SHOWN]:
            lines.add_row(
                found.order,
                Text(changes(found, call.language), "red"),
                _local(found.ended, zone),
                _local(found.sighted_at, zone),
            )
        console.print(lines)
        if len(counts.findings) > SHOWN:
            console.print(words("sight.more", count=len(counts.findings) - SHOWN))


def _local(at: "datetime", zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
