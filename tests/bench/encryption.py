"""Writing a partition encrypted, against pyarrow writing the same table plain."""

import gc
import os
import time
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from archiver import partition, sealing
from archiver.wiring import Installation
from schemas.orders import ORDER_V1
from tests.archives import Silent
from tests.bench.figures import Figure, ratio
from tests.bench.ground import DAY, Ground

NAME = "encryption"
ORDERS = 100_000
REPEATS = 15


def measure(ground: Ground) -> Iterator[Figure]:
    """Alternate the two over a full partition of real orders, as sealing has filled it."""
    groups = _partition(ground)
    rows = sum(map(len, groups))
    times: dict[str, list[tuple[float, float]]] = {"plain": [], "encrypted": []}
    # For both alike: only what keys cost is compared.
    layout = sealing.LAYOUT.sparing(pa.concat_tables(groups))
    sizes = {}
    for repeat in range(REPEATS + 1):
        for name, write in (("plain", _plain), ("encrypted", _encrypted)):
            wall, cpu, sizes[name] = _timed(write, groups, layout)
            if repeat:  # the first one only warms up
                times[name].append((wall, cpu))
    for position, what in ((1, "CPU time"), (0, "wall time")):
        yield Figure(
            benchmark=NAME,
            what=f"{what} against plain, {rows:,} orders (median of {REPEATS} pairs)",
            value=ratio(*([pair[position] for pair in times[n]] for n in ("encrypted", "plain"))),
            unit="×",
            target=1.15,
        )
    yield Figure(
        benchmark=NAME,
        what="bytes against plain",
        value=sizes["encrypted"] / sizes["plain"],
        unit="×",
        target=1.03,
    )


def _partition(ground: Ground) -> list[pa.Table]:
    """Return the row groups of one partition, exactly as a night writes them."""
    shop = ground.shop(min(ORDERS, ground.orders))
    groups: list[pa.Table] = []
    write = partition.FileWriter.write_row_group

    def noting(self: partition.FileWriter, table: pa.Table) -> None:
        if table.schema.equals(ORDER_V1):
            groups.append(table)
        write(self, table)

    with ground.archive(shop.url) as home:
        os.environ.update(home.environment)
        partition.FileWriter.write_row_group = noting  # type: ignore[method-assign]
        try:
            with Installation.load(home.config).night(Silent()) as night:
                night.run(DAY)
        finally:
            partition.FileWriter.write_row_group = write  # type: ignore[method-assign]
    return groups


def _timed(
    write: Callable[[list[pa.Table], partition.Layout], int],
    groups: list[pa.Table],
    layout: partition.Layout,
) -> tuple[float, float, int]:
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    size = write(groups, layout)
    return time.perf_counter() - wall, time.process_time() - cpu, size


def _encrypted(groups: list[pa.Table], layout: partition.Layout) -> int:
    keks = {"base": bytes(32), "reveal": bytes([1]) * 32}
    writer = partition.FileWriter(
        ORDER_V1, keks, sealing.ORDER_LEAVES, footer_key="base", layout=layout
    )
    for group in groups:
        writer.write_row_group(group)
    return int(writer.finish().content.size)


def _plain(groups: list[pa.Table], layout: partition.Layout) -> int:
    sink = pa.BufferOutputStream()
    options = layout.options(sealing.ORDER_LEAVES)
    with pq.ParquetWriter(sink, ORDER_V1, **options) as writer:
        for group in groups:
            writer.write_table(group, row_group_size=len(group))
    return int(sink.getvalue().size)
