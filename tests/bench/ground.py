"""What benchmarks stand on: a MariaDB with shops in it, archives that seal them."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.bench.processes import Run, run
from tests.servers import mariadb
from tests.servers.mariadb import MariaDB, ShopDatabase
from tests.servers.seaweedfs import S3Bucket
from tests.shops import dujiaoka

DAY: Final = dujiaoka.START
BUFFER_POOL: Final = "1G"
"""Holds a million orders: neither side waits for the disk."""
_PASSWORD: Final = "SHOP_DB_PASSWORD"  # the name of a variable


@dataclass(slots=True)
class Ground:
    """One run's servers and folders, made when they are first asked for."""

    folder: Path
    console: Console
    stack: ExitStack
    orders: int
    many_orders: int
    history_orders: int
    runs: int
    tokens: int
    _server: MariaDB | None = None
    _shops: dict[tuple[int, int], ShopDatabase] = field(default_factory=dict)
    _archives: int = 0

    def say(self, text: str) -> None:
        """Tell who waits what is going on."""
        self.console.print(f"[dim]{text}[/]", highlight=False)

    def shop(self, orders: int, days: int = 1) -> ShopDatabase:
        """Return a dujiaoka shop with that many finished orders, evenly of the days up to `DAY`."""
        if (orders, days) not in self._shops:
            if self._server is None:
                server = mariadb.running(self.folder, buffer_pool=BUFFER_POOL)
                self._server = self.stack.enter_context(server)
            self.say(f"filling a shop with {orders:,} orders of {days} days up to {DAY}")
            shop = self._shops[orders, days] = self._server.new_database()
            with shop.connect() as connection:
                first = 1
                for number in range(days):
                    of_day = orders * (number + 1) // days - (first - 1)
                    day = DAY - timedelta(days=days - 1 - number)
                    dujiaoka.bulk_fill(connection, orders=of_day, day=day, first_id=first)
                    first += of_day
        return self._shops[orders, days]

    @contextmanager
    def archive(
        self, url: str, bucket: S3Bucket | None = None, since: date | None = None
    ) -> Iterator["ArchiveHome"]:
        """Found an archive over the shop at `url`, in a bucket or a folder; it goes afterwards.

        Args:
            url: The shop's.
            bucket: Where its objects go; else a folder.
            since: Its first day; else the first night asks the shop which days it has.
        """
        self._archives += 1
        home = ArchiveHome(folder=self.folder / f"archive-{self._archives}", bucket=bucket)
        home.folder.mkdir()
        home.found(url, since)
        try:
            yield home
        finally:
            shutil.rmtree(home.folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveHome:
    """The folder of one `archiver.toml`."""

    folder: Path
    bucket: S3Bucket | None

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.folder / "archiver.toml"

    @property
    def vault(self) -> Path:
        """The directory store."""
        return self.folder / "vault"

    @property
    def environment(self) -> dict[str, str]:
        """What commands over this archive need."""
        bucket = self.bucket.environment if self.bucket else {}
        return {**bucket, _PASSWORD: mariadb.READER_PASSWORD}

    def found(self, url: str, since: date | None = None) -> None:
        """Write the configuration and create the archive."""
        store = 'url = "dir:vault"'
        if self.bucket:
            store = (
                f'url = "{self.bucket.url}/bench"\nendpoint = "{self.bucket.endpoint}"\n'
                f'region = "{self.bucket.region}"'
            )
        password = "" if url.startswith("sqlite") else f'password_env = "{_PASSWORD}"'
        self.config.write_text(
            f"""
[archive]
name = "bench"
role = "platform"
legal_basis = "电子商务法第三十一条"
{f"since = {since}" if since else ""}
[store]
{store}
[[source]]
name = "main"
preset = "dujiaoka"
url = "{url}"
{password}
"""
        )
        self._command("init")

    def night(self, day: date, *, watch_memory: bool = False) -> Run:
        """Seal everything up to `day`, in a process of its own."""
        return self._command("nightly", str(day), watch_memory=watch_memory)

    def backfill(self, first: date, last: date, workers: int) -> Run:
        """Seal a range of days, in processes of its own."""
        return self._command("backfill", str(first), str(last), str(workers))

    def _command(self, *words: str, watch_memory: bool = False) -> Run:
        argv = [sys.executable, "-m", "tests.bench.night", str(self.config), *words]
        return run(argv, environment=self.environment, watch_memory=watch_memory)


@contextmanager
def open_ground(
    console: Console,
    *,
    orders: int,
    many_orders: int,
    history_orders: int,
    runs: int,
    tokens: int,
) -> Iterator[Ground]:
    """Give the ground of one run; servers and folders are gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        ExitStack() as stack,
    ):
        yield Ground(
            folder=Path(folder),
            console=console,
            stack=stack,
            orders=orders,
            many_orders=many_orders,
            history_orders=history_orders,
            runs=runs,
            tokens=tokens,
        )
