"""Printing for people: consoles, tables, alarms, progress.

Imports rich, so commands come here late.
"""

from collections.abc import Sequence
from typing import IO, Final, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from archiver.errors import Exit
from cli.report import Report
from cli.texts import Words

WIDTH_OF_A_FILE: Final = 100
"""Columns where there is no terminal: a mail of cron, a log."""

_URGENT: Final = (Exit.ALARM, Exit.BUG)


def console_on(stream: IO[str]) -> Console:
    """Return a console on a stream, plain where it is no terminal."""
    width = None if stream.isatty() else WIDTH_OF_A_FILE
    return Console(file=stream, highlight=False, width=width)


def show_alarms(console: Console, report: Report, words: Words) -> None:
    """Print what went wrong, each with the command that comes next."""
    style = "bold red" if report.exit in _URGENT else "yellow"
    for alarm in report.alarms:
        label = words("label.error" if report.exit is not Exit.REJECTS else "label.notice")
        console.print(Text.assemble((f"{label} ", style), alarm.message))
        if alarm.next:
            # Never wrapped: it is there to be copied.
            console.print(
                Text.assemble(("→ ", "bold"), (words("next"), "dim"), " ", (alarm.next, "bold")),
                soft_wrap=True,
            )


def table(*columns: str, numbers: Sequence[int] = (), title: str | None = None) -> Table:
    """Return a table with a light frame; columns whose place is in `numbers` are right-aligned."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, name in enumerate(columns):
        right = place in numbers
        made.add_column(name, justify="right" if right else "left", header_style="dim")
    return made


def count(number: int) -> str:
    """Return a count with separators; a dim dot for none, so that the others stand out."""
    return f"{number:,}" if number else "[dim]·[/]"


def size(size_bytes: int) -> str:
    """Return bytes in a unit that people read."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004  decimal units, as object stores bill them
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def plain(text: str) -> str:
    """Return text that came from outside so that it is shown as it is."""
    return escape(text)


class Bar:
    """A progress bar on stderr (`archiver.ports.Progress`); silent where nobody looks."""

    def __init__(self, stream: IO[str]) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(file=stream),
            transient=True,
            disable=not stream.isatty(),
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def start(self, label: str, total: int | None = None) -> None:
        """Begin a stretch of work of `total` units, unknown if None."""
        self.finish()
        self._task = self._progress.add_task(label, total=total)

    def advance(self, units: int = 1) -> None:
        """Count `units` more as done."""
        if self._task is None:
            self.start("")
        if self._task is not None:
            self._progress.advance(self._task, units)

    def finish(self) -> None:
        """End the stretch."""
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None
