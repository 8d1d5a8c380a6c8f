"""Mapped rows on their way through a capture, with what identifies them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archiver.mapping import OrderMapping
from archiver.ports import RawPage, Window
from archiver.recognition import microseconds
from archiver.tokens import Bytes2D

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Mapped rows with what identifies them."""

    orders: pa.Table
    tokens: Bytes2D
    digests: Bytes2D
    changed_at: Ints
    """When the source last touched them, in microseconds; 0 where it does not say."""

    def take(self, chosen: Mask) -> "Rows":
        """Return some of them."""
        if chosen.all():
            return self
        return Rows(
            orders=self.orders.filter(pa.array(chosen)),
            tokens=self.tokens[chosen],
            digests=self.digests[chosen],
            changed_at=self.changed_at[chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Rows of repeated ids, until all of them lie side by side."""

    rows: Rows
    page: RawPage


@dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide:
    """Rows of repeated ids, all of them, and which of them is what."""

    rows: Rows
    conflict: Mask
    """They differ from another row with their id."""
    double: Mask
    """They say again what the first row with their id says."""

    @classmethod
    def of(cls, held: Sequence[Held]) -> "SideBySide":
        """Compare rows with the first one that has their id."""
        rows = Rows(
            orders=pa.concat_tables([one.rows.orders for one in held]),
            tokens=np.concatenate([one.rows.tokens for one in held]),
            digests=np.concatenate([one.rows.digests for one in held]),
            changed_at=np.concatenate([one.rows.changed_at for one in held]),
        )
        _, first, group = np.unique(rows.tokens, axis=0, return_index=True, return_inverse=True)
        group = group.ravel()
        differs = (rows.digests != rows.digests[first[group]]).any(axis=1)
        conflict = np.isin(group, group[differs])
        is_first = np.zeros(len(group), np.bool_)
        is_first[first] = True
        return cls(rows=rows, conflict=conflict, double=~conflict & ~is_first)


def part_of(page: RawPage, positions: pa.Array, mapping: OrderMapping) -> RawPage:
    """Return some rows of a page with their own child rows, which are few of the page's."""
    rows = page.rows.take(positions)
    children: dict[str, pa.Table] = {}
    for child in mapping.children:
        theirs = page.children[child.field]
        parents = rows[child.on or mapping.key].combine_chunks()
        children[child.field] = theirs.filter(pc.is_in(theirs[child.key], parents))
    return RawPage(rows=rows, children=children)


def within(column: pa.Array | pa.ChunkedArray, window: Window) -> Mask:
    """Return which instants lie in a window; null lies in none."""
    numbers = pc.fill_null(column.cast(pa.int64()), np.iinfo(np.int64).max).to_numpy()
    start, end = microseconds(window.start), microseconds(window.end)
    inside: Mask = (numbers >= start) & (numbers < end)
    return inside


def instants_of(column: pa.Array | pa.ChunkedArray, null: int) -> Ints:
    """Return instants as microseconds since 1970 UTC, and `null` where there is none."""
    numbers: Ints = pc.fill_null(column.cast(pa.int64()), null).to_numpy()
    return numbers


def is_open(orders: pa.Table) -> Mask:
    """Return which orders have not ended."""
    found: Mask = pc.equal(orders["outcome"], "open").to_numpy()
    return found
