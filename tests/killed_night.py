"""Nights in processes of their own, to be killed or stopped: `python -m tests.killed_night`.

Takes folders on standard input, a line each, in which an archive, its vault and its rows (JSON)
lie. Answers with the process id of the night that begins there and, asked by an empty line, with
how it ended; until then nobody else gets that id. The nights are forks of a process that has
imported everything and started no thread.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from archiver.errors import ArchiverError, Exit
from archiver.ports import ObjectStore
from archiver.stores.directory import DirectoryStore
from tests import cards
from tests.archives import RULES, Place, RowsSource
from tests.clock import FrozenClock
from tests.desk import Desk
from tests.faults import Count

ROWS = "rows.json"


T = TypeVar("T")


class Stopping(Count):
    """Stops its own process (SIGSTOP) before or after it asks the store for something."""

    def __init__(self, store: ObjectStore, stop_at: int, *, after: bool) -> None:
        super().__init__(store)
        self.left = stop_at
        self.after = after

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        with self._mutex:
            self.left -= 1
            due = self.left == -1
        if due and not self.after:
            os.kill(os.getpid(), signal.SIGSTOP)
        answer = super()._call(method, key, act)
        if due and self.after:
            os.kill(os.getpid(), signal.SIGSTOP)
        return answer


def leave(desk: Desk, *, stop_at: int | None = None, after: bool = False) -> None:
    """Leave rows and clock for the process that is going to be killed, or to stop itself."""
    stop = {"stop_at": stop_at, "after": after}
    told = {"now": desk.clock.now().isoformat(), "rows": desk.rows, **stop}
    (desk.place.folder / ROWS).write_text(json.dumps(told, ensure_ascii=False))


def seal(folder: Path) -> Exit:
    """Run the night; return its exit code."""
    told = json.loads((folder / ROWS).read_text())
    clock = FrozenClock(datetime.fromisoformat(told["now"]))
    source = RowsSource(cards.OWN, told["rows"], exact=True)
    store: ObjectStore = DirectoryStore(folder / "vault", clock)
    if told["stop_at"] is not None:
        store = Stopping(store, told["stop_at"], after=told["after"])
    desk = Desk(Place(folder), clock, store, RULES, [source])
    try:
        # One that stops itself must not do so while another thread of it holds the vault's lock.
        return desk.night(threads=2 if told["stop_at"] is None else 0).exit
    except ArchiverError as error:
        return error.exit


def main() -> None:
    """Run a night in each folder that is named."""
    for line in iter(sys.stdin.readline, ""):
        night = os.fork()
        if not night:
            try:
                ended = seal(Path(line.rstrip("\n")))
            except BaseException:  # noqa: BLE001  a fork must not go on with this loop
                traceback.print_exc()
                os._exit(Exit.BUG)
            os._exit(ended)
        print(night, flush=True)
        sys.stdin.readline()
        print(os.waitstatus_to_exitcode(os.waitpid(night, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
