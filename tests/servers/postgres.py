"""Debian's PostgreSQL, and fresh databases in it. It refuses to run as root, so it has its user."""

import itertools
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

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
ADMIN_PASSWORD = "canary-pg-admin-02c8"
READER = "reader"
READER_PASSWORD = "canary-pg-reader-c41e"
"""Planted: it must never appear in a log, an error, argv or a file of ours."""

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresDatabase:
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
        return f"postgresql://{self.reader}@{self.host}:{self.port}/{self.name}"

    @property
    def reader_url(self) -> str:
        """The reader's URL with its password."""
        return (
            f"postgresql://{self.reader}:{self.reader_password}@{self.host}:{self.port}/{self.name}"
        )

    @property
    def admin_url(self) -> str:
        """The administrator's URL with its password."""
        return (
            f"postgresql://{self.admin}:{self.admin_password}@{self.host}:{self.port}/{self.name}"
        )

    def connect(self, *, reader: bool = False) -> psycopg.Connection:
        """Return a new connection, autocommit off; the caller closes it."""
        return psycopg.connect(self.reader_url if reader else self.admin_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """A running server."""

    port: int
    host: str = HOST

    def new_database(self) -> PostgresDatabase:
        """Create an empty database that nobody else uses; the reader may read what is to come."""
        name = f"shop_{os.getpid()}_{next(_numbers)}"
        with self._connect("postgres") as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            if not connection.execute(
                "SELECT 1 FROM pg_roles WHERE rolname = %s", [READER]
            ).fetchone():
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(READER), sql.Literal(READER_PASSWORD)
                    )
                )
        with self._connect(name) as connection:
            connection.execute(
                sql.SQL("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {}").format(
                    sql.Identifier(READER)
                )
            )
        return PostgresDatabase(name=name, host=self.host, port=self.port)

    def drop(self, database: PostgresDatabase) -> None:
        """Forget a database, even one that somebody is still connected to."""
        with self._connect("postgres") as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                    sql.Identifier(database.name)
                )
            )

    def _connect(self, database: str) -> psycopg.Connection:
        return _connect(self.port, database, autocommit=True)


def _connect(port: int, database: str, *, autocommit: bool) -> psycopg.Connection:
    return psycopg.connect(
        host=HOST,
        port=port,
        user=ADMIN,
        password=ADMIN_PASSWORD,
        dbname=database,
        autocommit=autocommit,
        connect_timeout=2,
    )


def _binaries() -> Path:
    """Return the folder of the newest installed release."""

    def release(folder: Path) -> int:
        return int(re.sub(r"\D", "", folder.parent.name) or 0)

    found = [
        folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if (folder / "initdb").exists() and (folder / "postgres").exists()
    ]
    if not found:
        raise ServerMissingError("postgres is missing: install Debian's package postgresql")
    return max(found, key=release)


def plan(folder: Path) -> Launch:
    """Write what the server needs into `folder` and say how to start it.

    Raises:
        ServerMissingError: PostgreSQL is not installed.
    """
    binaries = _binaries()
    port = free_port()
    (folder / "password").write_text(ADMIN_PASSWORD)
    return Launch(
        endpoint={"port": port},
        user="postgres" if is_root() else None,
        prepare=(
            [
                str(binaries / "initdb"),
                f"--pgdata={folder / 'db'}",
                f"--username={ADMIN}",
                f"--pwfile={folder / 'password'}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ],
        ),
        serve=[
            str(binaries / "postgres"),
            "-D",
            str(folder / "db"),
            "-F",  # no fsync: these data live as long as the test run
            *("-c", f"port={port}"),
            *("-c", f"listen_addresses={HOST}"),
            *("-c", f"unix_socket_directories={folder}"),
            *("-c", "shared_buffers=32MB"),
            *("-c", "timezone=Asia/Shanghai"),
        ],
        # "Immediate shutdown": its children go with it, which a plain kill does not promise.
        stop_signal=signal.SIGQUIT,
    )


def ready(endpoint: Endpoint) -> bool:
    """Return whether the server lets its administrator in."""
    try:
        _connect(int(endpoint["port"]), "postgres", autocommit=False).close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def running(run_folder: Path) -> Iterator[Postgres]:
    """Give the run's server.

    Raises:
        ServerMissingError: PostgreSQL is not installed.
    """
    with shared("postgres", run_folder, plan, ready) as endpoint:
        yield Postgres(port=int(endpoint["port"]))
