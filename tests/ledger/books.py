"""Ledgers for tests: an archive in memory, documents to enter, hosts that keep its ledger."""

import copy
import hashlib
import json
import shutil
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from archiver import layout
from archiver.archive import Archive
from archiver.ledger import Ledger, Noted
from archiver.ports import ObjectStore
from archiver.stores.memory import MemoryStore
from tests.archives import Place
from tests.clock import NOON, FrozenClock
from tests.ledger_auditor import audit_ledger

DAY: Final = date(2026, 3, 5)


@dataclass(slots=True)
class Books:
    """An archive without nights, and hosts that keep its ledger."""

    place: Place
    store: MemoryStore
    clock: FrozenClock

    @classmethod
    def found(cls, folder: Path) -> "Books":
        """Found an archive below a folder."""
        folder.mkdir(exist_ok=True)
        clock = FrozenClock()
        store = MemoryStore(clock=clock)
        place = Place(folder)
        place.found(store, clock)
        return cls(place, store, clock)

    def copy(self, folder: Path) -> "Books":
        """Return a copy of the archive, of its store and of what its hosts remember."""
        shutil.copytree(self.place.folder, folder, dirs_exist_ok=True)
        clock = FrozenClock(self.clock.instant)
        store = MemoryStore(clock=clock)
        store._versions = {
            key: [copy.copy(version) for version in versions]
            for key, versions in self.store._versions.items()
        }
        store._written = self.store._written
        return Books(Place(folder), store, clock)

    def archive(self, host: str = "index", store: ObjectStore | None = None) -> Archive:
        """Open the archive on one of several hosts."""
        archive = self.place.open(store or self.store, self.clock)
        return replace(archive, memory=self.place.folder / host)

    def ledger(self, host: str = "index", store: ObjectStore | None = None) -> Ledger:
        """Open the ledger on one of several hosts, and read it."""
        ledger = Ledger(self.archive(host, store))
        ledger.refresh()
        return ledger

    def noted(self, number: int, *, days: int = 0) -> Noted:
        """Store a document of its own, and return what the ledger is to say of it."""
        key = f"documents/{number:04d}"
        found = [version for version in self.store.list_versions(key) if version.key == key]
        content = str(number).encode()
        version = (
            found[0].version_id
            if found
            else self.store.overwrite(key, content, retain_until=NOON + timedelta(days=3650))
        )
        return Noted(
            kind="reconciliation",
            key=key,
            version_id=version,
            sha256=hashlib.sha256(content).hexdigest(),
            at=NOON + timedelta(days=days),
        )

    def enter(self, *numbers: int, host: str = "index") -> Ledger:
        """Add documents to the ledger, on one host."""
        ledger = self.ledger(host)
        ledger.append([self.noted(number) for number in numbers])
        return ledger

    def audited(self) -> list[int]:
        """Check the whole ledger, and return the numbers of its documents."""
        anchor = json.loads(self.place.keys.anchor.read_bytes())
        entries = audit_ledger(self.store, json.loads(b64decode(anchor["payload"])))
        return [int(entry["key"].removeprefix("documents/")) for entry in entries]

    def version(self, key: str) -> str:
        """Return the id of the newest version of a key."""
        return next(v.version_id for v in self.store.list_versions(key) if v.key == key)

    def drop(self, key: str) -> None:
        """Lose a key with all its versions, in spite of every lock."""
        self.store._versions.pop(key)


def sighting(number: int, day: date = DAY) -> str:
    """Return the key of a sighting."""
    return layout.sighting_key("main", day, f"{number:032x}")


def parts_in(store: ObjectStore) -> list[str]:
    """Return the keys of all parts."""
    versions = store.list_versions(layout.LEDGER_PARTS)
    return list(dict.fromkeys(version.key for version in versions))


def keys_below(store: ObjectStore, prefix: str = "") -> Mapping[str, Any]:
    """Return how many versions each key has."""
    found: dict[str, int] = {}
    for version in store.list_versions(prefix):
        found[version.key] = found.get(version.key, 0) + 1
    return found
