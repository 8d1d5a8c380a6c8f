"""Tree hashes and proofs against published ones and RFC 6962's own, recursive definition."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import TamperedError
from archiver.merkle import (
    EMPTY_ROOT,
    Tail,
    frontier_root,
    leaf_hash,
    tree_hash,
    verify_consistency,
    verify_inclusion,
)

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


# --- proofs -------------------------------------------------------------------------------------

LEAVES = [leaf_hash(leaf) for leaf in INPUTS]

# RFC 9162, 2.1.5, names the nodes of a tree of seven leaves and the proofs in it.
A, B, C, D, E, F, J = LEAVES[:7]
G, H, II = tree_hash([A, B]), tree_hash([C, D]), tree_hash([E, F])
K, L = tree_hash([A, B, C, D]), tree_hash([E, F, J])


def whole(leaves: list[bytes]) -> Tail:
    return Tail(0, [], leaves)


@pytest.mark.parametrize(
    ("number", "path"), [(0, [B, H, L]), (3, [C, G, L]), (4, [F, J, K]), (6, [II, K])]
)
def test_the_inclusion_paths_of_the_rfc(number: int, path: list[bytes]) -> None:
    assert whole(LEAVES[:7]).inclusion(number, 7) == path


@pytest.mark.parametrize(("old", "proof"), [(3, [C, D, G, L]), (4, [L]), (6, [II, J, K])])
def test_the_consistency_proofs_of_the_rfc(old: int, proof: list[bytes]) -> None:
    assert whole(LEAVES[:7]).consistency(old, 7) == proof


@pytest.mark.parametrize(
    ("number", "size", "path"),
    [
        (0, 1, []),
        (
            0,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            5,
            8,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
        (
            1,
            5,
            [
                "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_published_inclusion_paths(number: int, size: int, path: list[str]) -> None:
    # Certificate Transparency's own tests of the same reference tree.
    found = whole(LEAVES).inclusion(number, size)
    assert [node.hex() for node in found] == path
    root = bytes.fromhex(ROOTS[size - 1])
    verify_inclusion(LEAVES[number], number, size, found, root, where="leaf")


@pytest.mark.parametrize(
    ("old", "new", "proof"),
    [
        (1, 1, []),
        (
            1,
            8,
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        ),
        (
            6,
            8,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        ),
        (
            2,
            5,
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        ),
    ],
)
def test_published_consistency_proofs(old: int, new: int, proof: list[str]) -> None:
    found = whole(LEAVES).consistency(old, new)
    assert [node.hex() for node in found] == proof
    roots = bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[new - 1])
    verify_consistency(old, roots[0], new, roots[1], found, where="log")


def test_a_consistency_proof_that_others_have_published() -> None:
    # transparency-dev/witness, its tests of a log named "monkeys".
    old = base64.b64decode("41smjBUiAU70EtKlT6lIOIYtRTYxYXsDB+XHfcvu/BE=")
    new = base64.b64decode("V8K9aklZ4EPB+RMOk1/8VsJUdFZR77GDtZUQq84vSbo=")
    proof = [
        "b9e1d62618f7fee8034e4c5010f727ab24d8e4705cb296c374bf2025a87a10d2",
        "aac66cd7a79ce4012d80762fe8eec3a77f22d1ca4145c3f4cee022e7efcd599d",
        "89d0f753f66a290c483b39cd5e9eafb12021293395fad3d4a2ad053cfbcfdc9e",
        "29e40bb79c966f4c6fe96aff6f30acfce5f3e8d84c02215175d6e018a5dee833",
    ]
    verify_consistency(5, old, 8, new, [bytes.fromhex(node) for node in proof], where="monkeys")


SIZE = 67
MANY = [leaf_hash(number.to_bytes(2, "big")) for number in range(SIZE)]
MANY_ROOTS = [tree_hash(MANY[:size]) for size in range(SIZE + 1)]


@given(st.integers(0, SIZE), st.integers(0, SIZE), st.integers(0, SIZE))
def test_a_tail_shows_what_the_whole_tree_shows(first: int, old: int, new: int) -> None:
    first, old, new = sorted((first, old, new))
    tree = whole(MANY)
    tail = Tail(first, tree.frontier_at(first), MANY[first:])
    assert tail.root(new) == MANY_ROOTS[new] == frontier_root(tree.frontier_at(new))
    assert tail.frontier_at(new) == tree.frontier_at(new)
    proof = tail.consistency(old, new)
    assert proof == tree.consistency(old, new)
    verify_consistency(old, MANY_ROOTS[old], new, MANY_ROOTS[new], proof, where="log")
    for number in range(old, new):
        path = tail.inclusion(number, new)
        assert path == tree.inclusion(number, new)
        verify_inclusion(MANY[number], number, new, path, MANY_ROOTS[new], where="leaf")


@given(st.data())
def test_what_is_not_so_cannot_be_shown(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, SIZE))
    number = data.draw(st.integers(0, size - 1))
    path = whole(MANY).inclusion(number, size)
    wrong = data.draw(st.sampled_from(["leaf", "number", "size", "node", "cut", "longer", "root"]))
    leaf, root, told, of = MANY[number], MANY_ROOTS[size], number, size
    if wrong == "leaf":
        leaf = leaf_hash(b"another")
    elif wrong == "number":
        told = data.draw(st.integers(-1, SIZE).filter(lambda other: other != number))
    elif wrong == "size":
        # Sizes below which the leaf's path is the same show the same thing.
        of = data.draw(st.sampled_from([number, *(n for n in (size * 2, size * 4))]))
    elif wrong == "longer":
        path = [*path, EMPTY_ROOT]
    elif wrong == "root":
        root = EMPTY_ROOT
    elif not path:
        return
    elif wrong == "cut":
        path = path[:-1]
    else:
        place = data.draw(st.integers(0, len(path) - 1))
        path = [*path[:place], EMPTY_ROOT, *path[place + 1 :]]
    with pytest.raises(TamperedError):
        verify_inclusion(leaf, told, of, path, root, where="leaf")


@given(st.data())
def test_a_tree_that_was_rewritten_is_not_consistent(data: st.DataObject) -> None:
    old = data.draw(st.integers(1, SIZE - 1))
    new = data.draw(st.integers(old + 1, SIZE))
    number = data.draw(st.integers(0, old - 1))
    rewritten = whole([*MANY[:number], leaf_hash(b"rewritten"), *MANY[number + 1 :]])
    for proof in (whole(MANY).consistency(old, new), rewritten.consistency(old, new)):
        with pytest.raises(TamperedError):
            verify_consistency(old, MANY_ROOTS[old], new, rewritten.root(new), proof, where="log")
        with pytest.raises(TamperedError):
            verify_consistency(old, rewritten.root(old), new, MANY_ROOTS[new], proof, where="log")


@pytest.mark.parametrize(
    ("old", "new", "proof"),
    [
        (5, 4, []),
        (0, 4, [A]),
        (4, 4, [A]),
        (4, 7, []),
        (3, 7, []),
        (-1, 7, [A]),
        (4, 7, [L, A]),
        (3, 7, [C, D, G]),
    ],
)
def test_proofs_of_a_wrong_shape_are_refused(old: int, new: int, proof: list[bytes]) -> None:
    roots = [tree_hash(LEAVES[: max(size, 0)]) for size in (old, new)]
    with pytest.raises(TamperedError):
        verify_consistency(old, roots[0], new, roots[1], proof, where="log")


def test_equal_sizes_have_equal_roots_and_an_empty_tree_the_one_of_nothing() -> None:
    verify_consistency(0, EMPTY_ROOT, 7, ROOT_OF_SEVEN, [], where="log")
    verify_consistency(7, ROOT_OF_SEVEN, 7, ROOT_OF_SEVEN, [], where="log")
    for old, root in ((0, A), (7, A)):
        with pytest.raises(TamperedError):
            verify_consistency(old, root, 7, ROOT_OF_SEVEN, [], where="log")


ROOT_OF_SEVEN = bytes.fromhex(ROOTS[6])


def test_a_tail_refuses_what_it_cannot_show() -> None:
    tail = Tail(4, [K], LEAVES[4:])
    for question in (
        lambda: tail.inclusion(3, 8),
        lambda: tail.inclusion(8, 8),
        lambda: tail.consistency(3, 8),
        lambda: tail.consistency(5, 9),
        lambda: tail.root(3),
        lambda: Tail(4, [], LEAVES[4:]),
    ):
        with pytest.raises(ValueError, match="leaves"):
            question()
