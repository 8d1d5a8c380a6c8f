"""Encrypted Parquet: nothing is readable without its key, nothing can be changed unnoticed."""

import hashlib
import io
import json
import os
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings

from archiver.canonical import order_leaves, secret_commitments
from archiver.errors import KeyUnavailableError, TamperedError
from archiver.partition import (
    EncryptedFile,
    FileWriter,
    Layout,
    RowGroupRange,
    as_binary_file,
    open_file,
    read_rows,
)
from schemas.orders import KNOWN_V1, ORDER_V1, REJECT_V1, SEGMENT_V1, leaf_paths
from tests.order_rows import EPOCH, Row, empty_order, rows, table

KEKS = {name: hashlib.sha256(name.encode()).digest() for name in ("base", "reveal", "index")}
WITHOUT_REVEAL = {"base": KEKS["base"]}
WHERE = "orders/main/2026/03/05/x.parquet"
SECRETS = {
    "deliveries.list.element.secret",
    "after_sales.list.element.note",
    "events.list.element.note",
}
AS_IT_COMES = Layout()
SCHEMAS: list[tuple[pa.Schema, str]] = [
    (ORDER_V1, "base"),
    (REJECT_V1, "reveal"),
    (KNOWN_V1, "base"),
    (SEGMENT_V1, "index"),
]


def keys_of(schema: pa.Schema, footer_key: str) -> dict[str, str]:
    if schema is ORDER_V1:
        return leaf_paths(schema)
    return dict.fromkeys(leaf_paths(schema), footer_key)


def write(
    *row_groups: pa.Table,
    schema: pa.Schema = ORDER_V1,
    footer_key: str = "base",
    layout: Layout = AS_IT_COMES,
) -> EncryptedFile:
    leaf_keys = keys_of(schema, footer_key)
    writer = FileWriter(schema, KEKS, leaf_keys, footer_key=footer_key, layout=layout)
    for row_group in row_groups:
        writer.write_row_group(row_group)
    return writer.finish()


def open_(
    file: EncryptedFile, keks: Mapping[str, bytes] = KEKS, content: bytes | None = None
) -> pq.ParquetFile:
    return open_file(
        content or file.content.to_pybytes(), keks, footer_sha256=file.footer_sha256, where=WHERE
    )


def order(number: int) -> Row:
    return empty_order(
        order_id=f"A{number}",
        buyer={"contact": f"b{number}@example.com"},
        deliveries=[{"kind": "card", "secret": f"CARD-{number}", "hint": str(number % 10)}],
        events=[{"kind": "note", "note": f"said {number}"}],
    )


def orders(first: int, count: int) -> pa.Table:
    return table(ORDER_V1, [order(number) for number in range(first, first + count)])


def known(first: int, count: int) -> pa.Table:
    content = [
        {
            "token": hashlib.md5(bytes([n]), usedforsecurity=False).digest(),
            "digest": bytes(16),
            "revision": n,
            "completed_at": None,
            "first_seen_at": EPOCH,
        }
        for n in range(first, first + count)
    ]
    return table(KNOWN_V1, content)


# --- round trips ---------------------------------------------------------------------------------


@given(rows(ORDER_V1, max_size=3))
@settings(max_examples=20)
def test_what_is_written_is_read(content: list[Row]) -> None:
    written = table(ORDER_V1, content)
    file = write(written)
    back = read_rows(open_(file), list(leaf_paths(ORDER_V1)), WHERE)
    assert back.equals(written)
    assert leaf_paths(back.schema) == leaf_paths(ORDER_V1)  # fields keep what they say
    assert back.schema.metadata == ORDER_V1.metadata


@given(rows(REJECT_V1, max_size=3))
@settings(max_examples=20)
def test_rejects_keep_their_bytes(content: list[Row]) -> None:
    written = table(REJECT_V1, content)
    file = write(written, schema=REJECT_V1, footer_key="reveal")
    assert read_rows(open_(file), list(leaf_paths(REJECT_V1)), WHERE).equals(written)


def test_a_dictionary_or_none_is_no_difference_to_the_reader() -> None:
    written = orders(0, 50)
    unique = frozenset({"order_id", "deliveries.list.element.secret"})
    file = write(written, layout=Layout(plain=unique, uncompressed=unique))
    assert read_rows(open_(file), list(leaf_paths(ORDER_V1)), WHERE).equals(written)


