"""How the golden archive was made: `python -m tests.golden.make FOLDER`.

Three nights of a little shop on a `dir:` store: thirty orders, one of them late, one of them
revised, two rejects. All keys lie beside it, ON PURPOSE: they are test keys and open nothing
else. Segments hold order ids only, as before other tokens existed. An archive that was committed is
never made again, unless its format was never released; a new format gets a folder of its own.
"""

import json
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.compute as pc

from archiver import segments
from archiver.search_tokens import Kind
from archiver.stores.directory import DirectoryStore
from tests import cards
from tests.clock import FrozenClock
from tests.desk import Desk, at, founded

V1 = Path(__file__).parent / "v1"
LAST_NIGHT = at(5, 3)


def shop(night: int) -> list[cards.Row]:
    """Return the shop's rows as the night of a day of March finds them."""
    rows = [cards.order(n, at(2 + n % 3, 7 + n % 11)) for n in range(1, 30)]
    rows.append(cards.order(30, at(4), paid="-5"))
    rows.append(cards.order(31, at(4), state="unheard of"))
    late = cards.order(32, at(3, 23))
    if night >= 4:
        rows.append(late)
        rows[8] = cards.touch(rows[8], at(4, 9), contact="changed@example.com")
    return [row for row in rows if _ended(row) < at(night + 1, 0)]


def _ended(row: cards.Row) -> datetime:
    return datetime.fromisoformat(f"{row['done_at']}+00:00")


def children() -> dict[str, Sequence[cards.Row]]:
    """Return the child rows."""
    return {"events": [{"order_id": 4, "kind": "complained", "at": cards.text(at(3))}]}


def desk_at(folder: Path, clock: FrozenClock) -> Desk:
    """Found an archive in a folder."""
    store = DirectoryStore(folder / "vault", clock)
    desk = founded(folder, store=store, clock=clock)
    desk.source.children = children()
    return desk


def order_ids_only(table: Callable[..., pa.Table], *facts: object) -> pa.Table:
    """Return a segment's rows as they were before it held other tokens, and said so."""
    rows = table(*facts)
    said = {name: text for name, text in rows.schema.metadata.items() if name != b"search"}
    return rows.filter(pc.equal(rows["kind"], Kind.ORDER_ID)).replace_schema_metadata(said)


def make(folder: Path) -> None:
    """Make the archive."""
    desk = desk_at(folder, FrozenClock(at(2, 1)))
    with patch.object(segments, "segment_table", partial(order_ids_only, segments.segment_table)):
        for night in (2, 3, 4):
            desk.rows[:] = shop(night)
            desk.night_of(night)
    expected = [
        [row["order_id"], row["revision"], row["completed_at"].isoformat(), row["buyer"]["contact"]]
        for row in desk.audit().orders
    ]
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]))
