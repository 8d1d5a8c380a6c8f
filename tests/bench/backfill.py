"""Years past: a backfill into the directory store, by two workers and by one."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from tests.bench.figures import Figure, ratio
from tests.bench.ground import DAY, Ground
from tests.bench.processes import Run

NAME = "backfill"
DAYS: Final = 90
WORKERS: Final = (1, 2)


def measure(ground: Ground) -> Iterator[Figure]:
    """Alternate one worker and two over the same shop, each time into a fresh archive."""
    orders = ground.history_orders
    shop = ground.shop(orders, days=DAYS)
    took: dict[int, list[Run]] = {workers: [] for workers in WORKERS}
    for number in range(ground.runs):
        for workers in WORKERS:
            with ground.archive(shop.url) as home:
                run = home.backfill(DAY - timedelta(days=DAYS - 1), DAY, workers)
            if int(run.output.split()[-1]) != orders:
                raise RuntimeError(f"not all orders were sealed: {run.output}")
            took[workers].append(run)
            ground.say(
                f"  run {number + 1}, {workers} workers: {run.seconds:.1f} s, "
                f"{run.cpu_seconds:.1f} s of CPU"
            )
    one, two = ([run.seconds for run in took[workers]] for workers in WORKERS)
    yield Figure(
        benchmark=NAME,
        what=f"two workers against one, {orders:,} orders over {DAYS} days (median of pairs)",
        value=ratio(one, two),
        unit="×",
        target=1.5,
        sense="at least",
    )
    for workers, seconds in zip(WORKERS, (one, two), strict=True):
        yield Figure(
            benchmark=NAME,
            what=f"whole process, workers: {workers}",
            value=orders / min(seconds),
            unit="rows/s",
        )
