"""How a ledger of one sighting after the other behaves when it has become long."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from time import perf_counter
from typing import Final, TypeVar

from archiver import layout, merkle
from archiver.archive import Archive
from archiver.ledger import Ledger, Noted
from archiver.ledger.parts import put_checkpoint
from archiver.stores.memory import MemoryStore
from schemas.documents import LedgerPart
from tests.bench.figures import Figure
from tests.bench.ground import Ground
from tests.clock import NOON
from tests.ledger.books import Books

NAME: Final = "ledger"
PARTS: Final = 20_000
"""Ten weeks of one every five minutes. In memory: a store's own time is not the ledger's."""
EVERY: Final = timedelta(minutes=5)
T = TypeVar("T")


def measure(ground: Ground) -> Iterator[Figure]:
    """Read it on a host that knows nothing, then as a run does that adds one more."""
    books = Books.found(ground.folder / "ledger")
    _fill(books.archive(), books.store)
    ground.say(f"  {PARTS:,} parts of one entry")

    cold, read = _timed(lambda: books.ledger("cold"))
    yield _figure("read on a host that knows nothing, a thousand parts", cold / PARTS * 1000)
    last = _noted(PARTS)
    warm, ledger = _timed(lambda: _one_more(books.archive("cold"), last))
    yield _figure("opened by a host that knows it, and one entry added", warm, target=0.1)
    middle = PARTS // 2
    shown, _ = _timed(lambda: books.ledger("cold").inclusion(middle, middle + 1))
    yield _figure("an old entry shown to be in its checkpoint", shown, target=0.2)
    behind, _ = _timed(lambda: books.ledger("cold").consistency(PARTS - 500, PARTS))
    yield _figure("consistency for a witness that is two days behind", behind, target=0.2)
    whole, _ = _timed(lambda: books.ledger("cold").inclusion(0, PARTS))
    yield _figure("the first entry shown to be in the last checkpoint", whole)
    if (read.size, ledger.size) != (PARTS, PARTS + 1):
        message = f"the ledger has {ledger.size} entries"
        raise RuntimeError(message)


def _fill(archive: Archive, store: MemoryStore) -> None:
    """Store what so many runs would have stored, the last checkpoint alone."""
    frontier: list[bytes] = []
    until = archive.evidence_until()
    for number in range(PARTS):
        text = _noted(number).numbered(number)
        part = LedgerPart(
            archive=archive.id,
            created_at=NOON + number * EVERY,
            first=number,
            frontier=[node.hex() for node in frontier],
            entries=[text],
        )
        content = archive.signed(part, "ledger")
        store.overwrite(layout.ledger_key(number), content, retain_until=until)
        leaf = merkle.leaf_hash(text.encode())
        frontier = merkle.Tail(number, frontier, [leaf]).frontier_at(number + 1)
    put_checkpoint(archive, PARTS, merkle.frontier_root(frontier))


def _noted(number: int) -> Noted:
    at = NOON + number * EVERY
    return Noted(
        kind="sighting",
        key=layout.sighting_key("main", at.date(), f"{number:032x}"),
        version_id=f"v{number}",
        sha256=hashlib.sha256(b"%d" % number).hexdigest(),
        at=at,
        day=at.date(),
    )


def _one_more(archive: Archive, noted: Noted) -> Ledger:
    ledger = Ledger(archive)
    ledger.refresh()
    ledger.taken.look_from(noted.at.date())  # as a run does that has looked before
    ledger.append([noted])
    return ledger


def _timed(act: Callable[[], T]) -> tuple[float, T]:
    began = perf_counter()
    result = act()
    return perf_counter() - began, result


def _figure(what: str, seconds: float, target: float | None = None) -> Figure:
    return Figure(benchmark=NAME, what=what, value=seconds, unit="s", target=target)
