"""How far a backfill is: a bar of rows with the days that count and the time that is left."""

from datetime import timedelta
from threading import Lock
from typing import IO, TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from cli.texts import Words

if TYPE_CHECKING:
    from archiver.backfill import Stretch


class CourseBar:
    """A bar on stderr, moved from any thread; silent where nobody looks."""

    def __init__(self, stream: IO[str], words: Words) -> None:
        self._stream = stream
        self._words = words
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._mutex = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, stretch: "Stretch") -> None:
        """Show how far it is."""
        if not self._stream.isatty():
            return
        with self._mutex:
            if self._progress is None:
                self._progress = Progress(
                    TextColumn("{task.description}"),
                    BarColumn(bar_width=24),
                    MofNCompleteColumn(),
                    TimeElapsedColumn(),
                    TextColumn("{task.fields[left]}"),
                    console=Console(file=self._stream),
                    transient=True,
                    redirect_stdout=False,
                )
                self._progress.start()
            if stretch.source not in self._tasks:
                self._tasks[stretch.source] = self._progress.add_task("", left="")
            self._progress.update(
                self._tasks[stretch.source],
                description=self._words(
                    "backfill.days",
                    source=stretch.source,
                    done=stretch.days_done,
                    days=stretch.days,
                ),
                total=stretch.rows,
                completed=stretch.rows_done,
                left=time_left(self._words, stretch.left),
            )


def time_left(words: Words, left: timedelta | None) -> str:
    """Return about how long it still takes, as people say it."""
    if left is None:
        return ""
    minutes = round(left.total_seconds() / 60)
    if minutes < 1:
        return words("backfill.left.soon")
    if minutes < 90:  # noqa: PLR2004  until then, people count in minutes
        return words("backfill.left.minutes", minutes=minutes)
    return words("backfill.left.hours", hours=f"{minutes / 60:.1f}")
