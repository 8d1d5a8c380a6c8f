"""After a run: the metrics file is written and the webhook hears of the alarms.

Neither can fail the run: what goes wrong here is an alarm beside the report and leaves its exit
code as it was. A report that did not arrive is kept in the index folder, and the next run sends
it first.
"""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from archiver.errors import ArchiverError, Exit, LocalDiskError
from cli.options import Call
from cli.report import Report, alarm_of, document

if TYPE_CHECKING:
    from archiver.wiring import Installation

ANNOUNCED: Final = ("nightly", "status", "prove-lock", "verify")
"""The commands that a timer runs."""
PEOPLES: Final = (
    *("watch", "blocked", "revealed", "access-"),
    *("witness-ahead", "witness-lost", "split-view"),
)
"""How alarms begin of which somebody else than who has asked must hear, whatever the command."""
UNSENT: Final = "unsent"
KEPT: Final = 100
"""Unsent reports; of more, the oldest are dropped: a webhook that is down for months is known."""


def announced(report: Report, call: Call) -> Report:
    """Tell of a report what the configuration says, and return it with what went wrong there."""
    installation = call.installed
    if installation is None:
        return report
    if call.command in ANNOUNCED:
        failures = [*_written(report, call, installation), *_sent(report, call, installation)]
    elif any(alarm.code.startswith(PEOPLES) for alarm in report.alarms):
        failures = list(_sent(report, call, installation))
    else:
        return report
    more = [alarm_of(failure, call.language, call.named_config) for failure in failures]
    return replace(report, alarms=[*report.alarms, *more]) if more else report


def keep_whispers(call: Call) -> None:
    """Put alarms that whoever called does not see on the disk, before he sees his answer.

    He could break off what follows: the next run of anybody sends them then.
    """
    installation = call.installed
    if installation is not None and installation.webhook is not None:
        report = Report(exit=Exit.FORBIDDEN, alarms=call.whispers)
        folder = installation.index_folder / UNSENT
        _keep(folder, _told(report, call, installation), installation)


def send_whispers(call: Call) -> None:
    """Send what is kept; not even that it could not be sent is told here."""
    if call.installed is not None:
        list(_sent(Report(), call, call.installed))


def _written(report: Report, call: Call, installation: "Installation") -> Iterator[ArchiverError]:
    """Write the metrics file, if there is to be one."""
    path = installation.textfile
    if path is None:
        return
    from archiver.metrics import Run, textfile

    run = Run(
        archive=installation.configuration.archive.name,
        command=str(call.command),
        at=installation.clock.now(),
        seconds=time.monotonic() - call.started,
        exit=int(report.exit),
        alarms=[alarm.code for alarm in report.alarms],
    )
    try:
        before = path.read_text("utf-8", "replace") if path.exists() else ""
        # Not *.prom until it is whole, and readable for the exporter whatever our umask is.
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.write_text(textfile(run, call.survey, before), "utf-8")
        draft.chmod(0o644)
        draft.replace(path)
    except OSError as error:
        yield LocalDiskError(detail=f"{path}: {error.strerror or type(error).__name__}")


def _sent(report: Report, call: Call, installation: "Installation") -> Iterator[ArchiverError]:
    """Send the alarms, if there are any and somebody is to hear of them."""
    folder = installation.index_folder / UNSENT
    try:
        webhook = installation.webhook
    except ArchiverError as error:
        yield error
        return
    if webhook is None:
        return
    from archiver.webhook import deliver

    waiting = sorted(folder.glob("*.json"))[-KEPT:]
    told = report.alarms and report.exit is not Exit.INTERRUPTED
    try:
        bodies = [path.read_bytes() for path in waiting]
        if told:
            bodies.append(_told(report, call, installation))
        arrived = 0
        try:
            arrived = deliver(webhook, bodies, installation.clock)
        finally:
            for path in waiting[:arrived]:
                path.unlink(missing_ok=True)
            if told and arrived < len(bodies):
                _keep(folder, bodies[-1], installation)
    except ArchiverError as error:
        yield error
    except OSError as error:
        yield LocalDiskError(detail=f"{folder}: {error.strerror or type(error).__name__}")


def _told(report: Report, call: Call, installation: "Installation") -> bytes:
    """Return what is sent: the report's envelope, without days and without tables."""
    envelope = document(replace(report, fields={}), call.command, call.archive)
    about = {
        "id": os.urandom(16).hex(),
        "at": f"{installation.clock.now():%Y-%m-%dT%H:%M:%SZ}",
        "name": installation.configuration.archive.name,
    }
    return json.dumps({**envelope, **about}, ensure_ascii=False).encode()


def _keep(folder: Path, body: bytes, installation: "Installation") -> None:
    """Keep what did not arrive, and no more than is read again."""
    from archiver.local_files import write_whole

    name = f"{installation.clock.now():%Y%m%dT%H%M%S%f}-{os.urandom(4).hex()}.json"
    write_whole(folder / name, body)
    for path in sorted(folder.glob("*.json"))[:-KEPT]:
        path.unlink(missing_ok=True)
