"""An archive without a night: batches sealed as given, and manifests that name them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from archiver import retention, sealing
from archiver.archive import Archive
from archiver.index import Index, IndexBuilder, IndexKeys
from archiver.keyring import KeyPair
from archiver.search_tokens import Kind, ask
from archiver.signed_documents import SignedDocument
from schemas.documents import Counts, Manifest, SealedObject
from schemas.orders import ORDER_V1
from tests import search_oracle
from tests.archives import RULES, Silent
from tests.auditor import secret_in
from tests.desk import Desk, founded
from tests.order_rows import Row, table
from tests.test_sealing import batch_of

START: Final = datetime(2026, 3, 4, 4, tzinfo=UTC)
EMPTY: Final[Row] = {
    **{one.name: None if one.nullable else "" for one in ORDER_V1},
    "archive": "0" * 32,
    "source": "main",
    "revision": 1,
    "first_seen_at": START,
    "outcome": "completed",
    "payments": [],
    "deliveries": [],
    "secret_commitment": bytes(32),
}

Place = tuple[str, int]
"""A partition's key and a row in it."""


@dataclass(slots=True, repr=False)
class Shelf:
    """Sealed orders, their manifests, and what each order is found by."""

    desk: Desk
    archive: Archive
    entries: list[SignedDocument[Manifest]] = field(default_factory=list)
    orders: dict[Place, Row] = field(default_factory=dict)
    day: date = date(2026, 3, 4)

    def __repr__(self) -> str:
        """Keep a failing test's output short."""
        return "shelf"

    @property
    def keys(self) -> IndexKeys:
        """A lookup host's keys."""
        return IndexKeys.open(self.archive, self.root("root"))

    @property
    def all_keys(self) -> IndexKeys:
        """The same with the reveal root."""
        return IndexKeys.open(self.archive, self.root("root"), self.root("reveal-root"))

    def root(self, name: str) -> KeyPair:
        """Return a root's private half."""
        return KeyPair(secret_in(self.desk.place.folder / f"{name}.key", "seed"))

    def seal(self, *partitions: Sequence[Row], later: timedelta = timedelta(0)) -> None:
        """Seal partitions as one more day."""
        objects: list[SealedObject] = []
        for rows in partitions:
            until = retention.retain_until(START + later, RULES.retention)
            batch = batch_of(
                table(ORDER_V1, rows),
                day=self.day,
                retain_until=until,
                cohort=retention.cohort_of(until, "orders"),
            )
            sealed = sealing.seal(self.archive, batch)
            objects += sealed.objects
            for position, row in enumerate(rows):
                self.orders[sealed.objects[0].key, position] = row
        number = len(self.entries) + 1
        document = Manifest(
            archive=self.archive.id,
            number=number,
            previous=None,
            created_at=START,
            source="main",
            day=self.day,
            timezone="Asia/Shanghai",
            mapping="none",
            mapping_digest="0" * 64,
            lock="COMPLIANCE",
            retention_years=3,
            retention_margin_days=10,
            counts=Counts(read=0),
            outcomes={},
            reject_reasons={},
            sums=[],
            objects=objects,
        )
        sha256 = hashlib.sha256(f"manifest {number}".encode()).hexdigest()
        self.entries.append(SignedDocument(document=document, version_id="v", sha256=sha256))
        self.day += timedelta(days=1)

    def builder(self, folder: Path, keys: IndexKeys | None = None) -> IndexBuilder:
        """Return what builds an index in a folder."""
        return IndexBuilder(
            archive=self.archive, keys=keys or self.keys, folder=folder, progress=Silent()
        )

    def index(self, folder: Path) -> Index:
        """Open an index."""
        return Index.open(folder, self.archive.id)

    def wanted(self) -> dict[tuple[int, str], set[Place]]:
        """Return, by kind and value, the orders that have it: brute force."""
        found: dict[tuple[int, str], set[Place]] = {}
        for place, row in self.orders.items():
            for pair in search_oracle.wanted(row):
                found.setdefault(pair, set()).add(place)
        return found


def shelf(folder: Path) -> Shelf:
    """Found an archive with nothing in it."""
    folder.mkdir(exist_ok=True)
    desk = founded(folder)
    return Shelf(desk, desk.open())


def order(order_id: str, **fields: Any) -> Row:  # noqa: ANN401
    """Return an order that has only what is given."""
    return {**EMPTY, "order_id": order_id, "completed_at": START, **fields}


def places(hits: Sequence[Any]) -> list[Place]:
    """Return where hits are."""
    return [
        (
            hit.partition.key,
            hit.row + sum(rows for *_, rows in hit.partition.row_groups[: hit.row_group]),
        )
        for hit in hits
    ]


def found(index: Index, keys: IndexKeys, kind: Kind, value: str) -> list[Place]:
    """Ask one question."""
    criterion = ask(keys.search, kind, value)
    return [] if criterion is None else places(index.find([criterion]))


def questions(shelf: Shelf) -> Iterator[tuple[Kind, str, set[Place]]]:
    """Yield everything that can be asked of orders, and its answer.

    Values as compared are asked for; what is compared as itself is left as it is.
    """
    for (kind, value), where in shelf.wanted().items():
        if Kind(kind) is not Kind.CARD_PART and value:
            yield Kind(kind), value, where


def summary(index: Index) -> Mapping[str, Any]:
    """Return what an index says of itself."""
    covered = index.covered()
    return {"manifest": covered.manifest, "orders": covered.orders, "days": dict(covered.days)}
