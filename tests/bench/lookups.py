"""Looking orders up on a real S3 server: one by its number, a page of a buyer with hundreds."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from archiver.lookup.finding import Finder
from archiver.lookup.question import Fact, Question
from archiver.ports import ObjectStore
from archiver.retention import LEGAL_ZONE
from archiver.stores.s3 import open_s3
from tests import cards
from tests.archives import RowsSource
from tests.bench.figures import Figure
from tests.bench.ground import Ground
from tests.clock import FrozenClock
from tests.desk import founded
from tests.lookup.rooms import finder_at
from tests.servers import seaweedfs

NAME = "lookups"
DAYS = 200
OF_THE_BUYER = 300
A_DAY = 400
LARGE = 100_000
"""Orders of the largest day: one full partition."""
BUYER = "somebody@qq.com"
RAW_BYTES = 300_000
ROUNDS = 40


class Counting:
    """A store that counts what is read."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self.reads: list[tuple[str, int]] = []

    def get(
        self, key: str, version_id: str | None = None, *, start: int = 0, length: int | None = None
    ) -> bytes:
        """Read, and count."""
        content = self._inner.get(key, version_id, start=start, length=length)
        self.reads.append((key, len(content)))
        return content

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def measure(ground: Ground) -> Iterator[Figure]:
    """Compare lookups with one raw GET of 300 kB from the same store, turn by turn."""
    with _archive(ground) as (store, finder):
        large = max(finder.index.partitions(), key=lambda place: place.rows)
        numbers = iter(range(DAYS * A_DAY + 1, DAYS * A_DAY + LARGE, 577))

        def raw() -> None:
            store.get(large.key, large.version_id, start=0, length=RAW_BYTES)

        def one() -> None:
            order = Fact(kind="order", value=f"N{next(numbers)}")
            assert len(finder.find(Question(facts=[order])).orders) == 1

        def page() -> None:
            found = finder.find(Question(facts=[Fact(kind="contact", value=BUYER)]))
            assert len(found.orders) == 20
            assert len(found.objects) <= 20

        for warm in (raw, one, page):
            warm()
        store.reads.clear()
        one()
        gets, size = len(store.reads), sum(count for _, count in store.reads)
        yield _figure("GETs of one lookup", gets, "GETs", 2)
        yield _figure("bytes of one lookup", size / 1e6, "MB", 1)
        store.reads.clear()
        page()
        yield _figure("GETs of a page of 20", len(store.reads), "GETs", 20)
        raws, ones = _turns(raw, one, ROUNDS)
        yield _figure("one raw GET of 300 kB, p50", median(raws) * 1e3, "ms")
        yield _figure("an order by its number, p50", median(ones) * 1e3, "ms")
        yield _figure("an order by its number / raw GET", median(ones) / median(raws), "×", 3)
        ones, pages = _turns(one, page, ROUNDS // 4)
        yield _figure("a page of 20 of 300 orders, p50", median(pages) * 1e3, "ms")
        yield _figure("a page of 20 / one lookup", median(pages) / median(ones), "×", 6)
        yield _figure("processor time of one lookup, p50", _spent(one, ROUNDS) * 1e3, "ms")
        yield _figure("processor time of a page of 20, p50", _spent(page, ROUNDS // 4) * 1e3, "ms")


def _figure(what: str, value: float, unit: str, target: float | None = None) -> Figure:
    return Figure(benchmark=NAME, what=what, value=value, unit=unit, target=target)


def _spent(thing: Callable[[], None], rounds: int) -> float:
    """Return the seconds of processor time that it takes here, the store's not among them."""
    spent = []
    for _ in range(rounds):
        start = process_time()
        thing()
        spent.append(process_time() - start)
    return median(spent)


def _turns(
    first: Callable[[], None], second: Callable[[], None], rounds: int
) -> tuple[list[float], list[float]]:
    """Time two things turn by turn: load that comes and goes hits both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for thing, spent in zip((first, second), times, strict=True):
            start = perf_counter()
            thing()
            spent.append(perf_counter() - start)
    return times


@contextmanager
def _archive(ground: Ground) -> Iterator[tuple[Counting, Finder]]:
    """Seal one large day and many small ones into SeaweedFS, and index them."""
    server = ground.stack.enter_context(seaweedfs.running(ground.folder))
    bucket = server.new_bucket()
    os.environ.update(bucket.environment)
    store = Counting(open_s3(f"{bucket.url}/lookups", bucket.endpoint, bucket.region))
    now = datetime.now(UTC)
    today = datetime.combine(now.astimezone(LEGAL_ZONE).date(), time(), LEGAL_ZONE)
    first = today - timedelta(days=DAYS + 2)
    rows = []
    for number in range(1, DAYS * A_DAY + LARGE + 1):
        day = min((number - 1) // A_DAY, DAYS)
        ended = first + timedelta(days=day, hours=12, microseconds=number)
        every = number % A_DAY < 2 and (number // A_DAY) * 2 + number % A_DAY < OF_THE_BUYER * 2
        contact = {"contact": BUYER} if day < DAYS and every and number % 4 != 1 else {}
        rows.append(cards.order(number, ended.astimezone(UTC), **contact))
    folder = Path(ground.folder) / "lookups"
    folder.mkdir()
    ground.say(f"sealing {len(rows):,} orders of {DAYS + 1} days into SeaweedFS")
    desk = founded(
        folder,
        rows,
        store=store,  # type: ignore[arg-type]
        clock=FrozenClock(now),
        page_rows=100_000,
    )
    assert isinstance(desk.source, RowsSource)
    assert desk.night(threads=2).failures == []
    with finder_at(desk, store=store) as finder:  # type: ignore[arg-type]
        yield store, finder
