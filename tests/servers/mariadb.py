"""Debian's MariaDB, and fresh shop databases in it.

The server's own time zone is +08:00, as on most shops' machines: code that forgets to set its
session's zone is off by eight hours here.
"""

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from tests.servers.shared import (
    Endpoint,
    Launch,
    ServerMissingError,
    free_port,
    is_root,
    shared,
)

HOST = "127.0.0.1"
ADMIN = "shop"
ADMIN_PASSWORD = "canary-shop-admin-7f3a"
READER = "reader"
READER_PASSWORD = "canary-shop-reader-91bd"
"""Planted: it must never appear in a log, an error, argv or a file of ours."""

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopDatabase:
    """An empty database of one test, an administrator who fills it, a reader who may only read."""

    name: str
    host: str
    port: int
    admin: str = ADMIN
    admin_password: str = ADMIN_PASSWORD
    reader: str = READER
    reader_password: str = READER_PASSWORD

    @property
    def url(self) -> str:
        """The reader's URL without a password, as it stands in `archiver.toml`."""
        return f"mysql://{self.reader}@{self.host}:{self.port}/{self.name}"

    @property
    def reader_url(self) -> str:
        """The reader's URL with its password."""
        return f"mysql://{self.reader}:{self.reader_password}@{self.host}:{self.port}/{self.name}"

    @property
    def admin_url(self) -> str:
        """The administrator's URL with its password."""
        return f"mysql://{self.admin}:{self.admin_password}@{self.host}:{self.port}/{self.name}"

    def connect(self, *, reader: bool = False) -> "Connection[Cursor]":
        """Return a new connection, autocommit off; the caller closes it."""
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.reader if reader else self.admin,
            password=self.reader_password if reader else self.admin_password,
            database=self.name,
            charset="utf8mb4",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MariaDB:
    """A running server."""

    port: int
    host: str = HOST

    def new_database(self) -> ShopDatabase:
        """Create an empty database that nobody else uses."""
        name = f"shop_{os.getpid()}_{next(_numbers)}"
        self._execute(
            f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4",
            f"GRANT SELECT ON `{name}`.* TO '{READER}'@'%'",
        )
        return ShopDatabase(name=name, host=self.host, port=self.port)

    def drop(self, database: ShopDatabase) -> None:
        """Forget a database."""
        self._execute(f"DROP DATABASE IF EXISTS `{database.name}`")

    def _execute(self, *statements: str) -> None:
        with (
            pymysql.connect(
                host=self.host, port=self.port, user=ADMIN, password=ADMIN_PASSWORD
            ) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)


def _find(program: str) -> str:
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        raise ServerMissingError(f"{program} is missing: install Debian's package mariadb-server")
    return path


def plan(folder: Path, *, buffer_pool: str) -> Launch:
    """Write what the server needs into `folder` and say how to start it.

    Args:
        folder: Empty and ours.
        buffer_pool: InnoDB's memory; benchmarks want more than tests.

    Raises:
        ServerMissingError: MariaDB is not installed.
    """
    daemon, installer = _find("mariadbd"), _find("mariadb-install-db")
    port = free_port()
    (folder / "users.sql").write_text(
        f"CREATE USER '{ADMIN}'@'%' IDENTIFIED BY '{ADMIN_PASSWORD}';\n"
        f"GRANT ALL ON *.* TO '{ADMIN}'@'%' WITH GRANT OPTION;\n"
        f"CREATE USER '{READER}'@'%' IDENTIFIED BY '{READER_PASSWORD}';\n"
    )
    # Durability is switched off: these data live as long as the test run.
    common = [
        "--no-defaults",
        f"--datadir={folder / 'db'}",
        "--skip-log-bin",
        "--innodb-log-file-size=64M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-doublewrite=0",
        "--innodb-flush-method=nosync",
        *(["--user=root"] if is_root() else []),
    ]
    return Launch(
        endpoint={"port": port},
        prepare=(
            [
                installer,
                *common,
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ],
        ),
        serve=[
            daemon,
            *common,
            f"--port={port}",
            f"--bind-address={HOST}",
            f"--socket={folder / 'sock'}",
            f"--pid-file={folder / 'pid'}",
            f"--tmpdir={folder}",
            f"--init-file={folder / 'users.sql'}",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            "--default-time-zone=+08:00",
            "--max-allowed-packet=64M",
            "--performance-schema=OFF",
            "--innodb-buffer-pool-load-at-startup=OFF",
            f"--innodb-buffer-pool-size={buffer_pool}",
        ],
    )


def ready(endpoint: Endpoint) -> bool:
    """Return whether the server lets its administrator in."""
    try:
        pymysql.connect(
            host=HOST, port=int(endpoint["port"]), user=ADMIN, password=ADMIN_PASSWORD
        ).close()
    except pymysql.err.OperationalError:
        return False
    return True


@contextmanager
def running(run_folder: Path, *, buffer_pool: str = "128M") -> Iterator[MariaDB]:
    """Give the run's server; `buffer_pool` counts for whoever starts it.

    Raises:
        ServerMissingError: MariaDB is not installed.
    """
    start = partial(plan, buffer_pool=buffer_pool)
    with shared("mariadb", run_folder, start, ready) as endpoint:
        yield MariaDB(port=int(endpoint["port"]))
