"""An order by its number: this archive, and DuckDB over the same orders as plain Hive Parquet."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import perf_counter

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from archiver.lookup.finding import Finder
from archiver.lookup.question import Fact, Question
from archiver.stores.directory import DirectoryStore
from schemas.orders import ORDER_V1
from tests import cards
from tests.bench.figures import Figure
from tests.bench.ground import Ground
from tests.bench.index_build import TOKENS, widen
from tests.clock import FrozenClock
from tests.desk import MONDAY, Desk, at, founded
from tests.lookup.rooms import finder_at

NAME = "hive"
A_DAY = 10_000
FEW, MANY = 110, 1_095
"""Files: a tenth of three years, and three years."""
ROUNDS = 20
_ASK = "SELECT * FROM read_parquet(?, hive_partitioning = true) WHERE order_id = ?"


def measure(ground: Ground) -> Iterator[Figure]:
    """Ask both for the same orders, turn by turn, in a tenth of the archive and in the whole.

    Our partitions beyond the first are in the index alone: a lookup that hits none of them reads
    none of them. DuckDB's files are all there, for it must look into each.
    """
    folder = ground.folder / NAME
    folder.mkdir()
    desk = _sealed(folder)
    ids = [row["no"] for row in desk.rows]
    plain = pa.Table.from_pylist(list(desk.audit().orders), schema=ORDER_V1)
    files, ratios = 0, {}
    for count in (FEW, MANY):
        ground.say(f"{count:,} plain files of {A_DAY:,} orders, and an index of as many")
        for number in range(files, count):
            _write(folder / "hive", number, plain)
        files = count
        with finder_at(desk):
            widen(folder / "index" / "search", (count - 1) * A_DAY * TOKENS)
        with finder_at(desk) as finder:
            ours, theirs = _turns(finder, str(folder / "hive" / "*" / "*.parquet"), ids)
        ratios[count] = median(theirs) / median(ours)
        yield _figure(f"an order of {count:,} files, here, p50", median(ours) * 1e3, "ms")
        yield _figure(f"an order of {count:,} files, Hive, p50", median(theirs) * 1e3, "ms")
    yield _figure(f"Hive / here at {MANY:,} files", ratios[MANY], "×", 10)
    yield _figure(f"the same, against {FEW:,} files", ratios[MANY] / ratios[FEW], "×", 1)


def _figure(what: str, value: float, unit: str, target: float | None = None) -> Figure:
    return Figure(
        benchmark=NAME, what=what, value=value, unit=unit, target=target, sense="at least"
    )


def _sealed(folder: Path) -> Desk:
    """Seal a day of orders with numbers as dujiaoka gives them: 16 random characters."""
    random = np.random.default_rng(3)
    numbers = [bytes(one).hex().upper() for one in random.integers(0, 256, (A_DAY, 8), np.uint8)]
    rows = [
        cards.order(n, at(4, 0) + timedelta(seconds=8 * n), no=number)
        for n, number in enumerate(numbers, 1)
    ]
    clock = FrozenClock(at(5, 3))
    store = DirectoryStore(folder / "vault", clock)
    desk = founded(folder, rows, store=store, clock=clock, page_rows=A_DAY)
    if failures := desk.night().failures:
        raise RuntimeError(str(failures[0]))
    return desk


def _write(folder: Path, number: int, plain: pa.Table) -> None:
    """Write one more file; only the first one has the numbers that are asked for."""
    if number:
        random = np.random.default_rng([4, number]).integers(0, 256, (A_DAY, 8), np.uint8)
        ids = pa.array([bytes(one).hex().upper() for one in random], plain["order_id"].type)
        plain = plain.set_column(
            plain.schema.get_field_index("order_id"), plain.field("order_id"), ids
        )
    place = folder / f"day={MONDAY + timedelta(days=number)}"
    place.mkdir(parents=True)
    pq.write_table(plain, place / "orders.parquet", compression="zstd")


def _turns(finder: Finder, files: str, ids: Sequence[str]) -> tuple[list[float], list[float]]:
    """Time both for the same numbers; what both need only once is done before."""
    ours: list[float] = []
    theirs: list[float] = []
    with duckdb.connect(config={"enable_object_cache": True}) as plain:
        for number in ids[:: len(ids) // (ROUNDS + 1)]:
            start = perf_counter()
            found = finder.find(Question(facts=[Fact(kind="order", value=number)])).orders
            between = perf_counter()
            rows = plain.sql(_ASK, params=[files, number]).to_arrow_table()
            end = perf_counter()
            if (len(found), rows.num_rows) != (1, 1):
                raise RuntimeError(f"{number}: {len(found)} here, {rows.num_rows} there")
            ours.append(between - start)
            theirs.append(end - between)
    return ours[1:], theirs[1:]
