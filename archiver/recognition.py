"""How rows are recognised again: tokens of their ids, digests of their content, known entries.

Responsible for what FORMAT.md 6 says of known orders. Pure; keys are derived from the token
key, so that a night can do all this without a private key.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archiver import tokens
from archiver.allocation import whole
from archiver.tokens import Bytes2D
from schemas.orders import KNOWN_V1

Ints = NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LARGE = pa.large_binary()


@dataclass(frozen=True, slots=True)
class Recogniser:
    """Tokens and digests of one source's rows."""

    source: str
    _token_key: bytes = field(repr=False)
    _digest_key: bytes = field(repr=False)

    @classmethod
    def of(cls, source: str, token_key: bytes) -> "Recogniser":
        """Derive what is needed from the token key."""
        return cls(
            source,
            tokens.derive_key(token_key, "known-token"),
            tokens.derive_key(token_key, "known-digest"),
        )

    def orders(self, order_ids: pa.ChunkedArray) -> Bytes2D:
        """Return the known token of each order id."""
        return self._tokens(b"", order_ids)

    def rejects(self, row_keys: pa.ChunkedArray) -> Bytes2D:
        """Return the known token of each rejected row, by its paging key."""
        return self._tokens(b"\0reject", row_keys)

    def digests(self, content: pa.Array) -> Bytes2D:
        """Return the keyed digest of each row's content."""
        return tokens.digests(self._digest_key, content)

    def _tokens(self, kind: bytes, ids: pa.ChunkedArray) -> Bytes2D:
        # Source and kind hold no NUL, so nothing else gives the same bytes.
        prefix = pa.scalar(self.source.encode() + kind + b"\0", _LARGE)
        values = pc.fill_null(whole(ids).cast(_LARGE), b"")
        named = pc.binary_join_element_wise(prefix, values, pa.scalar(b"", _LARGE))
        return tokens.tokens(self._token_key, named)


def known_rows(
    token_rows: Bytes2D,
    digests: Bytes2D,
    *,
    revision: NDArray[np.int32],
    first_seen: Ints,
    completed: Ints | None = None,
    still_open: NDArray[np.bool_] | None = None,
    orders: pa.Table | None = None,
) -> pa.Table:
    """Return KNOWN_V1 rows.

    Args:
        token_rows: From `orders` or `rejects`.
        digests: Of the rows' content.
        revision: 0 marks a reject.
        first_seen: Microseconds since 1970 UTC.
        completed: Likewise; the end time that stands.
        still_open: Which of the orders have none.
        orders: The ORDER_V1 rows themselves, where they are orders.
    """
    count = len(token_rows)
    given = {
        "token": tokens.token_array(token_rows),
        "digest": tokens.token_array(digests),
        "revision": pa.array(revision),
        "first_seen_at": instants(first_seen),
    }
    if completed is not None:
        ends = instants(completed)
        hide = still_open is not None and still_open.any()
        given["completed_at"] = pc.if_else(pa.array(still_open), None, ends) if hide else ends
    if orders is not None:
        given["created_at"] = whole(orders["created_at"])
        given |= _delivered(whole(orders["deliveries"]))
    columns = [given.get(f.name, pa.nulls(count, f.type)) for f in KNOWN_V1]
    return pa.Table.from_arrays(columns, schema=KNOWN_V1)


def instants(numbers: Ints) -> pa.Array:
    """Return microseconds since 1970 UTC as timestamps."""
    return pa.array(numbers, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def microseconds(instant: datetime) -> int:
    """Return an aware instant as microseconds since 1970 UTC."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _delivered(deliveries: pa.Array) -> dict[str, pa.Array]:
    """Return, by order, how many deliveries it has and how many of them hold a secret."""
    lengths = pc.fill_null(pc.list_value_length(deliveries), 0)
    secrets = pc.list_flatten(deliveries).field("secret")
    parents = pc.list_parent_indices(deliveries).filter(secrets.is_valid()).to_numpy()
    held = np.bincount(parents, minlength=len(deliveries)).astype(np.int32)
    return {"deliveries": lengths.cast(pa.int32()), "secrets": pa.array(held)}
