"""A host's clock, not believed alone: it decides what is locked until when, for good.

Responsible for comparing it with the store's, when an archive is opened and again whenever it has
moved further than work explains, or back: NTP that catches up, a restored machine, a hand. Where
the store is this host (`dir:`) there is nothing to compare with but what the clock showed before.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from archiver.errors import ClockError
from archiver.ports import Clock, ObjectStore, StoreSettings

MAX_CLOCK_SKEW: Final = timedelta(minutes=5)


def require_clock(clock: Clock, settings: StoreSettings) -> None:
    """Refuse to work with a clock that would lock wrong dates.

    Raises:
        ClockError: It differs from the store's by more than five minutes.
    """
    if settings.server_time is not None:
        skew = abs(clock.now() - settings.server_time)
        if skew > MAX_CLOCK_SKEW:
            raise ClockError(seconds=round(skew.total_seconds()))


@dataclass(slots=True)
class WatchedClock:
    """A clock that has been compared with a store's, and is again when it steps.

    Safe for threads: two may compare at once.
    """

    clock: Clock
    store: ObjectStore
    _sound: datetime = field(init=False)
    """The latest instant that was compared, or that it showed."""

    def __post_init__(self) -> None:
        """Begin with what the clock shows now: whoever opens the archive has compared it."""
        self._sound = self.clock.now()

    def now(self) -> datetime:
        """Return the current instant.

        Raises:
            ClockError: It has stepped away from the store's clock, or back.
            StoreError: It has stepped, and the store did not say what time it is.
        """
        now = self.clock.now()
        if self._sound <= now <= self._sound + MAX_CLOCK_SKEW:
            return now
        settings = self.store.settings()
        require_clock(self.clock, settings)
        now = self.clock.now()
        if settings.server_time is not None:
            self._sound = now
        elif self._sound - now > MAX_CLOCK_SKEW:
            raise ClockError(seconds=round((self._sound - now).total_seconds()))
        else:
            self._sound = max(self._sound, now)
        return now
