"""What all requests share."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from archiver.desk import Desk
from archiver.service.flood import Flood
from archiver.service.library import Library
from archiver.service.peers import Network
from archiver.service.table import Table
from archiver.watch import Judgement
from archiver.wiring import Installation


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What all requests share."""

    installation: Installation
    config: Path
    """The configuration file, absolute: the revealing process reads it, too."""
    desk: Desk
    """As nobody sees it: `Desk.seen_from` gives each visitor his."""
    library: Library
    flood: Flood
    proxies: Sequence[Network]
    table: Table
    ended: threading.Event = field(default_factory=threading.Event)

    def end(self, token: str | None) -> None:
        """End a session that a browser still holds."""
        if token:
            self.desk.logins.logout(token)

    def told_of(self, visited: object, unusual: Sequence[Judgement]) -> None:
        """Tell of what the watch found unusual and let pass."""
