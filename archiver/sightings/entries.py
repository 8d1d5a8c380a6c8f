"""What a sighting keeps of each order: tokens and keyed digests, in 75 bytes (FORMAT.md 6).

Pure. Nothing of an order can be read from an entry; whoever has the token key and the order itself
can tell whether it is the one, and what of it has changed. The last characters of the order id, as
alarms show them, are the one thing that is kept as it is: an order that is gone from the shop must
still be named.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archiver import masking, tokens
from archiver.mapping import MappedPage
from archiver.mapping.facets import FACETS, Facet
from archiver.recognition import Recogniser
from archiver.rows import instants_of
from archiver.tokens import Bytes2D, first_64_bits
from schemas.orders import OUTCOMES

ENTRY: Final = np.dtype(
    [
        ("token", "u1", (16,)),
        ("digest", "u1", (16,)),
        ("sale", "u1", (8,)),
        ("goods", "u1", (8,)),
        ("ended", ">i8"),
        ("outcome", "u1"),
        ("after_sales", "u1"),
        ("events", "u1"),
        ("hint", "u1", (16,)),
    ]
)
"""`ended` in microseconds since 1970 UTC, 0 while the order is open; `outcome` by its place in
OUTCOMES; `hint` in UTF-8, padded with NUL. Counts end at 255."""
_FACET_BYTES: Final = 8
"""Enough for what is compared with one other value, under a key that an attacker lacks."""
_MOST: Final = 255

Entries = NDArray[np.void]
"""Of dtype ENTRY."""


@dataclass(frozen=True, slots=True)
class Observer:
    """Makes entries of one source's rows."""

    recogniser: Recogniser
    _facet_keys: dict[Facet, bytes] = field(repr=False)

    @classmethod
    def of(cls, source: str, token_key: bytes) -> "Observer":
        """Derive what is needed from the token key."""
        keys: dict[Facet, bytes] = {}
        for name in FACETS:
            keys[name] = tokens.derive_key(token_key, f"sighting/{name}")
        return cls(Recogniser.of(source, token_key), keys)

    def entries(self, page: MappedPage) -> Entries:
        """Return the entry of each order of a page that was mapped with its facets."""
        orders = page.orders
        made = np.zeros(len(orders), ENTRY)
        made["token"] = self.recogniser.orders(orders["order_id"])
        made["digest"] = self.recogniser.digests(page.content)
        for facet, content in page.facets.items():
            made[facet] = tokens.digests(self._facet_keys[facet], content)[:, :_FACET_BYTES]
        made["ended"] = instants_of(orders["completed_at"], 0)
        made["outcome"] = pc.index_in(orders["outcome"], pa.array(OUTCOMES)).to_numpy()
        for name in ("after_sales", "events"):
            lengths = pc.fill_null(pc.list_value_length(orders[name]), 0).to_numpy()
            made[name] = np.minimum(lengths, _MOST)
        made["hint"] = _hints(orders["order_id"])
        return made


def joined(some: Sequence[Entries]) -> Entries:
    """Return entries behind each other, in the byte order of the format: numpy would take ours."""
    return np.concatenate(some).astype(ENTRY, copy=False)


def hint_of(entry: np.void) -> str:
    """Return how an alarm names an order, as it names those whose id it knows."""
    shown: bytes = entry["hint"].tobytes().rstrip(b"\0")
    return masking.MASK + shown.decode("utf-8", "replace")


def versions(entries: Entries) -> NDArray[np.uint64]:
    """Return what tells apart what was sighted, an order and its content, in 64 bits."""
    whole = np.ascontiguousarray(entries["token"]) ^ np.ascontiguousarray(entries["digest"])
    return first_64_bits(whole)


def _hints(order_ids: pa.ChunkedArray) -> Bytes2D:
    """Return the last characters of each id, padded to 16 bytes."""
    shown = pc.fill_null(masking.hints(order_ids.combine_chunks()), "")
    padded = b"".join(text.encode()[:16].ljust(16, b"\0") for text in shown.to_pylist())
    return np.frombuffer(padded, np.uint8).reshape(-1, 16)
