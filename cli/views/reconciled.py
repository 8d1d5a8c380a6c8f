"""A reconciliation as tables: the days, then the differences, the gravest first."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from archiver.masking import masked
from archiver.reconcile import Comparison, DayLine, Found
from cli.options import Call
from cli.screen import count, plain, table
from cli.texts import Words

SHOWN: Final = 20
"""Differences that are drawn; `--output` has all, the document many."""
MANY_LINES: Final = 40
"""More lines than that are shown by month."""
MARKS: Final = {
    "match": ("✓", "green"),
    "pending": ("?", "yellow"),
    "differences": ("✗", "bold red"),
}


def show_comparison(
    console: Console, call: Call, comparison: Comparison, listed: Sequence[Found], number: int
) -> None:
    """Print what a statement and the archive say of each other."""
    words, statement = call.words, comparison.statement
    title = words(
        "reconcile.title",
        name=statement.layout,
        account=statement.account or "?",
        rows=statement.rows,
        start=f"{statement.start:%Y-%m-%d %H:%M}",
        end=f"{statement.end:%Y-%m-%d %H:%M}",
    )
    console.print(Text(title, style="bold"))
    if comparison.days:
        console.print(_days(words, comparison.days))
    for note in _notes(words, comparison):
        console.print(Text.assemble(("· ", "yellow"), note))
    if listed:
        console.print()
        console.print(_differences(words, listed[:SHOWN]))
        rest = sum(total.count for total in comparison.totals) - len(listed[:SHOWN])
        if rest:
            console.print(Text(words("reconcile.more", count=rest), style="dim"))
    mark, style = MARKS[comparison.verdict]
    verdict = words(
        {
            "match": "reconcile.verdict-match",
            "pending": "reconcile.verdict-pending",
            "differences": "reconcile.verdict-differences",
        }[comparison.verdict]
    )
    console.print(Text.assemble((f"{mark} ", style), verdict))
    console.print(Text(words("reconcile.stored", number=f"{number:08d}"), style="dim"))


def _days(words: Words, days: Sequence[DayLine]) -> Table:
    listing = table(
        words("column.day"),
        words("column.channel"),
        words("column.payments"),
        words("column.statement"),
        words("column.matched"),
        words("column.with-orders"),
        words("column.refunds"),
        words("column.refunded"),
        numbers=range(2, 8),
    )
    by_month = len(days) > MANY_LINES
    labels = [(f"{day.day:%Y-%m}" if by_month else str(day.day), day.channel) for day in days]
    ordered = sorted(zip(labels, days, strict=True), key=lambda pair: pair[0])
    for (label, channel), group in groupby(ordered, key=lambda pair: pair[0]):
        listing.add_row(label, plain(channel), *_cells([day for _, day in group]))
    listing.add_section()
    listing.add_row(words("total"), "", *_cells(days), style="bold")
    return listing


def _cells(days: Sequence[DayLine]) -> Iterator[str]:
    payments, matched = (sum(getattr(d, name) for d in days) for name in ("payments", "matched"))
    yield count(payments)
    yield _money(sum((day.amount for day in days), Decimal(0)))
    yield count(matched) if matched == payments else f"[red]{count(matched)}[/]"
    yield _money(sum((day.matched_amount for day in days), Decimal(0)))
    yield count(sum(day.refunds for day in days))
    yield _money(sum((day.refunded for day in days), Decimal(0)))


def _notes(words: Words, comparison: Comparison) -> Iterator[str]:
    """Yield what the verdict does not cover."""
    statement = comparison.statement
    if not statement.account_checked:
        yield words("reconcile.no-account")
    if not statement.totals_checked:
        yield words("reconcile.no-totals")
    if not comparison.orders_checked:
        yield words("reconcile.no-methods")
    if comparison.duplicates:
        yield words("reconcile.duplicates", count=comparison.duplicates)
    if comparison.others:
        yield words("reconcile.others", count=comparison.others)
    if comparison.rejects:
        yield words("reconcile.rejects", count=comparison.rejects)


def _differences(words: Words, listed: Sequence[Found]) -> Table:
    listing = table(
        words("column.difference"),
        words("column.day"),
        words("column.line"),
        words("column.payment"),
        words("column.order"),
        words("column.statement"),
        words("column.archive"),
        numbers=(2, 5, 6),
    )
    for one in listed:
        listing.add_row(
            words(
                {
                    "payment-without-order": "reconcile.kind-payment-without-order",
                    "order-without-payment": "reconcile.kind-order-without-payment",
                    "amount-differs": "reconcile.kind-amount-differs",
                    "refund-unknown": "reconcile.kind-refund-unknown",
                    "duplicate-differs": "reconcile.kind-duplicate-differs",
                }[one.kind.value]
            ),
            str(one.day),
            str(one.line or ""),
            plain(masked(one.provider_no or one.merchant_no) or ""),
            plain(one.order_id or ""),
            _money(one.statement_amount),
            _money(one.archive_amount),
        )
    return listing


def _money(amount: Decimal | None) -> str:
    return f"{amount:,.2f}" if amount else "[dim]·[/]"
