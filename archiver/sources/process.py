"""Talking to the reading process: its life, its time limit, its standard error.

What it writes to standard error is looked at and thrown away: drivers quote passwords there. A
connection pool that is refused says so there at once, and only gives up after half a minute.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from archiver.sources import failures
from archiver.sources.failures import Failure
from archiver.sources.plan import Request, encoded

_START: Final = (
    "import sys; sys.path.append(sys.argv.pop()); sys.modules['numpy'] = None; "
    "from archiver.sources.reader import main; main()"
)
"""Not `-m`, which looks for modules in the working directory first: a stray json.py there would run
with the password. A checkout that is not installed is found by its path, and last. Arrow imports
numpy wherever it finds it, which is half of what a short read costs; reading has no use for it."""
_FOLDER: Final = str(Path(__file__).resolve().parents[2])
_INHERITED: Final = re.compile(
    r"(PATH|HOME|LANG|TZ|TMPDIR|VIRTUAL_ENV)$|(LC|LD|DYLD|SSL_CERT|PYTHON|COV)"
)
"""What a Python needs to start, and coverage to see it. The store's credentials, passphrases and
the password itself stand in our environment; drivers are foreign code and get none of them."""
_PIPE_BYTES: Final = 1 << 20
_LAST_WORDS: Final = 5.0
"""Seconds."""
_F_SETPIPE_SZ: Final = 1031
"""Linux; a page then crosses the pipe in a few large steps."""


class BrokenReadError(Exception):
    """The reading process cannot go on."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.detail)


class ReaderProcess:
    """A running reading process."""

    def __init__(self, request: Request, timeout: timedelta) -> None:
        self._timeout = timeout
        self._timed_out = False
        self._ended = False
        self._complaint: Failure | None = None
        self._process = subprocess.Popen(  # noqa: S603 (nothing of it comes from outside)
            [sys.executable, "-P", "-c", _START, _FOLDER],
            env=_inherited(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        _widen(self._process.stdout)
        stdin = self._process.stdin
        # It stays open: its end is what tells the process that we are gone.
        with suppress(BrokenPipeError):
            if stdin:
                stdin.write(encoded(request))
                stdin.flush()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def messages(self) -> Iterator[tuple[dict[str, Any], dict[str, pa.Table]]]:
        """Yield messages with their tables until the end.

        Raises:
            BrokenReadError: It failed, was too slow, or died.
        """
        while True:
            limit = threading.Timer(self._timeout.total_seconds(), self._give_up)
            limit.daemon = True
            limit.start()
            try:
                message, tables = self._next()
            finally:
                limit.cancel()
            if "end" in message:
                self._ended = True
                return
            yield message, tables

    def _next(self) -> tuple[dict[str, Any], dict[str, pa.Table]]:
        out = self._process.stdout
        tables: dict[str, pa.Table] = {}
        try:
            message = json.loads(out.readline() if out else b"")
            for name in message.get("tables", ()):
                with pa.ipc.open_stream(out) as reader:
                    tables[name] = reader.read_all()
        except (ValueError, OSError, pa.ArrowException):
            raise BrokenReadError(self._why_it_died()) from None
        if error := message.get("error"):
            self._ended = True
            raise BrokenReadError(Failure(kind=error["kind"], detail=error["detail"]))
        return message, tables

    def _why_it_died(self) -> Failure:
        if self._timed_out:
            seconds = int(self._timeout.total_seconds())
            return Failure(kind="unavailable", detail=f"nothing came within {seconds} s")
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._listener.join(10)
        if self._complaint:
            return self._complaint
        code = self._process.returncode
        return Failure(kind="unavailable", detail=f"the reading process ended early (code {code})")

    def _give_up(self) -> None:
        self._timed_out = True
        self._process.kill()

    def _listen(self) -> None:
        """Read standard error to its end; a refused login ends the process."""
        for line in self._process.stderr or ():
            found = failures.recognise(line.decode("utf-8", "replace"))
            if found and not self._complaint:
                self._complaint = found
                if found.kind in failures.FATAL_AT_LOGIN:
                    self._process.kill()

    def close(self) -> None:
        """End the process, whatever it is doing; one that has told all may end by itself."""
        if self._ended:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_WORDS)
        self._process.kill()
        self._process.wait()
        self._listener.join(10)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(OSError):
                if pipe:
                    pipe.close()


@contextmanager
def reading(request: Request, timeout: timedelta) -> Iterator[ReaderProcess]:
    """Run the reading process for one request; it is gone afterwards."""
    process = ReaderProcess(request, timeout)
    try:
        yield process
    finally:
        process.close()


def _inherited() -> dict[str, str]:
    """Return our environment without anything that could be a secret: passed on, not read."""
    ours = os.environ  # noqa: TID251
    return {name: value for name, value in ours.items() if _INHERITED.match(name)}


def _widen(pipe: Any) -> None:  # noqa: ANN401 (IO[bytes] | None; only Linux can)
    with suppress(ImportError, OSError, AttributeError):
        import fcntl  # noqa: PLC0415 (not everywhere)

        fcntl.fcntl(pipe.fileno(), _F_SETPIPE_SZ, _PIPE_BYTES)
