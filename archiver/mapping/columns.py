"""Raw columns into typed ones, a column at a time; what cannot be converted becomes a fault.

The whole column is converted at once. Only where that fails is it cut in halves until the bad
rows stand alone, so good pages pay nothing for the bad ones.
"""

import html
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from archiver.mapping import zones
from archiver.mapping.faults import Mask, Reason, Sink
from archiver.mapping.parts import EPOCHS, Column, Time
from schemas.orders import INSTANT, MONEY

MAX_VALUE_BYTES: Final = 16 * 1024 * 1024
"""10 MB of text is an odd order and is sealed; more than this is none."""

_OLDEST: Final = zones.micros(zones.EARLIEST)
_NEWEST: Final = zones.micros(zones.LATEST)
NO: Final = pa.scalar(value=False)
_NUMBER: Final = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TRUTH: Final = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


def mask(array: pa.Array) -> Mask:
    """Return a boolean Arrow array as numpy, null as False."""
    filled: Mask = np.asarray(pc.coalesce(array, NO))
    return filled


def payload(array: pa.Array) -> memoryview:
    """Return the bytes of all values of a (large) binary or string array, one after the other."""
    if len(array) == 0 or array.buffers()[2] is None:
        return memoryview(b"")
    wide = pa.types.is_large_binary(array.type) or pa.types.is_large_string(array.type)
    offsets = np.frombuffer(array.buffers()[1], np.int64 if wide else np.int32)
    start, end = int(offsets[array.offset]), int(offsets[array.offset + len(array)])
    return memoryview(array.buffers()[2])[start:end]


def holds(array: pa.Array, byte: bytes) -> bool:
    """Return whether any value of a binary or string array contains the byte."""
    return re.search(re.escape(byte), payload(array)) is not None


def min_byte(array: pa.Array) -> int:
    """Return the smallest byte of all values, 255 if there are none."""
    return int(np.frombuffer(payload(array), np.uint8).min(initial=255))


def salvage(
    array: pa.Array, parse: Callable[[pa.Array], pa.Array], kind: pa.DataType
) -> tuple[pa.Array, Mask]:
    """Parse a column, leaving null where a value cannot be parsed.

    Returns:
        The parsed column of type `kind`, and which rows were bad.
    """
    bad = np.zeros(len(array), np.bool_)

    def walk(part: pa.Array, start: int) -> list[pa.Array]:
        try:
            return [parse(part)]
        except pa.ArrowInvalid:
            if len(part) == 1:
                bad[start] = True
                return [pa.nulls(1, kind)]
        half = len(part) // 2
        return walk(part.slice(0, half), start) + walk(part.slice(half), start + half)

    parts = walk(array, 0)
    return (parts[0] if len(parts) == 1 else pa.concat_arrays(parts)), bad


def text(raw: pa.Array, name: str, sink: Sink) -> pa.Array:
    """Return raw bytes as text, in memory of its own; empty text stays empty."""
    if len(payload(raw)) > MAX_VALUE_BYTES:
        large = mask(pc.greater(pc.binary_length(raw), MAX_VALUE_BYTES))
        sink.mark(large, Reason.TOO_LARGE, name)
        raw = _without(raw, large)
    # numpy's minimum of bytes runs at memory speed; this is asked of every byte that is read.
    if min_byte(raw) == 0:
        nul = mask(pc.match_substring(raw, b"\0"))
        sink.mark(nul, Reason.NUL_BYTE, name)
        raw = _without(raw, nul)
    values, broken = salvage(raw, lambda part: part.cast(pa.string()), pa.string())
    if broken.any():
        sink.mark(broken, Reason.BROKEN_UTF8, name)
    # A page comes in one piece of memory: one column of it would keep all of them, for as long as
    # the orders wait. Joining copies, be it one array alone.
    return pa.concat_arrays([values])


def unchecked(raw: pa.Array) -> pa.Array:
    """Return raw bytes as if they were text, for a column that is only parsed.

    What is no text is no number and no time either, and the parser says so.
    """
    return pa.Array.from_buffers(
        pa.large_string(), len(raw), raw.buffers(), raw.null_count, raw.offset
    )


def _without(array: pa.Array, rows: Mask) -> pa.Array:
    return pc.if_else(pa.array(rows), pa.scalar(None, array.type), array) if rows.any() else array


def same(value: object, kind: pa.DataType, rows: int) -> pa.Array:
    """Return one value in all rows; pages of the same value share the memory."""
    return _repeated(value, kind, 1 << max(rows - 1, 0).bit_length())[:rows]


def none(kind: pa.DataType, rows: int) -> pa.Array:
    """Return null in all rows; likewise. Half of what an order may have, a shop never says."""
    return _nothing(kind, 1 << max(rows - 1, 0).bit_length())[:rows]


@lru_cache(maxsize=256)
def _nothing(kind: pa.DataType, rows: int) -> pa.Array:
    return pa.nulls(rows, kind)


@lru_cache(maxsize=64)
def _repeated(value: object, kind: pa.DataType, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), rows)


