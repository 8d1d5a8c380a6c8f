"""Merkle trees over leaf hashes (RFC 6962, section 2.1; RFC 9162, section 2.1). Pure.

A tree need not be held whole: a `Tail` is the roots of the complete subtrees in front of some
leaf, and all leaves from there on. That suffices to go on, to show that a later leaf is in the
tree, and that the tree continues the one in front of the tail.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from archiver.errors import Said, TamperedError

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


def complete_subtrees(size: int) -> list[tuple[int, int]]:
    """Return where the largest complete subtrees of a tree begin and end, left to right."""
    spans, start = [], 0
    for bit in range(size.bit_length() - 1, -1, -1):
        if size >> bit & 1:
            spans.append((start, start + (1 << bit)))
            start += 1 << bit
    return spans


def frontier_root(frontier: Sequence[bytes]) -> bytes:
    """Return the root of the tree whose largest complete subtrees have these roots."""
    if not frontier:
        return EMPTY_ROOT
    root = frontier[-1]
    for left in reversed(frontier[:-1]):
        root = _node(left, root)
    return root


@dataclass(frozen=True, slots=True)
class Tail:
    """A tree of which the first leaves are known by their complete subtrees only.

    Attributes:
        first: How many leaves lie in front of `leaves`.
        frontier: The roots of the largest complete subtrees of these, left to right.
        leaves: The leaf hashes from `first` on.
    """

    first: int
    frontier: Sequence[bytes]
    leaves: Sequence[bytes]
    _known: dict[tuple[int, int], bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a frontier that is none of so many leaves."""
        spans = complete_subtrees(self.first)
        if len(spans) != len(self.frontier):
            message = f"{self.first} leaves have {len(spans)} complete subtrees"
            raise ValueError(message)
        known = dict(zip(spans, self.frontier, strict=True))
        object.__setattr__(self, "_known", known)

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return self.first + len(self.leaves)

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the tree of the first `size` leaves, of all if not given."""
        return frontier_root(self.frontier_at(self.size if size is None else size))

    def frontier_at(self, size: int) -> list[bytes]:
        """Return the roots of the largest complete subtrees of the first `size` leaves."""
        self._require(self.first <= size <= self.size)
        return [self._subtree(start, end) for start, end in complete_subtrees(size)]

    def inclusion(self, number: int, size: int) -> list[bytes]:
        """Return the path that shows leaf `number` to be in the tree of `size` leaves.

        Lowest node first (RFC 9162, 2.1.3.1).
        """
        self._require(self.first <= number < size <= self.size)
        path, start, end = [], 0, size
        while end - start > 1:
            split = start + _split(end - start)
            if number < split:
                path.append(self._subtree(split, end))
                end = split
            else:
                path.append(self._subtree(start, split))
                start = split
        return path[::-1]

    def consistency(self, old: int, new: int) -> list[bytes]:
        """Return what shows that the tree of `new` leaves continues that of `old` leaves.

        `old` is `first` or more (RFC 9162, 2.1.4.1). Of the empty tree, and of the same one,
        nothing has to be shown.
        """
        self._require(self.first <= old <= new <= self.size)
        if old in (0, new):
            return []
        proof, start, end, whole = [], 0, new, True
        while old != end:
            split = start + _split(end - start)
            if old <= split:
                proof.append(self._subtree(split, end))
                end = split
            else:
                proof.append(self._subtree(start, split))
                start, whole = split, False
        if not whole:
            proof.append(self._subtree(start, end))
        return proof[::-1]

    def _subtree(self, start: int, end: int) -> bytes:
        if start >= self.first:
            return tree_hash(self.leaves[start - self.first : end - self.first])
        if (start, end) in self._known:
            return self._known[start, end]
        split = start + _split(end - start)
        return _node(self._subtree(start, split), self._subtree(split, end))

    def _require(self, possible: bool) -> None:  # noqa: FBT001  the name says what it is
        if not possible:
            message = f"a tail of leaves {self.first} to {self.size} does not show this"
            raise ValueError(message)


def verify_inclusion(
    leaf: bytes, number: int, size: int, path: Sequence[bytes], root: bytes, *, where: str
) -> None:
    """Check that a tree of `size` leaves with this root has a leaf (RFC 9162, 2.1.3.2).

    Args:
        leaf: The leaf's hash.
        number: Its place, from 0.
        size: Of the tree.
        path: As `Tail.inclusion` gives it.
        root: The tree's, trusted.
        where: What is shown, for the error.

    Raises:
        TamperedError: It is not shown.
    """
    node, last = number, size - 1
    reached = leaf
    if not 0 <= number < size:
        raise _not_shown(where)
    for sibling in path:
        if last == 0:
            raise _not_shown(where)
        if node & 1 or node == last:
            reached = _node(sibling, reached)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            reached = _node(reached, sibling)
        node, last = node >> 1, last >> 1
    if last or reached != root:
        raise _not_shown(where)


def verify_consistency(
    old: int,
    old_root: bytes,
    new: int,
    new_root: bytes,
    proof: Sequence[bytes],
    *,
    where: str,
) -> None:
    """Check that the tree of `new` leaves continues the one of `old` leaves (RFC 9162, 2.1.4.2).

    Raises:
        TamperedError: It is not shown.
    """
    if old in (0, new):
        same = old_root == (new_root if old == new else EMPTY_ROOT)
        if proof or not same or new < old:
            raise _not_shown(where)
    elif not 0 < old < new or not _leads_to(old, old_root, new, new_root, proof):
        raise _not_shown(where)


def _leads_to(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether a proof leads to both roots, word for word as RFC 9162 has it."""
    nodes = list(proof) if old & (old - 1) else [old_root, *proof]
    if not nodes:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_reached = new_reached = nodes[0]
    for sibling in nodes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_reached = _node(sibling, old_reached)
            new_reached = _node(sibling, new_reached)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new_reached = _node(new_reached, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and (old_reached, new_reached) == (old_root, new_root)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(NODE_PREFIX + left + right).digest()


def _split(count: int) -> int:
    """Return the largest power of two below `count`, which is 2 or more."""
    return 1 << (count - 1).bit_length() - 1


def _not_shown(where: str) -> TamperedError:
    return TamperedError(
        key=where, detail=Said("the Merkle proof does not hold", "默克尔证明不成立")
    )
