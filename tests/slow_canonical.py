"""A slow encoder of rows and their leaves, written from FORMAT.md 5 alone, row by row."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from archiver.canonical import Path
from schemas.orders import ORDER_V1, REJECT_V1
from tests.order_rows import EPOCH, Row

NULL = b"\xff\xff\xff\xff"

Chosen = Callable[[Path, pa.Field], bool]


def is_secret(_path: Path, field: pa.Field) -> bool:
    """Choose what the reveal key opens."""
    return (field.metadata or {}).get(b"key") == b"reveal"


def is_buyer(path: Path, _field: pa.Field) -> bool:
    """Choose the buyer."""
    return path[0] == "buyer"


def is_transaction(path: Path, field: pa.Field) -> bool:
    """Choose everything but buyer, secrets and their commitment."""
    return path[0] not in ("buyer", "secret_commitment") and not is_secret(path, field)


def everything(_path: Path, _field: pa.Field) -> bool:
    """Choose all leaves."""
    return True


def fields_of(kind: pa.DataType) -> list[pa.Field]:
    """Return a struct's fields."""
    return [kind.field(i) for i in range(kind.num_fields)]


def encode(fields: list[pa.Field], row: Row | None, chosen: Chosen, path: Path = ()) -> bytes:
    """Return the canonical bytes of the chosen leaves of a row."""
    block, variable = parts(fields, row, chosen, path)
    return block + variable


def parts(
    fields: list[pa.Field], row: Row | None, chosen: Chosen, path: Path
) -> tuple[bytes, bytes]:
    """Return the block and what stands behind it."""
    block, variable = b"", b""
    for field in fields:
        here, value = (*path, field.name), None if row is None else row.get(field.name)
        if pa.types.is_struct(field.type):
            inner_block, inner_variable = parts(fields_of(field.type), value, chosen, here)
            block, variable = block + inner_block, variable + inner_variable
        elif pa.types.is_list(field.type):
            inner = fields_of(field.type.value_type)
            if any(chosen((*here, leaf.name), leaf) for leaf in inner):
                elements = b"".join(encode(inner, item, chosen, here) for item in value or ())
                block += NULL if value is None else len(value).to_bytes(4, "big")
                block += len(elements).to_bytes(4, "big")
                variable += elements
        elif chosen(here, field):
            width = fixed_width(field.type)
            if width is None:
                raw = value.encode() if isinstance(value, str) else value
                block += NULL if raw is None else len(raw).to_bytes(4, "big")
                variable += raw or b""
            elif value is None:
                block += bytes(1 + width)
            else:
                block += b"\x01" + fixed(value, width)
    return block, variable


def fixed_width(kind: pa.DataType) -> int | None:
    """Return the bytes that a type takes in the block, None for text and binary."""
    if kind in (pa.string(), pa.large_binary()):
        return None
    if pa.types.is_fixed_size_binary(kind):
        return int(kind.byte_width)
    return {"bool": 1, "uint8": 1, "int32": 4}.get(str(kind), 8)


def fixed(value: object, width: int) -> bytes:
    """Return a value as it stands in the block."""
    match value:
        case bytes():
            return value
        case Decimal():
            number = int(value.scaleb(2))
        case datetime():
            number = (value - EPOCH) // timedelta(microseconds=1)
        case int():  # a bool is one
            number = int(value)
        case _:
            raise TypeError(type(value))
    return number.to_bytes(width, "big", signed=width > 1)


def salt(kek: bytes, purpose: str, row: int) -> bytes:
    """Return the salt of one row."""
    pseudo_random_key = hmac.digest(bytes(32), kek, "sha256")
    info = b"archiver/v1/salt/" + purpose.encode()
    key = hmac.digest(pseudo_random_key, info + b"\x01", "sha256")
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305  one block
    return encryptor.update(row.to_bytes(16, "big"))


def sha256(*pieces: bytes) -> bytes:
    """Return the SHA-256 of joined bytes."""
    return hashlib.sha256(b"".join(pieces)).digest()


def commitment(row: Row, position: int, reveal_kek: bytes) -> bytes:
    """Return a row's commitment to its secrets."""
    salted = salt(reveal_kek, "secret", position)
    return sha256(b"\x02", salted, encode(list(ORDER_V1), row, is_secret))


def order_leaf(row: Row, position: int, base_kek: bytes) -> bytes:
    """Return the leaf of an order."""
    fields = list(ORDER_V1)
    buyer = sha256(b"\x02", salt(base_kek, "buyer", position), encode(fields, row, is_buyer))
    return sha256(
        b"\x00",
        salt(base_kek, "transaction", position),
        b"ORDER_V1",
        encode(fields, row, is_transaction),
        buyer,
        row["secret_commitment"],
    )


def reject_leaf(row: Row, position: int, reveal_kek: bytes) -> bytes:
    """Return the leaf of a reject."""
    return sha256(
        b"\x00",
        salt(reveal_kek, "reject", position),
        b"REJECT_V1",
        encode(list(REJECT_V1), row, everything),
    )


def tree_hash(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there: split at the largest power of two."""
    if not leaves:
        return sha256()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01", tree_hash(leaves[:split]), tree_hash(leaves[split:]))
