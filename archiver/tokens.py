"""Keyed tokens and digests: what lets the archive recognise a value without keeping it.

Responsible for FORMAT.md 6: AES-CMAC (RFC 4493) with a 256-bit key, computed across all rows
at once, and the keyed BLAKE2b digest of a row's content. Pure; keys are arguments. Refuses
nothing: any bytes have a token.
"""

import hashlib
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

BLOCK: Final = 16
LONG: Final = 240
"""Longer messages are replaced by their SHA-256 first, so that one long card secret does not
make the matrix of all rows wide. The type byte in front keeps the two apart."""

_SEPARATORS: Final = b"\t\n\v\f\r -"
"""What people put between the groups of a card number."""
_IS_SEPARATOR: Final = bytes(value in _SEPARATORS for value in range(256))
"""0 or 1 for each byte; `bytes.translate` is faster than numpy's choosing by index."""

_ALL_BITS: Final = (1 << 64) - 1

_SHORT_TYPE: Final = b"\x00"
_HASHED_TYPE: Final = b"\x01"

Bytes2D = NDArray[np.uint8]


def derive_key(secret: bytes, purpose: str) -> bytes:
    """Return the 32-byte key of one purpose (HKDF-SHA-256, RFC 5869)."""
    return HKDF(SHA256(), 32, salt=None, info=b"archiver/v1/" + purpose.encode()).derive(secret)


def tokens(key: bytes, values: pa.Array) -> Bytes2D:
    """Return one 16-byte token per value.

    Args:
        key: 32 bytes.
        values: Binary or text array without nulls.

    Returns:
        Shape (rows, 16), unsigned bytes.
    """
    offsets, content = _binary_buffers(values)
    lengths = np.diff(offsets)
    out = np.empty((len(values), BLOCK), np.uint8)
    short = lengths <= LONG
    if short.all():
        return _cmac(key, _messages(offsets, content))
    rows = np.flatnonzero(~short)
    view = content.data
    hashed = [
        _HASHED_TYPE + hashlib.sha256(view[offsets[row] : offsets[row + 1]]).digest()
        for row in rows.tolist()
    ]
    out[rows] = _cmac(key, _padded(hashed))
    rows = np.flatnonzero(short)
    if len(rows):
        kept = values.filter(pa.array(short))
        out[rows] = _cmac(key, _messages(*_binary_buffers(kept)))
    return out


def one_token(key: bytes, value: bytes) -> bytes:
    """Return the token of one value, without the trouble that many of them are worth."""
    short = len(value) <= LONG
    cmac = CMAC(algorithms.AES(key))
    cmac.update(_SHORT_TYPE + value if short else _HASHED_TYPE + hashlib.sha256(value).digest())
    return cmac.finalize()


def normalised_cards(secrets: pa.Array) -> pa.Array:
    """Return card secrets as they are compared: no ASCII white space or hyphens, upper case.

    Args:
        secrets: Text without nulls.

    Returns:
        Text, value by value.
    """
    offsets, content = _binary_buffers(secrets)
    start = int(offsets[0])
    raw = content[start : int(offsets[-1])].tobytes()
    separators = np.flatnonzero(np.frombuffer(raw.translate(_IS_SEPARATOR), np.bool_))
    if len(separators):
        # As many as stand before an offset, so far its value moves to the front.
        offsets = offsets - start
        offsets = offsets - np.searchsorted(separators, offsets)
        kept = pa.py_buffer(raw.translate(None, _SEPARATORS))
        buffers = [None, pa.py_buffer(offsets), kept]
        secrets = pa.Array.from_buffers(pa.large_string(), len(secrets), buffers)
    return pc.utf8_upper(secrets)


def digests(key: bytes, values: pa.Array) -> Bytes2D:
    """Return one 16-byte keyed digest (BLAKE2b, RFC 7693) per value, for content of any length.

    Args:
        key: 32 bytes.
        values: Binary array without nulls.

    Returns:
        Shape (rows, 16), unsigned bytes.
    """
    offsets, content = _binary_buffers(values)
    view = content.data
    keyed = hashlib.blake2b(key=key, digest_size=BLOCK)
    made = bytearray()
    for start, end in pairwise(offsets.tolist()):
        one = keyed.copy()  # a fifth cheaper than keying each one anew
        one.update(view[start:end])
        made += one.digest()
    return np.frombuffer(made, np.uint8).reshape(-1, BLOCK)


def token_array(rows: Bytes2D) -> pa.Array:
    """Return tokens as an Arrow array of 16-byte values."""
    return pa.Array.from_buffers(
        pa.binary(BLOCK), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows))]
    )


def first_64_bits(rows: Bytes2D) -> NDArray[np.uint64]:
    """Return the first eight bytes of each token as big-endian numbers."""
    return np.ascontiguousarray(rows[:, :8]).view(">u8").ravel().astype(np.uint64)


