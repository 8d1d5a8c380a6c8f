"""Exports under way: made behind whoever asked, kept in memory, taken once.

A file of orders never touches this host's disk. A job belongs to the session that began it, and
goes with the process; whoever lost one begins it again, and that is on record, too.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from archiver.errors import ArchiverError, RequestError, Said
from archiver.ports import Clock

KEPT: Final = timedelta(minutes=10)
"""How long a file waits to be taken."""
AT_ONCE: Final = 2
"""Jobs that run on one node: each holds its orders in memory."""
WAITING: Final = 2
"""Files of one session that wait to be taken: each is in memory whole."""
OF_ONE: Final = 5
"""Jobs of one session that are remembered."""

log: Final = logging.getLogger(__name__)
Make = Callable[["Job"], tuple[bytes, str]]
"""Makes the file and returns it with its access record."""


class ExportsBusyError(RequestError):
    """Others are exporting."""

    code = "exports-busy"
    en = "Other exports are under way or wait to be taken; take yours, or try again in a moment"
    zh = "其他导出正在进行或等待下载；请先下载已完成的导出，或稍后重试"


@dataclass(slots=True, kw_only=True)
class Job:
    """One export. It is the progress of its own scan (`archiver.ports.Progress`)."""

    id: str
    owner: str = field(repr=False)
    """The token of the session that began it."""
    said: str
    format: str
    at: datetime
    state: str = "running"
    """`running`, `ready`, `taken` or `failed`."""
    error: ArchiverError | None = None
    access: str = ""
    count: int | None = None
    content: bytes = field(default=b"", repr=False)
    done: int = 0
    total: int | None = None

    @property
    def percent(self) -> int | None:
        """How far it is; None while nobody knows how much there is."""
        if not self.total:
            return None
        return min(99, 100 * self.done // self.total)

    def start(self, _label: str, total: int | None = None) -> None:
        """Learn how much there is."""
        self.done, self.total = 0, total

    def advance(self, units: int = 1) -> None:
        """Learn that some of it is done."""
        self.done += units

    def finish(self) -> None:
        """Learn that all is read."""


@dataclass(slots=True)
class Jobs:
    """All exports of one node."""

    begin: Callable[[Callable[[], None]], None]
    """Starts something behind whoever asked."""
    _jobs: list[Job] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def start(
        self, owner: str, said: str, form: str, clock: Clock, ready: Callable[[], Make]
    ) -> Job:
        """Begin an export.

        Args:
            owner: The token of the session that begins it.
            said: Of what, for people.
            form: As which file.
            clock: Tells from when on it waits to be taken.
            ready: Called once there is room: does what is done once only, such as using up an
                approval, and returns what makes the file. What it raises is raised, and the room
                is free again.

        Raises:
            ExportsBusyError: Too many are under way.
        """
        job = Job(id=secrets.token_urlsafe(12), owner=owner, said=said, format=form, at=clock.now())
        with self._turn:
            self._forget(clock.now())
            running = [one for one in self._jobs if one.state == "running"]
            mine = [one.state for one in self._jobs if one.owner == owner]
            if len(running) >= AT_ONCE or "running" in mine or mine.count("ready") >= WAITING:
                raise ExportsBusyError
            self._jobs.append(job)
        try:
            make = ready()
            self.begin(lambda: _run(job, make))
        except BaseException:
            with self._turn:
                self._jobs.remove(job)
            raise
        return job

    def of(self, owner: str, now: datetime) -> Sequence[Job]:
        """Return the jobs of a session, newest first."""
        with self._turn:
            self._forget(now)
            return [one for one in reversed(self._jobs) if one.owner == owner][:OF_ONE]

    def take(self, owner: str, number: str, now: datetime) -> Job:
        """Return a job whose file is ready, once; the file is in the returned job alone.

        Raises:
            RequestError: There is none, or it was taken.
        """
        with self._turn:
            self._forget(now)
            for one in self._jobs:
                if (one.owner, one.id, one.state) == (owner, number, "ready"):
                    taken = Job(
                        id=one.id,
                        owner=owner,
                        said=one.said,
                        format=one.format,
                        at=one.at,
                        access=one.access,
                        content=one.content,
                    )
                    one.state, one.content = "taken", b""
                    return taken
        raise RequestError(
            detail=Said("there is no such file, or it was taken", "没有该文件，或已被下载")
        )

    def _forget(self, now: datetime) -> None:
        self._jobs = [one for one in self._jobs if one.state == "running" or now - one.at < KEPT]


def _run(job: Job, make: Make) -> None:
    try:
        job.content, job.access = make(job)
        job.state = "ready"
    except ArchiverError as error:
        job.error, job.state = error, "failed"
    except Exception as error:  # noqa: BLE001  its message might quote an order
        log.error("export failed", extra={"kind": type(error).__name__})  # noqa: TRY400
        job.state = "failed"


def in_a_thread(work: Callable[[], None]) -> None:
    """Begin something behind whoever asked."""
    threading.Thread(target=work, name="behind", daemon=True).start()
