"""Canonical bytes of a row, its commitments and its leaf hash (FORMAT.md 5).

Responsible for turning a whole table into leaf hashes, column-wise, so that anyone can turn
one row into the same hash with two dozen lines. Pure. Refuses types that ORDER_V1 and
REJECT_V1 do not use.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from archiver.merkle import LEAF_PREFIX
from archiver.tokens import derive_key

COMMITMENT_PREFIX: Final = b"\x02"
NULL_LENGTH: Final = -1
"""Two's complement: 0xFFFFFFFF in the four bytes of a length or a count."""
SALT_SIZE: Final = 16
HASH_SIZE: Final = 32

_WIDTHS: Final = {pa.bool_(): 1, pa.uint8(): 1, pa.int32(): 4, pa.int64(): 8}
_LENGTH_WIDTH: Final = 4
_NULL: Final = NULL_LENGTH.to_bytes(_LENGTH_WIDTH, "big", signed=True)
_LARGE: Final = pa.large_binary()

Path = tuple[str, ...]
Chooser = Callable[[Path, pa.Field], bool]
Bytes2D = NDArray[np.uint8]


def order_leaves(orders: pa.Table, base_kek: bytes, *, first_row: int) -> list[bytes]:
    """Return the leaf hash of each order.

    Needs no card secret: the commitment to them stands in the row.

    Args:
        orders: ORDER_V1 rows of one partition, with or without the reveal columns.
        base_kek: The partition's base KEK, from which the salts are derived.
        first_row: The position of the first row in its partition; salts depend on it.
    """
    rows = len(orders)
    buyer_salts = salts(base_kek, "buyer", first_row, rows)
    buyer = canonical_bytes(orders, _is_buyer, head=(COMMITMENT_PREFIX, buyer_salts))
    transaction_salts = salts(base_kek, "transaction", first_row, rows)
    leaves = canonical_bytes(
        orders,
        _is_transaction,
        head=(LEAF_PREFIX, transaction_salts, b"ORDER_V1"),
        tail=(_as_array(_hashes(buyer)), _flat(orders["secret_commitment"])),
    )
    return _hashes(leaves)


def secret_commitments(orders: pa.Table, reveal_kek: bytes, *, first_row: int) -> pa.Array:
    """Return the salted commitment to each order's reveal columns, for `secret_commitment`.

    Args:
        orders: ORDER_V1 rows of one partition with their reveal columns.
        reveal_kek: The partition's reveal KEK, from which the salts are derived.
        first_row: The position of the first row in its partition.
    """
    salted = salts(reveal_kek, "secret", first_row, len(orders))
    secret = canonical_bytes(orders, _is_secret, head=(COMMITMENT_PREFIX, salted))
    return _as_array(_hashes(secret))


def reject_leaves(rejects: pa.Table, reveal_kek: bytes, *, first_row: int) -> list[bytes]:
    """Return the leaf hash of each reject; all of it is under the reveal key."""
    salted = salts(reveal_kek, "reject", first_row, len(rejects))
    head = (LEAF_PREFIX, salted, b"REJECT_V1")
    return _hashes(canonical_bytes(rejects, lambda _path, _field: True, head=head))


def salts(kek: bytes, purpose: str, first_row: int, rows: int) -> Bytes2D:
    """Return the 16-byte salts of consecutive rows, one a row.

    Salt i is AES-256-ECB of the row number as 16 big-endian bytes, under a key derived from
    the KEK: nothing is stored, and without the KEK it cannot be told from random.
    """
    counters = np.zeros((rows, 2), ">u8")
    counters[:, 1] = np.arange(first_row, first_row + rows, dtype=np.uint64)
    key = derive_key(kek, f"salt/{purpose}")
    # Single blocks of distinct counters: ECB is a plain PRF here.
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    return np.frombuffer(encryptor.update(counters.tobytes()), np.uint8).reshape(-1, SALT_SIZE)


