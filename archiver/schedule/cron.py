"""Lines for a crontab that mean the archive's zone, whatever the host's is.

Debian's cron knows no `CRON_TZ`, so a line runs every hour and asks the zone's own clock first.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from archiver.schedule.plan import RETRIES, RETRY_AFTER, SETTLED, SIGHT_EVERY, Plan

_AGAIN: Final = (
    f"for i in $(seq {RETRIES}); do "
    '"$@"; e=$?; [ $e = 10 ] || exit $e; '
    f"sleep {int(RETRY_AFTER.total_seconds())}; done; exit $e"
)
"""Exit 10 is tried again, nothing else."""


def crontab(plan: Plan, language: str) -> str:
    """Return lines for the crontab of the plan's user.

    Args:
        plan: What to schedule.
        language: Of the mails that cron sends, `zh` or `en`.
    """
    minute, hour = plan.night_at.minute, plan.night_at.hour
    check_minute, check_hour = plan.check_at.minute, plan.check_at.hour
    lines = [
        "SHELL=/bin/sh",
        f"ARCHIVER_LANG={language}",
        "LANG=C.UTF-8",
        _line(plan, minute, f"%H = {_from(hour, minute)}", "nightly"),
        _line(plan, check_minute, f"%H = {check_hour:02}", "status"),
    ]
    every = int(SIGHT_EVERY.total_seconds()) // 60
    # Each look tells what it came to; a mail every few minutes would hide the alarms, on stderr.
    sight = f"{_run(plan, 'sight')} > /dev/null"
    lines.append(f"*/{every} * * * * {sight}".replace("%", r"\%"))
    verify_minute, verify_hour = plan.verify_at.minute, plan.verify_at.hour
    lines.append(_line(plan, verify_minute, f"%H = {verify_hour:02}", "verify"))
    if plan.proves_lock:
        lines.append(_line(plan, check_minute, f"%u%H = 1{check_hour:02}", "prove-lock"))
    if plan.tells_head:
        lines.append(f"*/10 * * * * {_run(plan, 'access', 'head')}".replace("%", r"\%"))
    return "\n".join(lines) + "\n"


def _from(hour: int, minute: int) -> str:
    """Return the hour in which any minute is late enough: some zones are 30 or 45 minutes off."""
    settled = int(SETTLED.total_seconds()) // 60
    return f"{(hour + (minute > settled)) % 24:02}"


def _line(plan: Plan, minute: int, when: str, command: str) -> str:
    form, _, expected = when.partition(" = ")
    test = f'[ "$(TZ={_q(plan.zone.key)} date +{form})" = {expected} ]'
    # In a crontab an unescaped % ends the command (crontab(5)).
    return f"{minute} * * * * {test} && {_run(plan, command)}".replace("%", r"\%")


def _run(plan: Plan, command: str, *more: str) -> str:
    words = [*plan.places.program, command, *more, "--config", plan.places.config]
    night = command == "nightly"
    secrets = [plan.environment]
    if command == "prove-lock" and plan.prover_secrets:
        secrets.append(plan.prover_environment)
    read = "".join(f"[ ! -r {_q(one)} ] || . {_q(one)}; " for one in secrets)
    script = f"set -a; {read}set +a; "
    script += _AGAIN if night else 'exec "$@"'
    run = ["sh", "-c", script, "archiver", *words]
    if night:
        run = ["flock", "-n", plan.lock, *run]
    return _words(run)


def _words(words: Sequence[Path | str]) -> str:
    return " ".join(map(_q, words))


def _q(word: Path | str) -> str:
    return shlex.quote(str(word))
