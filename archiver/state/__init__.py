"""The transactional state: a database of this host (SQLite), or one for several (PostgreSQL).

Responsible for opening it, for transactions that mean the same on both, for tables that are made
on first use under a version, and for errors in our words. What the tables hold is their owners'
business; each owner declares a `Part`. Refuses a database without a file (it would forget), a
password in the URL (it would be read), and a part that a newer version of this software has made.

A transaction that has been committed is durable: SQLite waits for the disk (synchronous = FULL),
a PostgreSQL session that does not is told to.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from archiver.errors import ConfigurationError, Said, StateVersionError
from archiver.local_files import disk_errors, make_folder, sync_folder
from archiver.state.failures import translated
from archiver.state.looks import Look

CONNECTIONS: Final = 32
"""Kept open for the threads of a service: to open one takes as long as to ask several questions."""
BUSY_MS: Final = 20_000
"""How long a transaction waits for another one before it gives up, milliseconds."""
IDLE_MS: Final = 60_000
"""A PostgreSQL transaction in which nothing happens for so long is broken off: its process has
been stopped, and nobody else can write meanwhile."""
CONNECT_SECONDS: Final = 10

_VERSIONS: Final = sa.Table(
    "state_parts",
    sa.MetaData(),
    sa.Column("part", sa.String(64), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The tables of one owner, `fence` or `operators` for instance."""

    name: str
    version: int
    """Of the tables' shape. Whoever changes it brings the old one up to date himself."""
    metadata: sa.MetaData


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """An opened database. Nothing is connected before the first transaction."""

    engine: sa.Engine
    place: str
    """Where it is, without a password: for people."""
    shared: bool
    """Several hosts may use it at once: it is a server's."""
    _there: set[str] = field(default_factory=set, repr=False, compare=False)
    """Parts that were seen: tables do not go away under a process."""

    @contextmanager
    def reading(self, *parts: Part) -> Iterator[sa.Connection]:
        """Enter a transaction that sees one moment and writes nothing.

        Raises:
            StateUnavailableError: The database does not answer, or is busy for too long.
            StateAccessError: It refuses us.
            StateVersionError: A part is of a newer version of this software.
            StateDamagedError: The file is damaged.
        """
        self.require(*parts)
        with translated(self.place), self.engine.connect() as connection:
            if self.shared:
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    def look(self, part: Part, look: Look, /, **values: object) -> list[Any]:
        """Return what one statement finds, as of this moment, in a fraction of the time.

        Raises what `reading` raises.
        """
        self.require(part)
        with translated(self.place, self.engine.dialect.loaded_dbapi.Error):
            return look.at(self.engine, values)

    @contextmanager
    def writing(self, *parts: Part) -> Iterator[sa.Connection]:
        """Enter a transaction that writes: alone, on all hosts, from its first statement on.

        What it reads cannot change before it ends. It is committed, durably, when the block is
        left, and undone if by an exception. Keep it short: others wait. An error on leaving
        leaves open whether it was committed; look.

        Raises what `reading` raises. `sqlalchemy.exc.IntegrityError` is passed on as it is.
        """
        self.require(*parts)
        with self._alone() as connection:
            yield connection

    def require(self, *parts: Part) -> None:
        """Make the tables of parts that this database does not have yet.

        Raises what `reading` raises.
        """
        if all(part.name in self._there for part in parts):
            return
        unseen = [part for part in parts if part.name not in self._there]
        with translated(self.place), self.engine.connect() as connection:
            missing = [part for part in unseen if not _is_there(connection, part)]
        self._there.update({part.name for part in unseen} - {part.name for part in missing})
        if not missing:
            return
        with self._alone() as connection:
            _VERSIONS.create(connection, checkfirst=True)
            for part in missing:
                if not _is_there(connection, part):
                    part.metadata.create_all(connection)
                    row = {"part": part.name, "version": part.version}
                    connection.execute(_VERSIONS.insert(), row)

    def close(self) -> None:
        """Close what is connected; the next transaction connects again."""
        self.engine.dispose()

    @contextmanager
    def _alone(self) -> Iterator[sa.Connection]:
        with translated(self.place), self.engine.connect() as connection:
            connection.execution_options(immediate=True)
            with connection.begin():
                if self.shared:
                    # Ends with the transaction. READ COMMITTED: each statement behind it sees
                    # what those before us have committed.
                    lock = sa.func.pg_advisory_xact_lock(_WRITERS)
                    connection.execute(sa.select(lock))
                yield connection


