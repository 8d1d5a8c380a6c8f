"""A clock that steps seals no open day and locks nothing too short, whenever it steps."""

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from archiver.clocks import MAX_CLOCK_SKEW, WatchedClock
from archiver.errors import ClockError, Exit, StoreError
from archiver.retention import retain_until
from archiver.stores.directory import DirectoryStore
from archiver.stores.memory import MemoryStore
from tests import cards
from tests.archives import RULES
from tests.clock import NOON, FrozenClock
from tests.desk import Desk, at, march
from tests.faults import Count, FaultyStore
from tests.hard_night import Original, attempt, require_finished

T = TypeVar("T")
MOMENT = timedelta(microseconds=1)


# --- the clock alone -----------------------------------------------------------------------------


@dataclass
class Host:
    """A host whose clock may step while the store's goes on."""

    mine: FrozenClock
    theirs: FrozenClock
    store: Count
    watched: WatchedClock


@pytest.fixture
def host() -> Host:
    mine, theirs = FrozenClock(), FrozenClock()
    store = Count(MemoryStore(clock=theirs))
    return Host(mine, theirs, store, WatchedClock(mine, store))


def test_while_work_explains_how_it_moves_nobody_is_asked(host: Host) -> None:
    for _ in range(3):
        host.mine.advance(MAX_CLOCK_SKEW / 3)
        assert host.watched.now() == host.mine.now()
    assert host.store.calls["settings"] == 0


def test_in_a_long_night_the_store_is_asked_every_five_minutes(host: Host) -> None:
    for _ in range(60):
        for clock in (host.mine, host.theirs):
            clock.advance(timedelta(minutes=1))
        assert host.watched.now() == host.mine.now()
    assert host.store.calls["settings"] == 10


