"""How often somebody may guess, without letting a stranger lock an operator out.

Pure. Three limits, each on its own:

* an operator from one place: four wrong attempts are free, then each costs a wait that doubles
  from half a minute to a quarter of an hour, until an attempt succeeds;
* a place, whoever it tries to be: 30 wrong attempts in a quarter of an hour;
* an operator from everywhere: 20 wrong attempts an hour; then places from which he has not
  logged in lately wait, and his own places do not.

So guessing is slow from one place and from many, and whoever guesses from elsewhere cannot
keep an operator out. A session that is held is never touched by attempts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

FREE: Final = 4
FIRST_WAIT: Final = timedelta(seconds=30)
LONGEST_WAIT: Final = timedelta(minutes=15)
PLACE_LIMIT: Final = 30
PLACE_WINDOW: Final = timedelta(minutes=15)
OPERATOR_LIMIT: Final = 20
OPERATOR_WINDOW: Final = timedelta(hours=1)
REMEMBERED: Final = timedelta(days=90)
"""How long a place counts as an operator's own after a login from it."""
FORGOTTEN: Final = timedelta(days=1)
"""Wrong attempts older than this count nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """Wrong attempts, oldest first, that may count now."""

    here: Sequence[datetime]
    """Of this operator from this place, since his last login from it."""
    place: Sequence[datetime]
    """From this place, of anybody."""
    operator: Sequence[datetime]
    """Of this operator, from anywhere."""
    own_place: bool
    """He has logged in from this place lately."""


def wait_until(attempts: Attempts, now: datetime) -> datetime | None:
    """Return when the next attempt may be made; None for now.

    What lies in the future was written before the clock was set back, and counts as of now.
    """
    waits = [_after_here(attempts.here, now)]
    waits.append(_after_window(attempts.place, now, PLACE_LIMIT, PLACE_WINDOW))
    if not attempts.own_place:
        waits.append(_after_window(attempts.operator, now, OPERATOR_LIMIT, OPERATOR_WINDOW))
    later = [wait for wait in waits if wait is not None and wait > now]
    return max(later, default=None)


def _after_here(times: Sequence[datetime], now: datetime) -> datetime | None:
    recent = [min(at, now) for at in times if now - at < FORGOTTEN]
    over = len(recent) - FREE
    if over <= 0:
        return None
    wait = FIRST_WAIT
    while wait < LONGEST_WAIT and (over := over - 1):
        wait *= 2
    return recent[-1] + min(wait, LONGEST_WAIT)


def _after_window(
    times: Sequence[datetime], now: datetime, limit: int, window: timedelta
) -> datetime | None:
    recent = [min(at, now) for at in times if now - at < window]
    return recent[-limit] + window if len(recent) >= limit else None
