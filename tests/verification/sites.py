"""One sealed archive with an object of each kind, which tests attack and put back."""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import dsse, layout
from archiver.access_log.parts import seal_access_log
from archiver.archive import Archive
from archiver.catalog import Catalog
from archiver.ledger import extend_ledger
from archiver.ports import ObjectStore
from archiver.roots import read_secret_file
from archiver.stores.memory import MemoryStore
from archiver.verification.ground import Verified
from schemas.documents import Manifest, Revocation, Signer
from tests import cards
from tests.access_log.logs import fill, log_in
from tests.clock import FrozenClock
from tests.desk import Desk, at, founded
from tests.verification.grounds import verified

DAYS = (date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4))
KINDS = {
    "archive": "archive.json",
    "signer": "signers/",
    "cohort": "cohorts/orders",
    "proof": "proofs/0",
    "manifest": "manifests/00000002",
    "orders": "orders/",
    "rejects": "rejects/",
    "segment": "segments/",
    "known": "known/",
    "access": "access/",
    "ledger": "ledger/0",
    "checkpoint": "checkpoints/",
}
"""What the keys of each kind of object begin with."""


@dataclass(slots=True)
class Site:
    """An archive that is attacked."""

    desk: Desk
    store: MemoryStore

    @property
    def archive(self) -> Archive:
        """The archive, opened to seal."""
        return self.desk.open()

    def key(self, prefix: str, number: int = 0) -> str:
        """Return a key that begins with a prefix."""
        keys = dict.fromkeys(one.key for one in self.store.list_versions(prefix))
        return list(keys)[number]

    def version(self, key: str) -> str:
        """Return the version that counts: the earliest."""
        *_, first = (one for one in self.store.list_versions(key) if one.key == key)
        return first.version_id

    def content(self, key: str) -> bytes:
        """Return its bytes."""
        return self.store.get(key, self.version(key))

    def until(self, key: str) -> Any:  # noqa: ANN401  a date
        """Return the date of its lock."""
        return self.store.head(key, self.version(key)).retain_until

    def replace(self, key: str, content: bytes) -> None:
        """Put other bytes in its place on the server's disk."""
        self.store.replace(key, self.version(key), content)

    def lose(self, key: str) -> None:
        """Destroy all of its versions on the server's disk."""
        for version in list(self.store.list_versions(key)):
            if version.key == key:
                self.store.drop(key, version.version_id)

    def of_day(self, day: date, kind: str = "orders") -> str:
        """Return the object of a day."""
        return self.key(f"{kind}/main/{day:%Y/%m/%d}/")

    def manifest(self, number: int) -> Manifest:
        """Return a manifest."""
        key = layout.manifest_key(number)
        return self.archive.verify(self.content(key), "manifest", Manifest, key)

    def identity(self) -> Ed25519PrivateKey:
        """Return the identity key."""
        secret = read_secret_file(self.desk.place.keys.identity, "identity", self.archive.id)
        return Ed25519PrivateKey.from_private_bytes(secret)

    def certify(self, number: int, key: Ed25519PrivateKey) -> None:
        """Certify a further signer."""
        self._put_signed(
            layout.signer_key(number),
            Signer(
                archive=self.archive.id,
                number=number,
                public_key=key.public_key().public_bytes_raw().hex(),
                created_at=self.desk.clock.now(),
            ),
            "signer",
        )

    def revoke(self, number: int) -> None:
        """Revoke a signer from now on."""
        self._put_signed(
            layout.revocation_key(number),
            Revocation(archive=self.archive.id, number=number, revoked_at=self.desk.clock.now()),
            "revocation",
        )

    def _put_signed(self, key: str, document: Any, kind: str) -> None:  # noqa: ANN401  a document
        payload = document.model_dump_json().encode()
        content = dsse.sign(payload, kind, "identity", self.identity())
        until = self.archive.evidence_until()
        self.store.put(key, io.BytesIO(content), retain_until=until)

    def verified(self, **choices: Any) -> Verified:  # noqa: ANN401
        """Verify everything."""
        return verified(self.desk, **choices)


def rows() -> list[cards.Row]:
    """Return some orders of three days; one of them cannot be mapped."""
    made = [cards.order(n, at(2 + n % 3, 9, month=3) + timedelta(seconds=n)) for n in range(1, 31)]
    made.append(cards.order(99, at(3, 9), state="lost"))
    return made


def sealed(folder: Path) -> Desk:
    """Seal three days of March and two parts of an access log."""
    return _lived(founded(folder, rows(), now=at(5, 3)), folder)


def recently_sealed(folder: Path, store: ObjectStore, clock: FrozenClock) -> Desk:
    """Seal some days that have just passed, in a store whose clock is the real one."""
    ended = clock.instant - timedelta(days=2)
    made = [cards.order(n, ended - timedelta(days=n % 3)) for n in range(1, 10)]
    made.append(cards.order(99, ended, state="lost"))
    return _lived(founded(folder, made, store=store, clock=clock), folder)


def _lived(desk: Desk, folder: Path) -> Desk:
    assert desk.night().failures == []
    archive = desk.open()
    asked = log_in(folder, desk.clock, archive=archive.id)
    for entries in (3, 2):
        fill(asked, entries)
        seal_access_log(archive, asked)
        extend(desk)
    return desk


def extend(desk: Desk) -> None:
    """Take into the ledger what it lacks, as nights do."""
    archive = desk.open()
    catalog = Catalog(archive, desk.place.folder / "index" / "manifests")
    catalog.refresh()
    extend_ledger(archive, catalog)


@contextmanager
def attacked(desk: Desk, folder: Path) -> Iterator[Site]:
    """Give a copy of a sealed archive to be attacked: store and host's memory."""
    assert isinstance(desk.store, MemoryStore)
    shutil.copytree(desk.place.folder, folder, dirs_exist_ok=True)
    clock = replace(desk.clock)
    store = MemoryStore(clock=clock)
    store._versions = {
        key: [replace(version) for version in versions]
        for key, versions in desk.store._versions.items()
    }
    store._written = desk.store._written
    place = type(desk.place)(folder)
    yield Site(replace(desk, place=place, clock=clock, store=store), store)
