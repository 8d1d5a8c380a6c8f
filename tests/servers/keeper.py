"""Keep one server running for as long as somebody holds its `users` file, then remove every trace.

Run as a program: `keeper.py FOLDER`. `FOLDER/launch.json` says what to prepare and what to serve.
Whoever uses the server holds a shared lock (flock) on `FOLDER/users`; the kernel lets go of it
when that process ends, however it ends. The keeper waits for the exclusive lock: once it has it
nobody is left, so it stops the server and deletes the folder. Should the keeper itself be killed,
the kernel kills the server (PR_SET_PDEATHSIG).

Relies on Linux and on nothing outside the standard library, so that it starts in milliseconds.
"""

import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
STOP_SECONDS = 10  # how long a server may take after its stop signal before it is killed


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _start(argv: list[str], folder: Path, user: str | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        argv,
        cwd=folder,
        env={**os.environ, "HOME": str(folder), "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  this process has one thread
    )


def _wait_until_unused(users: Path) -> None:
    with users.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def keep(folder: Path) -> int:
    """Serve until nobody uses the server; return a process exit code."""
    launch = json.loads((folder / "launch.json").read_text())
    try:
        for argv in launch["prepare"]:
            if code := _start(argv, folder, launch["user"]).wait():
                return code
        server = _start(launch["serve"], folder, launch["user"])
        try:
            _wait_until_unused(folder / "users")
        finally:
            server.send_signal(launch["stop_signal"])
            try:
                server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        return 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for path in launch["litter"]:
            Path(path).unlink(missing_ok=True)


def _end(_signum: int, _frame: object) -> None:
    sys.exit(1)  # runs the `finally` blocks above


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(keep(Path(sys.argv[1])))
