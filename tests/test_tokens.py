"""Tokens and digests against published vectors and the libraries' own one-value functions."""

import hashlib
import hmac
import re

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from archiver import tokens as module
from archiver.tokens import (
    LONG,
    derive_key,
    digests,
    first_64_bits,
    normalised_cards,
    token_array,
    tokens,
)

KEY = bytes(range(32))

# NIST SP 800-38B, examples for AES-256.
NIST_KEY = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
NIST_MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
NIST_TAGS = {
    0: "028962f61b7bf89efc6b551f4667d983",
    16: "28a7023f452e8f82bd4bf28d8c37c35c",
    40: "aaf3d8f1de5640c232f5b169b9c911e6",
    64: "e1992190549f6ed5696a2c056c315410",
}
NIST_SUBKEYS = ("cad1ed03299eedac2e9a99808621502f", "95a3da06533ddb585d3533010c42a0d9")


def cmac(key: bytes, message: bytes) -> bytes:
    one = CMAC(algorithms.AES(key))
    one.update(message)
    return one.finalize()


def expected(key: bytes, value: bytes) -> bytes:
    """FORMAT.md 6, for one value."""
    if len(value) <= LONG:
        return cmac(key, b"\x00" + value)
    return cmac(key, b"\x01" + hashlib.sha256(value).digest())


def rows(made: module.Bytes2D) -> list[bytes]:
    return [bytes(row) for row in made]


def test_published_subkeys() -> None:
    assert tuple(bytes(one).hex() for one in module._subkeys(NIST_KEY)) == NIST_SUBKEYS


def test_published_cmacs_all_at_once() -> None:
    matrix = np.zeros((len(NIST_TAGS), 64), np.uint8)
    for row, length in enumerate(NIST_TAGS):
        matrix[row, :length] = np.frombuffer(NIST_MESSAGE[:length], np.uint8)
    made = module._cmac(NIST_KEY, (matrix, np.array(list(NIST_TAGS), np.int64)))
    assert [row.hex() for row in rows(made)] == list(NIST_TAGS.values())


# The type byte in front makes block boundaries of the message lie at 15, 31, …
BOUNDARIES = [0, 1, 14, 15, 16, 17, 30, 31, 32, 33, 47, LONG - 1, LONG, LONG + 1, 1000, 70_000]


def test_every_length_around_a_boundary() -> None:
    values = [bytes((n + i) % 256 for i in range(n)) for n in BOUNDARIES]
    assert rows(tokens(KEY, pa.array(values, pa.binary()))) == [expected(KEY, v) for v in values]
    for value in values:  # and alone: other rows must not matter
        assert rows(tokens(KEY, pa.array([value], pa.large_binary()))) == [expected(KEY, value)]


@given(st.binary(min_size=32, max_size=32), st.lists(st.binary(max_size=LONG + 20), max_size=12))
def test_tokens_are_the_library_s_cmac(key: bytes, values: list[bytes]) -> None:
    want = [expected(key, value) for value in values]
    assert rows(tokens(key, pa.array(values, pa.binary()))) == want
    assert rows(tokens(key, pa.array(values, pa.large_binary()))) == want


@given(st.lists(st.text(max_size=90), min_size=1, max_size=8), st.data())
def test_text_slices_and_chunks(values: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(values)))
    end = data.draw(st.integers(start, len(values)))
    want = [expected(KEY, value.encode()) for value in values]
    for kind in (pa.string(), pa.large_string()):
        array = pa.array(values, kind)
        assert rows(tokens(KEY, array.slice(start, end - start))) == want[start:end]
        chunks = pa.chunked_array([array[:start], array[start:end], array[end:]], kind)
        assert rows(tokens(KEY, chunks)) == want


def test_no_values_have_no_tokens() -> None:
    for nothing in (
        pa.array([], pa.string()),
        pa.array([], pa.large_binary()),
        pa.array(["a"])[:0],
        pa.chunked_array([], pa.binary()),
    ):
        assert tokens(KEY, nothing).shape == (0, 16)
        assert digests(KEY, nothing).shape == (0, 16)


def test_null_has_no_token() -> None:
    for make in (tokens, digests):
        with pytest.raises(ValueError, match="null"):
            make(KEY, pa.array(["a", None]))


def test_a_value_and_its_hash_have_different_tokens() -> None:
    long = b"x" * (LONG + 1)
    pair = [long, hashlib.sha256(long).digest()]
    first, second = rows(tokens(KEY, pa.array(pair, pa.binary())))
    assert first != second


@given(st.lists(st.binary(max_size=300), max_size=8), st.integers(0, 3))
def test_digests_are_keyed_blake2b(values: list[bytes], start: int) -> None:
    want = [hashlib.blake2b(value, key=KEY, digest_size=16).digest() for value in values]
    for kind in (pa.binary(), pa.large_binary()):
        assert rows(digests(KEY, pa.array(values, kind))) == want
        assert rows(digests(KEY, pa.array(values, kind).slice(start))) == want[start:]


@pytest.mark.parametrize(
    ("written", "compared"),
    [
        ("abcd-1234-EFGH", "ABCD1234EFGH"),
        (" abcd 1234\tefgh\r\n", "ABCD1234EFGH"),
        ("\v-\f- ", ""),
        ("", ""),
        ("卡号 123 密码 a-b", "卡号123密码AB"),
    ],
)
def test_cards_are_compared_as_people_copy_them(written: str, compared: str) -> None:
    assert normalised_cards(pa.array([written])).to_pylist() == [compared]


@given(st.lists(st.text(alphabet="aZ9 -\t\n卡🎮\u00a0", max_size=8), max_size=6), st.integers(0, 3))
def test_cards_are_normalised_value_by_value(values: list[str], start: int) -> None:
    want = [re.sub(r"[\t\n\v\f\r -]", "", value).upper() for value in values]
    for kind in (pa.string(), pa.large_string()):
        array = pa.array(values, kind)
        assert normalised_cards(array).to_pylist() == want
        assert normalised_cards(array.slice(start)).to_pylist() == want[start:]
        assert normalised_cards(pa.chunked_array([array, array])).to_pylist() == want * 2


def test_keys_matter() -> None:
    values = pa.array(["a"])
    assert rows(tokens(KEY, values)) != rows(tokens(bytes(32), values))
    assert rows(digests(KEY, values)) != rows(digests(bytes(32), values))


def test_an_arrow_array_of_tokens() -> None:
    made = tokens(KEY, pa.array(["a", "b"]))
    assert token_array(made).to_pylist() == rows(made)
    assert token_array(made).type == pa.binary(16)
    assert token_array(made[:, ::-1]).to_pylist() == [row[::-1] for row in rows(made)]
    assert token_array(made[:0]).to_pylist() == []


def test_the_first_64_bits_are_big_endian() -> None:
    made = tokens(KEY, pa.array([str(n) for n in range(50)]))
    want = [int.from_bytes(row[:8], "big") for row in rows(made)]
    assert first_64_bits(made).tolist() == want
    assert first_64_bits(made).dtype == np.uint64


def test_keys_are_derived_as_rfc_5869_says() -> None:
    secret = bytes(range(100, 132))
    pseudo_random_key = hmac.digest(bytes(32), secret, "sha256")
    info = b"archiver/v1/known"
    assert derive_key(secret, "known") == hmac.digest(pseudo_random_key, info + b"\x01", "sha256")


def test_each_purpose_has_its_key() -> None:
    assert len({derive_key(KEY, purpose) for purpose in ("a", "b", "salt/a")}) == 3
