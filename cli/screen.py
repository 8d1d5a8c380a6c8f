"""Printing for people: consoles, tables, alarms, progress.

Imports rich, so commands come here late.
"""

import unicodedata
from collections.abc import Sequence
from contextlib import suppress
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
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from archiver.errors import Exit
from cli.report import Report
from cli.texts import Words

WIDTH_OF_A_FILE: Final = 100
"""Columns where there is no terminal: a mail of cron, a log."""

_URGENT: Final = (Exit.ALARM, Exit.BUG)


class _Screen(Console):
    """A console whose reader may leave: `archiver status | head` is no failure."""

    def on_broken_pipe(self) -> None:
        """Send the rest nowhere, and keep the command's own exit code."""
        with suppress(SystemExit):
            super().on_broken_pipe()


def console_on(stream: IO[str]) -> Console:
    """Return a console on a stream, plain where it is no terminal."""
    width = None if stream.isatty() else WIDTH_OF_A_FILE
    return _Screen(file=stream, highlight=False, width=width)


def show_alarms(console: Console, report: Report, words: Words) -> None:
    """Print what went wrong, each with the command that comes next."""
    style = "bold red" if report.exit in _URGENT else "yellow"
    for alarm in report.alarms:
        label = words("label.error" if report.exit is not Exit.REJECTS else "label.notice")
        console.print(Text.assemble((f"{label} ", style), visible(alarm.message)))
        if alarm.next:
            # Never wrapped: it is there to be copied.
            console.print(
                Text.assemble(
                    ("→ ", "bold"), (words("next"), "dim"), " ", (visible(alarm.next), "bold")
                ),
                soft_wrap=True,
            )


def table(
    *columns: str,
    numbers: Sequence[int] = (),
    whole: Sequence[int] = (),
    title: str | None = None,
) -> Table:
    """Return a table without a frame.

    Args:
        columns: Headings.
        numbers: Places of columns that are aligned to the right, never wrapped.
        whole: Places of columns that are never wrapped: there to be copied.
        title: Stands above, bold.
    """
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for place, name in enumerate(columns):
        made.add_column(
            name,
            justify="right" if place in numbers else "left",
            no_wrap=place in numbers or place in whole,
            overflow="fold",  # Chinese has no spaces: an ellipsis would hide half a name
            header_style="dim",
        )
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
    return escape(visible(text))


def visible(text: str) -> str:
    """Return text whose control codes are shown, not obeyed: whoever names an object may lie."""
    return "".join(
        ascii(c)[1:-1] if unicodedata.category(c)[0] == "C" and c not in "\n\t" else c for c in text
    )


class Bar:
    """A progress bar on stderr (`archiver.ports.Progress`); silent where nobody looks."""

    def __init__(self, stream: IO[str], label: str = "") -> None:
        self._stream = stream
        self._label = label
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def start(self, label: str, total: int | None = None) -> None:
        """Begin a stretch of work of `total` units, unknown if None."""
        self.finish()
        if not self._stream.isatty():
            return
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(file=self._stream),
            # It is gone when the work is done: the report tells what became of it.
            transient=True,
            redirect_stdout=False,
        )
        self._task = self._progress.add_task(label or self._label, total=total)
        self._progress.start()

    def advance(self, units: int = 1) -> None:
        """Count `units` more as done."""
        if self._progress is None:
            self.start(self._label)
        if self._progress is not None:
            self._progress.advance(self._task, units)

    def finish(self) -> None:
        """End the stretch."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
