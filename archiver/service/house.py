"""What all requests share."""

import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from archiver.desk import Desk
from archiver.errors import ArchiverError
from archiver.judging import Judgement
from archiver.service.codes import Codes
from archiver.service.couriers import Courier
from archiver.service.flood import Flood
from archiver.service.gauges import Gauges
from archiver.service.jobs import Jobs
from archiver.service.library import Library
from archiver.service.once import Writes
from archiver.service.peers import Network
from archiver.service.surveying import Surveyor
from archiver.service.table import Table
from archiver.service.telling import Teller
from archiver.service_tokens import Tokens
from archiver.wiring import Installation

WEEK: Final = 7
"""Days: over which the share of rejects is told."""

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What all requests share."""

    installation: Installation
    config: Path
    """The configuration file, absolute: the revealing process reads it, too."""
    desk: Desk
    """As nobody sees it: `Desk.seen_from` gives each visitor his."""
    library: Library
    surveyor: Surveyor
    flood: Flood
    gauges: Gauges
    teller: Teller
    tokens: Tokens
    codes: Codes
    jobs: Jobs
    """Exports under way on this node."""
    writes: Writes
    courier: Courier | None
    """Who carries buyers' codes; None: nobody, and buyers are shown no secrets."""
    proxies: Sequence[Network]
    monitors: Sequence[Network]
    table: Table
    seconds: Callable[[], float]
    """A clock that is never set back."""
    pause: Callable[[float], Awaitable[None]]
    """Waits for so many seconds."""
    ended: threading.Event = field(default_factory=threading.Event)

    def end(self, token: str | None) -> None:
        """End a session that a browser still holds."""
        if token:
            self.desk.logins.logout(token)

    def told_of(self, unusual: Sequence[Judgement]) -> None:
        """Tell compliance of what the watch found unusual and let pass."""
        self.teller.unusual(unusual)

    async def quietly(self, began: float) -> None:
        """Wait until the time at which every "no" leaves, counted from when its question came."""
        quiet = self.installation.configuration.service.quiet_ms / 1000
        if quiet:
            spent = max(self.seconds() - began, 0)
            await self.pause(quiet - spent % quiet)

    def measure(self) -> None:
        """Look at what is not counted as it happens; what cannot be looked at stays as it was."""
        gauges = self.gauges
        try:
            seen = self.surveyor.seen()
            sources = seen.status.sources
            gauges.missing.set(sum(len(one.missing) for one in sources))
            gauges.overdue.set(sum(len(one.overdue) for one in sources))
            since = seen.status.last_closed - timedelta(days=WEEK)
            days = [d for one in sources for on, d in one.sealed.items() if on > since]
            gauges.orders.set(sum(day.orders for day in days))
            gauges.rejects.set(sum(day.rejects for day in days))
            age = seen.proof_age
            gauges.proof_age.set(-1 if age is None else age.total_seconds())
            gauges.blocks.set(len(self.desk.watch.blocks()))
            head = self.desk.access_log.head()
            gauges.log_entries.set(head.number if head else 0)
        except ArchiverError as error:
            log.warning("not measured", extra={"code": error.code})
        with self.library.reading() as shelf:
            gauges.manifest.set(shelf.index.covered().manifest)
            gauges.stale.set(int(shelf.stale))
