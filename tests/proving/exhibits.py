"""A little archive whose ledger a witness has seen, and proofs out of it."""

import io
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import layout
from archiver.archive import Archive
from archiver.catalog import Catalog
from archiver.ledger import Ledger, StoredCheckpoint
from archiver.ledger.parts import find_checkpoint
from archiver.lookup.finding import Finder
from archiver.ports import ObjectStore
from archiver.proof import Part, with_digest
from archiver.proving import Outsiders, Proving
from archiver.signed_note import COSIGNATURE, VerifierKey, cosign
from schemas.verify_proof import opened, verify
from tests import cards
from tests.desk import Desk, at, founded
from tests.lookup.rooms import finder_at

WITNESS: Final = "outside.example/w"
WITNESS_KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VERIFIER: Final = VerifierKey(
    name=WITNESS, public_key=WITNESS_KEY.public_key().public_bytes_raw(), signs=COSIGNATURE
)
NAME: Final = "outside"
"""What the configuration calls the witness."""
SEEN_BY_ONE: Final = Outsiders(witnesses={NAME: (VERIFIER,)})

Proof = dict[str, Any]


@dataclass(slots=True)
class Counting:
    """A store that notes what is read from it."""

    inner: ObjectStore
    gets: list[str] = field(default_factory=list)

    def get(
        self, key: str, version_id: str | None = None, *, start: int = 0, length: int | None = None
    ) -> bytes:
        """Read, and note it."""
        self.gets.append(key)
        return self.inner.get(key, version_id, start=start, length=length)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self.inner, name)


@dataclass(slots=True)
class Office:
    """Where proofs are made."""

    desk: Desk
    archive: Archive
    store: Counting
    finder: Finder
    ledger: Ledger
    catalog: Catalog

    @property
    def anchor(self) -> bytes:
        """This archive's `archive.json`."""
        return self.desk.place.keys.anchor.read_bytes()

    def checkpoint(self, size: int) -> StoredCheckpoint:
        """Return a checkpoint."""
        found = find_checkpoint(self.archive, size, self.ledger.root_at(size))
        assert found is not None
        return found

    def proving(self, outsiders: Outsiders = SEEN_BY_ONE) -> Proving:
        """Return the use case."""
        return Proving(
            archive=self.archive,
            keys=self.finder.opener.keys,
            ledger=self.ledger,
            anchor=self.anchor,
            outsiders=outsiders,
            kept=self.catalog.kept,
        )

    def prove(
        self,
        order_id: str,
        *,
        withheld: Collection[str] = (),
        secret: Part | None = None,
        outsiders: Outsiders = SEEN_BY_ONE,
    ) -> bytes:
        """Return the proof of an order's latest revision."""
        by_source, _ = self.finder.revisions(order_id)
        (found,) = by_source.values()
        self.store.gets.clear()
        return self.proving(outsiders).gather(found).written(withheld or {"secret"}, secret)


def little_shop(folder: Path, orders: int = 5, **columns: object) -> Desk:
    """Seal two days of a little shop, and take them into the ledger day by day.

    Args:
        folder: Where its keys are.
        orders: How many; even numbers on the first day.
        columns: Of all of them.
    """
    rows = [cards.order(n, at(4 + n % 2, 12 + n / 100), **columns) for n in range(1, orders + 1)]
    desk = founded(folder, rows, now=at(5, 3))
    desk.source.children = {
        "events": [{"order_id": 2, "kind": "complained", "at": cards.text(at(4, 13))}]
    }
    for day in (4, 5):
        desk.night_of(day)
    return desk


def remembering(desk: Desk, store: ObjectStore | None = None) -> Archive:
    """Open the archive on a host that keeps a copy of the ledger."""
    return replace(desk.open(store), memory=desk.place.folder / "index")


def witnessed(desk: Desk, checkpoint: StoredCheckpoint, aside: str = "") -> None:
    """Have the witness sign a checkpoint a minute later."""
    when = desk.clock.now() + timedelta(minutes=1)
    line = f"{cosign(checkpoint.head.text, WITNESS, WITNESS_KEY, when)}\n".encode()
    key = layout.cosignature_key(checkpoint.size, NAME, aside)
    desk.store.put(key, io.BytesIO(line), retain_until=when + timedelta(days=1))


@contextmanager
def office_at(desk: Desk) -> Iterator[Office]:
    """Open an office that looks orders up and has read the ledger."""
    store = Counting(desk.store)
    archive = remembering(desk, store)
    ledger = Ledger(archive)
    ledger.refresh()
    catalog = Catalog(archive, desk.place.folder / "index" / "manifests")
    with finder_at(desk, store=store) as finder:
        yield Office(desk, archive, store, finder, ledger, catalog)


def changed(proof: bytes, change: Callable[[Proof], object]) -> bytes:
    """Return a proof that somebody has changed who knows how to make its digest."""
    fields: Proof = json.loads(proof)
    change(fields)
    fields.pop("sha256", None)
    return with_digest(fields)


def lines(proof: bytes, anchor: bytes = b"", **known: Any) -> list[str]:  # noqa: ANN401
    """Return what the script says of a proof."""
    anchored = opened(anchor.decode(), "archive", None) if anchor else None
    roots = x509.load_pem_x509_certificates(known["roots"]) if "roots" in known else ()
    return list(verify(proof, anchored, known.get("witnesses", ()), roots))


def replaced(proof: bytes, path: Sequence[Any], value: object) -> bytes:
    """Return a proof with another value at a place, its digest made anew."""

    def put(fields: Any) -> None:  # noqa: ANN401
        for step in path[:-1]:
            fields = fields[step]
        fields[path[-1]] = value

    return changed(proof, put)
