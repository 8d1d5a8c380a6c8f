"""Peak memory of a night's processes, for a large day and for one several times as large."""

from collections.abc import Iterator

from tests.bench.figures import Figure
from tests.bench.ground import DAY, Ground

NAME = "memory"
LIMIT_MB = 700


def measure(ground: Ground) -> Iterator[Figure]:
    """Run one night over each day, adding up the PSS of all its processes every 50 ms."""
    peaks = {}
    for rows in (ground.orders, ground.many_orders):
        with ground.archive(ground.shop(rows).url) as home:
            night = home.night(DAY, watch_memory=True)
        peaks[rows] = night.peak_bytes
        ground.say(f"  {rows:,} orders: {night.peak_bytes / 1e6:.0f} MB, {night.seconds:.1f} s")
    yield Figure(
        benchmark=NAME,
        what=f"peak of all processes, {ground.orders:,} orders",
        value=peaks[ground.orders] / 1e6,
        unit="MB",
    )
    yield Figure(
        benchmark=NAME,
        what=f"peak of all processes, {ground.many_orders:,} orders",
        value=peaks[ground.many_orders] / 1e6,
        unit="MB",
        target=LIMIT_MB,
    )
    yield Figure(
        benchmark=NAME,
        what=f"{ground.many_orders:,} orders against {ground.orders:,}",
        value=peaks[ground.many_orders] / peaks[ground.orders],
        unit="×",
        target=1.2,
    )
