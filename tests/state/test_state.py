"""The state means the same in SQLite and in PostgreSQL, and its errors are ours."""

import os
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from archiver import state as states
from archiver.errors import (
    ArchiverError,
    ConfigurationError,
    Exit,
    LocalDiskError,
    StateAccessError,
    StateDamagedError,
    StateUnavailableError,
    StateVersionError,
)
from archiver.state import Part, State, open_state
from tests.servers.postgres import PostgresDatabase
from tests.servers.shared import free_port
from tests.state.databases import own_state, shared_state

METADATA = sa.MetaData()
ACCOUNTS = sa.Table(
    "accounts",
    METADATA,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("amount", sa.Integer, nullable=False),
)
PART = Part(name="accounts", version=1, metadata=METADATA)
Other = Callable[[], State]


def amounts(state: State) -> dict[str, int]:
    with state.reading(PART) as connection:
        return {row.name: row.amount for row in connection.execute(sa.select(ACCOUNTS))}


def add(state: State, name: str, amount: int = 0) -> None:
    with state.writing(PART) as connection:
        connection.execute(ACCOUNTS.insert(), {"name": name, "amount": amount})


class StateContract:
    """What holds of both kinds. `other` opens the same database once more, as another process."""

    def test_tables_are_there_when_they_are_first_used_and_what_was_written_stays(
        self, state: State, other: Other
    ) -> None:
        assert amounts(state) == {}
        add(state, "a", 5)
        state.close()
        assert amounts(state) == {"a": 5}
        assert amounts(other()) == {"a": 5}

    def test_what_an_exception_leaves_is_undone(self, state: State) -> None:
        add(state, "a", 1)

        def broken() -> None:
            with state.writing(PART) as connection:
                connection.execute(ACCOUNTS.update().values(amount=2))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            broken()
        with pytest.raises(sa.exc.IntegrityError):
            add(state, "a", 3)
        assert amounts(state) == {"a": 1}

    def test_writers_write_one_after_the_other(self, state: State) -> None:
        add(state, "a", 0)

        def increment(_: int) -> None:
            with state.writing(PART) as connection:
                amount = connection.execute(sa.select(ACCOUNTS.c.amount)).scalar_one()
                connection.execute(ACCOUNTS.update().values(amount=amount + 1))

        with ThreadPoolExecutor(5) as pool:
            list(pool.map(increment, range(40)))
        assert amounts(state) == {"a": 40}

    def test_a_reader_sees_one_moment_and_does_not_wait_for_the_writer(self, state: State) -> None:
        add(state, "a", 1)
        with state.reading(PART) as reader:
            first = reader.execute(sa.select(ACCOUNTS.c.amount)).scalar_one()
            with state.writing(PART) as writer:
                writer.execute(ACCOUNTS.update().values(amount=2))
                assert amounts(state) == {"a": 1}
            again = reader.execute(sa.select(ACCOUNTS.c.amount)).scalar_one()
        assert (first, again) == (1, 1)
        assert amounts(state) == {"a": 2}

    def test_many_that_use_a_part_first_at_once_make_its_tables_once(self, state: State) -> None:
        together = threading.Barrier(4)

        def first(number: int) -> None:
            together.wait(timeout=60)
            add(state, f"{number}", number)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(first, range(4)))
        assert sorted(amounts(state)) == ["0", "1", "2", "3"]

    def test_a_part_of_another_version_is_refused_and_left_alone(self, state: State) -> None:
        add(state, "a", 1)
        newer = Part(name=PART.name, version=2, metadata=METADATA)
        with pytest.raises(StateVersionError, match="version 1, this software knows 2") as caught:
            state.require(newer)
        assert caught.value.exit is Exit.FIX_REQUEST
        assert amounts(state) == {"a": 1}

    def test_a_writer_that_waits_too_long_is_told_to_come_again(
        self, state: State, other: Other, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add(state, "a", 1)
        monkeypatch.setattr(states, "BUSY_MS", 50)
        impatient = other()
        with state.writing(PART):
            with pytest.raises(StateUnavailableError) as caught:
                add(impatient, "b")
            assert amounts(impatient) == {"a": 1}
        assert caught.value.exit is Exit.TRY_LATER
        add(impatient, "b")
        impatient.close()


class TestSqlite(StateContract):
    @pytest.fixture
    def other(self, tmp_path: Path) -> Iterator[Other]:
        yield from closing(lambda: own_state(tmp_path))

    @pytest.fixture
    def state(self, other: Other) -> State:
        return other()


class TestPostgres(StateContract):
    @pytest.fixture
    def other(self, postgres_database: PostgresDatabase) -> Iterator[Other]:
        yield from closing(lambda: shared_state(postgres_database))

    @pytest.fixture
    def state(self, other: Other) -> State:
        return other()


def closing(opening: Other) -> Iterator[Other]:
    states: list[State] = []

    def opened() -> State:
        states.append(opening())
        return states[-1]

    yield opened
    for state in states:
        state.close()


def test_the_file_is_its_owners_and_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        state = open_state("sqlite:///deep/er/state.db", tmp_path)
        add(state, "a")
    finally:
        os.umask(before)
    for path in (tmp_path / "deep" / "er").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    with state.reading() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": states.BUSY_MS,
    }
    state.close()