def canonical_bytes(
    table: pa.Table,
    chosen: Chooser,
    *,
    head: Sequence[bytes | Bytes2D] = (),
    tail: Sequence[pa.Array] = (),
) -> pa.Array:
    """Return the canonical bytes of each row over the chosen leaves.

    Args:
        table: Rows.
        chosen: Says of a leaf's path and field whether it belongs.
        head: Put before each row's bytes: constants, or one array row per row.
        tail: Put behind them: fixed-size binary arrays, one value per row.

    Returns:
        Binary with 64-bit offsets.
    """
    block = _Block(len(table))
    for piece in head:
        block.append_bytes(piece)
    columns = ((table.schema.field(name), _flat(table[name])) for name in table.schema.names)
    return _encode(columns, (), block, chosen, tail)


@dataclass(slots=True)
class _Block:
    """The part of fixed width, gathered column by column and laid out once.

    Most columns of real orders hold one value a page (nothing, or a shop's only currency):
    those become part of a line that is copied to all rows, the others are written over it.
    """

    rows: int
    line: bytearray = field(default_factory=bytearray)
    varying: list[tuple[int, Bytes2D]] = field(default_factory=list)
    """Position in the line, and a value a row."""

    def append_bytes(self, piece: bytes | Bytes2D) -> None:
        if isinstance(piece, bytes):
            self.line += piece
        else:
            self.varying.append((len(self.line), piece))
            self.line += bytes(piece.shape[1])

    def append_numbers(self, numbers: NDArray[np.generic], width: int) -> None:
        """Append the low `width` bytes of each number, big-endian."""
        if len(numbers) and (numbers == numbers[0]).all():
            low = int(numbers[0]) & (1 << 8 * width) - 1
            self.append_bytes(low.to_bytes(width, "big"))
        else:
            wide = numbers.astype(f">i{width}")
            self.append_bytes(wide.view(np.uint8).reshape(-1, width))

    def array(self) -> pa.Array:
        width = len(self.line)
        matrix = np.empty((self.rows, width), np.uint8)
        matrix[:] = np.frombuffer(self.line, np.uint8)
        for start, piece in self.varying:
            # As one item a row: numpy copies those faster than rows of bytes.
            item = np.dtype(f"V{piece.shape[1]}")
            place = matrix[:, start : start + item.itemsize].view(item)
            place[:] = np.ascontiguousarray(piece).view(item)
        offsets = np.arange(self.rows + 1, dtype=np.int64) * width
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(matrix)]
        return pa.Array.from_buffers(_LARGE, self.rows, buffers)


def _encode(
    columns: Iterable[tuple[pa.Field, pa.Array]],
    path: Path,
    block: _Block,
    chosen: Chooser,
    tail: Sequence[pa.Array] = (),
) -> pa.Array:
    """Encode rows: a fixed-width block, then the parts of varying length, in schema order."""
    parts: list[pa.Array] = []
    for here, leaf, array in _leaves(columns, path):
        if pa.types.is_list(leaf.type):
            if any(chosen((*here, child.name), child) for child in _children(leaf.type.value_type)):
                parts += _encode_list(here, array, block, chosen)
        elif not chosen(here, leaf):
            continue
        elif _is_variable(leaf.type):
            if array.null_count == len(array):
                block.append_bytes(_NULL)
            else:
                lengths = pc.fill_null(pc.binary_length(array), NULL_LENGTH).to_numpy()
                block.append_numbers(lengths, _LENGTH_WIDTH)
                parts.append(array.cast(_LARGE))
        else:
            _encode_fixed(array, leaf.type, block)
    parts += [part.cast(_LARGE) for part in tail]
    if not parts:
        return block.array()
    return pc.binary_join_element_wise(
        block.array(),
        *parts,
        pa.scalar(b"", _LARGE),
        null_handling="replace",
        null_replacement="",
    )


def _leaves(
    columns: Iterable[tuple[pa.Field, pa.Array]], path: Path
) -> Iterator[tuple[Path, pa.Field, pa.Array]]:
    """Yield leaves and lists in schema order, structs dissolved; a null struct is all null."""
    for column, array in columns:
        here = (*path, column.name)
        if pa.types.is_struct(column.type):
            yield from _leaves(zip(_children(column.type), array.flatten(), strict=True), here)
        else:
            yield here, column, array


