"""Requests that a night sends to a real S3 server, counted by a proxy before it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta

from tests.bench.figures import Figure
from tests.bench.ground import DAY, Ground
from tests.servers import seaweedfs
from tests.servers.proxy import S3Proxy
from tests.shops import dujiaoka

NAME = "puts"
ORDERS = 300


def measure(ground: Ground) -> Iterator[Figure]:
    """Seal one day in one partition, then a day on which nothing happened."""
    shop = ground.folder / "shop.db"
    with closing(sqlite3.connect(shop)) as connection:
        dujiaoka.fill(connection, orders=ORDERS, days=1, start=DAY)
    server = ground.stack.enter_context(seaweedfs.running(ground.folder))
    with (
        S3Proxy(server.new_bucket()) as proxy,
        ground.archive(f"sqlite:///{shop}", proxy.bucket) as home,
    ):
        for what, day, limit in (
            ("a night with one partition", DAY, 15),
            ("a night without orders", DAY + timedelta(days=1), 6),
        ):
            proxy.forget_requests()
            home.night(day)
            ground.say(f"  {what}: {proxy.count()} requests")
            yield Figure(
                benchmark=NAME,
                what=what,
                value=proxy.count("PUT") + proxy.count("POST"),
                unit="PUTs",
                target=limit,
            )