def ascending(numbers: NDArray[np.int64] | NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the order that sorts numbers; of equal ones the first stays first.

    Sorting numbers is five times as fast as sorting their positions: so the low bits of each
    give way to its position. Numbers that differ in these bits alone, a few among millions, are
    put right afterwards, by a sort that is fast where nearly all is sorted.
    """
    mask = (1 << max(len(numbers) - 1, 1).bit_length()) - 1
    keys = numbers & numbers.dtype.type(~mask if numbers.dtype.kind == "i" else _ALL_BITS ^ mask)
    keys |= np.arange(len(numbers), dtype=numbers.dtype)
    keys.sort()
    order = (keys & numbers.dtype.type(mask)).astype(np.int64)
    ordered = numbers[order]
    if (ordered[1:] < ordered[:-1]).any():
        order = order[np.argsort(ordered, kind="stable")]
    return order


def _binary_buffers(values: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return offsets (absolute, rows + 1) and content of a binary or text array."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if values.null_count:
        message = "null has no token"
        raise ValueError(message)
    large = pa.types.is_large_binary(values.type) or pa.types.is_large_string(values.type)
    buffers = values.buffers()
    width = np.int64 if large else np.int32
    raw = np.frombuffer(buffers[1], width) if buffers[1] else np.zeros(1, width)
    offsets = raw[values.offset : values.offset + len(values) + 1].astype(np.int64)
    content = np.frombuffer(buffers[2] or b"", np.uint8)
    return offsets, content


def _messages(
    offsets: NDArray[np.int64], content: NDArray[np.uint8]
) -> tuple[Bytes2D, NDArray[np.int64]]:
    """Lay out short values, each behind its type byte, in rows of whole blocks."""
    lengths = np.diff(offsets)
    longest = int(lengths.max(initial=0))
    matrix = np.zeros((len(lengths), -(-(longest + 1) // BLOCK) * BLOCK), np.uint8)
    if longest:
        # One overlapping window for each value, cut at its length: whole rows are copied.
        padded = np.concatenate([content[: offsets[-1]], np.zeros(longest, np.uint8)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, longest)
        inside = np.arange(longest) < lengths[:, None]
        np.multiply(windows[offsets[:-1]], inside, out=matrix[:, 1 : longest + 1])
    return matrix, lengths + 1


def _padded(values: list[bytes]) -> tuple[Bytes2D, NDArray[np.int64]]:
    width = -(-max(map(len, values)) // BLOCK) * BLOCK
    joined = b"".join(value.ljust(width, b"\x00") for value in values)
    matrix = np.frombuffer(joined, np.uint8).reshape(-1, width).copy()
    return matrix, np.array([len(value) for value in values], np.int64)


def _cmac(key: bytes, messages: tuple[Bytes2D, NDArray[np.int64]]) -> Bytes2D:
    """AES-CMAC of each row's first `length` bytes; the rest of the row is zero."""
    matrix, lengths = messages
    rows = np.arange(len(matrix))
    complete, padded = _subkeys(key)
    blocks = np.maximum(-(-lengths // BLOCK), 1)
    partial = lengths < blocks * BLOCK
    matrix[rows[partial], lengths[partial]] = 0x80
    words = matrix.view(np.uint64).reshape(len(matrix), matrix.shape[1] // BLOCK, 2)
    # A row's last block takes one of two subkeys.
    subkeys = np.stack([complete, padded]).take(partial, axis=0)
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305  CMAC's core
    state = np.zeros((len(matrix), 2), np.uint64)
    for position in range(int(blocks.max(initial=0))):
        active = blocks > position
        chosen = slice(None) if active.all() else np.flatnonzero(active)
        block = words[chosen, position] ^ state[chosen]
        last = blocks[chosen] == position + 1
        if last.all():
            block ^= subkeys[chosen]
        elif last.any():
            block[last] ^= subkeys[chosen][last]
        encrypted = encryptor.update(np.ascontiguousarray(block).view(np.uint8).data)
        state[chosen] = np.frombuffer(encrypted, np.uint64).reshape(-1, 2)
    return state.view(np.uint8)


def _subkeys(key: bytes) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return K1 and K2 of RFC 4493, section 2.3."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305  CMAC's core
    number = int.from_bytes(encryptor.update(bytes(BLOCK)), "big")

    def double(value: int) -> int:
        shifted = value << 1 & (1 << 128) - 1
        return shifted ^ 0x87 if value >> 127 else shifted

    first = double(number)
    second = double(first)
    return (
        np.frombuffer(first.to_bytes(BLOCK, "big"), np.uint64),
        np.frombuffer(second.to_bytes(BLOCK, "big"), np.uint64),
    )
