"""The directory store with full disks, many writers and sudden deaths."""

import errno
import fcntl
import hashlib
import multiprocessing
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from io import BytesIO
from itertools import count
from pathlib import Path

import pytest

from archiver.errors import (
    AlreadyStoredError,
    LocalDiskError,
    ObjectMissingError,
    StoreAccessError,
)
from archiver.ports import LockMode
from archiver.stores.directory import DirectoryStore
from tests.clock import NOON, FrozenClock
from tests.store_contract import CONTENT, KEY, Subject

LATER = NOON.replace(year=2029)
FORK = multiprocessing.get_context("fork")  # a new interpreter for each death takes too long


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "vault"


@pytest.fixture
def store(root: Path, clock: FrozenClock) -> DirectoryStore:
    return DirectoryStore(root, clock)


@pytest.fixture
def subject(store: DirectoryStore, clock: FrozenClock) -> Subject:
    return Subject(
        store=store,
        mode=LockMode.ADVISORY,
        now=clock.now,
        let_pass=clock.advance,
        until=clock.now() + timedelta(hours=1),
    )


def version_files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*_*_*") if path.is_file()]


def drafts(root: Path) -> list[str]:
    return [path.name for path in (root / ".drafts").iterdir()]


# --- trouble with the disk ----------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"no right to mount a tmpfs: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_nothing_and_is_no_reason_to_give_up(
    small_disk: Path, clock: FrozenClock
) -> None:
    store = DirectoryStore(small_disk / "vault", clock)

    with pytest.raises(LocalDiskError) as caught:
        store.put(KEY, BytesIO(bytes(2 << 20)), retain_until=LATER)

    assert caught.value.exit == 10
    assert os.strerror(errno.ENOSPC) in str(caught.value)
    assert list(store.list_versions("")) == []
    assert drafts(small_disk / "vault") == []
    store.put(KEY, BytesIO(CONTENT), retain_until=LATER)
    assert store.get(KEY) == CONTENT


def test_a_write_that_stops_half_way_leaves_nothing(store: DirectoryStore, root: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(LocalDiskError):
            store.put(KEY, BytesIO(bytes(3 << 20)), retain_until=LATER)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert list(store.list_versions("")) == []
    assert drafts(root) == []


def test_a_file_where_the_folder_should_be_must_be_put_right(
    root: Path, store: DirectoryStore
) -> None:
    root.touch()

    with pytest.raises(StoreAccessError) as caught:
        store.put(KEY, BytesIO(CONTENT), retain_until=LATER)

    assert caught.value.exit == 2
    assert str(root) in str(caught.value)


# --- several at once, and sudden death ----------------------------------------------------------


def _write_as(root: Path, number: int) -> bool:
    store = DirectoryStore(root, FrozenClock())
    try:
        store.put(KEY, BytesIO(b"writer %d" % number * 100_000), retain_until=LATER)
    except AlreadyStoredError:
        return False
    return True


def test_of_racing_processes_one_wins_and_the_others_hear_it(root: Path) -> None:
    with ProcessPoolExecutor(8, mp_context=FORK) as pool:
        won = list(pool.map(_write_as, [root] * 8, range(8)))

    assert won.count(True) == 1
    store = DirectoryStore(root, FrozenClock())
    assert store.get(KEY) == b"writer %d" % won.index(True) * 100_000
    assert len(list(store.list_versions(""))) == 1
    assert drafts(root) == []


def test_a_draft_in_use_is_not_swept_and_one_of_the_dead_is(
    root: Path, store: DirectoryStore
) -> None:
    folder = root / ".drafts"
    folder.mkdir(parents=True)
    (folder / "dead").write_bytes(b"half")
    with (folder / "alive").open("wb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)

        store.put(KEY, BytesIO(CONTENT), retain_until=LATER)

        assert drafts(root) == ["alive"]


def test_a_draft_that_is_swept_before_it_is_locked_is_made_again(
    root: Path, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock
    swept: list[Path] = []

    def late(descriptor: int, operation: int) -> None:
        if not swept:
            swept.extend((root / ".drafts").iterdir())
            swept[0].unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)

    subject.put()

    assert len(swept) == 1
    assert subject.store.get(KEY) == CONTENT


def test_a_version_that_goes_while_it_is_looked_at_is_missing(
    store: DirectoryStore, root: Path, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    version_id = subject.put().version_id
    seen = store._find(KEY, version_id)
    listed = store._versions(KEY)
    monkeypatch.setattr(store, "_find", lambda *_: seen)
    monkeypatch.setattr(store, "_versions", lambda _: listed)
    version_files(root)[0].unlink()

    with pytest.raises(ObjectMissingError):
        store.get(KEY, version_id)
    with pytest.raises(ObjectMissingError):
        store.head(KEY, version_id)
    assert list(store.list_versions("")) == []


BIG = bytes(3 << 20)


def _put_and_die(root: Path, step: int) -> None:
    """Put, in a process of its own, killed just before its system call number `step`."""
    calls = count()

    def deadly(function: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object, **options: object) -> object:
            if next(calls) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **options)

        return counted

    for name in ("open", "write", "fchmod", "fsync", "mkdir", "rename", "unlink", "close"):
        setattr(os, name, deadly(getattr(os, name)))
    setattr(fcntl, "flock", deadly(fcntl.flock))  # noqa: B010  mypy: functions are no variables
    DirectoryStore(root, FrozenClock()).put(KEY, BytesIO(BIG), retain_until=LATER)
    os._exit(0)


def test_death_at_any_step_of_a_put_leaves_all_or_nothing(tmp_path: Path) -> None:
    visible = []
    for step in count():
        root = tmp_path / str(step)
        process = FORK.Process(target=_put_and_die, args=(root, step))
        process.start()
        process.join()
        store = DirectoryStore(root, FrozenClock())
        entries = list(store.list_versions(""))
        visible.append(len(entries))
        for entry in entries:
            stored = store.head(entry.key, entry.version_id)
            content = store.get(entry.key, entry.version_id)
            assert hashlib.sha256(content).hexdigest() == stored.sha256
        # What an operator does: run it again.
        stored = store.put(KEY, BytesIO(BIG), retain_until=LATER)
        assert store.get(KEY, stored.version_id) == BIG
        assert len(list(store.list_versions(""))) == 1
        store.put("next", BytesIO(b""), retain_until=LATER)
        assert drafts(root) == []
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert visible == sorted(visible)
    assert set(visible) == {0, 1}
