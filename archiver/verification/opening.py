"""The rows of an object whose bytes are those that were signed: do they say what was signed?

Responsible for decrypting, for leaves and roots, and for the date that the rows themselves demand.
Rows never leave this module.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from archiver import canonical, merkle, partition, retention, segments
from archiver.known import LEAVES as KNOWN_LEAVES
from archiver.known import known_kek
from archiver.verification.objects import MARGIN, Flaw, Task, day_of, kek_of
from schemas.documents import SealedObject
from schemas.orders import ORDER_V1, leaf_paths

READABLE: Final = [path for path, key in leaf_paths(ORDER_V1).items() if key == "base"]
"""Leaves of an order that open with the base key."""


def of_rows(task: Task, content: bytes) -> Iterator[Flaw]:
    """Yield what is wrong with an object's rows; its keys are at hand.

    Raises:
        TamperedError: Something does not decrypt.
        KeyUnavailableError: A key does not open.
    """
    yield from _OPENERS[task.stored.kind](task, content)


def _of_orders(task: Task, content: bytes) -> Iterator[Flaw]:
    stored = task.stored
    kek = kek_of(task, "base")
    file = partition.open_file(
        content, {"base": kek}, footer_sha256=stored.footer.sha256, where=stored.key
    )
    leaves: list[bytes] = []
    latest: datetime | None = None
    for rows in partition.read_row_groups(file, READABLE, stored.key):
        leaves += canonical.order_leaves(rows, kek, first_row=len(leaves))
        ends = pc.max(pc.coalesce(rows["completed_at"], rows["first_seen_at"])).as_py()
        if ends is not None:
            latest = ends if latest is None else max(latest, ends)
    if len(leaves) != stored.rows:
        yield Flaw(code="rows-differ", params={"found": len(leaves), "expected": stored.rows})
    if merkle.tree_hash(leaves).hex() != stored.merkle_root:
        yield Flaw(code="leaves-differ")
    if latest is not None:
        yield from _of_promise(stored, retention.retain_until(latest.astimezone(UTC), task.rule))


def _of_promise(stored: SealedObject, due: datetime) -> Iterator[Flaw]:
    params = {"until": day_of(due), "promised": day_of(stored.retain_until)}
    if stored.retain_until < due:
        yield Flaw(code="promise-too-short", params=params)
    elif stored.retain_until > due + MARGIN:
        yield Flaw(code="promise-too-long", params=params)


def _of_segment(task: Task, content: bytes) -> Iterator[Flaw]:
    kek = kek_of(task, "index")
    described, rows = segments.read_segment(content, kek, task.stored)
    yield from _of_rows(task.stored, rows)
    if task.of is not None and (
        described.orders,
        described.version_id,
        described.size_bytes,
        described.footer.sha256,
    ) != (task.of.key, task.of.version_id, task.of.size_bytes, task.of.footer.sha256):
        yield Flaw(code="segment-differs")


def _of_known(task: Task, content: bytes) -> Iterator[Flaw]:
    if task.keys.token_key is None:
        return
    stored = task.stored
    keks = {"known": known_kek(task.keys.token_key, stored.key)}
    file = partition.open_file(content, keks, footer_sha256=stored.footer.sha256, where=stored.key)
    yield from _of_rows(stored, partition.read_rows(file, KNOWN_LEAVES, stored.key))


def _of_rejects(_task: Task, _content: bytes) -> Iterator[Flaw]:
    """Yield nothing: all of a reject is under the reveal key, which no custody check holds."""
    return iter(())


_OPENERS: Final = {
    "orders": _of_orders,
    "segments": _of_segment,
    "known": _of_known,
    "rejects": _of_rejects,
}


def _of_rows(stored: SealedObject, rows: pa.Table) -> Iterator[Flaw]:
    if len(rows) != stored.rows:
        yield Flaw(code="rows-differ", params={"found": len(rows), "expected": stored.rows})
