"""A night in a process of its own, to be killed: `python -m tests.killed_night FOLDER`.

The archive, its vault and its rows (JSON) lie in the folder. Says `ready` when it begins.
"""

import json
import sys
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


def main(folder: Path) -> None:
    """Run the night."""
    told = json.loads((folder / ROWS).read_text())
    clock = FrozenClock(datetime.fromisoformat(told["now"]))
    source = RowsSource(cards.OWN, told["rows"], exact=True)
    store = DirectoryStore(folder / "vault", clock)
    desk = Desk(Place(folder), clock, store, RULES, [source])
    print("ready", flush=True)
    desk.night(threads=2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
