"""Merkle tree hashes over leaf hashes (RFC 6962, section 2.1). Pure."""

import hashlib
from collections.abc import Sequence
from typing import Final

LEAF_PREFIX: Final = b"\x00"
NODE_PREFIX: Final = b"\x01"
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The hash of the empty tree."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one leaf input."""
    return hashlib.sha256(LEAF_PREFIX + leaf).digest()


def tree_hash(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes in their order.

    Pairing level by level and carrying an odd last node upward gives the same tree as RFC
    6962's recursive split at the largest power of two, in one pass.
    """
    if not leaf_hashes:
        return EMPTY_ROOT
    level = list(leaf_hashes)
    sha256 = hashlib.sha256
    while len(level) > 1:
        pairs = [
            sha256(NODE_PREFIX + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        if len(level) % 2:
            pairs.append(level[-1])
        level = pairs
    return level[0]
