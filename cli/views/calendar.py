"""The calendar of an archive: a line per month, a cell per day, darker where more was sealed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from rich.console import Console
from rich.text import Text

from archiver.archive import Archive
from archiver.status import SealedDay, SourceStatus, Status
from cli.options import Call
from cli.screen import size
from cli.texts import Words
from cli.views.nights import show_lock

MONTHS: Final = 13
"""A year and the month in which it began; earlier ones are one line."""
DAYS: Final = 31
MARKED_DAYS: Final = (1, 5, 10, 15, 20, 25, 30)


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What stands for a day. Shapes differ, so that no colour is needed."""

    shades: tuple[str, str, str, str]
    empty: str
    missing: str
    open: str


UNICODE: Final = Glyphs(("░", "▒", "▓", "█"), "·", "✗", "○")
ASCII: Final = Glyphs((":", "+", "*", "#"), ".", "x", "o")
STYLES: Final = ("green", "green", "green", "bright_green")


def show_status(console: Console, call: Call, found: Status, archive: Archive, lock: str) -> None:
    """Print the calendar of every source, then the archive in figures."""
    words = call.words
    glyphs = UNICODE if console.encoding.startswith("utf") else ASCII
    console.print(
        Text.assemble(
            (archive.document.name, "bold"),
            (f"  {archive.id}  {archive.settings.description}", "dim"),
        )
    )
    for one in found.sources:
        _show_source(console, words, glyphs, one, found.last_closed)
    console.print(_legend(words, glyphs))
    days = [day for one in found.sources for day in one.sealed.values()]
    console.print()
    console.print(
        Text(
            words(
                "status.counts",
                orders=sum(day.orders for day in days),
                revisions=sum(day.revisions for day in days),
                rejects=sum(day.rejects for day in days),
                partitions=sum(day.partitions for day in days),
                size=size(sum(day.size_bytes for day in days)),
            )
        )
    )
    if found.last_manifest:
        at = found.last_manifest.created_at.astimezone(archive.rules.zone)
        console.print(
            Text(
                words(
                    "status.last", number=found.last_manifest.number, at=f"{at:%Y-%m-%d %H:%M %Z}"
                )
            )
        )
    show_lock(console, words, lock)


def _show_source(
    console: Console, words: Words, glyphs: Glyphs, one: SourceStatus, last_closed: date
) -> None:
    console.print()
    heading = words("status.source", source=one.source, sealed=len(one.sealed))
    complete = Text(words("status.complete"), style="green")
    lacking = Text(words("status.lacking", count=len(one.missing)), style="bold red")
    console.print(Text.assemble((heading, "bold"), "  ", lacking if one.missing else complete))
    known = [*one.sealed, *one.missing]
    if not known:
        return
    months = _months(min(known), last_closed + timedelta(days=1))
    for first in months[:-MONTHS]:
        # Not drawn, but never silent about what is missing there.
        missing = [day for day in one.missing if (day.year, day.month) == (first.year, first.month)]
        if missing:
            lost = words("status.lacking", count=len(missing))
            console.print(Text.assemble(f"{first:%Y-%m}  ", (lost, "bold red")))
    shown = months[-MONTHS:]
    if len(months) > MONTHS:
        console.print(Text(words("status.earlier", count=len(months) - MONTHS), style="dim"))
    console.print(_ruler())
    most = max((day.orders + day.revisions for day in one.sealed.values()), default=0)
    for first in shown:
        console.print(_month(first, one, glyphs, most, last_closed))


def _months(first: date, last: date) -> list[date]:
    months = [first.replace(day=1)]
    while (following := (months[-1] + timedelta(days=DAYS)).replace(day=1)) <= last:
        months.append(following)
    return months


def _ruler() -> Text:
    cells = [f"{day:<2}" if day in MARKED_DAYS else "  " for day in range(1, DAYS + 1)]
    return Text(" " * 9 + "".join(cells), style="dim")


def _month(first: date, one: SourceStatus, glyphs: Glyphs, most: int, last_closed: date) -> Text:
    line = Text(f"{first:%Y-%m}  ")
    orders = 0
    for number in range(DAYS):
        day = first + timedelta(days=number)
        if day.month != first.month:
            line.append("  ")
        else:
            line.append(*_cell(day, one, glyphs, most, last_closed))
            line.append(" ")
            orders += one.sealed[day].orders if day in one.sealed else 0
    line.append(f" {orders:,}", style="dim")
    return line


def _cell(
    day: date, one: SourceStatus, glyphs: Glyphs, most: int, last_closed: date
) -> tuple[str, str]:
    if day in one.sealed:
        sealed = _weight(one.sealed, day)
        if not sealed:
            return glyphs.empty, "green"
        step = min(3, 4 * sealed // (most + 1))
        return glyphs.shades[step], STYLES[step]
    if day in one.missing:
        return glyphs.missing, "bold red"
    # The day that is running or not closed yet; days after it are not drawn.
    return (glyphs.open, "dim") if day == last_closed + timedelta(days=1) else (" ", "")


def _weight(sealed: Mapping[date, SealedDay], day: date) -> int:
    return sealed[day].orders + sealed[day].revisions


def _legend(words: Words, glyphs: Glyphs) -> Text:
    return Text.assemble(
        " " * 9,
        (glyphs.empty, "green"),
        f" {words('legend.empty')}   ",
        ("".join(glyphs.shades), "green"),
        f" {words('legend.sealed')}   ",
        (glyphs.missing, "bold red"),
        f" {words('legend.missing')}   ",
        (glyphs.open, "dim"),
        f" {words('legend.open')}",
    )
