"""How long `archiver sight` takes from MariaDB to a real S3 server, its start included."""

import json
from collections.abc import Iterator
from datetime import datetime
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

from tests.bench.figures import Figure
from tests.bench.ground import ArchiveHome, Ground
from tests.bench.processes import Run, run
from tests.bench.startup import PROGRAM
from tests.servers import mariadb, seaweedfs
from tests.shops import dujiaoka

NAME = "sight"
ROWS: Final = 10_000
REPEATS: Final = 3


def measure(ground: Ground) -> Iterator[Figure]:
    """Sight orders that all ended today, then look again."""
    database = ground.stack.enter_context(mariadb.running(ground.folder))
    shop = database.new_database()
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date()
    with shop.connect() as connection:
        dujiaoka.bulk_fill(connection, orders=ROWS, day=today)
    store = ground.stack.enter_context(seaweedfs.running(ground.folder))
    first, again = [], []
    for _ in range(REPEATS):
        with ground.archive(shop.url, store.new_bucket()) as home:
            first.append(_look(home, ROWS).seconds)
            again.append(_look(home, 0).seconds)
    what = f"archiver sight of {ROWS:,} orders (median of {REPEATS})"
    yield Figure(benchmark=NAME, what=what, value=median(first), unit="s", target=2.0)
    what = f"a look at the same {ROWS:,} orders, nothing new"
    yield Figure(benchmark=NAME, what=what, value=median(again), unit="s")


def _look(home: ArchiveHome, expected: int) -> Run:
    looked = run(
        [PROGRAM, "sight", "--json", "--config", home.config], environment=home.environment
    )
    [source] = json.loads(looked.output)["sources"]
    if source["sighted"] != expected:
        message = f"{source['sighted']} orders were sighted, not {expected}"
        raise RuntimeError(message)
    return looked
