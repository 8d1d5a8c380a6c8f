"""Nights on a store that lets every writer of a key win, kept apart by a row in a database.

The rows are in SQLite here: what the night does with its fence is the same (`tests/state` shows
that the row means the same in PostgreSQL, `tests/nights` runs one on real servers).
"""

import copy
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
import sqlalchemy as sa

from archiver.errors import (
    AnotherRunError,
    ArchiverError,
    Exit,
    FencePassedError,
    NoFenceError,
    StateUnavailableError,
    StoreError,
    TamperedError,
)
from archiver.nightly import NightReport
from archiver.ports import Claim, Fence, ObjectStore
from archiver.state import State
from archiver.state.fence import _FENCES, PART, RowFence
from archiver.stores.memory import MemoryStore
from tests import cards
from tests.archives import Place
from tests.clock import FrozenClock
from tests.desk import Desk, at, failure, founded, march, totals
from tests.faults import Count
from tests.hard_night import Original, attempt, require_finished
from tests.provers import Heedless
from tests.state.databases import own_state

T = TypeVar("T")
OVER = timedelta(0)
"""A lease that ends at once: nobody shows signs of life."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return Original(tmp_path_factory.mktemp("original"), "memory")


@pytest.fixture
def desk(original: Original, tmp_path: Path) -> Desk:
    """Three days pass over an archive on a store without a fence."""
    return on_heedless(original, tmp_path / "one")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    state = own_state(tmp_path)
    yield state
    state.close()


def on_heedless(original: Original, folder: Path) -> Desk:
    desk = original.copy(folder)
    assert isinstance(desk.store, MemoryStore)
    store = Heedless(clock=desk.clock)
    store._versions, store._written = desk.store._versions, desk.store._written
    return replace(desk, store=store)


def twin(desk: Desk, name: str) -> Desk:
    """Return another host with the same keys and the same store, and a memory of its own."""
    folder = desk.place.folder.parent / name
    shutil.copytree(desk.place.folder, folder, ignore=shutil.ignore_patterns("index"))
    return replace(desk, place=Place(folder), sources=[replace(desk.source)])


def fenced(desk: Desk, state: State, *, lease: timedelta = OVER) -> RowFence:
    """Return a taken fence of a run of this desk."""
    fence = RowFence(state, desk.open().id, desk.place.folder.name, lease)
    fence.take()
    return fence


def run(desk: Desk, state: State) -> NightReport:
    return desk.night(fence=fenced(desk, state))


def memory(desk: Desk) -> MemoryStore:
    assert isinstance(desk.store, MemoryStore)
    return desk.store


@dataclass
class Hooked:
    """A fence around which something happens at each claim."""

    inner: Fence
    before: Callable[[int], object] = lambda _: None
    after: Callable[[int], object] = lambda _: None

    @property
    def place(self) -> str:
        return self.inner.place

    def last(self) -> Claim | None:
        return self.inner.last()

    def claim(self, number: int, content: bytes) -> None:
        self.before(number)
        self.inner.claim(number, content)
        self.after(number)

    def adopt(self, number: int, sha256: str | None) -> None:
        self.inner.adopt(number, sha256)


def once(act: Callable[[], object]) -> Callable[[int], None]:
    """Return a hook that acts at the second manifest of a night."""
    done: list[int] = []

    def hook(number: int) -> None:
        done.append(number)
        if len(done) == 2:
            act()

    return hook


# --- without and with it -------------------------------------------------------------------------


def test_without_a_fence_nothing_is_sealed_and_the_error_says_what_to_configure(
    desk: Desk,
) -> None:
    desk.place.prove_lock(desk.open())
    with pytest.raises(NoFenceError) as caught:
        desk.night()
    assert caught.value.exit is Exit.ALARM
    for language in ("en", "zh"):
        assert '[state] url = "postgresql://' in caught.value.text(language)
        assert "SQLite" in caught.value.text(language)


def test_with_it_a_night_seals_and_the_next_one_finds_nothing_to_do(
    desk: Desk, state: State
) -> None:
    desk.place.prove_lock(desk.open())
    assert run(desk, state).failures == []
    require_finished(desk)
    counting = Count(desk.store)
    again = desk.night(store=counting, fence=fenced(desk, state))
    assert (again.failures, counting.puts["manifests"]) == ([], 0)


def test_a_new_archive_begins_with_its_fence(tmp_path: Path, state: State) -> None:
    folder, clock = tmp_path / "new", FrozenClock(at(5, 3))
    folder.mkdir()
    rows = [cards.order(1, at(3)), cards.order(2, at(4))]
    desk = founded(folder, rows, store=Heedless(clock=clock), clock=clock)
    assert run(desk, state).failures == []
    assert len(desk.audit().orders) == 2


# --- stopped, overtaken, continued ---------------------------------------------------------------


@pytest.mark.parametrize("when", ["before the claim", "after the claim"])
def test_a_run_that_stood_still_while_another_sealed_everything_seals_nothing_twice(
    desk: Desk, state: State, when: str
) -> None:
    other = twin(desk, "two")
    reports: list[NightReport] = []
    hook = once(lambda: reports.append(run(other, state)))
    fence = fenced(desk, state)
    hooked = Hooked(fence, before=hook) if when == "before the claim" else Hooked(fence, after=hook)

    report = desk.night(fence=hooked)

    assert reports[0].failures == []
    assert isinstance(failure(report), AnotherRunError)
    assert report.exit is Exit.TRY_LATER
    # What it had claimed was sent by the other run, and then by itself: the same bytes.
    contents = {
        version.key: {bytes(one.content or b"") for one in memory(desk)._versions[version.key]}
        for version in desk.store.list_versions("manifests/")
    }
    assert {len(versions) for versions in contents.values()} == {1}
    require_finished(desk)
    for one in (desk, other):
        assert totals(run(one, state)).get("orders", 0) == 0
    require_finished(other)


def test_bytes_that_arrive_late_and_are_listed_first_change_nothing(
    desk: Desk, state: State
) -> None:
    other = twin(desk, "two")

    class SlowNetwork(Count):
        """Its second manifest is on its way for a whole night of the other host."""

        def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
            if method == "put" and self.puts["manifests"] == 1 and key.startswith("manifests/"):
                assert run(other, state).failures == []
                answer = super()._call(method, key, act)
                # Servers may date a PUT by its beginning.
                versions = memory(desk)._versions[key]
                versions.insert(0, versions.pop())
                return answer
            return super()._call(method, key, act)

    report = desk.night(store=SlowNetwork(desk.store), fence=fenced(desk, state))

    assert isinstance(failure(report), AnotherRunError)
    shutil.rmtree(desk.place.folder / "index")
    require_finished(desk)
    assert run(desk, state).failures == []
    require_finished(desk)


@pytest.mark.parametrize("runs", [2, 8])
def test_of_many_runs_at_once_exactly_one_names_each_order(
    desk: Desk, state: State, runs: int
) -> None:
    desks = [desk, *(twin(desk, f"host-{n}") for n in range(1, runs))]
    together = threading.Barrier(runs)

    def one(desk: Desk) -> ArchiverError | None:
        fence = fenced(desk, state)
        together.wait(timeout=60)
        return attempt(lambda: desk.night(fence=fence))

    with ThreadPoolExecutor(runs) as pool:
        errors = list(pool.map(one, desks))

    # Each has taken the lease from the one before; the last one to take it wins.
    assert errors.count(None) == 1
    assert all(e is None or isinstance(e, AnotherRunError) for e in errors)
    require_finished(desk)


# --- dead runs -----------------------------------------------------------------------------------


class FailsOnce(Count):
    """Fails at one call about manifests, done or not; notes how many there were."""

    def __init__(self, store: ObjectStore, fail_at: int, *, lost_reply: bool) -> None:
        super().__init__(store)
        self.fail_at = fail_at
        self.lost_reply = lost_reply
        self.asked = 0

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        if key.startswith("manifests/"):
            self.asked += 1
            if self.asked == self.fail_at + 1:
                if self.lost_reply:
                    act()
                raise StoreError(key=key, detail="told to fail")
        return super()._call(method, key, act)


def test_a_fenced_night_can_be_repeated_after_a_failure_at_any_manifest(
    original: Original, tmp_path: Path
) -> None:
    for fail_at in range(40):
        desk = on_heedless(original, tmp_path / f"{fail_at}")
        own = own_state(desk.place.folder)
        store = FailsOnce(desk.store, fail_at, lost_reply=fail_at % 4 in (1, 2))
        fence = fenced(desk, own)
        error = attempt(lambda: desk.night(store=store, fence=fence))  # noqa: B023
        if store.asked <= fail_at:
            assert error is None
            own.close()
            break
        assert isinstance(error, StoreError)
        host = twin(desk, f"other-{fail_at}") if fail_at % 2 else desk
        assert attempt(lambda: run(host, own)) is None  # noqa: B023
        require_finished(host)
        own.close()
    assert fail_at > 5


@pytest.mark.parametrize(
    ("call", "unheard"), [(0, True), (1, False), (1, True), (2, True), (3, False), (3, True)]
)
def test_a_fenced_night_can_be_repeated_after_a_failure_of_its_database(
    desk: Desk, state: State, call: int, unheard: bool
) -> None:
    calls: list[str] = []

    class Failing(Hooked):
        def _call(self, act: Callable[[], T]) -> T:
            calls.append("")
            if len(calls) == call + 1:
                if unheard:
                    act()
                raise StateUnavailableError(place="there", detail="gone")
            return act()

        def last(self) -> Claim | None:
            return self._call(self.inner.last)

        def claim(self, number: int, content: bytes) -> None:
            self._call(lambda: self.inner.claim(number, content))

        def adopt(self, number: int, sha256: str | None) -> None:
            self._call(lambda: self.inner.adopt(number, sha256))

    error = attempt(lambda: desk.night(fence=Failing(fenced(desk, state))))

    assert isinstance(error, StateUnavailableError)
    assert error.exit is Exit.TRY_LATER
    assert attempt(lambda: run(desk, state)) is None
    require_finished(desk)


def test_what_a_dead_run_had_claimed_is_sent_by_the_next_on_another_host(
    desk: Desk, state: State
) -> None:
    def die() -> None:
        raise StoreError(key="", detail="killed")

    error = attempt(lambda: desk.night(fence=Hooked(fenced(desk, state), after=once(die))))
    assert isinstance(error, StoreError)
    before = len(desk.audit().manifests)
    claimed = fenced(desk, state).last()
    assert claimed is not None
    assert claimed.number == before + 1

    other = twin(desk, "two")
    report = run(other, state)

    assert report.failures == []
    require_finished(other)
    assert desk.store.get(f"manifests/{claimed.number:08d}.json") == claimed.content
    sealed = {day.day for day in report.days if day.manifest}
    assert march(4) not in sealed  # it was in what the dead run had claimed


# --- a fence that others pass by -----------------------------------------------------------------


def test_two_databases_are_noticed_and_nothing_is_sealed_twice(
    desk: Desk, state: State, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    elsewhere = own_state(tmp_path / "elsewhere")
    other = twin(desk, "two")
    assert run(desk, state).failures == []
    assert run(other, elsewhere).failures == []
    other.rows.append(cards.order(60, at(6)))
    desk.clock.instant = at(7, 3)
    assert run(other, elsewhere).failures == []

    for number in (61, 62):  # told until a manifest has been decided on; the chain counts
        report = run(desk, state)
        assert isinstance(failure(report), FencePassedError)
        assert report.exit is Exit.ALARM
        assert state.place in str(failure(report))
        desk.rows.append(cards.order(number, at(6, 13)))
    assert run(desk, state).failures == []
    assert desk.audit().names.most_common(1)[0][1] == 1
    elsewhere.close()


def test_a_writer_whom_the_fence_does_not_know_wins_and_is_noticed(
    desk: Desk, state: State, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    elsewhere = own_state(tmp_path / "elsewhere")
    other = twin(desk, "two")
    hook = once(lambda: run(other, elsewhere))

    report = desk.night(fence=Hooked(fenced(desk, state), after=hook))

    assert isinstance(failure(report), AnotherRunError)
    require_finished(desk)
    assert isinstance(failure(run(desk, state)), FencePassedError)
    require_finished(desk)
    desk.clock.instant = at(7, 3)
    assert isinstance(failure(run(desk, state)), FencePassedError)  # it seals a day
    assert run(desk, state).failures == []
    elsewhere.close()


def test_a_database_that_was_set_back_is_told_and_goes_on(desk: Desk, state: State) -> None:
    with state.reading(PART) as connection:
        assert connection.execute(sa.select(_FENCES)).all() == []
    fenced(desk, state).adopt(1, "a" * 64)
    report = run(desk, state)
    assert [type(error) for error in report.failures] == [FencePassedError]
    require_finished(desk)
    assert run(desk, state).failures == []


def test_a_store_that_was_rolled_back_is_an_alarm_to_a_host_that_never_saw_it(
    desk: Desk, state: State
) -> None:
    assert run(desk, state).failures == []
    *_, last = desk.store.list_versions("manifests/")
    kept = copy.copy(memory(desk)._versions)
    memory(desk).drop(last.key, last.version_id)
    other = twin(desk, "two")
    # The last one is still claimed, so it is sent again.
    assert run(other, state).failures == []
    require_finished(other)
    memory(desk)._versions = kept
    for version in list(desk.store.list_versions("manifests/"))[-2:]:
        with suppress(ArchiverError):
            memory(desk).drop(version.key, version.version_id)
    with pytest.raises(TamperedError, match="the fence knows it"):
        run(twin(desk, "three"), state)


def test_a_claim_that_nobody_of_us_signed_is_not_sent(desk: Desk, state: State) -> None:
    assert run(desk, state).failures == []
    number = len(desk.audit().manifests) + 1
    fenced(desk, state).claim(number, b"{}")
    with pytest.raises(TamperedError):
        run(desk, state)
    assert len(desk.audit().manifests) == number - 1