def open_state(url: str, folder: Path, password: str | None = None) -> State:
    """Open the state at a URL of the configuration.

    Args:
        url: `sqlite:///path`, relative to `folder`, or `postgresql://user@host:port/database`.
        folder: Of the configuration file.
        password: Of the PostgreSQL user.

    Raises:
        ConfigurationError: The URL cannot be used.
        LocalDiskError: The SQLite file cannot be made.
    """
    try:
        parsed = make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigurationError(detail=_unusable("it is no URL", "不是 URL")) from None
    if parsed.password is not None:
        raise ConfigurationError(
            detail=_unusable(
                "a password does not belong into a file that others read: name its variable in "
                "password_env",
                "密码不应写在他人可读的文件中：请在 password_env 中给出其环境变量名",
            )
        )
    match parsed.get_backend_name():
        case "sqlite" if parsed.drivername == "sqlite":
            return _sqlite(parsed, folder)
        case "postgresql" if parsed.drivername == "postgresql":
            return _postgres(parsed, password)
    raise ConfigurationError(
        detail=_unusable(
            "only sqlite:///… and postgresql://… are possible",
            "只能是 sqlite:///… 或 postgresql://…",
        )
    )


# --- SQLite --------------------------------------------------------------------------------------


def _sqlite(url: URL, folder: Path) -> State:
    if not url.database or url.database == ":memory:" or url.host:
        detail = _unusable("SQLite needs a file: sqlite:///state.db", "SQLite 需要文件")
        raise ConfigurationError(detail=detail)
    path = folder / url.database
    _create(path)
    engine = sa.create_engine(
        URL.create("sqlite", database=str(path)),
        # The driver begins no transaction of its own: `_begin` does.
        connect_args={"isolation_level": None, "timeout": BUSY_MS / 1000},
        pool_size=CONNECTIONS,
        max_overflow=-1,
    )
    sa.event.listen(engine, "connect", _set_sqlite)
    sa.event.listen(engine, "begin", _begin)
    return State(engine=engine, place=str(path), shared=False)


def _create(path: Path) -> None:
    """Make the file if there is none: nobody but its owner may read password hashes."""
    with disk_errors(path.parent):
        make_folder(path.parent)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            return
        sync_folder(path.parent)


def _set_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401  the driver's own
    for pragma in (
        f"busy_timeout = {BUSY_MS}",
        "journal_mode = WAL",  # readers do not wait for the writer
        "synchronous = FULL",  # a commit waits for the disk, in WAL as well
        "foreign_keys = ON",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: sa.Connection) -> None:
    # A writer that begins as a reader could find on its first write that another was faster.
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


# --- PostgreSQL ----------------------------------------------------------------------------------

_WRITERS: Final = int.from_bytes(hashlib.sha256(b"archiver/v1/state").digest()[:8], signed=True)
"""The advisory lock that writers take; ours among all that may use the database."""


def _postgres(url: URL, password: str | None) -> State:
    if not url.database:
        detail = _unusable("it names no database", "没有给出数据库名")
        raise ConfigurationError(detail=detail)
    place = url.render_as_string(hide_password=True)
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg", password=password),
        connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "archiver"},
        pool_size=CONNECTIONS,
        pool_pre_ping=True,  # what has been lying in the pool may have been closed by the server
        hide_parameters=True,
    )
    sa.event.listen(engine, "connect", _set_postgres)
    return State(engine=engine, place=place, shared=True)


def _set_postgres(connection: Any, _record: object) -> None:  # noqa: ANN401  the driver's own
    with connection.cursor() as cursor:
        for setting, value in (
            ("lock_timeout", BUSY_MS),
            ("statement_timeout", 3 * BUSY_MS),
            ("idle_in_transaction_session_timeout", IDLE_MS),
            ("TimeZone", "UTC"),
        ):
            cursor.execute("SELECT set_config(%s, %s, false)", (setting, str(value)))
        # Stricter settings (remote_apply) stand.
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') IN ('off', 'local')"
        )
    connection.commit()


# --- versions ------------------------------------------------------------------------------------


def _is_there(connection: sa.Connection, part: Part) -> bool:
    """Return whether the tables of a part exist, in the version that we know.

    Raises:
        StateVersionError: In another one.
    """
    if not sa.inspect(connection).has_table(_VERSIONS.name):
        return False
    chosen = sa.select(_VERSIONS.c.version).where(_VERSIONS.c.part == part.name)
    found = connection.execute(chosen).scalar_one_or_none()
    if found is not None and found != part.version:
        raise StateVersionError(part=part.name, found=found, known=part.version)
    return found is not None


def _unusable(en: str, zh: str) -> Said:
    return Said(f"[state] url: {en}", f"[state] url：{zh}")
