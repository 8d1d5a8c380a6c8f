"""How many requests a minute: a bucket for each session, token and address, in memory.

This keeps one of them from taking the service away from the others. Whether somebody harvests is
the watch's question, and the watch forgets nothing when a node is started again.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from archiver.access_log.entry import place_of
from archiver.service.problems import refused

REMEMBERED: Final = 20_000
"""Buckets; of more, those not asked for longest go."""


@dataclass(slots=True, kw_only=True)
class Flood:
    """Buckets that fill again at an even rate and hold a minute's worth."""

    per_minute: int
    now: Callable[[], float]
    """Seconds, of a clock that is never set back."""
    address_factor: int = 4
    """An address may be that of a whole office."""
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def require(self, subject: str) -> None:
        """Take one request out of a subject's bucket.

        Raises:
            ProblemError: It is empty.
        """
        address = subject.startswith("ip:")
        name = place_of(subject) if address else subject
        most = self.per_minute * (self.address_factor if address else 1)
        now = self.now()
        with self._lock:
            left, at = self._buckets.pop(name, (float(most), now))
            left = min(most, left + max(now - at, 0) * most / 60)
            self._buckets[name] = (left - 1 if left >= 1 else left, now)
            while len(self._buckets) > REMEMBERED:
                self._buckets.popitem(last=False)
        if left < 1:
            seconds = max(1, math.ceil((1 - left) * 60 / most))
            raise refused(
                429,
                "too-many-requests",
                f"Too many requests; try again in {seconds} s",
                f"请求过多，请于 {seconds} 秒后重试",
                retry_after=seconds,
            )
