"""Bad days: each call to the store fails once, local files are lost, two runs meet, stores lie.

Whatever happens, running the night again finishes it: exactly one manifest names each revision
of each order, and nothing half finished is ever visible.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from archiver.errors import (
    AlreadyInitialisedError,
    AnotherRunError,
    Exit,
    ReadBackError,
    StoreError,
    TamperedError,
)
from archiver.nightly import NightReport
from archiver.ports import ObjectStore, StoredObject
from archiver.stores.directory import DirectoryStore
from archiver.stores.memory import MemoryStore
from tests import cards, killed_night
from tests.archives import RULES, Place, RowsSource
from tests.clock import FrozenClock
from tests.desk import Desk, at, failure, march, totals
from tests.faults import Count, FaultyStore
from tests.hard_night import Original, attempt, require_finished
from tests.local_damage import DAMAGES
from tests.tally import FAULT, tally

T = TypeVar("T")


@pytest.fixture(scope="module", params=["memory", "dir"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Original:
    return Original(tmp_path_factory.mktemp("original"), request.param)


@pytest.fixture(scope="module")
def in_memory(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return Original(tmp_path_factory.mktemp("original"), "memory")


# --- every call fails once -----------------------------------------------------------------------

PARTS = 6
"""The matrix in pieces, so that workers can share it."""


@pytest.mark.parametrize("lost_reply", [False, True], ids=["not-done", "unheard"])
@pytest.mark.parametrize("part", range(PARTS))
def test_a_night_can_be_repeated_after_a_failure_at_any_call(
    original: Original, tmp_path: Path, part: int, lost_reply: bool
) -> None:
    step = PARTS if original.kind == "memory" else 3 * PARTS  # the disk is slow
    for fail_at in range(part, 10_000, step):
        desk = original.copy(tmp_path / str(fail_at))
        store = FaultyStore(desk.store, fail_at=fail_at, lost_reply=lost_reply)
        error = attempt(lambda: desk.night(store=store))  # noqa: B023  called at once
        if store.calls <= fail_at:
            assert error is None
            break
        assert isinstance(error, StoreError), f"call {fail_at}: {error!r}"
        assert error.exit is Exit.TRY_LATER
        if fail_at % 4 == 1:
            desk.audit()  # nothing half finished is visible
        elif fail_at % 4 == 2:
            shutil.rmtree(desk.place.folder / "index")  # another host goes on
        assert attempt(desk.night) is None
        require_finished(desk)
        if fail_at % 4 == 3:
            counting = Count(desk.store)
            assert attempt(lambda: desk.night(store=counting)) is None  # noqa: B023
            assert not counting.puts
        shutil.rmtree(desk.place.folder)
    assert fail_at > step


@pytest.mark.parametrize("lost_reply", [False, True], ids=["not-done", "unheard"])
@pytest.mark.parametrize("kind", ["memory", "dir"])
def test_a_founding_can_be_repeated_after_a_failure_at_any_call(
    tmp_path: Path, kind: str, lost_reply: bool
) -> None:
    for fail_at in range(0, 100, 1 if kind == "memory" else 3):  # the disk is slow
        folder = tmp_path / str(fail_at)
        folder.mkdir()
        place, clock = Place(folder), FrozenClock(at(5, 3))
        store: ObjectStore = (
            MemoryStore(clock=clock) if kind == "memory" else DirectoryStore(folder / "v", clock)
        )
        faulty = FaultyStore(store, fail_at=fail_at, lost_reply=lost_reply)
        error = attempt(lambda: place.found(faulty, clock))  # noqa: B023
        if faulty.calls <= fail_at:
            assert error is None
            break
        assert isinstance(error, StoreError), f"call {fail_at}: {error!r}"
        clock.instant = at(7, 3)  # somebody looks after it two days later
        with suppress(AlreadyInitialisedError):
            place.found(store, clock)
        desk = founded_desk(place, clock, store)
        assert attempt(desk.night) is None
        assert len(desk.audit().orders) == 1
    assert fail_at > 10


def founded_desk(place: Place, clock: FrozenClock, store: ObjectStore) -> Desk:
    source = RowsSource(cards.OWN, [cards.order(1, at(6))], exact=True)
    return Desk(place, clock, store, RULES, [source])


def test_bytes_that_come_back_altered_are_an_alarm_and_never_named(
    in_memory: Original, tmp_path: Path
) -> None:
    class Rotten(Count):
        """Gives one data object back with one byte changed."""

        spoilt = ""

        def get(self, key: str, version_id: str | None = None, **part: Any) -> bytes:  # noqa: ANN401
            content = super().get(key, version_id, **part)
            if key.startswith(kind):
                self.spoilt = key
                return content[:50] + bytes([content[50] ^ 1]) + content[51:]
            return content

    for kind in ("orders/", "segments/", "known/", "rejects/"):
        desk = in_memory.copy(tmp_path / kind)
        rotten = Rotten(desk.store)
        error = attempt(lambda: desk.night(store=rotten))  # noqa: B023
        tally(FAULT, "bytes flipped")
        assert isinstance(error, ReadBackError | TamperedError), kind
        assert error.exit is Exit.ALARM
        named = {o.about["key"] for o in desk.audit().objects}
        assert rotten.spoilt
        assert rotten.spoilt not in named
        assert attempt(desk.night) is None
        require_finished(desk)


def test_a_store_that_says_another_digest_is_not_believed(
    in_memory: Original, tmp_path: Path
) -> None:
    class Mistaken(Count):
        """Reports that it has stored something else."""

        def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
            answer = super()._call(method, key, act)
            if isinstance(answer, StoredObject) and key.startswith("orders/"):
                return replace(answer, sha256="0" * 64)
            return answer

    desk = in_memory.copy(tmp_path)
    assert isinstance(attempt(lambda: desk.night(store=Mistaken(desk.store))), ReadBackError)
    assert attempt(desk.night) is None
    require_finished(desk)


# --- the process is killed -----------------------------------------------------------------------

KILLS = 26


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return Original(tmp_path_factory.mktemp("original"), "dir")


@pytest.mark.parametrize("part", range(2))
def test_a_night_that_was_killed_anywhere_is_finished_by_the_next(
    on_disk: Original, nights: "Nights", tmp_path: Path, part: int
) -> None:
    chance = random.Random(f"{part}")
    killed = 0
    for number in range(part, KILLS, 2):
        desk = on_disk.copy(tmp_path / str(number))
        vault = desk.place.folder / "vault"
        # So many files later, and a little: anywhere between two steps.
        wanted = files_in(vault) + chance.randrange(19)
        killed_night.leave(desk)
        night = int(nights.ask(str(desk.place.folder)))
        while files_in(vault) < wanted and is_running(night):
            time.sleep(0.0005)
        time.sleep(chance.random() * 0.01)
        os.kill(night, signal.SIGKILL)
        was_killed = int(nights.ask("")) == -signal.SIGKILL
        killed += was_killed
        tally(FAULT, "process killed", was_killed)
        assert attempt(desk.night) is None
        require_finished(desk)
        shutil.rmtree(desk.place.folder)
    assert killed > KILLS / 4


def test_a_night_that_was_stopped_anywhere_and_overtaken_by_another_hosts_seals_nothing_twice(
    on_disk: Original, nights: "Nights", tmp_path: Path
) -> None:
    ends: list[int] = []
    for stop_at in range(7, 200, 8):
        desk = on_disk.copy(tmp_path / str(stop_at))
        twin = tmp_path / f"{stop_at} twin"
        leave_out = shutil.ignore_patterns("vault", "index")
        shutil.copytree(desk.place.folder, twin, ignore=leave_out)
        other = replace(desk, place=Place(twin), sources=[replace(desk.source)])
        killed_night.leave(desk, stop_at=stop_at, after=stop_at % 16 == 7)
        night = int(nights.ask(str(desk.place.folder)))
        while (found := state_of(night)) not in "TZ":
            time.sleep(0.0005)
        if found == "T":
            assert attempt(other.night) is None
            os.kill(night, signal.SIGCONT)
        ends.append(int(nights.ask("")))
        require_finished(desk)
        for one in (desk, other):
            assert totals(one.night()).get("orders", 0) == 0
        shutil.rmtree(desk.place.folder)
        if found == "Z":
            break  # it has made fewer calls than that
    # Only one that had written its last manifest before it was stopped does not hear of it.
    assert set(ends[:-1]) <= {Exit.TRY_LATER, Exit.REJECTS}
    assert ends.count(Exit.TRY_LATER) > len(ends) / 3
    assert ends[-1] == Exit.REJECTS


class Nights:
    """The process whose forks run nights."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, line: str) -> str:
        """Say a line and return the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        return self._process.stdout.readline()


@pytest.fixture(scope="module")
def nights() -> Iterator[Nights]:
    command = [sys.executable, "-m", "tests.killed_night"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        yield Nights(process)
        process.communicate()  # its input ends, and so does it


def is_running(process: int) -> bool:
    """Whether it runs; one that has ended, waited for or not, does not."""
    return state_of(process) != "Z"


def state_of(process: int) -> str:
    """Return `T` for one that was stopped, `Z` for one that has ended (proc(5))."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return "Z"
    return stat.rpartition(")")[2].split()[0]