@pytest.mark.parametrize("step", [MAX_CLOCK_SKEW + timedelta(seconds=1), timedelta(days=400)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_step_away_from_the_stores_clock_is_an_alarm_until_it_is_mended(
    host: Host, step: timedelta, sign: int
) -> None:
    host.mine.advance(sign * step)
    for _ in range(2):
        with pytest.raises(ClockError) as caught:
            host.watched.now()
        assert caught.value.exit is Exit.ALARM
        assert str(round(step.total_seconds())) in str(caught.value)
    host.mine.advance(-sign * step)
    assert host.watched.now() == NOON


def test_a_small_step_back_is_compared_and_believed(host: Host) -> None:
    host.mine.advance(-timedelta(seconds=2))
    assert host.watched.now() == host.mine.now()
    assert host.store.calls["settings"] == 1


def test_a_clock_that_was_wrong_at_both_ends_of_a_step_is_not_believed(host: Host) -> None:
    """It comes back to the store's time in two steps, of which neither is the right one."""
    host.mine.advance(timedelta(hours=9))
    with pytest.raises(ClockError):
        host.watched.now()
    host.mine.advance(-timedelta(hours=8))
    with pytest.raises(ClockError):
        host.watched.now()


def test_a_store_that_does_not_answer_leaves_a_step_undecided(host: Host) -> None:
    watched = WatchedClock(host.mine, FaultyStore(host.store, fail_at=0))
    host.mine.advance(timedelta(hours=1))
    host.theirs.advance(timedelta(hours=1))
    with pytest.raises(StoreError):
        watched.now()
    assert watched.now() == host.mine.now()


def test_where_the_store_is_this_host_going_back_is_noticed_and_going_on_is_not(
    tmp_path: Path,
) -> None:
    clock = FrozenClock()
    watched = WatchedClock(clock, DirectoryStore(tmp_path, clock))
    clock.advance(timedelta(hours=8))
    assert watched.now() == clock.now()
    for _ in range(2):
        clock.advance(-MAX_CLOCK_SKEW / 2)
        assert watched.now() == clock.now()
    clock.advance(-MOMENT)
    with pytest.raises(ClockError):
        watched.now()


# --- a night under it ----------------------------------------------------------------------------


class Stepping(Count):
    """Sets the host's clock at one call, numbered from 0 over all methods."""

    def __init__(self, store: Any, clock: FrozenClock, by: timedelta, step_at: int) -> None:  # noqa: ANN401
        super().__init__(store)
        self.clock, self.by, self.step_at = clock, by, step_at
        self.asked = 0

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        if self.asked == self.step_at:
            self.clock.advance(self.by)
        self.asked += 1
        return super()._call(method, key, act)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return Original(tmp_path_factory.mktemp("original"), "memory")


def with_orders_of_today(original: Original, folder: Path) -> Desk:
    """Return a desk whose host has a clock apart from the store's; some days are still open."""
    desk = original.copy(folder)
    desk.rows.append(cards.order(40, at(6, 1)))  # 2026-03-06 is open, and for hours to come
    desk.clock.instant = at(6, 3)
    return replace(desk, night_clock=FrozenClock(at(6, 3)))


def manifests(desk: Desk) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (version.key, version.version_id): json.loads(
            b64decode(json.loads(desk.store.get(version.key, version.version_id))["payload"])
        )
        for version in desk.store.list_versions("manifests/")
    }


def require_lawful(desk: Desk) -> None:
    """No manifest names an open day, and none has a lock that ends too early."""
    for (key, version), manifest in manifests(desk).items():
        assert date.fromisoformat(manifest["day"]) <= march(5)
        written = next(
            v.written_at for v in desk.store.list_versions(key) if v.version_id == version
        )
        locked = desk.store.head(key, version).retain_until
        assert locked >= retain_until(written, RULES.evidence)
    desk.audit()  # the dates of all partitions among the rest


@pytest.mark.parametrize("by", [timedelta(hours=30), timedelta(days=400), -timedelta(days=40)])
def test_a_clock_that_steps_in_the_night_seals_no_open_day_and_locks_nothing_too_short(
    original: Original, tmp_path: Path, by: timedelta
) -> None:
    noticed = 0
    for step_at in range(0, 300, 23):
        desk = with_orders_of_today(original, tmp_path / f"{by} {step_at}")
        clock = desk.night_clock
        assert isinstance(clock, FrozenClock)
        store = Stepping(desk.store, clock, by, step_at)

        error = attempt(lambda: desk.night(store=store))  # noqa: B023  called at once

        require_lawful(desk)
        if store.asked <= step_at:
            assert error is None
            break
        assert error is None or isinstance(error, ClockError)
        noticed += error is not None
        clock.instant = at(6, 3)
        assert attempt(desk.night) is None
        require_lawful(desk)
        require_finished(desk)
    assert noticed > 1


@pytest.mark.parametrize("step", [timedelta(hours=30), -timedelta(hours=30)])
def test_a_step_between_opening_and_beginning_is_noticed(
    original: Original, tmp_path: Path, step: timedelta
) -> None:
    desk = with_orders_of_today(original, tmp_path)
    archive = desk.open()
    assert isinstance(desk.night_clock, FrozenClock)
    desk.night_clock.advance(step)
    before = manifests(desk)
    with pytest.raises(ClockError):
        desk.place.night(archive, [], proven=False)
    assert manifests(desk) == before


def test_what_a_wrong_clock_has_sealed_in_a_folder_keeps_nothing_too_short(tmp_path: Path) -> None:
    """A folder has no clock of its own: a manifest's lock never ends before what it says."""
    (tmp_path / "original").mkdir()
    original = Original(tmp_path / "original", "dir")
    desk = original.copy(tmp_path / "copy")
    clock = FrozenClock(at(6, 3))
    store = Stepping(desk.store, clock, -timedelta(days=40), 12)
    error = attempt(lambda: replace(desk, night_clock=clock).night(store=store))
    assert isinstance(error, ClockError)
    assert attempt(desk.night) is None
    require_finished(desk)