@given(rows(ORDER_V1, max_size=3), rows(ORDER_V1, max_size=2))
@settings(max_examples=20)
def test_leaves_that_lack_values_are_spared_and_read_all_the_same(
    content: list[Row], more: list[Row]
) -> None:
    one, two = table(ORDER_V1, content), table(ORDER_V1, more)
    layout = Layout(plain=frozenset({"order_id"})).sparing(one)
    file = write(one, two, layout=layout)  # also where the next row group has values after all
    back = read_rows(open_(file), list(leaf_paths(ORDER_V1)), WHERE)
    assert back.equals(pa.concat_tables([one, two]).combine_chunks())


def test_a_leaf_is_spared_only_if_no_row_has_a_value() -> None:
    written = pa.concat_tables([orders(0, 2), orders(2, 1)])
    spared = Layout().sparing(written)
    assert {"buyer.account", "events.list.element.actor", "paid_at"} <= spared.plain
    assert not spared.plain & {"buyer.contact", "events.list.element.note", "order_id"}
    # Which order has how many items is worth compressing, be they empty.
    assert "buyer.account" in spared.uncompressed
    assert "events.list.element.actor" not in spared.uncompressed
    assert "after_sales.list.element.note" in spared.uncompressed  # no order has any


def test_a_file_describes_itself() -> None:
    file = write(orders(0, 3))
    content = file.content.to_pybytes()
    assert as_binary_file(file).read() == content
    assert file.footer_sha256 == hashlib.sha256(content[-file.footer_length :]).hexdigest()
    assert content[:4] == content[-4:] == b"PARE"


def test_metadata_of_the_schema_is_kept_and_encrypted() -> None:
    schema = SEGMENT_V1.with_metadata({"schema": "SEGMENT_V1", "partition": "canary-metadata"})
    file = write(schema.empty_table(), schema=schema, footer_key="index")
    assert b"canary-metadata" not in file.content.to_pybytes()
    assert open_(file).schema_arrow.metadata[b"partition"] == b"canary-metadata"


# --- nothing is readable -------------------------------------------------------------------------


class Canaries:
    """A value for every leaf that occurs nowhere else, and the bytes to look for."""

    def __init__(self) -> None:
        self.planted: dict[str, bytes] = {}

    def table(self, schema: pa.Schema) -> pa.Table:
        return table(schema, [{f.name: self.value(f.name, f.type) for f in schema}])

    def value(self, path: str, kind: pa.DataType) -> object:
        if pa.types.is_struct(kind):
            fields = [kind.field(i) for i in range(kind.num_fields)]
            return {f.name: self.value(f"{path}.{f.name}", f.type) for f in fields}
        if pa.types.is_list(kind):
            return [self.value(f"{path}.list.element", kind.value_type)]
        value, self.planted[path] = self.leaf(kind)
        return value

    def leaf(self, kind: pa.DataType) -> tuple[object, bytes]:
        """A value and how Parquet would write it; nothing to look for where it is too short."""
        raw = os.urandom(12)
        number = int.from_bytes(raw[:6], "big") | 1 << 48
        value: object = pa.types.is_boolean(kind) or 1
        written = b""
        if pa.types.is_string(kind):
            value, written = raw.hex(), raw.hex().encode()
        elif pa.types.is_large_binary(kind):
            value = written = raw
        elif pa.types.is_fixed_size_binary(kind):
            value = written = (raw * 3)[: kind.byte_width]
        elif pa.types.is_decimal(kind):
            value, written = Decimal(number).scaleb(-2), number.to_bytes(8, "big")
        elif pa.types.is_timestamp(kind):
            value = EPOCH + timedelta(microseconds=number)
            written = number.to_bytes(8, "little")
        elif kind.bit_width == 64:
            value, written = number, number.to_bytes(8, "little")
        return value, written


