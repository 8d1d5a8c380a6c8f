"""What a source takes over from those that it replaced: their orders are known under its name.

Responsible for finding an order of a successor among the known orders of its predecessors,
through the id map where there is one. Relies on the retirements for who continues whom.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import numpy as np
import pyarrow as pa

from archiver.archive import Archive
from archiver.known import KnownOrders, Match
from archiver.mapping import CLOCK_SLACK
from archiver.recognition import Recogniser, known_rows, microseconds
from archiver.retired_ids import read_ids
from archiver.rows import Ints, Mask, Rows, instants_of
from archiver.stamping import by_proxy
from archiver.tokens import Bytes2D, first_64_bits
from schemas.documents import Retirement

SAME_CREATION: Final = timedelta(days=2) // timedelta(microseconds=1)
"""An order that was created further apart is another one with the same number; a zone mistaken
in one of both mappings is less than that."""


@dataclass(slots=True)
class Inheritance:
    """The orders that a source has taken over."""

    archive: Archive
    known: KnownOrders
    source: str
    _ids: dict[str, Bytes2D] = field(default_factory=dict)

    def fill(self, rows: Rows, match: Match) -> Mask:
        """Fill in what predecessors know of rows that a match has not found.

        Args:
            rows: Orders of the source.
            match: What is known under the source's own name; it is changed.

        Returns:
            Which rows were found so.
        """
        inherited = np.zeros(len(match.found), np.bool_)
        asked = np.flatnonzero(~match.found)
        if not len(asked) or not self._direct(self.source):
            return inherited
        ids = rows.orders["order_id"].combine_chunks().take(pa.array(asked))
        found = self._found(ids, instants_of(rows.orders["created_at"], 0)[asked])
        match.put(asked, found, found.found)
        inherited[asked] = found.found
        return inherited

    def changed(self, rows: Rows, match: Match) -> Mask:
        """Return which inherited orders have surely changed since their source was retired.

        They were touched later, or their end has moved. Digests cannot tell: another mapping
        makes others of the same order.
        """
        since = max(microseconds(one.created_at) for one in self._predecessors(self.source))
        ends = instants_of(rows.orders["completed_at"], 0)
        moved = ends > match.completed_at + CLOCK_SLACK // timedelta(microseconds=1)
        moved &= ~by_proxy(rows.orders) | (match.completed_at == 0)
        changed: Mask = (rows.changed_at > since) | moved
        return changed

    def tokens_known(self, ids: pa.Array) -> tuple[Bytes2D, Mask]:
        """Return the tokens under which orders of the source are known, and which are."""
        own = self._tokens(self.source, ids)
        found = self.known.match(own).found
        for tokens, there in self._under_predecessors(self.source, ids, own):
            fresh = there & ~found & self.known.match(tokens).found
            own = np.where(fresh[:, None], tokens, own)
            found |= fresh
        return own, found

    def _found(self, ids: pa.Array, created: Ints) -> Match:
        """Return what all predecessors know; the nearest one answers."""
        own = self._tokens(self.source, ids)
        result = Match.nothing(len(own))
        for tokens, there in self._under_predecessors(self.source, ids, own):
            match = self.known.match(tokens)
            begun = self.known.counted(match, "created_at")
            apart = (np.abs(begun - created) > SAME_CREATION) & (begun != 0) & (created != 0)
            hit = match.found & there & ~result.found & ~apart
            result.put(np.arange(len(own)), match, hit)
        return result

    def _under_predecessors(
        self, source: str, ids: pa.Array, own: Bytes2D
    ) -> Iterator[tuple[Bytes2D, Mask]]:
        """Yield the tokens that the orders have under each predecessor, and which have one."""
        for retirement in self._direct(source):
            if retirement.ids is not None:
                yield self._translated(retirement, own)
                continue
            tokens = self._tokens(retirement.source, ids)
            yield tokens, np.ones(len(tokens), np.bool_)
            yield from self._under_predecessors(retirement.source, ids, tokens)

    def _translated(self, retirement: Retirement, own: Bytes2D) -> tuple[Bytes2D, Mask]:
        """Return the tokens that an id map gives. It names the order itself, however far back."""
        pairs = self._pairs(retirement)
        if not len(pairs):
            return own, np.zeros(len(own), np.bool_)
        heads = first_64_bits(pairs)
        at = np.minimum(np.searchsorted(heads, first_64_bits(own)), len(pairs) - 1)
        there: Mask = (pairs[at, :16] == own).all(axis=1)
        return pairs[at, 16:], there

    def _pairs(self, retirement: Retirement) -> Bytes2D:
        if retirement.source not in self._ids and retirement.ids is not None:
            self._ids[retirement.source] = read_ids(self.archive, retirement.ids)
        return self._ids[retirement.source]

    def _tokens(self, source: str, ids: pa.Array) -> Bytes2D:
        token_key = self.archive.night_keys().token_key
        return Recogniser.of(source, token_key).orders(pa.chunked_array([ids]))

    def _direct(self, source: str) -> list[Retirement]:
        return [one for one in self.known.retired.values() if one.successor == source]

    def _predecessors(self, source: str) -> Iterator[Retirement]:
        for retirement in self._direct(source):
            yield retirement
            yield from self._predecessors(retirement.source)


def taken_over(rows: Rows, match: Match) -> pa.Table:
    """Return KNOWN_V1 entries that make inherited orders known under their new name.

    Revision, first end and first sight stay; the digest is the one of the new mapping.
    """
    return known_rows(
        rows.tokens,
        rows.digests,
        revision=match.revision,
        first_seen=match.first_seen_at,
        completed=match.completed_at,
        still_open=match.completed_at == 0,
        orders=rows.orders,
    )
