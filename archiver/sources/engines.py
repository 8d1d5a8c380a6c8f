"""Running statements: connectorx for servers, the standard library for SQLite.

Every table comes back with `large_binary` columns only. Sessions are read-only and in UTC.
"""

import contextlib
import sqlite3
from abc import ABC, abstractmethod
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import pyarrow as pa
import pyarrow.compute as pc

from archiver.sources.dialect import FAT_BYTES, Dialect, Shape
from archiver.sources.dialects import MySql, Postgres, Sqlite
from archiver.sources.failures import ReadError

_MYSQL_SESSION: Final = ("SET time_zone = '+00:00'", "SET SESSION TRANSACTION READ ONLY")
_NO_SOCKET: Final = "prefer_socket=false"
"""At a loopback address the driver asks the server for its Unix socket and goes on there: behind
a tunnel that path is another server's, or another user's rights."""
_POSTGRES_SESSION: Final = (
    "SET TIME ZONE 'UTC'",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "SET standard_conforming_strings = on",
    "SET DateStyle = 'ISO, YMD'",
    "SET extra_float_digits = 1",
)
_POSTGRES_INTEGERS: Final = frozenset({"smallint", "integer", "bigint"})
_POSTGRES_SHORT: Final = frozenset(
    {
        *_POSTGRES_INTEGERS,
        *("numeric", "real", "double precision", "boolean", "uuid", "date", "inet"),
        *("timestamp without time zone", "timestamp with time zone"),
    }
)
_UTF8: Final = frozenset({"utf8mb4", "utf8mb3", "utf8", "ascii", "binary"})


class Engine(ABC):
    """A database that can be asked."""

    dialect: Dialect
    guards: bool
    """Long texts must be kept out of a page by the statement; else `fetch` stops in time."""

    @abstractmethod
    def fetch(self, statement: str, budget: int | None = None) -> tuple[pa.Table, bool]:
        """Return rows, and whether that was all of them.

        Where the engine can, it stops after `budget` bytes.
        """

    @abstractmethod
    def shape(self, query: str, columns: tuple[str, ...]) -> Shape:
        """Return what is known about a query's columns without reading any row."""


class Server(Engine):
    """MySQL, MariaDB or PostgreSQL."""

    guards = True
    session: tuple[str, ...] = ()

    def __init__(self, url: str) -> None:
        self._url = url

    def fetch(self, statement: str, budget: int | None = None) -> tuple[pa.Table, bool]:  # noqa: ARG002
        """Return rows, all of them: connectorx knows no back-pressure."""
        table = self.ask(statement)
        columns = [_as_bytes(column) for column in table.columns]
        return pa.table(dict(zip(table.column_names, columns, strict=True))), True

    def ask(self, statement: str) -> pa.Table:
        """Return a result in the driver's own types."""
        import connectorx  # noqa: PLC0415 (30 MB that SQLite does not need)

        return connectorx.read_sql(
            self._url,
            statement,
            return_type="arrow",
            protocol="binary",
            pre_execution_query=list(self.session),
        )

    def _one_row(self, query: str) -> str:
        """Return a FROM clause of one row, in which all columns of `q` are NULL."""
        return f"FROM (SELECT 1 AS one) d LEFT JOIN ({query}) q ON 1 = 0"

    def _types(self, query: str, wanted: str = "q.*") -> pa.Schema | None:
        """Return the driver's types of a query's columns; None if it cannot say."""
        statement = f"SELECT {wanted} {self._one_row(query)}"
        # A type that connectorx does not know makes it panic, which is no Exception.
        with contextlib.suppress(BaseException):
            return self.ask(statement).schema
        return None


class MySqlServer(Server):
    """MySQL or MariaDB."""

    dialect = MySql()
    session = _MYSQL_SESSION

    def shape(self, query: str, columns: tuple[str, ...]) -> Shape:
        """Return what is known about a query's columns without reading any row."""
        names = self._names(query)
        asked = ", ".join(
            f"CAST(CHARSET({self.dialect.column('q', name)}) AS BINARY) AS c{number}"
            for number, name in enumerate(columns)
        )
        one = f"SELECT {asked} {self._one_row(query)}"
        row = self.fetch(one)[0].to_pylist()[0]
        charsets = {name: row[f"c{n}"].decode() for n, name in enumerate(columns)}
        chosen = ", ".join(self.dialect.column("q", name) for name in columns)
        types = self._types(query, chosen)
        kinds = {f.name: f.type for f in types} if types else {}
        integers = {name for name, kind in kinds.items() if pa.types.is_integer(kind)}
        texts = {name for name, charset in charsets.items() if charset != "binary"}
        blobs = {n for n in columns if n not in texts and _may_be_long(kinds.get(n))}
        return Shape(
            names=names,
            integers=frozenset(integers),
            short=frozenset(columns) - frozenset(texts - self._short(texts)) - blobs,
            text=frozenset(texts),
            as_is=frozenset(name for name, charset in charsets.items() if charset in _UTF8),
        )

    def _one_row(self, query: str) -> str:
        # Without a limit, MariaDB reads all rows before it notices that none of them can join.
        return super()._one_row(f"SELECT * FROM ({query}) z LIMIT 0")  # noqa: S608

    def _names(self, query: str) -> tuple[str, ...]:
        types = self._types(query)
        return tuple(types.names) if types else ()

    def _short(self, names: set[str]) -> set[str]:
        """Return those names that stand for short columns wherever this database has them."""
        if not names:
            return set()
        listed = ", ".join(self.dialect.literal(name.encode()) for name in sorted(names))
        statement = (
            "SELECT CAST(column_name AS BINARY) AS name, "  # noqa: S608
            "CAST(MAX(COALESCE(character_octet_length, 4294967295)) AS BINARY) AS longest "
            "FROM information_schema.columns WHERE table_schema = DATABASE() "
            f"AND column_name IN ({listed}) GROUP BY column_name"
        )
        rows = self.fetch(statement)[0].to_pylist()
        return {row["name"].decode() for row in rows if int(row["longest"]) <= FAT_BYTES} & names