@pytest.mark.parametrize(
    ("schema", "footer_key"), SCHEMAS, ids=["order", "reject", "known", "segment"]
)
def test_no_value_and_no_column_name_is_in_the_file(schema: pa.Schema, footer_key: str) -> None:
    canaries = Canaries()
    written = canaries.table(schema)
    plain = io.BytesIO()
    pq.write_table(written, plain, compression="zstd", use_dictionary=False)
    names = {part.encode() for path in leaf_paths(schema) for part in path.split(".")}
    names = {name for name in names if len(name) >= 6}  # shorter ones occur by chance
    planted = {path: canary for path, canary in canaries.planted.items() if canary}
    for canary in (*planted.values(), *names):
        assert canary in plain.getvalue(), "the search would not find it even in plain"
    content = write(written, schema=schema, footer_key=footer_key).content.to_pybytes()
    assert [path for path, canary in planted.items() if canary in content] == []
    assert [name for name in names if name in content] == []


@pytest.mark.parametrize(
    ("schema", "footer_key"), SCHEMAS, ids=["order", "reject", "known", "segment"]
)
def test_every_leaf_and_the_footer_need_a_key(schema: pa.Schema, footer_key: str) -> None:
    content = write(Canaries().table(schema), schema=schema, footer_key=footer_key).content
    with pytest.raises(OSError, match="decryption"):
        pq.ParquetFile(pa.BufferReader(content))


def test_every_leaf_of_an_order_is_encrypted_with_its_own_key() -> None:
    file = write(orders(0, 3))
    closed = open_(file, WITHOUT_REVEAL)
    for path, key in leaf_paths(ORDER_V1).items():
        if key == "base":
            assert read_rows(closed, [path], WHERE).num_rows == 3
        else:
            with pytest.raises(KeyUnavailableError):
                read_rows(open_(file, WITHOUT_REVEAL), [path], WHERE)


def test_a_leaf_that_no_key_covers_is_not_written() -> None:
    covered = keys_of(ORDER_V1, "base")
    for changed in (
        {path: key for path, key in covered.items() if path != "order_id"},
        {path: key for path, key in covered.items() if not path.startswith("deliveries")},
        {**covered, "unknown": "base"},
    ):
        with pytest.raises(ValueError, match="every leaf"):
            FileWriter(ORDER_V1, KEKS, changed, footer_key="base", layout=AS_IT_COMES)


# --- who can read what ---------------------------------------------------------------------------


def test_the_reveal_leaves_are_those_that_hold_or_may_hold_card_secrets() -> None:
    assert {path for path, key in leaf_paths(ORDER_V1).items() if key == "reveal"} == SECRETS
    assert set(leaf_paths(REJECT_V1).values()) == {"reveal"}
    assert set(leaf_paths(KNOWN_V1).values()) == set(leaf_paths(SEGMENT_V1).values()) == {"base"}


def test_without_the_reveal_key_all_the_rest_can_be_read() -> None:
    written = orders(0, 20)
    file = write(written)
    rest = [path for path in leaf_paths(ORDER_V1) if path not in SECRETS]
    back = read_rows(open_(file, WITHOUT_REVEAL), rest, WHERE)
    assert back["order_id"].equals(written["order_id"])
    assert back["deliveries"].to_pylist()[7] == [
        {k: v for k, v in written["deliveries"].to_pylist()[7][0].items() if k != "secret"}
    ]


def test_without_the_reveal_key_the_secrets_cannot_be_read() -> None:
    file = write(orders(0, 3))
    for columns in (sorted(SECRETS), ["order_id", "events.list.element.note"]):
        with pytest.raises(KeyUnavailableError, match="closed") as refusal:
            read_rows(open_(file, WITHOUT_REVEAL), columns, WHERE)
        assert "CARD-" not in str(refusal.value)


def test_leaves_can_be_checked_without_the_reveal_key() -> None:
    written = orders(0, 20)
    commitments = secret_commitments(written, KEKS["reveal"], first_row=0)
    index = written.schema.get_field_index("secret_commitment")
    written = written.set_column(index, ORDER_V1.field(index), commitments)
    file = write(written.slice(0, 12), written.slice(12))
    rest = [path for path in leaf_paths(ORDER_V1) if path not in SECRETS]
    leaves = order_leaves(written, KEKS["base"], first_row=0)
    for keks, columns in ((WITHOUT_REVEAL, rest), (KEKS, list(leaf_paths(ORDER_V1)))):
        back = read_rows(open_(file, keks), columns, WHERE)
        assert order_leaves(back, KEKS["base"], first_row=0) == leaves
    back = read_rows(open_(file), list(leaf_paths(ORDER_V1)), WHERE)
    assert secret_commitments(back, KEKS["reveal"], first_row=0).equals(commitments)


