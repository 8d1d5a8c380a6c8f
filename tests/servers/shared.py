"""One server for all workers of a test run, started by the first that asks.

A run's folder holds, per server, a mutex, the log and a note of how to reach it. Each worker
keeps the server alive by a lock that the kernel drops with the process (see `keeper`), so
nothing is left behind when pytest is killed.
"""

import fcntl
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.servers import keeper

START_SECONDS = 60.0  # on a busy machine; an idle one needs 2 to 5
ATTEMPTS = 3  # another process may take a port between our choosing and the server's binding
POLL_SECONDS = 0.05
FAREWELL_SECONDS = 3.0

Endpoint = Mapping[str, int | str]
"""How to reach a server: plain values, written down for the other workers."""


class ServerMissingError(Exception):
    """The server's program is not on this machine; the message names the package."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to run, in a given folder, and how to reach it then."""

    endpoint: Endpoint
    serve: list[str]
    prepare: tuple[list[str], ...] = ()
    user: str | None = None
    """Give the folder to this user and run as it; None is whoever runs the tests."""
    stop_signal: int = signal.SIGKILL
    """These data are thrown away: the fastest end is the best."""
    litter: tuple[str, ...] = ()
    """Files outside the folder that the server leaves when it is killed."""


def free_port() -> int:
    """Return a port that nobody listens on, below those the kernel gives to outgoing connections.

    It is not reserved: whoever uses it must be ready to try another one.
    """
    while True:
        port = random.SystemRandom().randrange(10_240, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


@contextmanager
def shared(
    name: str,
    run_folder: Path,
    plan: Callable[[Path], Launch],
    ready: Callable[[Endpoint], bool],
) -> Iterator[Endpoint]:
    """Give the endpoint of the run's server called `name`, starting it if need be.

    Args:
        name: Which server.
        run_folder: The same for all workers of a test run, and for no other run.
        plan: Writes configuration into the (new) folder and says what to run.
        ready: Whether the server answers; asked until it does.

    Raises:
        RuntimeError: The server did not become ready; the message ends with its log.
    """
    note = run_folder / f"{name}.json"
    with (run_folder / f"{name}.mutex").open("w") as mutex:
        fcntl.flock(mutex, fcntl.LOCK_EX)
        process = None
        if (joined := _join(note, ready)) is not None:
            users, endpoint = joined
        else:
            users, endpoint, process = _start(name, run_folder, plan, ready)
            note.write_text(json.dumps({"users": users.name, "endpoint": dict(endpoint)}))
    try:
        yield endpoint
    finally:
        users.close()
        if process is not None:
            try:
                process.wait(FAREWELL_SECONDS)
            except subprocess.TimeoutExpired:
                process.returncode = 0  # other workers still use it: the keeper waits for them


def _join(note: Path, ready: Callable[[Endpoint], bool]) -> tuple[IO[bytes], Endpoint] | None:
    """Return the running server, or None if there is none or it is about to end."""
    if not note.exists():
        return None
    written = json.loads(note.read_text())
    try:
        users = Path(written["users"]).open("rb")  # noqa: SIM115  open for as long as we use it
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        users.close()
        return None
    if not ready(written["endpoint"]):
        users.close()
        return None
    return users, written["endpoint"]


def _start(
    name: str,
    run_folder: Path,
    plan: Callable[[Path], Launch],
    ready: Callable[[Endpoint], bool],
) -> tuple[IO[bytes], Endpoint, subprocess.Popen[bytes]]:
    log = run_folder / f"{name}.log"
    for _ in range(ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=f"test-{name}-"))
        try:
            launch = plan(folder)
        except BaseException:
            shutil.rmtree(folder)
            raise
        users = _write_launch(folder, launch)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, str(keeper.__file__), str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C ends the tests first, then the server
            )
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if ready(launch.endpoint):
                return users, launch.endpoint, process
            time.sleep(POLL_SECONDS)
        users.close()
        process.wait()
    raise RuntimeError(f"{name} did not start; its log ends:\n{log.read_text()[-2000:]}")


def _write_launch(folder: Path, launch: Launch) -> IO[bytes]:
    """Write the keeper's orders and return the lock that keeps the server alive."""
    (folder / "launch.json").write_text(
        json.dumps(
            {
                "prepare": launch.prepare,
                "serve": launch.serve,
                "user": launch.user,
                "stop_signal": int(launch.stop_signal),
                "litter": launch.litter,
            }
        )
    )
    (folder / "users").touch()
    if launch.user is not None:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, launch.user, launch.user)
    users = (folder / "users").open("rb")
    fcntl.flock(users, fcntl.LOCK_SH)
    return users


def is_root() -> bool:
    """Return whether this process may start servers as other users."""
    return os.geteuid() == 0
