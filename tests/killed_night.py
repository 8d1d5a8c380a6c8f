"""Nights in processes of their own, to be killed: `python -m tests.killed_night`.

Takes folders on standard input, a line each, in which an archive, its vault and its rows (JSON)
lie. Answers with the process id of the night that begins there and, asked by an empty line, with
how it ended; until then nobody else gets that id. The nights are forks of a process that has
imported everything and started no thread.
"""

import json
import os
import sys
import traceback
from datetime import datetime
from pathlib import Path

from archiver.stores.directory import DirectoryStore
from tests import cards
from tests.archives import RULES, Place, RowsSource
from tests.clock import FrozenClock
from tests.desk import Desk

ROWS = "rows.json"


def leave(desk: Desk) -> None:
    """Leave rows and clock for the process that is going to be killed."""
    told = {"now": desk.clock.now().isoformat(), "rows": desk.rows}
    (desk.place.folder / ROWS).write_text(json.dumps(told, ensure_ascii=False))


def seal(folder: Path) -> None:
    """Run the night."""
    told = json.loads((folder / ROWS).read_text())
    clock = FrozenClock(datetime.fromisoformat(told["now"]))
    source = RowsSource(cards.OWN, told["rows"], exact=True)
    store = DirectoryStore(folder / "vault", clock)
    desk = Desk(Place(folder), clock, store, RULES, [source])
    desk.night(threads=2)


def main() -> None:
    """Run a night in each folder that is named."""
    for line in iter(sys.stdin.readline, ""):
        night = os.fork()
        if not night:
            try:
                seal(Path(line.rstrip("\n")))
            except BaseException:  # noqa: BLE001  a fork must not go on with this loop
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(night, flush=True)
        sys.stdin.readline()
        print(os.waitstatus_to_exitcode(os.waitpid(night, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