def files_in(vault: Path) -> int:
    """How many files there are; drafts are files too."""
    return sum(len(files) for _, _, files in os.walk(vault))


# --- local files ---------------------------------------------------------------------------------


class Fetching(Count):
    """Notes which kinds of objects are fetched."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.kinds: set[str] = set()

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        if method == "get":
            self.kinds.add(key.partition("/")[0])
        return super()._call(method, key, act)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_lost_and_damaged_local_files_are_made_again_by_the_next_night(
    in_memory: Original, tmp_path: Path, damage: Callable[[Path, Path], None]
) -> None:
    desk = in_memory.copy(tmp_path / "host")
    index, older = tmp_path / "host" / "index", tmp_path / "older"
    shutil.copytree(index, older)
    desk.night(as_of=march(4))
    damage(index, older)
    tally(FAULT, "local files damaged")

    assert attempt(desk.night) is None

    require_finished(desk, in_two_goes=True)
    fetching = Fetching(desk.store)
    assert attempt(lambda: desk.night(store=fetching)) is None
    assert not fetching.puts
    # What was missing is here again, and not asked for any more.
    assert not {"manifests", "known"} & fetching.kinds


def test_leftovers_of_a_killed_night_are_swept(in_memory: Original, tmp_path: Path) -> None:
    desk = in_memory.copy(tmp_path)
    known = tmp_path / "index" / "known"
    (known / "00000003-deadbeef.arrow").write_bytes(b"half")
    desk.night()
    named = set(json.loads((known / "current.json").read_text())["files"])
    assert {path.name for path in known.glob("*.arrow")} == named


# --- two runs at once ----------------------------------------------------------------------------


class MeetingPoint(Count):
    """Holds each run back before its first manifest until the other one is there."""

    def __init__(self, store: ObjectStore, barrier: threading.Barrier) -> None:
        super().__init__(store)
        self.barrier = barrier

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        if method == "put" and key.startswith("manifests/") and not self.puts["manifests"]:
            self.barrier.wait(timeout=60)
        return super()._call(method, key, act)


@pytest.mark.parametrize("attempt_number", range(3))
def test_of_two_runs_at_once_one_seals_and_the_other_hears_of_it(
    original: Original, tmp_path: Path, attempt_number: int
) -> None:
    one = original.copy(tmp_path / "one")
    # Another host with the same keys and the same store, and a memory of its own.
    shutil.copytree(
        tmp_path / "one", tmp_path / "two", ignore=shutil.ignore_patterns("vault", "index")
    )
    two = replace(one, place=Place(tmp_path / "two"), sources=[replace(one.source)])
    barrier = threading.Barrier(2)

    def run(desk: Desk) -> NightReport:
        return desk.night(store=MeetingPoint(one.store, barrier))

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(run, (one, two)))

    exits = sorted(report.exit for report in reports)
    assert exits[0] in {Exit.DONE, Exit.REJECTS}
    assert exits[1] is Exit.TRY_LATER
    (loser,) = (report for report in reports if report.failures)
    assert isinstance(failure(loser), AnotherRunError)
    require_finished(one)
    for desk in (two, one):
        assert totals(desk.night()).get("orders", 0) == 0
    require_finished(two)
    assert attempt_number >= 0


@pytest.mark.parametrize("runs", [3, 8])
def test_of_many_runs_at_once_exactly_one_names_each_order(
    in_memory: Original, tmp_path: Path, runs: int
) -> None:
    first = in_memory.copy(tmp_path / "host-0")
    desks = [first]
    for number in range(1, runs):
        folder = tmp_path / f"host-{number}"
        shutil.copytree(tmp_path / "host-0", folder, ignore=shutil.ignore_patterns("index"))
        desks.append(replace(first, place=Place(folder), sources=[replace(first.source)]))
    barrier = threading.Barrier(runs)

    with ThreadPoolExecutor(runs) as pool:
        nights = pool.map(lambda desk: desk.night(store=MeetingPoint(first.store, barrier)), desks)
        reports = list(nights)

    losers = [report for report in reports if report.failures]
    assert len(losers) == runs - 1
    for report in losers:
        assert isinstance(failure(report), AnotherRunError)
        assert (report.exit, report.days) == (Exit.TRY_LATER, [])
    require_finished(first)
    assert isinstance(first.store, MemoryStore)
    for versions in first.store._versions.values():
        assert all(version.retain_until is not None for version in versions)  # all are locked


def test_a_run_that_stood_still_while_another_sealed_hears_of_it(
    in_memory: Original, tmp_path: Path
) -> None:
    slow = in_memory.copy(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    quick = replace(slow, place=Place(tmp_path / "two"), sources=[replace(slow.source)])

    class Sleepy(Count):
        """Sleeps before its second manifest, for a whole night of another host."""

        def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
            if method == "put" and self.puts["manifests"] == 1 and key.startswith("manifests/"):
                assert quick.night().failures == []
            return super()._call(method, key, act)

    report = slow.night(store=Sleepy(slow.store))
    assert isinstance(failure(report), AnotherRunError)
    assert len(report.days) == 1
    require_finished(slow)
    assert attempt(slow.night) is None
    require_finished(slow)