class PostgresServer(Server):
    """PostgreSQL."""

    dialect = Postgres()
    session = _POSTGRES_SESSION

    def shape(self, query: str, columns: tuple[str, ...]) -> Shape:
        """Return what is known about a query's columns without reading any row."""
        asked = ", ".join(
            f"pg_typeof({self.dialect.column('q', name)})::text AS c{number}"
            for number, name in enumerate(columns)
        )
        one = (
            f"SELECT current_setting('server_encoding') AS encoding, {asked} {self._one_row(query)}"
        )
        row = self.ask(one).to_pylist()[0]
        kinds = {name: row[f"c{number}"] for number, name in enumerate(columns)}
        types = self._types(query)
        return Shape(
            names=tuple(types.names) if types else (),
            integers=frozenset(n for n, kind in kinds.items() if kind in _POSTGRES_INTEGERS),
            short=frozenset(n for n, kind in kinds.items() if kind in _POSTGRES_SHORT),
            text=frozenset(n for n, kind in kinds.items() if kind.startswith(("text", "char"))),
            as_is=frozenset(n for n, kind in kinds.items() if kind == "bytea"),
            raw_text=row["encoding"] == "SQL_ASCII",
        )


class SqliteFile(Engine):
    """A SQLite file, opened so that it cannot be written."""

    dialect = Sqlite()
    guards = False

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True)
        self._connection.text_factory = bytes

    def fetch(self, statement: str, budget: int | None = None) -> tuple[pa.Table, bool]:
        """Return rows, up to about `budget` bytes."""
        cursor = self._connection.execute(statement)
        names = [described[0] for described in cursor.description]
        rows: list[tuple[bytes | None, ...]] = []
        size, complete = 0, True
        for row in cursor:
            rows.append(row)
            size += sum(map(len, filter(None, row)))
            if budget is not None and size >= budget:
                complete = False
                break
        cursor.close()
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        arrays = [pa.array(column, pa.large_binary()) for column in columns]
        return pa.table(dict(zip(names, arrays, strict=True))), complete

    def shape(self, query: str, columns: tuple[str, ...]) -> Shape:
        """Return the query's column names; its values may be of any type."""
        cursor = self._connection.execute(f"SELECT * FROM ({query}) q LIMIT 0")  # noqa: S608
        names = tuple(described[0] for described in cursor.description)
        cursor.close()
        return Shape(names=names, text=frozenset(columns))


def open_engine(url: str, password: str | None) -> Engine:
    """Return the engine for a URL.

    Raises:
        ReadError: The URL is none that we can read.
    """
    if url.startswith("file:"):
        from archiver.sources.files import Files  # noqa: PLC0415  (it builds on what is here)

        return Files(url.removeprefix("file:"))
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return SqliteFile(unquote(url.removeprefix("sqlite:///")))
    user = quote(unquote(parts.username or ""), safe="")
    login = f"{user}:{quote(password, safe='')}" if password else user
    place = parts.netloc.rpartition("@")[2]
    if parts.scheme in ("mysql", "mariadb"):
        told = "" if "prefer_socket=" in parts.query else _NO_SOCKET
        options = "&".join(filter(None, (parts.query, told)))
        full = urlunsplit(("mysql", f"{login}@{place}", parts.path, options, ""))
        return MySqlServer(full)
    if parts.scheme in ("postgresql", "postgres"):
        full = urlunsplit(("postgresql", f"{login}@{place}", parts.path, parts.query, ""))
        return PostgresServer(full)
    raise ReadError("mapping", "the URL must begin with mysql, mariadb, postgresql, sqlite or file")


def _may_be_long(kind: pa.DataType | None) -> bool:
    return kind is None or pa.types.is_large_binary(kind) or pa.types.is_large_string(kind)


def _as_bytes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_integer(column.type):
        column = pc.cast(column, pa.string())
    return column if pa.types.is_large_binary(column.type) else pc.cast(column, pa.large_binary())
