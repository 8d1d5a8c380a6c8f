"""A night as tables: a line per day, or per month where a first night catches up with many."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from cli.commands.nightly import compared_fields
from cli.options import Call
from cli.screen import count, plain, size, table
from cli.texts import Words
from cli.views.witnesses import show_news

if TYPE_CHECKING:
    # Only its names: the calendar uses this module, and must not wait for pyarrow.
    from archiver.naming import DayReport
    from archiver.nightly import NightReport

MANY_DAYS: Final = 14
"""More than two weeks are shown by month; the last days stay apart, they are the news."""
LAST_DAYS: Final = 3
COUNTS: Final = (
    ("read", ("read",)),
    ("orders", ("orders",)),
    ("revisions", ("revisions",)),
    ("known", ("unchanged", "duplicates", "rejected_before")),
    ("expired", ("expired",)),
    ("rejects", ("rejects",)),
)


def show_night(console: Console, call: Call, report: "NightReport", lock: str) -> None:
    """Print what a night did."""
    words = call.words
    if report.days:
        for source, of_source in groupby(report.days, key=lambda day: day.source):
            show_days(console, words, source, list(of_source))
    objects = [one for day in report.days for one in day.objects]
    partitions = [one for one in objects if one.kind in ("orders", "rejects")]
    if partitions:  # known entries alone, which a successor takes over, are no news
        console.print(
            Text(
                words(
                    "nightly.sealed",
                    partitions=len(partitions),
                    objects=len(objects),
                    size=size(sum(one.size_bytes for one in objects)),
                    until=max(one.retain_until for one in partitions).date(),
                )
            )
        )
    elif report.days:
        console.print(Text.assemble(("✓ ", "green"), words("nightly.nothing")))
    for source, compared in report.compared.items():
        counts = compared_fields(compared)
        console.print(Text(words("nightly.sighted", source=source, **counts)))
    if report.ledger is not None:
        ledger = report.ledger.ledger
        entered = ledger.size - report.ledger.before
        root = b64encode(ledger.root).decode()
        console.print(
            Text(words("nightly.ledger", size=ledger.size, entered=entered, root=root)),
            soft_wrap=True,
        )
    if report.ledger is not None and report.spread is not None:
        show_news(console, words, report.spread, report.ledger.ledger.archive.rules.zone)
    show_lock(console, words, lock)


def show_lock(console: Console, words: Words, lock: str) -> None:
    """Print the kind of lock and, where it is advisory, what that means."""
    style = "green" if lock == "COMPLIANCE" else "yellow"
    console.print(
        Text.assemble("lock: ", (lock, style), " · ", (words(f"lock.{lock.lower()}"), "dim"))
    )


def show_days(console: Console, words: Words, source: str, days: "Sequence[DayReport]") -> None:
    """Print the days of one source."""
    used = [
        (name, keys)
        for name, keys in COUNTS
        if name in ("read", "orders") or any(day.counts.get(key) for day in days for key in keys)
    ]
    headers = [words(f"column.{name}") for name, _ in used]
    listing = table(
        words("column.day"),
        *headers,
        words("column.paid"),
        words("column.manifest"),
        numbers=range(1, len(used) + 3),
        title=words("nightly.source", source=plain(source)),
    )
    lines = list(_lines(words, days))
    for label, group in lines:
        listing.add_row(label, *_cells(used, group), _paid(group), _manifests(group))
    if len(lines) > 1:
        listing.add_section()
        listing.add_row(
            f"[bold]{words('total')}[/]", *_cells(used, days), _paid(days), "", style="bold"
        )
    console.print(listing)


def _lines(words: Words, days: "Sequence[DayReport]") -> "Iterator[tuple[str, list[DayReport]]]":
    recent = len(days) - LAST_DAYS if len(days) > MANY_DAYS else 0
    for month, group in groupby(days[:recent], key=lambda day: f"{day.day:%Y-%m}"):
        of_month = list(group)
        yield words("nightly.month", month=month, days=len(of_month)), of_month
    for day in days[recent:]:
        yield str(day.day), [day]


def _cells(
    used: Iterable[tuple[str, tuple[str, ...]]], days: "Sequence[DayReport]"
) -> Iterator[str]:
    for name, keys in used:
        number = sum(day.counts.get(key, 0) for day in days for key in keys)
        cell = count(number)
        yield f"[yellow]{cell}[/]" if name == "rejects" and number else cell


def _paid(days: "Sequence[DayReport]") -> str:
    """Return what was paid in orders sealed now, by currency."""
    paid: dict[str, Decimal] = {}
    for one in (one for day in days for one in day.sums):
        paid[one.currency] = paid.get(one.currency, Decimal(0)) + one.sealed_amount
    amounts = [f"{amount:,.2f} {plain(currency)}".strip() for currency, amount in paid.items()]
    return "\n".join(amounts) or "[dim]·[/]"


def _manifests(days: "Sequence[DayReport]") -> str:
    numbers = [day.manifest.number for day in days if day.manifest]
    if not numbers:
        return "[dim]·[/]"
    return f"{numbers[0]}–{numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
