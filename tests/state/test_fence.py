"""A row decides which bytes a number has; a lease keeps a second run from beginning."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from archiver.errors import AnotherRunError, ArchiverError, StateUnavailableError
from archiver.ports import Claim, Fence
from archiver.state import State
from archiver.state.fence import _FENCES, LEASE, PART, RowFence
from tests.servers.postgres import PostgresDatabase
from tests.state.databases import own_state, shared_state

ARCHIVE = "0" * 32
OVER = timedelta(0)
"""A lease that has ended when it begins."""


def decided(number: int, content: bytes) -> Claim:
    return Claim(number=number, sha256=sha256(content).hexdigest(), content=content)


def row(state: State) -> "sa.Row[tuple[object, ...]]":
    with state.reading(PART) as connection:
        return connection.execute(sa.select(_FENCES)).one()


class FenceContract:
    """What holds of the row in either kind of database."""

    def test_a_second_holder_waits_until_the_first_releases_it(self, state: State) -> None:
        one, two = RowFence(state, ARCHIVE, "host-1:/index"), RowFence(state, ARCHIVE, "host-2:/i")
        one.take()
        with pytest.raises(AnotherRunError, match="host-1:/index has it") as caught:
            two.take()
        assert "UTC" in str(caught.value)
        one.release()
        two.take()
        with pytest.raises(AnotherRunError, match="host-2:/i took over"):
            one.last()

    def test_archives_do_not_wait_for_each_other(self, state: State) -> None:
        RowFence(state, ARCHIVE, "host-1").take()
        RowFence(state, "1" * 32, "host-2").take()

    def test_who_has_been_overtaken_can_decide_nothing(self, state: State) -> None:
        slow = RowFence(state, ARCHIVE, "host-1", OVER)
        slow.take()
        slow.adopt(0, None)
        slow.claim(1, b"one")
        quick = RowFence(state, ARCHIVE, "host-2")
        quick.take()
        attempts: list[Callable[[], object]] = [
            slow.last,
            lambda: slow.claim(2, b"slow"),
            lambda: slow.claim(1, b"one"),
            lambda: slow.adopt(5, None),
        ]
        for attempt in attempts:
            with pytest.raises(AnotherRunError, match="host-2 took over"):
                attempt()
        before = row(state)
        slow.renew()
        slow.release()
        assert row(state) == before
        assert quick.last() == decided(1, b"one")

    def test_the_same_holder_takes_its_dead_runs_lease_over(self, state: State) -> None:
        dead = RowFence(state, ARCHIVE, "host-1")
        dead.take()
        again = RowFence(state, ARCHIVE, "host-1")
        again.take()
        with pytest.raises(AnotherRunError):
            dead.claim(1, b"one")

    def test_a_number_is_decided_once(self, state: State) -> None:
        fence = RowFence(state, ARCHIVE, "host-1")
        fence.take()
        assert fence.last() is None
        fence.adopt(4, "a" * 64)
        assert fence.last() == Claim(number=4, sha256="a" * 64, content=None)
        fence.claim(5, b"five")
        fence.claim(5, b"five")  # the reply to the first one was lost
        for number in (4, 5, 7):
            with pytest.raises(AnotherRunError, match="manifest 5 is decided"):
                fence.claim(number, b"other")
        assert fence.last() == decided(5, b"five")
        fence.claim(6, b"six")
        assert fence.last() == decided(6, b"six")

    def test_of_many_that_take_it_at_once_the_last_one_has_it(self, state: State) -> None:
        together = threading.Barrier(8)
        fences = [RowFence(state, ARCHIVE, "host-1") for _ in range(8)]

        def run(fence: RowFence) -> str:
            together.wait(timeout=60)
            fence.take()
            try:
                if fence.last() is None:
                    fence.adopt(0, None)
                fence.claim(1, f"{id(fence)}".encode())
            except AnotherRunError:
                return "lost"
            return "won"

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(run, fences))
        assert results.count("won") == 1
        assert row(state).token == 8

    def test_a_lease_from_before_the_databases_clock_was_set_back_holds_nobody_up(
        self, state: State
    ) -> None:
        RowFence(state, ARCHIVE, "host-1").take()
        with state.writing(PART) as connection:
            far = _FENCES.c.until_us + LEASE // timedelta(microseconds=1) + 3600 * 1_000_000
            connection.execute(_FENCES.update().values(until_us=far))
        RowFence(state, ARCHIVE, "host-2").take()

    def test_a_run_shows_signs_of_life_and_releases_at_its_end(self, state: State) -> None:
        fence = RowFence(state, ARCHIVE, "host-1")
        with fence.leased():
            with state.writing(PART) as connection:
                connection.execute(_FENCES.update().values(until_us=1))
            fence._keep(_Waits(2))
            assert row(state).until_us > 1
        assert row(state).until_us is None
        RowFence(state, ARCHIVE, "host-2").take()


class _Waits(threading.Event):
    """An event that is waited for so many times before it comes."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.times -= 1
        return self.times < 0


class TestSqlite(FenceContract):
    @pytest.fixture
    def state(self, tmp_path: Path) -> Iterator[State]:
        state = own_state(tmp_path)
        yield state
        state.close()


class TestPostgres(FenceContract):
    @pytest.fixture
    def state(self, postgres_database: PostgresDatabase) -> Iterator[State]:
        state = shared_state(postgres_database)
        yield state
        state.close()


def test_a_run_whose_database_went_away_ends_as_it_would_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = own_state(tmp_path)
    fence = RowFence(state, ARCHIVE, "host-1")

    def gone(*_: object) -> None:
        raise StateUnavailableError(place="there", detail="gone")

    with fence.leased():
        monkeypatch.setattr(RowFence, "renew", gone)
        monkeypatch.setattr(RowFence, "release", gone)
        fence._keep(_Waits(3))
    assert row(state).until_us is not None
    state.close()


def test_the_row_is_a_fence_as_the_catalog_wants_it(tmp_path: Path) -> None:
    state = own_state(tmp_path)
    fence: Fence = RowFence(state, ARCHIVE, "host-1")
    assert fence.place == str(tmp_path / "state.db")
    with pytest.raises(ArchiverError):
        fence.claim(1, b"without a lease")
    state.close()
