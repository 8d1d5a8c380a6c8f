"""Local times into instants, a column at a time.

A local time that happened twice is the later instant, and one that never happened (clocks went
forward over it) is taken with the offset before the change, which is later too: an end time
must never be early, for the retention is counted from it.

Own arithmetic instead of Arrow's `assume_timezone`: that one needs the system's zone database,
which small machines lack, and does not give the later instant inside a gap.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Micros: TypeAlias = npt.NDArray[np.int64]

MICROS: Final = 1_000_000
EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""Times outside are absurd: nobody sold card secrets then."""
_STEP: Final = timedelta(days=7)
"""No zone changes its offset twice in a week."""


def micros(instant: datetime) -> int:
    """Return microseconds since 1970 UTC, exactly."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def to_utc(local: Micros, zone: str) -> Micros:
    """Return the instants of local times, both in microseconds since 1970."""
    switches, offsets = _transitions(zone)
    if not len(local):
        return local
    first, last = np.searchsorted(switches, [local.min(), local.max()], side="right")
    if first == last:
        utc: Micros = local - offsets[first]
    else:
        utc = local - offsets[np.searchsorted(switches, local, side="right")]
    return utc


@lru_cache(maxsize=32)
def _transitions(zone: str) -> tuple[Micros, Micros]:
    """Return local times at which an offset begins to count, and the offsets, one more."""
    place = ZoneInfo(zone)

    def offset(instant: datetime) -> int:
        return (instant.astimezone(place).utcoffset() or timedelta()) // timedelta(microseconds=1)

    switches: list[int] = []
    offsets = [offset(EARLIEST)]
    low = EARLIEST
    while low < LATEST:
        high = low + _STEP
        if offset(high) != offsets[-1]:
            before, after = low, high
            while after - before > timedelta(seconds=1):
                middle = before + (after - before) // 2
                before, after = (
                    (middle, after) if offset(middle) == offsets[-1] else (before, middle)
                )
            change = after.replace(microsecond=0)
            offsets.append(offset(high))
            # When clocks go back, the later reading begins here; when they go forward, the
            # old offset counts up to the end of the gap, which is here as well.
            switches.append(micros(change) + offsets[-1])
        low = high
    return np.array(switches, np.int64), np.array(offsets, np.int64)
