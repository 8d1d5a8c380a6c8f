"""A roll call: how some orders of a source are now, whatever state they have been put into.

Responsible for finding orders by their tokens, the only thing that is known of them: tokens of all
order ids are computed, first of those created in the time of a census, then of all, and the rows
that were found are read. It takes what a census takes, and only the nights pay it that miss
somebody.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archiver.archive import Archive
from archiver.capture import KEYS_AT_ONCE, MappedSource
from archiver.ports import Window
from archiver.sightings.entries import Entries, Observer
from archiver.tokens import Bytes2D, first_64_bits

_FOREVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Roll:
    """Orders by token."""

    ignored: set[bytes] = field(default_factory=set)
    """In a state of orders that were never paid."""
    unreadable: set[bytes] = field(default_factory=set)
    """They are there and cannot be mapped."""
    orders: dict[bytes, np.void] = field(default_factory=dict)
    """The others that are there, each as a sighting would have it now."""
    several: dict[bytes, list[np.void]] = field(default_factory=dict)
    """Those of which there are several that differ: a night makes rejects of all of them."""


def call_roll(archive: Archive, mapped: MappedSource, tokens: Bytes2D) -> Roll:
    """Find orders by their tokens.

    Args:
        archive: Opened to seal.
        mapped: The source.
        tokens: Shape (orders, 16).

    Raises:
        SourceUnavailableError: It is down, slow or died half-way; likewise what else
            `ports.Source.pages` raises.
    """
    return _Caller(archive, mapped, {token.tobytes() for token in tokens}).call()


@dataclass(slots=True)
class _Caller:
    archive: Archive
    mapped: MappedSource
    asked: set[bytes]
    _observer: Observer = field(init=False)
    _roll: Roll = field(default_factory=Roll)
    _keys: dict[bytes, list[bytes]] = field(default_factory=dict)
    """Paging keys by token."""

    def __post_init__(self) -> None:
        token_key = self.archive.night_keys().token_key
        self._observer = Observer.of(self.mapped.source.name, token_key)

    def call(self) -> Roll:
        census = self.archive.rules.census
        if census and "created" in self.mapped.mapping.times:
            self._look(Window(start=self.archive.clock.now() - census, end=_FOREVER))
        if len(self._keys) < len(self.asked):
            self._keys.clear()
            self._roll.ignored.clear()
            self._look(None)
        self._read()
        return self._roll

    def _look(self, created: Window | None) -> None:
        heads = np.sort(first_64_bits(_rows(self.asked)))
        status = self.mapped.mapping.status
        ignored = pa.array([state.encode() for state in status.ignored], pa.large_binary())
        for table in self.mapped.source.roll_call(created):
            tokens = self._observer.recogniser.orders(table["order_id"])
            hits = np.flatnonzero(np.isin(first_64_bits(tokens), heads))
            if not len(hits):
                continue
            left = pc.is_in(table["state"].combine_chunks(), ignored)
            keys = table["key"].combine_chunks()
            for row in hits.tolist():
                token = tokens[row].tobytes()
                if token in self.asked:
                    self._keys.setdefault(token, []).append(keys[row].as_py())
                    if left[row].as_py():
                        self._roll.ignored.add(token)

    def _read(self) -> None:
        """Read the rows that were found, and map them as a sighting does."""
        keys = [key for found in self._keys.values() for key in found]
        now = self.archive.clock.now()
        roll = self._roll
        for start in range(0, len(keys), KEYS_AT_ONCE):
            for page in self.mapped.source.rows(keys[start : start + KEYS_AT_ONCE]):
                mapped = self.mapped.map_page(
                    page, self.archive.id, now, include_open=True, facets=True
                )
                self._take(self._observer.entries(mapped))
        roll.unreadable = set(self._keys) - set(roll.orders) - roll.ignored

    def _take(self, entries: Entries) -> None:
        roll = self._roll
        for entry in entries:
            token = entry["token"].tobytes()
            before = roll.orders.setdefault(token, entry)
            if (before["digest"] != entry["digest"]).any():
                roll.several.setdefault(token, [before]).append(entry)


def _rows(tokens: set[bytes]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(tokens), np.uint8).reshape(-1, 16)
