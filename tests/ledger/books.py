"""Ledgers for tests: an archive in memory, documents to enter, somebody who signs."""

import hashlib
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from archiver import layout, merkle
from archiver.archive import Archive
from archiver.ledger import Ledger, Noted, verifier_keys
from archiver.ledger.parts import part_versions, read_versions, verify_part
from archiver.ports import ObjectStore
from archiver.signed_note import open_checkpoint
from archiver.stores.memory import MemoryStore
from tests.archives import Place
from tests.clock import NOON, FrozenClock

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
        clock = FrozenClock()
        store = MemoryStore(clock=clock)
        place = Place(folder)
        place.found(store, clock)
        return cls(place, store, clock)

    def archive(self, host: str = "index", store: ObjectStore | None = None) -> Archive:
        """Open the archive on one of several hosts."""
        archive = self.place.open(store or self.store, self.clock)
        return replace(archive, memory=self.place.folder / host)

    def ledger(self, host: str = "index", store: ObjectStore | None = None) -> Ledger:
        """Open the ledger on one of several hosts, and read it."""
        ledger = Ledger(self.archive(host, store))
        ledger.refresh()
        return ledger


def noted(number: int, *, days: int = 0) -> Noted:
    """Return a document that is nowhere: the ledger does not look."""
    return Noted(
        kind="reconciliation",
        key=layout.reconciliation_key(number),
        version_id=f"v{number}",
        sha256=hashlib.sha256(str(number).encode()).hexdigest(),
        at=NOON + timedelta(days=days),
    )


def seen(number: int, day: date = DAY) -> Noted:
    """Return a sighting that is nowhere."""
    return Noted(
        kind="sighting",
        key=layout.sighting_key("main", day, f"{number:032x}"),
        version_id=f"s{number}",
        sha256=hashlib.sha256(f"s{number}".encode()).hexdigest(),
        at=NOON,
        day=day,
    )


def audited(archive: Archive) -> list[str]:
    """Return the ledger's entries as somebody reads them who trusts nothing but the signers.

    Takes nothing from `Ledger`: each part and checkpoint is found, verified and recomputed here.
    """
    texts: list[str] = []
    found = part_versions(archive, "ledger/")
    while len(texts) in found:
        leaves = [merkle.leaf_hash(text.encode()) for text in texts]
        part = next(
            verify_part(archive, version, content)
            for version, content in read_versions(archive, found[len(texts)])
        )
        frontier = merkle.Tail(0, [], leaves).frontier_at(len(leaves))
        assert part.document.frontier == [node.hex() for node in frontier]
        texts += part.document.entries
        leaves = [merkle.leaf_hash(text.encode()) for text in texts]
        note = archive.store.get(layout.checkpoint_key(len(texts)))
        head = open_checkpoint(note, verifier_keys(archive), where="checkpoint")
        assert (head.size, head.root) == (len(texts), merkle.tree_hash(leaves))
    assert max(found, default=0) <= len(texts)
    return texts
