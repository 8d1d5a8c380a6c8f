"""`archiver backfill` for real: processes, a database, a folder, signals."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.run_locks import Reservation, reserved, run_lock
from archiver.stores.directory import DirectoryStore
from archiver.wiring import SystemClock
from tests.archives import Place
from tests.auditor import SHANGHAI, Audit, audit
from tests.cli.conftest import Terminal, last_closed_day

DAYS = 6


def day(ago: int) -> str:
    """A closed day, so many before the last one."""
    return str(last_closed_day() - timedelta(days=ago))


RANGE = ("--from", day(DAYS - 1), "--to", day(0))


def audited(terminal: Terminal) -> Audit:
    """Check everything that is sealed, with both roots."""
    return audit(Place(terminal.folder), DirectoryStore(terminal.folder / "vault", SystemClock()))


def test_a_backfill_in_processes_tells_what_nights_would_have_told(
    founded: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    founded.shop(orders=120, days=DAYS)
    monkeypatch.setattr("archiver.spans.ROWS_PER_PASS", 40)

    ran = founded.json("backfill", *RANGE, "--workers", "2")

    assert ran.exit == 3  # three rows of this shop are broken
    told = ran.document
    assert (told["command"], told["outcome"], told["workers"]) == ("backfill", "rejects", 2)
    assert [one["day"] for one in told["days"]] == [day(ago) for ago in range(DAYS - 1, -1, -1)]
    assert [one["manifest"] for one in told["days"]] == list(range(1, DAYS + 1))
    assert told["days_sealed_before"] == {"main": 0}
    assert told["lock"] == "advisory"
    found = audited(founded)
    assert len(found.orders) == sum(one["orders"] for one in told["days"]) > 60
    assert len(found.rejects) == 3
    night = founded.json("nightly").document
    assert [(one["manifest"], one["orders"], one["rejects"]) for one in night["days"]] == [
        (None, 0, 0)
    ]
    again = founded.archiver("backfill", *RANGE, "--lang", "zh")
    assert again.exit == 0
    assert "无需处理" in again.out
    assert f"有 {DAYS} 天此前已封存" in again.out


def test_requests_that_cannot_be_are_told_with_what_to_do(founded: Terminal) -> None:
    founded.shop(days=2)
    for words, told in (
        (("--from", day(0), "--to", day(1)), "comes after"),
        (("--from", day(1), "--to", day(-1)), "is not closed yet"),
        ((*RANGE, "--source", "other"), "there is no source other; there are: main"),
    ):
        ran = founded.json("backfill", *words)
        assert (ran.exit, ran.codes) == (2, ["request"])
        assert told in ran.document["alarms"][0]["message"]
    assert founded.json("backfill", "--from", day(1)).exit == 2
    assert founded.json("backfill", *RANGE, "--workers", "0").exit == 2


def test_a_night_leaves_the_days_of_a_backfill_to_it(founded: Terminal) -> None:
    founded.shop(orders=60, days=5)
    assert founded.json("nightly", "--as-of", day(4)).document["days"][0]["day"] == day(4)
    reservation = Reservation(
        process=os.getpid(),
        sources=("main",),
        first=last_closed_day() - timedelta(days=3),
        last=last_closed_day() - timedelta(days=2),
    )
    with reserved(founded.folder / "index", reservation):
        days = founded.json("nightly").document["days"]
        assert [one["day"] for one in days] == [day(1), day(0)]
        refused = founded.json("backfill", *RANGE)
        assert (refused.exit, refused.codes) == (10, ["another-run"])
    orders = audited(founded).orders
    # Its census, too, has left them alone.
    ends = {row["completed_at"].astimezone(SHANGHAI).date() for row in orders}
    assert not ends.intersection(reservation.days_of("main"))
    # The backfill has died: the next night does what it left.
    days = founded.json("nightly").document["days"]
    assert [one["day"] for one in days if one["manifest"]] == [day(3), day(2)]
    assert len(audited(founded).orders) > len(orders)


def test_a_night_seals_nothing_behind_a_beginning_that_may_never_come(founded: Terminal) -> None:
    founded.shop(orders=60, days=5)
    last = last_closed_day()
    reservation = Reservation(
        process=1, sources=("main",), first=last - timedelta(days=9), last=last
    )
    with reserved(founded.folder / "index", reservation):
        night = founded.json("nightly")
        assert (night.exit, night.codes) == (10, ["another-run"])
    assert len(founded.json("nightly").document["days"]) == 5


# --- signals -------------------------------------------------------------------------------------


@pytest.fixture
def large(founded: Terminal) -> Terminal:
    """A terminal over a shop that keeps two workers busy for some seconds."""
    founded.shop(orders=400, days=DAYS)
    return founded


def running(terminal: Terminal) -> "subprocess.Popen[bytes]":
    """Start a backfill in a session of its own, as a terminal would."""
    script = (
        "import signal, sys; from archiver import spans; spans.ROWS_PER_PASS = 70\n"
        # A shell that runs the tests in the background has it ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from cli.main import main\n"
        "if __name__ == '__main__': main()"
    )
    path = terminal.folder / "run.py"
    path.write_text(script)
    words = ["backfill", *RANGE, "--workers", "2", "--json", "--config", str(terminal.config)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, str(path), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )


@contextmanager
def stopped_half_way(terminal: Terminal, process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Keep a backfill from writing any more manifests once it has written some, as a night does."""
    manifests = terminal.folder / "vault" / "manifests"
    while not list(manifests.glob("*/*")) and process.poll() is None:
        time.sleep(0.005)
    with run_lock(terminal.folder / "index"):
        assert process.poll() is None
        yield


def processes_of(session: int) -> list[int]:
    """Return the processes of a session that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def require_all_gone(session: int) -> None:
    """Neither workers nor reading processes outlive their backfill."""
    for _ in range(1_000):
        if not processes_of(session):
            return
        time.sleep(0.02)
    raise AssertionError(processes_of(session))


def require_finished_by_the_same_command(terminal: Terminal) -> None:
    """What is missing is sealed, and nothing twice."""
    before = audited(terminal)
    assert 0 < len(before.manifests) < DAYS
    ran = terminal.json("backfill", *RANGE, "--workers", "1")
    told = ran.document
    assert told["days_sealed_before"] == {"main": len(before.manifests)}
    assert len(told["days"]) == DAYS - len(before.manifests)
    found = audited(terminal)  # that each revision is named once, among others
    assert [one["day"] for one in found.manifests] == [day(ago) for ago in range(DAYS)][::-1]
    assert len(found.rejects) == 3
    assert len(found.orders) == sum(one["counts"]["orders"] for one in found.manifests)
    assert len({row["order_id"] for row in found.orders}) == len(found.orders)


def test_a_backfill_that_was_killed_is_finished_by_the_same_command(large: Terminal) -> None:
    with running(large) as process, stopped_half_way(large, process):
        process.kill()
        require_all_gone(process.pid)
    require_finished_by_the_same_command(large)


def test_an_interrupted_backfill_ends_at_once_and_can_go_on(large: Terminal) -> None:
    with running(large) as process, stopped_half_way(large, process):
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate()
        require_all_gone(process.pid)
    assert process.returncode == 130
    assert json.loads(out)["outcome"] == "interrupted"
    require_finished_by_the_same_command(large)
