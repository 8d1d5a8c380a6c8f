"""Tree hashes against published roots and against RFC 6962's own, recursive definition."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.merkle import EMPTY_ROOT, leaf_hash, tree_hash

# The reference tree of the Certificate Transparency project (merkletree/verifier tests).
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def recursive(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    count = len(leaves)
    if count == 0:
        return hashlib.sha256().digest()
    if count == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < count:
        split *= 2
    left, right = recursive(leaves[:split]), recursive(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size: int) -> None:
    assert tree_hash([leaf_hash(leaf) for leaf in INPUTS[:size]]).hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert tree_hash([]).hex() == EMPTY_ROOT.hex() == empty


@given(st.lists(st.binary(max_size=40), max_size=70))
def test_every_size_has_the_root_of_the_recursive_definition(leaves: list[bytes]) -> None:
    assert tree_hash([leaf_hash(leaf) for leaf in leaves]) == recursive(leaves)


@pytest.mark.parametrize("size", [127, 128, 129, 1000])
def test_sizes_around_powers_of_two(size: int) -> None:
    leaves = [number.to_bytes(4, "big") for number in range(size)]
    assert tree_hash([leaf_hash(leaf) for leaf in leaves]) == recursive(leaves)


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=20), st.data())
def test_any_other_leaf_gives_another_root(leaves: list[bytes], data: st.DataObject) -> None:
    hashes = [leaf_hash(leaf) for leaf in leaves]
    position = data.draw(st.integers(0, len(leaves) - 1))
    changed = [*hashes[:position], leaf_hash(leaves[position] + b"!"), *hashes[position + 1 :]]
    assert tree_hash(changed) != tree_hash(hashes)


def test_a_node_cannot_pass_for_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert tree_hash([left, right]) != leaf_hash(left + right)
