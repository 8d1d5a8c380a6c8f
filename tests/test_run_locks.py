"""Runs of one host: who waits for whom, and what dies with its process."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from archiver import run_locks
from archiver.errors import AnotherRunError, LocalDiskError
from archiver.index import IndexBuilder
from archiver.local_files import alone
from archiver.run_locks import Reservation, reserved, run_lock, sight_lock, standing_reservation
from archiver.stores.memory import MemoryStore
from tests.archives import Place
from tests.clock import FrozenClock
from tests.desk import at, march

RESERVATION = Reservation(process=7, sources=("main",), first=march(3), last=march(5))


def test_of_two_nights_the_second_is_refused(tmp_path: Path) -> None:
    with run_lock(tmp_path), pytest.raises(AnotherRunError, match="process"), run_lock(tmp_path):
        pass
    with run_lock(tmp_path):
        pass


def test_a_night_waits_for_the_moment_of_a_backfill(tmp_path: Path) -> None:
    order = []

    def night() -> None:
        with run_lock(tmp_path):
            order.append("night")

    with run_lock(tmp_path, backfill=True):
        waiting = threading.Thread(target=night)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        order.append("backfill")
    waiting.join()
    assert order == ["backfill", "night"]


def test_a_night_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_locks, "TURN_SECONDS", 0.1)
    with (
        run_lock(tmp_path, backfill=True),
        pytest.raises(AnotherRunError, match=r"\(backfill\)"),
        run_lock(tmp_path),
    ):
        pass


def test_a_backfill_waits_for_a_night(tmp_path: Path) -> None:
    order = []

    def backfill() -> None:
        with run_lock(tmp_path, backfill=True):
            order.append("backfill")

    with run_lock(tmp_path):
        waiting = threading.Thread(target=backfill)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        order.append("night")
    waiting.join()
    assert order == ["night", "backfill"]


def test_a_claim_stands_as_long_as_its_backfill(tmp_path: Path) -> None:
    assert standing_reservation(tmp_path) is None
    with reserved(tmp_path, RESERVATION):
        assert standing_reservation(tmp_path) == RESERVATION
        assert standing_reservation(tmp_path) == RESERVATION
        with (
            pytest.raises(AnotherRunError, match="backfill, process 7"),
            reserved(tmp_path, RESERVATION),
        ):
            pass
    assert standing_reservation(tmp_path) is None
    with reserved(tmp_path, RESERVATION):
        pass


def test_a_claim_dies_with_its_process(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from archiver.run_locks import *; from datetime import date\n"
        "day = date(2026, 3, 3)\n"
        "reservation = Reservation(process=1, sources=('main',), first=day, last=day)\n"
        "with reserved(pathlib.Path(sys.argv[1]), reservation):\n"
        "    print('reserved', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"reserved\n"
        assert standing_reservation(tmp_path) is not None
        process.kill()
    assert standing_reservation(tmp_path) is None


def test_a_claim_names_days_of_its_own_sources_only() -> None:
    assert RESERVATION.days_of("main") == {march(3), march(4), march(5)}
    assert RESERVATION.days_of("second") == frozenset()
    reversed_days = RESERVATION.model_copy(update={"last": date(2026, 2, 1)})
    assert reversed_days.days_of("main") == frozenset()


def test_a_claim_that_is_being_written_is_none(tmp_path: Path) -> None:
    with reserved(tmp_path, RESERVATION):
        (tmp_path / run_locks.RESERVATION).write_bytes(b'{"process": 7')
        assert standing_reservation(tmp_path) is None


def test_two_processes_of_a_host_make_one_cohort_document_together(tmp_path: Path) -> None:
    clock = FrozenClock(at(5, 3))
    store = MemoryStore(clock=clock)
    Place(tmp_path).found(store, clock)
    archives = [Place(tmp_path).open(store, clock) for _ in range(4)]
    made: list[str] = []

    def make(number: int) -> None:
        made.append(archives[number].cohort("orders-2029-07").cohort)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(made)) == 1


def test_a_disk_that_locks_nothing_is_told_as_one_and_is_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EIO under `flock`: found by breaking every system call of a night on a real S3 server."""

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    nothing: Any = None
    builder = IndexBuilder(archive=nothing, keys=nothing, folder=tmp_path, progress=nothing)
    monkeypatch.setattr(fcntl, "flock", broken)
    locks: list[AbstractContextManager[object]] = [run_lock(tmp_path), sight_lock(tmp_path)]
    for held in [*locks, alone(tmp_path / "lock"), builder._alone()]:
        with pytest.raises(LocalDiskError, match="Input/output error"), held:
            pytest.fail("it holds a lock that nobody gave")