def or_null(values: pa.Array) -> pa.Array:
    """Return text with null instead of empty values."""
    if len(values) == 0:
        return values
    wide = pa.types.is_large_string(values.type)
    ends = np.frombuffer(values.buffers()[1], np.int64 if wide else np.int32)
    ends = ends[values.offset : values.offset + len(values) + 1]
    # Nulls have no bytes either: as many nulls as values without bytes means no empty text.
    if len(values) - np.count_nonzero(np.diff(ends)) == values.null_count:
        return values
    empty = pc.equal(pc.binary_length(values), 0)
    return _without(values, mask(empty))


def prepared(values: pa.Array, spec: Column) -> pa.Array:
    """Return a column's text after the mapping's replacements, null for empty."""
    if spec.html_unescape and holds(values, b"&"):
        escaped = pc.coalesce(pc.match_substring(values, "&"), NO)
        mended = [html.unescape(value) for value in values.filter(escaped).to_pylist()]
        values = pc.replace_with_mask(values, escaped, pa.array(mended, pa.string()))
    if spec.values:
        found = pc.index_in(values, pa.array(list(spec.values), pa.string()))
        replaced = pa.array(list(spec.values.values()), pa.string()).take(found)
        values = pc.coalesce(replaced, values) if spec.unlisted == "keep" else replaced
    return or_null(values)


def money(values: pa.Array, name: str, sink: Sink, scale: int = 0) -> pa.Array:
    """Return amounts; `scale` decimal digits are hidden in integer ones."""

    def parse(part: pa.Array) -> pa.Array:
        if not scale:
            return pc.cast(part, MONEY)
        units = pc.cast(part, pa.decimal128(27, 0))
        return pc.cast(pc.multiply(units, pa.scalar(Decimal(1).scaleb(-scale))), MONEY)

    amounts, bad = salvage(or_null(values), parse, MONEY)
    if bad.any():
        wide = bad & np.array(
            [
                is_bad and _NUMBER.fullmatch(values[i].as_buffer().to_pybytes()) is not None
                for i, is_bad in enumerate(bad)
            ]
        )
        sink.mark(wide, Reason.MONEY_TOO_WIDE, name)
        sink.mark(bad & ~wide, Reason.BAD_NUMBER, name)
    if holds(values, b"-"):
        sink.mark(mask(pc.less(amounts, pa.scalar(Decimal(0), MONEY))), Reason.NEGATIVE_MONEY, name)
    return amounts


def whole(values: pa.Array, kind: pa.DataType, name: str, sink: Sink) -> pa.Array:
    """Return whole numbers of an integer type."""
    numbers, bad = salvage(or_null(values), lambda part: pc.cast(part, kind), kind)
    if bad.any():
        sink.mark(bad, Reason.BAD_NUMBER, name)
    return numbers


def truth(values: pa.Array, name: str, sink: Sink) -> pa.Array:
    """Return truth values written as 1, 0, t, f, true or false."""
    values = pc.utf8_lower(or_null(values))
    found = pc.index_in(values, pa.array(list(_TRUTH), pa.string()))
    sink.mark(mask(values.is_valid()) & mask(found.is_null()), Reason.BAD_NUMBER, name)
    return pa.array(list(_TRUTH.values())).take(found)


def instants(values: pa.Array, spec: Time, session_zone: str, sink: Sink) -> pa.Array:
    """Return instants of a time column; NULL and empty stay null, nothing is invented."""
    values = or_null(values)
    if spec.zero_is_null:
        zero = pc.or_(pc.equal(values, "0"), pc.starts_with(values, "0000-00-00"))
        values = _without(values, mask(zero))
    zone = session_zone if spec.zone == "session" else spec.zone
    parsed, bad = salvage(values, lambda part: _parse(part, zone), INSTANT)
    # As integers: an epoch may lie beyond what Python calls a year.
    count = parsed.view(pa.int64())
    ends = pc.min_max(count).as_py()
    if ends["min"] is not None and not _OLDEST <= ends["min"] <= ends["max"] < _NEWEST:
        bad |= mask(pc.or_(pc.less(count, _OLDEST), pc.greater_equal(count, _NEWEST)))
    if bad.any():
        sink.mark(bad, Reason.BAD_TIME, spec.column)
        parsed = _without(parsed, bad)
    return parsed


def _parse(part: pa.Array, zone: str) -> pa.Array:
    """Return instants of ISO 8601 or epoch text.

    Raises:
        pa.ArrowInvalid: A value cannot be parsed, or values with and without offset are mixed.
    """
    if zone in EPOCHS:
        factor = zones.MICROS if zone == "epoch_s" else zones.MICROS // 1000
        return pc.multiply_checked(pc.cast(part, pa.int64()), factor).cast(INSTANT)
    try:
        naive = pc.cast(part, pa.timestamp("us"))
    except pa.ArrowInvalid:
        return pc.cast(part, INSTANT)  # PostgreSQL gives timestamptz with its offset
    if zone == "UTC":
        return naive.cast(INSTANT)
    local: npt.NDArray[np.int64] = np.asarray(naive.cast(pa.int64()).fill_null(0))
    if naive.null_count == len(naive):
        return pa.nulls(len(naive), INSTANT)
    utc = zones.to_utc(np.ascontiguousarray(local), zone)
    return pa.array(utc, mask=np.asarray(naive.is_null())).cast(INSTANT)
