"""A verification for people: one line that counts, findings grouped by code, what was read."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from archiver.verification.findings import Finding, Touched
from archiver.verification.ground import Verified
from cli.commands.verify import said_in
from cli.options import Call
from cli.screen import plain, size, table
from cli.texts import Words
from cli.views.coverage import coverage_line

NAMED: Final = 3
"""Objects of a code that the table names; the document has all."""
_COLUMNS: Final = ("finding", "objects", "touched-days", "touched-orders", "object")
STYLES: Final = {"alarm": "bold red", "warning": "yellow", "note": "dim"}


def show_verified(
    console: Console, call: Call, verified: Verified, *, copy: Path | None, now: datetime
) -> None:
    """Print what was looked at and what was found."""
    words = call.words
    groups = [list(group) for _, group in groupby(verified.findings, key=lambda one: one.code)]
    if groups:
        listing = table(
            *(words(f"column.{name}") for name in _COLUMNS),
            numbers=(1, 2, 3),
        )
        for group in groups:
            first = group[0]
            touched = _touched(group)
            named = "\n".join(plain(key) for key in _keys(group))
            listing.add_row(
                Text(first.code, STYLES[first.severity]),
                f"{len(group):,}",
                f"{len(touched.days):,}" if touched.days else "",
                f"{touched.orders:,}" if touched.orders else "",
                named or plain(said_in(call, first)),
            )
        console.print(listing)
        console.print()
    for text in _sums(words, verified, copy):
        console.print(text)
    if copy is None:
        console.print(Text(coverage_line(words, verified.coverage, now), "dim"))


def _sums(words: Words, verified: Verified, copy: Path | None) -> Iterator[Text]:
    about = {
        "manifests": f"{verified.manifests:,}",
        "objects": f"{verified.objects:,}",
        "read": f"{verified.objects_read + verified.resumed:,}",
        "size": size(verified.bytes_read),
    }
    if verified.alarms:
        yield Text.assemble(("✗ ", "bold red"), words("verify.alarms", count=len(verified.alarms)))
    else:
        yield Text.assemble(("✓ ", "green"), words("verify.sound"))
    yield Text(words("verify.read", **about))
    if verified.resumed:
        yield Text(words("verify.resumed", count=f"{verified.resumed:,}"))
    if not verified.opened:
        yield Text(words("verify.unopened"), "yellow")
    if copy is not None:
        yield Text(words("verify.copy", folder=copy), "dim")


def _touched(group: Sequence[Finding]) -> Touched:
    """Return whom findings of one code concern; of one object, only once."""
    days = {day for one in group for day in one.touched.days}
    by_key = {one.key: one.touched.orders for one in group}
    return Touched(days=tuple(sorted(days)), orders=sum(by_key.values()))


def _keys(group: Sequence[Finding]) -> list[str]:
    keys = list(dict.fromkeys(one.key for one in group if one.key))
    return keys[:NAMED] + (["…"] if len(keys) > NAMED else [])