def _encode_list(path: Path, array: pa.Array, block: _Block, chosen: Chooser) -> Iterator[pa.Array]:
    """Encode each row's elements one behind the other: the elements' buffer, cut by row."""
    offsets = array.offsets.to_numpy().astype(np.int64)
    counts = np.diff(offsets)
    values = array.values
    if array.null_count:
        valid = array.is_valid().to_numpy(zero_copy_only=False)
        if counts[~valid].any():
            # A null list may still own elements. Parquet drops them, and so does the form.
            values = array.flatten()
            offsets = np.concatenate(([0], np.cumsum(np.where(valid, counts, 0))))
        counts = np.where(valid, counts, NULL_LENGTH)
    block.append_numbers(counts, _LENGTH_WIDTH)
    start, end = int(offsets[0]), int(offsets[-1])
    if start == end:
        block.append_bytes(bytes(_LENGTH_WIDTH))
        return
    values = values.slice(start, end - start)
    columns = zip(_children(values.type), values.flatten(), strict=True)
    elements = _encode(columns, path, _Block(len(values)), chosen)
    bounds = np.frombuffer(elements.buffers()[1], np.int64)[offsets - start]
    block.append_numbers(np.diff(bounds), _LENGTH_WIDTH)
    buffers = [None, pa.py_buffer(bounds), elements.buffers()[2]]
    yield pa.Array.from_buffers(_LARGE, len(array), buffers)


def _encode_fixed(array: pa.Array, kind: pa.DataType, block: _Block) -> None:
    """Append a presence byte and the value, zero where it is null."""
    width = kind.byte_width if pa.types.is_fixed_size_binary(kind) else _WIDTHS.get(kind, 8)
    if len(array) and array.null_count == len(array):
        block.append_bytes(bytes(1 + width))
        return
    if array.null_count:
        block.append_numbers(array.is_valid().to_numpy(zero_copy_only=False), 1)
    else:
        block.append_bytes(b"\x01")
    if pa.types.is_fixed_size_binary(kind):
        filled = pc.fill_null(array, pa.scalar(bytes(width), kind))
        raw = np.frombuffer(filled.buffers()[1] or b"", np.uint8)
        block.append_bytes(raw[filled.offset * width :][: len(array) * width].reshape(-1, width))
    elif pa.types.is_decimal(kind):
        # decimal128(18, 2) holds at most 18 digits: the unscaled number fits 64 bits.
        filled = pc.fill_null(array, pa.scalar(0, kind))
        halves = np.frombuffer(filled.buffers()[1] or b"", "<i8").reshape(-1, 2)
        block.append_numbers(halves[filled.offset : filled.offset + len(array), 0], width)
    elif pa.types.is_timestamp(kind) or kind in _WIDTHS:
        numbers = array.view(pa.int64()) if pa.types.is_timestamp(kind) else array.cast(pa.int64())
        block.append_numbers(pc.fill_null(numbers, 0).to_numpy(), width)
    else:
        message = f"no canonical form for {kind}"
        raise TypeError(message)


def _children(kind: pa.DataType) -> list[pa.Field]:
    return [kind.field(i) for i in range(kind.num_fields)]


def _is_variable(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.binary(), pa.large_string(), _LARGE)


def _is_secret(_path: Path, leaf: pa.Field) -> bool:
    return bool(leaf.metadata) and leaf.metadata.get(b"key") == b"reveal"


def _is_buyer(path: Path, _leaf: pa.Field) -> bool:
    return path[0] == "buyer"


def _is_transaction(path: Path, leaf: pa.Field) -> bool:
    return path[0] not in {"buyer", "secret_commitment"} and not _is_secret(path, leaf)


def _flat(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)


def _hashes(values: pa.Array) -> list[bytes]:
    """Return the SHA-256 of each value of a binary array with 64-bit offsets."""
    sha256 = hashlib.sha256
    _, offsets, content = values.buffers()
    bounds = np.frombuffer(offsets or bytes(8), np.int64)[values.offset :][: len(values) + 1]
    view = memoryview(content or b"")  # a slice costs less than an object with a copy of each value
    return [sha256(view[start:end]).digest() for start, end in pairwise(bounds.tolist())]


def _as_array(hashes: list[bytes]) -> pa.Array:
    buffers = [None, pa.py_buffer(b"".join(hashes))]
    return pa.Array.from_buffers(pa.binary(HASH_SIZE), len(hashes), buffers)
