"""Processes for parallel work: fresh ones, which end with the work and with who started them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archiver.errors import SourceUnavailableError
from archiver.executors import Inline, processes


def fail(source: str) -> None:
    """What a worker may meet."""
    raise SourceUnavailableError(source=source, detail="down")


def doze(_: int) -> int:
    """Work that takes for ever."""
    time.sleep(600)
    return 0


def test_inline_does_it_at_once_and_carries_errors() -> None:
    done: list[int] = []
    executor = Inline()
    executor.submit(done.append, 1)
    assert done == [1]
    with pytest.raises(SourceUnavailableError):
        executor.submit(fail, "main").result()


def test_errors_come_back_from_processes_as_they_were() -> None:
    with processes(1) as (pool, _):
        assert pool.submit(os.getpid).result() != os.getpid()
        with pytest.raises(SourceUnavailableError) as caught:
            pool.submit(fail, "main").result()
    assert caught.value.params == {"source": "main", "detail": "down"}
    assert caught.value.text("zh") == "数据源 main 没有响应：down"


def test_an_interruption_ends_work_that_has_begun() -> None:
    found: list[int] = []

    def interrupted() -> None:
        with processes(2) as (pool, _):
            found.append(pool.submit(os.getpid).result())
            pool.submit(doze, 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert gone(*found)


def test_work_that_nobody_waits_for_does_not_keep_the_end_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("archiver.executors.GRACE_SECONDS", 0.05)
    with processes(1) as (pool, _):
        process = pool.submit(os.getpid).result()
        pool.submit(doze, 1)
    assert gone(process)


def test_processes_do_not_outlive_who_has_started_them(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os\n"
        "from archiver.executors import processes\n"
        "from tests.test_executors import doze\n"
        "if __name__ == '__main__':\n"
        "    with processes(1) as (pool, _):\n"
        "        print(pool.submit(os.getpid).result(), flush=True)\n"
        "        pool.submit(doze, 1).result()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert gone(worker)


def gone(process: int) -> bool:
    """Wait until a process has ended; it is nobody's child any more, or ours."""
    for _ in range(1_000):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False
