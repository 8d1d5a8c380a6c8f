"""Running a program and watching what it takes: wall time, CPU time, memory of its whole tree."""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SAMPLE_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a program took, its children included."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    """Sum of the proportional set sizes (PSS) of all its processes at the worst moment; 0 if
    nobody looked."""
    output: str
    code: int


def run(
    argv: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    watch_memory: bool = False,
    accept: Sequence[int] = (0,),
) -> Run:
    """Run a program to its end.

    Args:
        argv: The program.
        environment: Added to our own.
        watch_memory: Sample the memory of its tree; that costs a few percent of the time.
        accept: Exit codes that are no failure.

    Raises:
        RuntimeError: It failed; the message ends with what it wrote.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        [str(part) for part in argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
    )
    peak = _Peak(process.pid)
    watcher = threading.Thread(target=peak.watch, daemon=True)
    if watch_memory:
        watcher.start()
    with process:
        output = (process.stdout.read() if process.stdout else b"").decode("utf-8", "replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    peak.ended.set()
    if watch_memory:
        watcher.join()
    if process.returncode not in accept:
        raise RuntimeError(f"{argv[0]} ended with {process.returncode}:\n{output[-3000:]}")
    return Run(
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=peak.bytes,
        output=output,
        code=process.returncode,
    )


def cpu_seconds_of(root: int) -> float:
    """Return the processor time that a running process and all below it have taken until now."""
    ticks = 0
    for pid in _tree(root):
        with suppress(OSError):
            # Behind the name, which may hold anything: utime and stime (proc(5)).
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


class _Peak:
    """The largest sum seen."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.bytes = 0
        self.ended = threading.Event()

    def watch(self) -> None:
        while not self.ended.wait(SAMPLE_SECONDS):
            self.bytes = max(self.bytes, sum(map(_pss, _tree(self.root))))


def _tree(root: int) -> list[int]:
    """Return a process and all below it."""
    found = [root]
    for pid in found:
        with suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def _pss(pid: int) -> int:
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