def test_a_file_that_is_no_database_is_an_alarm_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"something else, long enough for a header" * 100)
    state = own_state(tmp_path)
    with pytest.raises(StateDamagedError) as caught:
        add(state, "a")
    assert caught.value.exit is Exit.ALARM
    assert (tmp_path / "state.db").read_bytes().startswith(b"something else")
    state.close()


def test_a_place_that_cannot_be_written_is_told_as_the_disk(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LocalDiskError):
        open_state("sqlite:///file/state.db", tmp_path)
    (tmp_path / "folder").mkdir()
    state = open_state("sqlite:///folder", tmp_path)
    with pytest.raises(LocalDiskError):
        add(state, "a")


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite://", "sqlite:///:memory:", "sqlite:///", "sqlite+aiosqlite:///x", "nonsense"),
        *(
            "mysql://u@h/d",
            "postgresql://u@h",
            "postgresql+asyncpg://u@h/d",
            "postgresql://u@h:x/d",
        ),
    ],
)
def test_what_cannot_be_a_state_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\[state\] url"):
        open_state(url, tmp_path)


def test_a_password_in_the_url_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="password_env") as caught:
        open_state("postgresql://archiver:canary-77@db/state", tmp_path)
    assert "canary-77" not in str(caught.value)


def test_postgresql_that_refuses_us_or_is_not_there_is_told_without_the_password(
    postgres_database: PostgresDatabase,
) -> None:
    place = f"{postgres_database.host}:{postgres_database.port}"
    admin, name = postgres_database.admin, postgres_database.name
    nobody = free_port()
    cases: list[tuple[str, type[ArchiverError]]] = [
        (f"postgresql://{admin}@{place}/{name}", StateAccessError),
        (f"postgresql://nobody@{place}/{name}", StateAccessError),
        (f"postgresql://{admin}@{postgres_database.host}:{nobody}/{name}", StateUnavailableError),
    ]
    for url, kind in cases:
        state = open_state(url, Path(), "canary-wrong-password")
        with pytest.raises(kind) as caught:
            state.require(PART)
        assert "canary-wrong" not in str(caught.value)
        assert url in str(caught.value)
        state.close()
    missing = open_state(
        f"postgresql://{admin}@{place}/no_such_database", Path(), postgres_database.admin_password
    )
    with pytest.raises(StateAccessError, match="no such database"):
        missing.require(PART)


def test_a_user_who_may_not_write_is_told_so(postgres_database: PostgresDatabase) -> None:
    state = open_state(postgres_database.url, Path(), postgres_database.reader_password)
    with pytest.raises(StateAccessError, match="may not do this"):
        state.require(PART)
    state.close()


def test_a_session_of_postgresql_waits_for_the_disk_and_dies_when_it_idles(
    postgres_database: PostgresDatabase,
) -> None:
    with postgres_database.connect() as connection:
        connection.execute(f"ALTER DATABASE {postgres_database.name} SET synchronous_commit = off")
    state = shared_state(postgres_database)
    with state.reading() as connection:
        shown = {
            name: connection.exec_driver_sql(f"SHOW {name}").scalar_one()
            for name in ("synchronous_commit", "idle_in_transaction_session_timeout", "TimeZone")
        }
    assert shown == {
        "synchronous_commit": "on",
        "idle_in_transaction_session_timeout": "1min",
        "TimeZone": "UTC",
    }
    state.close()


def test_a_connection_that_the_server_closed_is_made_again(
    postgres_database: PostgresDatabase,
) -> None:
    state = shared_state(postgres_database)
    add(state, "a", 1)
    with postgres_database.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'archiver' AND datname = current_database()"
        )
    assert amounts(state) == {"a": 1}
    state.close()