def test_without_the_footer_s_key_nothing_opens() -> None:
    for keks in ({}, {"reveal": KEKS["reveal"]}, {"base": bytes(32)}, {"base": KEKS["reveal"]}):
        with pytest.raises(KeyUnavailableError, match="footer"):
            open_(write(orders(0, 1)), keks)


def test_a_wrong_reveal_key_does_not_open_secrets() -> None:
    file = write(orders(0, 1))
    with pytest.raises(KeyUnavailableError):
        read_rows(open_(file, WITHOUT_REVEAL | {"reveal": bytes(32)}), sorted(SECRETS), WHERE)


def test_keys_of_one_file_are_not_kept_for_the_next() -> None:
    file = write(orders(0, 1))
    assert read_rows(open_(file), sorted(SECRETS), WHERE).num_rows == 1
    with pytest.raises(KeyUnavailableError):
        open_(file, {})


def test_two_files_of_the_same_rows_share_no_data_key() -> None:
    one, other = (write(orders(0, 1)).content.to_pybytes() for _ in range(2))
    assert one[100:200] != other[100:200]


# --- nothing can be changed unnoticed ------------------------------------------------------------


def read_known(file: EncryptedFile, content: bytes) -> pa.Table:
    return read_rows(open_(file, WITHOUT_REVEAL, content), list(leaf_paths(KNOWN_V1)), WHERE)


def test_every_flipped_byte_is_noticed() -> None:
    written = known(0, 3)
    file = write(written, schema=KNOWN_V1)
    sound = file.content.to_pybytes()
    unnoticed = []
    for position in range(len(sound)):
        flipped = bytearray(sound)
        flipped[position] ^= 1 << position % 8
        try:
            back = read_known(file, bytes(flipped))
        except TamperedError:
            continue
        assert back.equals(written), position
        unnoticed.append(position)
    # The magic at the start: nobody reads it.
    assert unnoticed == [0, 1, 2, 3]


def test_a_cut_file_is_noticed() -> None:
    file = write(known(0, 3), schema=KNOWN_V1)
    sound = file.content.to_pybytes()
    for cut in (sound[:-1], sound[1:], sound[:100], sound[-100:], b"PARE", b"x", sound + b"\x00"):
        with pytest.raises(TamperedError):
            read_known(file, cut)


def test_another_file_s_footer_is_refused_before_it_is_parsed() -> None:
    file, other = (write(known(0, 3), schema=KNOWN_V1) for _ in range(2))
    swapped = (
        file.content.to_pybytes()[: -file.footer_length]
        + other.content.to_pybytes()[-other.footer_length :]
    )
    with pytest.raises(TamperedError, match="not the one that was signed"):
        read_known(file, swapped)
    with pytest.raises(TamperedError, match="not the one that was signed"):
        read_known(file, other.content.to_pybytes())


def test_a_file_that_is_not_encrypted_is_refused() -> None:
    plain = io.BytesIO()
    pq.write_table(known(0, 3), plain)
    with pytest.raises(TamperedError, match="not an encrypted Parquet file"):
        read_known(write(known(0, 3), schema=KNOWN_V1), plain.getvalue())


@pytest.mark.parametrize(
    "footer", [b"PARE", b"\0\0\0\0PARE", b"\xff\xff\xff\xffPARE", bytes(100) + b"\x64\0\0\0PARE"]
)
def test_a_footer_that_cannot_be_read_is_tampered_even_if_it_was_signed(footer: bytes) -> None:
    length = int.from_bytes(footer[-8:-4], "little") + 8
    digest = hashlib.sha256(footer[-length:]).hexdigest()
    for content in (footer, b"PARE" + footer):
        with pytest.raises(TamperedError, match=WHERE):
            open_file(content, KEKS, footer_sha256=digest, where=WHERE)


def test_another_file_s_row_group_is_noticed() -> None:
    file, other = (write(known(0, 3), schema=KNOWN_V1) for _ in range(2))
    (here,) = file.row_groups
    assert here == other.row_groups[0]
    mixed = bytearray(file.content.to_pybytes())
    mixed[here.offset : here.offset + here.length] = other.content[
        here.offset : here.offset + here.length
    ]
    with pytest.raises(TamperedError):
        read_known(file, bytes(mixed))


