"""The text file from which Prometheus' node exporter tells how the archive is.

Pure. Written by hand: twenty gauges are no reason for a dependency. The commands share one
file: each replaces its own lines and, if it has seen the archive, those of the archive; what
another one has said, or was last known, stays. Names, days and counts, never contents.
Format: Prometheus, "Exposition formats", text 0.0.4.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from archiver.status import SourceStatus, Status

if TYPE_CHECKING:
    # Its name only: a status without witnesses must not wait for what talks to them.
    from archiver.spreading import Spread

_RUN: Final = {
    "archiver_last_run_timestamp_seconds": "When the command last ended.",
    "archiver_last_run_duration_seconds": "How long it took.",
    "archiver_last_run_exit_code": "0 done, 3 rejects, 10 try later, 11 forbidden, 20 alarm.",
    "archiver_last_run_alarms": "Alarms of its report by code.",
}
_STATE: Final = {
    "archiver_surveyed_timestamp_seconds": "When the manifests were last read.",
    "archiver_lock_info": "The lock of the store: COMPLIANCE, or advisory.",
    "archiver_last_sealed_day_end_timestamp_seconds": "End of the newest sealed day.",
    "archiver_last_sealed_day_age_days": "Closed days since the newest sealed day, when surveyed.",
    "archiver_days_sealed": "Days that are sealed.",
    "archiver_days_missing": "Closed days that are not sealed.",
    "archiver_orders_sealed": "Orders sealed, revisions not counted.",
    "archiver_revisions_sealed": "Later revisions of sealed orders.",
    "archiver_rejects_sealed": "Rows that could not be mapped and were sealed apart.",
    "archiver_sealed_bytes": "Size of all objects that manifests name.",
    "archiver_ledger_entries": "Entries of the ledger that witnesses were to confirm.",
    "archiver_witness_entries": "Entries that a witness has confirmed.",
    "archiver_witness_behind_seconds": "For how long it has confirmed nothing; 0 if it has all.",
    "archiver_timestamp_entries": "Entries that an authority has stamped.",
    "archiver_timestamp_behind_seconds": "For how long a checkpoint waits for it; 0 if none does.",
}
_HELP: Final = _RUN | _STATE
_LINE: Final = re.compile(r'^(?P<name>archiver_\w+)\{archive="(?:[^"\\]|\\.)*"(?P<rest>.*)$')


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The end of a command."""

    archive: str
    """The archive's name."""
    command: str
    at: datetime
    seconds: float
    exit: int
    alarms: Sequence[str]
    """Codes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a command has seen of the archive."""

    status: Status
    lock: str
    zone: ZoneInfo
    spread: "Spread | None" = None
    """Who holds the ledger's head; None where nobody is to."""


def textfile(run: Run, survey: Survey | None, before: str) -> str:
    """Return the file after a run.

    Args:
        run: The command that has just ended.
        survey: None where it did not get as far as the manifests.
        before: The file as it was; lines that are not ours are dropped.
    """
    own = f',command="{_escaped(run.command)}"'
    samples = [line for line in before.splitlines() if _stays(line, own, survey)]
    samples += _of_run(run)
    if survey is not None:
        samples += _of_state(run, survey)
    lines = []
    for name, about in _HELP.items():
        if found := [line for line in samples if line.partition("{")[0] == name]:
            lines += [f"# HELP {name} {about}", f"# TYPE {name} gauge", *found]
    return "\n".join(lines) + "\n"


def _stays(line: str, own: str, survey: Survey | None) -> bool:
    found = _LINE.match(line)
    if found is None:
        return False
    if found["name"] in _STATE:
        return survey is None
    return own not in found["rest"]


def _of_run(run: Run) -> Iterator[str]:
    labels = {"archive": run.archive, "command": run.command}
    yield _sample("archiver_last_run_timestamp_seconds", labels, run.at.timestamp())
    yield _sample("archiver_last_run_duration_seconds", labels, round(run.seconds, 3))
    yield _sample("archiver_last_run_exit_code", labels, run.exit)
    for code, count in sorted(Counter(run.alarms).items()):
        yield _sample("archiver_last_run_alarms", {**labels, "code": code}, count)


def _of_state(run: Run, survey: Survey) -> Iterator[str]:
    labels = {"archive": run.archive}
    yield _sample("archiver_surveyed_timestamp_seconds", labels, run.at.timestamp())
    yield _sample("archiver_lock_info", {**labels, "lock": survey.lock}, 1)
    for one in survey.status.sources:
        yield from _of_source({**labels, "source": one.source}, one, survey)
    if survey.spread is not None:
        yield from _of_witnesses(labels, survey.spread, run.at)


def _of_witnesses(labels: Mapping[str, str], spread: "Spread", now: datetime) -> Iterator[str]:
    yield _sample("archiver_ledger_entries", labels, spread.size)
    for holding in spread.holdings:
        own = {**labels, "witness": holding.witness}
        yield _sample("archiver_witness_entries", own, holding.size)
        behind = _seconds(holding.behind_since, now)
        yield _sample("archiver_witness_behind_seconds", own, behind)
    for stamps in spread.stamps:
        own = {**labels, "authority": stamps.authority}
        yield _sample("archiver_timestamp_entries", own, stamps.size)
        behind = _seconds(stamps.behind_since, now)
        yield _sample("archiver_timestamp_behind_seconds", own, behind)


def _seconds(since: datetime | None, now: datetime) -> float:
    return 0 if since is None else max(0, int((now - since).total_seconds()))


def _of_source(labels: Mapping[str, str], one: SourceStatus, survey: Survey) -> Iterator[str]:
    days = one.sealed.values()
    yield _sample("archiver_days_sealed", labels, len(days))
    yield _sample("archiver_days_missing", labels, len(one.missing))
    yield _sample("archiver_orders_sealed", labels, sum(day.orders for day in days))
    yield _sample("archiver_revisions_sealed", labels, sum(day.revisions for day in days))
    yield _sample("archiver_rejects_sealed", labels, sum(day.rejects for day in days))
    yield _sample("archiver_sealed_bytes", labels, sum(day.size_bytes for day in days))
    if one.sealed:
        newest = max(one.sealed)
        end = datetime.combine(newest + timedelta(days=1), time(0), tzinfo=survey.zone)
        age = (survey.status.last_closed - newest).days
        yield _sample("archiver_last_sealed_day_age_days", labels, age)
        yield _sample("archiver_last_sealed_day_end_timestamp_seconds", labels, end.timestamp())


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{told}}} {value:.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
