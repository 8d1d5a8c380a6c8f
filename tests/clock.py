"""A clock that stands still until a test moves it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)
"""Noon in Shanghai on an ordinary Thursday."""


@dataclass(slots=True)
class FrozenClock:
    """Always the same instant. Pickles, so it reaches worker processes as it is."""

    instant: datetime = NOON

    def now(self) -> datetime:
        """Return the instant."""
        return self.instant

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.instant += by
