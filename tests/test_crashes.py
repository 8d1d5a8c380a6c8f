"""Bad days: each call to the store fails once, local files are lost, two runs meet, stores lie.

Whatever happens, running the night again finishes it: exactly one manifest names each revision
of each order, and nothing half finished is ever visible.
"""

import copy
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import dsse
from archiver.catalog import Catalog
from archiver.errors import (
    AlreadyInitialisedError,
    AnotherRunError,
    ArchiverError,
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
from tests.auditor import Row, secret_in
from tests.clock import FrozenClock
from tests.desk import Desk, at, failure, founded, march, totals
from tests.faults import Count, FaultyStore
from tests.tally import FAULT, tally

T = TypeVar("T")


# --- a hard night, ready to be run over and over --------------------------------------------------


def before() -> list[cards.Row]:
    """What two nights have sealed."""
    return [cards.order(n, at(1 + n % 2, 8 + n)) for n in range(1, 5)]


def happens(desk: Desk) -> None:
    """Three days pass: new, late, revised, rejected and doubled rows, and an edit by support."""
    desk.change(1, paid="77.00", touched_at=at(3, 9))
    desk.change(2, touched_at=at(3, 9))
    desk.rows.append(cards.order(5, at(2, 23)))
    desk.rows.extend(cards.order(n, at(3, n)) for n in range(6, 9))
    desk.rows.extend(cards.order(n, at(4, n)) for n in range(9, 11))
    desk.rows.append(cards.order(20, at(4), paid="-1"))
    desk.rows.append({**cards.order(10, at(4, 10)), "id": 21})
    desk.rows.append(cards.order(22, at(5), no="N6"))
    desk.clock.instant = at(6, 3)


class Original:
    """An archive after two nights, of which copies are made."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind = kind
        self.folder = folder
        clock = FrozenClock(at(3, 3))
        store = self._store(folder, clock)
        self.desk = founded(folder, before(), store=store, clock=clock)
        self.desk.night()

    def copy(self, folder: Path) -> Desk:
        """Return a copy of the archive, of its store and of what its host remembers."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        clock = FrozenClock(self.desk.clock.instant)
        store = self._store(folder, clock)
        if isinstance(store, MemoryStore) and isinstance(self.desk.store, MemoryStore):
            store._versions = {
                key: [copy.copy(version) for version in versions]
                for key, versions in self.desk.store._versions.items()
            }
            store._written = self.desk.store._written
        source = replace(self.desk.source, held=list(self.desk.rows))
        desk = Desk(Place(folder), clock, store, self.desk.rules, [source])
        happens(desk)
        return desk

    def _store(self, folder: Path, clock: FrozenClock) -> ObjectStore:
        if self.kind == "memory":
            return MemoryStore(clock=clock)
        return DirectoryStore(folder / "vault", clock)


@pytest.fixture(scope="module", params=["memory", "dir"])
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Original:
    return Original(tmp_path_factory.mktemp("original"), request.param)


@pytest.fixture(scope="module")
def in_memory(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return Original(tmp_path_factory.mktemp("original"), "memory")


def said(row: Row) -> dict[str, Any]:
    """What an order says, apart from what depends on its archive's keys."""
    own = {"archive", "secret_commitment", "deliveries"}
    fields = {name: value for name, value in row.items() if name not in own}
    return fields | {"secrets": [delivery["secret"] for delivery in row["deliveries"]]}


def require_finished(desk: Desk, *, in_two_goes: bool = False) -> None:
    """Everything is sealed, once, as a night without bad luck would have sealed it.

    In two goes the first of two rows with one id is sealed before the second one is there.
    """
    found = desk.audit()
    orders = {(row["order_id"], row["revision"]): said(row) for row in found.orders}
    numbers = (2, 3, 4, 5, *((6,) if in_two_goes else ()), 7, 8, 9, 10)
    assert sorted(orders) == sorted([("N1", 1), ("N1", 2), *((f"N{n}", 1) for n in numbers)])
    ends = {key: row["completed_at"] for key, row in orders.items()}
    for number, ended in ((5, at(2, 23)), (7, at(3, 7)), (8, at(3, 8)), (9, at(4, 9))):
        assert ends[f"N{number}", 1] == ended
    assert str(orders["N1", 2]["money"]["paid"]) == "77.00"
    assert orders["N7", 1]["secrets"] == ["CARD-000007-A", "CARD-000007-B"]
    assert sorted((row["row_key"], row["reason"]) for row in found.rejects) == [
        (b"20", "negative-money"),
        (b"22", "duplicate-id"),
        (b"6", "duplicate-id"),
    ]
    assert [m["day"] for m in found.manifests if m["number"] <= 5] == [
        str(march(n)) for n in (1, 2, 3, 4, 5)
    ]


def attempt(act: Callable[[], object]) -> ArchiverError | None:
    """Do it and return what went wrong."""
    try:
        report = act()
    except ArchiverError as error:
        return error
    if isinstance(report, NightReport) and report.failures:
        return report.failures[0]
    return None


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
    assert ends.count(Exit.TRY_LATER) > len(ends) / 2
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


def delete_all(index: Path, _older: Path) -> None:
    shutil.rmtree(index)


def delete_known(index: Path, _older: Path) -> None:
    shutil.rmtree(index / "known")


def delete_manifests(index: Path, _older: Path) -> None:
    shutil.rmtree(index / "manifests")


def delete_pointer(index: Path, _older: Path) -> None:
    (index / "known" / "current.json").unlink()


def delete_a_known_file(index: Path, _older: Path) -> None:
    next((index / "known").glob("*.arrow")).unlink()


def roll_back(index: Path, older: Path) -> None:
    shutil.rmtree(index)
    shutil.copytree(older, index)


def roll_back_known(index: Path, older: Path) -> None:
    shutil.rmtree(index / "known")
    shutil.copytree(older / "known", index / "known")


def roll_back_the_pointer(index: Path, older: Path) -> None:
    shutil.copy(older / "known" / "current.json", index / "known" / "current.json")


def halve(pattern: str) -> Callable[[Path, Path], None]:
    def damage(index: Path, _older: Path) -> None:
        for path in sorted(index.glob(pattern)):
            os.truncate(path, path.stat().st_size // 2)

    return damage


def empty(pattern: str) -> Callable[[Path, Path], None]:
    def damage(index: Path, _older: Path) -> None:
        for path in sorted(index.glob(pattern)):
            os.truncate(path, 0)

    return damage


def zeros(pattern: str) -> Callable[[Path, Path], None]:
    def damage(index: Path, _older: Path) -> None:
        for path in sorted(index.glob(pattern)):
            path.write_bytes(bytes(path.stat().st_size))

    return damage


def nonsense(index: Path, _older: Path) -> None:
    (index / "known" / "current.json").write_text('{"archive": 5, "through": "x", "files": 7}')


def another_archives(index: Path, _older: Path) -> None:
    pointer = index / "known" / "current.json"
    pointer.write_text(json.dumps(json.loads(pointer.read_text()) | {"archive": "0" * 32}))


def flip_manifests(index: Path, _older: Path) -> None:
    for path in (index / "manifests").iterdir():
        content = path.read_bytes()
        path.write_bytes(content.replace(b"A", b"B", 1))


class Fetching(Count):
    """Notes which kinds of objects are fetched."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.kinds: set[str] = set()

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        if method == "get":
            self.kinds.add(key.partition("/")[0])
        return super()._call(method, key, act)


DAMAGES = {
    "all deleted": delete_all,
    "known orders deleted": delete_known,
    "manifests deleted": delete_manifests,
    "pointer deleted": delete_pointer,
    "a known file deleted": delete_a_known_file,
    "all rolled back": roll_back,
    "known orders rolled back": roll_back_known,
    "pointer rolled back": roll_back_the_pointer,
    "pointer half written": halve("known/current.json"),
    "pointer empty": empty("known/current.json"),
    "pointer nonsense": nonsense,
    "pointer of another archive": another_archives,
    "known files half written": halve("known/*.arrow"),
    "known files empty": empty("known/*.arrow"),
    "known files zeros": zeros("known/*.arrow"),
    "manifests half written": halve("manifests/*.json"),
    "manifests empty": empty("manifests/*.json"),
    "manifests zeros": zeros("manifests/*.json"),
    "manifests altered": flip_manifests,
}


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


# --- stores that lie -----------------------------------------------------------------------------


@pytest.fixture
def desk(in_memory: Original, tmp_path: Path) -> Desk:
    desk = in_memory.copy(tmp_path)
    desk.night()
    return desk


def memory(desk: Desk) -> MemoryStore:
    assert isinstance(desk.store, MemoryStore)
    return desk.store


def last_manifest(desk: Desk) -> tuple[str, str]:
    *_, version = desk.store.list_versions("manifests/")
    return version.key, version.version_id


@pytest.mark.parametrize("lost", [1, 3])
def test_a_store_that_was_rolled_back_is_an_alarm(desk: Desk, lost: int) -> None:
    for _ in range(lost):
        memory(desk).drop(*last_manifest(desk))
    with pytest.raises(TamperedError, match="rolled back") as caught:
        desk.night()
    assert caught.value.exit is Exit.ALARM


def test_a_gap_in_the_chain_is_an_alarm(desk: Desk) -> None:
    versions = list(desk.store.list_versions("manifests/"))
    memory(desk).drop(versions[2].key, versions[2].version_id)
    with pytest.raises(TamperedError, match="00000003"):
        desk.night()


def test_a_delete_marker_hides_no_manifest(desk: Desk) -> None:
    for version in list(desk.store.list_versions("manifests/")):
        memory(desk).add_delete_marker(version.key)
    shutil.rmtree(desk.place.folder / "index")
    assert totals(desk.night()).get("orders", 0) == 0
    require_finished(desk)


def test_a_delete_marker_is_no_manifest(desk: Desk) -> None:
    memory(desk).add_delete_marker("manifests/00000006.json")
    desk.rows.append(cards.order(60, at(6)))
    assert totals(desk.night_of(6))["orders"] == 1
    shutil.rmtree(desk.place.folder / "index")
    assert attempt(desk.night) is None
    assert [manifest["number"] for manifest in desk.audit().manifests] == [1, 2, 3, 4, 5, 6]


def forged(desk: Desk, of: int, key: Ed25519PrivateKey, **changes: object) -> bytes:
    """Return a manifest with other content, signed with `key`."""
    envelope = desk.store.get(f"manifests/{of:08d}.json")
    fields = json.loads(b64decode(json.loads(envelope)["payload"])) | changes
    return dsse.sign(json.dumps(fields).encode(), "manifest", "0001", key)


def our_key(desk: Desk) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(secret_in(desk.place.keys.signer, "secret"))


@pytest.mark.parametrize("whose", ["a stranger's key", "the night's own key", "no key"])
def test_a_later_version_of_a_manifest_does_not_count(desk: Desk, whose: str) -> None:
    key = our_key(desk) if "own" in whose else Ed25519PrivateKey.generate()
    content = b"{}" if whose == "no key" else forged(desk, 2, key, objects=[])
    memory(desk).overwrite("manifests/00000002.json", content)
    shutil.rmtree(desk.place.folder / "index")
    assert attempt(desk.night) is None
    require_finished(desk)


def test_a_manifest_that_a_stranger_put_first_does_not_count_either(desk: Desk) -> None:
    key, version = last_manifest(desk)
    content = desk.store.get(key, version)
    memory(desk).drop(key, version)
    memory(desk).overwrite(key, forged_from(content, Ed25519PrivateKey.generate()))
    memory(desk).overwrite(key, content, retain_until=at(1).replace(year=2033))
    assert attempt(desk.night) is None
    catalog = Catalog(desk.open(), desk.place.folder / "another host")
    catalog.refresh()
    assert catalog.head == hashlib.sha256(content).hexdigest()


def forged_from(envelope: bytes, key: Ed25519PrivateKey) -> bytes:
    payload = b64decode(json.loads(envelope)["payload"])
    return dsse.sign(payload, "manifest", "0001", key)


@pytest.mark.parametrize(
    "changes",
    [
        {"previous": "0" * 64},
        {"previous": None},
        {"archive": "0" * 32},
        {"number": 7},
        {"unknown": 1},
        {"counts": {}},
    ],
)
def test_a_signed_manifest_that_does_not_continue_the_chain_is_an_alarm(
    desk: Desk, changes: dict[str, object]
) -> None:
    head = desk.audit().manifests[-1]
    following = {"number": 6, "previous": None} | changes
    content = forged(desk, head["number"], our_key(desk), **following)
    until = datetime.fromisoformat("2033-01-01T00:00:00Z")
    memory(desk).overwrite("manifests/00000006.json", content, retain_until=until)
    with pytest.raises(TamperedError):
        desk.night()


def test_known_orders_that_were_altered_in_the_store_are_an_alarm(desk: Desk) -> None:
    named = next(o for o in desk.audit().objects if o.about["kind"] == "known")
    for offset in (10, named.about["size_bytes"] // 2, named.about["size_bytes"] - 20):
        memory(desk).flip_byte(named.about["key"], named.about["version_id"], offset)
        shutil.rmtree(desk.place.folder / "index")
        error = attempt(desk.night)
        assert isinstance(error, TamperedError)
        assert named.about["key"] in str(error)
        memory(desk).flip_byte(named.about["key"], named.about["version_id"], offset)
    assert attempt(desk.night) is None