def test_row_groups_in_another_order_are_noticed() -> None:
    file = write(known(0, 3), known(3, 3), schema=KNOWN_V1)
    first, second = file.row_groups
    assert first.length == second.length
    sound = file.content.to_pybytes()
    middle = sound[second.offset :][: second.length] + sound[first.offset :][: first.length]
    swapped = sound[: first.offset] + middle + sound[second.offset + second.length :]
    assert len(swapped) == len(sound)
    with pytest.raises(TamperedError):
        read_known(file, swapped)


# --- ranges --------------------------------------------------------------------------------------


def only(file: EncryptedFile, here: RowGroupRange) -> bytes:
    """The file as a lookup has it: the footer, one range, and zeros for all the rest."""
    content = bytearray(file.content.size)
    content[-file.footer_length :] = file.content[-file.footer_length :]
    content[here.offset : here.offset + here.length] = file.content[
        here.offset : here.offset + here.length
    ]
    return bytes(content)


def test_footer_and_range_are_enough_for_a_row_group() -> None:
    groups = [orders(0, 40), orders(40, 1), orders(41, 25)]
    file = write(*groups)
    assert [here.rows for here in file.row_groups] == [40, 1, 25]
    for number, here in enumerate(file.row_groups):
        lookup = open_(file, KEKS, only(file, here))
        assert lookup.read_row_group(number).equals(groups[number])


def test_a_byte_less_of_a_range_is_too_little() -> None:
    file = write(orders(0, 5), orders(5, 5))
    here = file.row_groups[1]
    for short in (
        RowGroupRange(offset=here.offset + 1, length=here.length - 1, rows=here.rows),
        RowGroupRange(offset=here.offset, length=here.length - 1, rows=here.rows),
    ):
        with pytest.raises(OSError, match=r"[Dd]ecrypt|[Ll]ength|thrift"):
            open_(file, KEKS, only(file, short)).read_row_group(1)


def test_ranges_and_footer_cover_the_file_without_a_gap() -> None:
    file = write(orders(0, 5), orders(5, 3), orders(8, 1))
    end = 4  # the magic
    for here in file.row_groups:
        assert here.offset == end
        end += here.length
    assert end + file.footer_length <= file.content.size
    # Between them lies the plain part of the footer, which names its key and holds no data.
    between = file.content.to_pybytes()[end : -file.footer_length]
    assert b"CARD" not in between


def test_a_table_in_many_chunks_is_one_row_group() -> None:
    chunks = pa.concat_tables([orders(n, 1) for n in range(9)])
    file = write(chunks)
    assert len(file.row_groups) == open_(file).metadata.num_row_groups == 1


def test_no_rows_are_a_file_too() -> None:
    for file in (write(), write(ORDER_V1.empty_table())):
        assert read_rows(open_(file), list(leaf_paths(ORDER_V1)), WHERE).equals(
            ORDER_V1.empty_table()
        )


def test_keys_cost_little_of_a_full_row_group() -> None:
    # A canary against double wrapping or per-column keys creeping in: the wrapped key of each
    # column chunk is a short JSON text.
    content = write(orders(0, 1)).content.to_pybytes()
    start = content.index(b'{"keyMaterialType"')
    material = json.loads(content[start : content.index(b"}", start) + 1])
    assert material["doubleWrapping"] is False
    assert material["masterKeyID"] == "base"
    assert len(material["wrappedDEK"]) == 56  # base64 of 32 + 8 bytes (RFC 3394)


def test_numbers_survive_at_their_limits() -> None:
    content = SEGMENT_V1.empty_table()
    assert content.num_rows == 0
    extreme = pa.table(
        {
            "kind": pa.array([255], pa.uint8()),
            "token": pa.array(np.array([2**64 - 1], np.uint64)),
            "row_group": pa.array([65535], pa.uint16()),
            "row": pa.array([2**32 - 1], pa.uint32()),
            "revision": pa.array([2**31 - 1], pa.int32()),
            "completed_at": pa.array([EPOCH], SEGMENT_V1.field("completed_at").type),
        },
        schema=SEGMENT_V1,
    )
    file = write(extreme, schema=SEGMENT_V1, footer_key="index")
    assert read_rows(open_(file), list(leaf_paths(SEGMENT_V1)), WHERE).equals(extreme)
