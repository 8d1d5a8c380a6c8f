"""What a command answers: one document for programs, tables for people, an exit code.

The envelope is the same for every command and every failure (DESIGN 5). `outcome` is one word
for each exit code and nothing else, so that a script may compare either.
"""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from archiver.errors import ArchiverError, Exit

if TYPE_CHECKING:
    from rich.console import Console

FORMAT: Final = 1

OUTCOMES: Final[Mapping[Exit, str]] = {
    Exit.DONE: "done",
    Exit.BUG: "bug",
    Exit.FIX_REQUEST: "invalid",
    Exit.REJECTS: "rejects",
    Exit.TRY_LATER: "retry",
    Exit.FORBIDDEN: "forbidden",
    Exit.ALARM: "alarm",
    Exit.INTERRUPTED: "interrupted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that somebody must know, and the command that comes next."""

    code: str
    message: str
    next: str = ""


def _nothing(_console: "Console") -> None:
    """Show nothing: the alarms say it all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The end of a command."""

    exit: Exit = Exit.DONE
    alarms: Sequence[Alarm] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What the document holds beyond the envelope, ready for JSON."""
    show: Callable[["Console"], None] = _nothing
    """Prints the same for people."""


def document(report: Report, command: str | None, archive: str | None) -> dict[str, Any]:
    """Return the document that `--json` prints."""
    return {
        "format": FORMAT,
        "command": command,
        "archive": archive,
        "exit": int(report.exit),
        "outcome": OUTCOMES[report.exit],
        "alarms": [
            {"code": alarm.code, "message": alarm.message, "next": alarm.next or None}
            for alarm in report.alarms
        ],
        **report.fields,
    }


def as_json(content: Mapping[str, Any], encoding: str | None) -> str:
    """Return the document as text; plain ASCII where the output could not take more."""
    unicode = (encoding or "").lower().startswith("utf")
    return json.dumps(content, ensure_ascii=not unicode, indent=2)


def alarm_of(error: ArchiverError, language: str, config: str | None = None) -> Alarm:
    """Return an error as an alarm.

    Args:
        error: What happened.
        language: `zh` or `en`.
        config: The configuration file, if it was named on the command line.
    """
    return Alarm(
        code=error.code, message=error.text(language), next=with_config(error.next_command, config)
    )


def with_config(command: str, config: str | None) -> str:
    """Return a command of ours that works on the same archive as this one did."""
    if config is None or not command.startswith("archiver ") or command.endswith("--template"):
        return command
    return f"{command} --config {shlex.quote(config)}"
