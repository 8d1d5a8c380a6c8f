"""The log of one command on stderr, shown with `-v`: lines for people, JSON for what collects it.

Configured here and nowhere else. Only our own log is shown: other libraries quote headers,
addresses and values.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import IO, Any, Final

OURS: Final = "archiver"
_STANDARD: Final = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}
"""What every record has; the rest came with `extra=`."""


def show_log(stream: IO[str] | None = None, *, shown: bool) -> None:
    """Let this command's log go to stderr, or nowhere; a second call replaces the first.

    Args:
        stream: stderr if not given. Not a terminal: one JSON object to a line.
        shown: With `-v`.
    """
    # Without any handler, Python prints the warnings of every library (its "last resort").
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.NullHandler())
    ours = logging.getLogger(OURS)
    for handler in [one for one in ours.handlers if isinstance(one, _Shown)]:
        ours.removeHandler(handler)
    ours.setLevel(logging.DEBUG if shown else logging.NOTSET)
    if shown:
        stream = stream or sys.stderr
        handler = _Shown(stream)
        handler.setFormatter(ForPeople() if stream.isatty() else ForMachines())
        ours.addHandler(handler)


class _Shown(logging.StreamHandler[IO[str]]):
    """Ours, as opposed to one that a test has added."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Lose the line: a full disk under a log must not end a night, nor quote its record."""


class ForPeople(logging.Formatter):
    """`03:15:02 INFO nightly: partition sealed key=orders/… rows=8192`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; times are the host's."""
        at = self.formatTime(record, "%H:%M:%S")
        name = record.name.removeprefix(f"{OURS}.")
        facts = "".join(f" {key}={value}" for key, value in facts_of(record).items())
        return f"{at} {record.levelname} {name}: {record.getMessage()}{facts}"


class ForMachines(logging.Formatter):
    """One JSON object to a line: `at`, `level`, `logger`, `event`, and the event's own facts."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; times are UTC."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        return json.dumps(line | facts_of(record), default=str)


def facts_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what came with `extra=`."""
    return {name: fact for name, fact in vars(record).items() if name not in _STANDARD}
