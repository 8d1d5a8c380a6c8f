"""Sealing: rows become locked objects that have been read back, or nothing that counts.

Responsible for one partition at a time: data, segment and known entries are written,
encrypted, PUT under a lock and read back. Nothing here counts until a manifest names it, so
dying on any line leaves orphans that nobody can read: their keys were in memory only.
"""

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from time import perf_counter
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc

from archiver import canonical, keyring, layout, merkle, partition, retention, segments, tokens
from archiver.allocation import whole
from archiver.archive import Archive
from archiver.batch import Batch, Paid, added, paid_by_channel
from archiver.errors import ReadBackError, RetentionRefusedError, Said
from archiver.known import LEAVES as KNOWN_LEAVES
from archiver.known import known_kek
from archiver.partition import EncryptedFile, Layout
from archiver.ports import StoredObject
from archiver.search_tokens import SearchKeys
from schemas.documents import Cohort, Footer, SealedObject
from schemas.orders import DELIVERY, KNOWN_V1, ORDER_V1, REJECT_V1, leaf_paths

MAX_OVERSHOOT_DAYS: Final = 31
"""A lock that ends later than class and month allow is a mistake that cannot be undone."""

log: Final = logging.getLogger(__name__)

ORDER_LEAVES: Final = leaf_paths(ORDER_V1)
REJECT_LEAVES: Final = leaf_paths(REJECT_V1)

_UNIQUE: Final = frozenset(
    {
        "order_id",
        "secret_commitment",
        "buyer.contact",
        "buyer.client_ip",
        "created_at",
        "paid_at",
        "completed_at",
        "payments.list.element.provider_no",
        "payments.list.element.aggregator_no",
        "payments.list.element.merchant_no",
        "deliveries.list.element.secret",
        "deliveries.list.element.hint",
        "deliveries.list.element.card_token",
        "token",
        "digest",
        "row_digest",
    }
)
"""Leaves whose values hardly repeat: without a dictionary they are smaller and faster."""
_CARD_TOKEN: Final = "deliveries.list.element.card_token"  # noqa: S105  the name of a leaf
LAYOUT: Final = Layout(
    plain=_UNIQUE,
    uncompressed=frozenset({"secret_commitment", _CARD_TOKEN, "token", "digest", "row_digest"}),
)
"""What is random, zstd only copies."""

KeyName = Literal["base", "reveal", "index"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a batch became: objects for the manifest, and what was read back from them."""

    day: date
    objects: Sequence[SealedObject]
    paid: Paid
    """From the bytes read back."""


def seal(archive: Archive, batch: Batch) -> Sealed:
    """Seal a batch: data, segment and known entries, each locked and read back.

    Raises:
        RetentionRefusedError: The lock would end more than a month late.
        LockNotHonouredError: The store took bytes without the lock.
        ReadBackError: The store gave back something else.
        StoreError: The store did not do it; nothing counts.
    """
    started = perf_counter()
    _refuse_overlong(archive, batch)
    cohort = archive.cohort(batch.cohort)
    sealed = _SEALERS[batch.kind](archive, batch, cohort)
    log.info("partition sealed", extra=_told(sealed.objects, perf_counter() - started))
    return sealed


def _told(objects: Sequence[SealedObject], seconds: float) -> Mapping[str, object]:
    size = sum(one.size_bytes for one in objects)
    first = {"key": objects[0].key, "rows": objects[0].rows, "cohort": objects[0].cohort}
    return {**first, "objects": len(objects), "bytes": size, "seconds": round(seconds, 3)}


def _seal_orders(archive: Archive, batch: Batch, cohort: Cohort) -> Sealed:
    key = _new_key("orders", batch)
    base, reveal = os.urandom(keyring.KEK_SIZE), os.urandom(keyring.KEK_SIZE)
    keks = {"base": base, "reveal": reveal}
    token_key = archive.night_keys().token_key
    card_key = tokens.derive_key(token_key, "card")
    writer = partition.FileWriter(
        ORDER_V1, keks, ORDER_LEAVES, footer_key="base", layout=LAYOUT.sparing(batch.rows)
    )
    # Search tokens of different years of cohorts cannot be joined without the token key.
    found = segments.SegmentContent(SearchKeys(token_key), batch.cohort[-7:-3])
    leaves: list[bytes] = []
    made: list[tuple[pa.Array, pa.Array]] = []
    for first, rows in _row_groups(batch.rows):
        cards = _card_tokens(rows, card_key)
        filled = _with_card_tokens(rows, cards)
        commitments = canonical.secret_commitments(filled, reveal, first_row=first)
        filled = _replaced(filled, "secret_commitment", commitments)
        leaves += canonical.order_leaves(filled, base, first_row=first)
        writer.write_row_group(filled)
        found.add(filled)
        made.append((cards, commitments))

    def written() -> Iterator[pa.Table]:
        """Yield the row groups once more: what is made is small, all filled in is not."""
        for (_, rows), (cards, commitments) in zip(_row_groups(batch.rows), made, strict=True):
            yield _replaced(_with_card_tokens(rows, cards), "secret_commitment", commitments)

    root = merkle.tree_hash(leaves).hex()
    del leaves
    file = writer.finish()
    stored = _put(archive, key, file, batch.retain_until)
    file = file.without_content()
    read_back = _read_back(archive, stored, file, keks, ORDER_LEAVES, equal=written())
    paid = added(map(partial(paid_by_channel, days=batch.day), read_back))
    orders = _described(
        "orders",
        stored,
        file,
        cohort.cohort,
        keys={
            "base": keyring.seal_kek(cohort, "base", base, key),
            "reveal": keyring.seal_kek(cohort, "reveal", reveal, key),
        },
        merkle_root=root,
    )
    table = segments.segment_table(found, orders, file)
    segment = _seal_segment(archive, batch, cohort, orders, table)
    known = _seal_known(archive, batch, cohort, of=orders.key)
    return Sealed(day=batch.day, objects=(orders, segment, known), paid=paid)


def _seal_rejects(archive: Archive, batch: Batch, cohort: Cohort) -> Sealed:
    key = _new_key("rejects", batch)
    kek = os.urandom(keyring.KEK_SIZE)
    writer = partition.FileWriter(
        REJECT_V1, {"reveal": kek}, REJECT_LEAVES, footer_key="reveal", layout=LAYOUT
    )
    leaves: list[bytes] = []
    for first, rows in _row_groups(batch.rows):
        leaves += canonical.reject_leaves(rows, kek, first_row=first)
        writer.write_row_group(rows)
    file = writer.finish()
    stored = _put(archive, key, file, batch.retain_until)
    rejects = _described(
        "rejects",
        stored,
        file,
        cohort.cohort,
        keys={"reveal": keyring.seal_kek(cohort, "reveal", kek, key)},
        merkle_root=merkle.tree_hash(leaves).hex(),
    )
    known = _seal_known(archive, batch, cohort, of=rejects.key)
    written = (rows for _, rows in _row_groups(batch.rows))
    _all(_read_back(archive, stored, file, {"reveal": kek}, REJECT_LEAVES, equal=written))
    return Sealed(day=batch.day, objects=(rejects, known), paid={})


def _seal_entries(archive: Archive, batch: Batch, cohort: Cohort) -> Sealed:
    """Seal known entries alone: the orders themselves are sealed under another name."""
    return Sealed(day=batch.day, objects=(_seal_known(archive, batch, cohort),), paid={})


_SEALERS: Final = {"orders": _seal_orders, "rejects": _seal_rejects, "known": _seal_entries}


def _seal_segment(
    archive: Archive,
    batch: Batch,
    cohort: Cohort,
    orders: SealedObject,
    table: pa.Table,
) -> SealedObject:
    """Seal the piece of the search index that finds the rows of `orders`."""
    key = _new_key("segments", batch)
    kek = os.urandom(keyring.KEK_SIZE)
    segment = segments.write_segment(table, kek)
    stored = _put(archive, key, segment, batch.retain_until)
    _all(_read_back(archive, stored, segment, {"index": kek}, segments.LEAVES, equal=[table]))
    return _described(
        "segments",
        stored,
        segment,
        cohort.cohort,
        keys={"index": keyring.seal_kek(cohort, "index", kek, key)},
        of=orders.key,
    )


def _seal_known(
    archive: Archive, batch: Batch, cohort: Cohort, *, of: str | None = None
) -> SealedObject:
    key = _new_key("known", batch)
    keks = {"known": known_kek(archive.night_keys().token_key, key)}
    leaf_keys = dict.fromkeys(KNOWN_LEAVES, "known")
    writer = partition.FileWriter(KNOWN_V1, keks, leaf_keys, footer_key="known", layout=LAYOUT)
    writer.write_row_group(batch.known)
    file = writer.finish()
    stored = _put(archive, key, file, batch.retain_until)
    _all(_read_back(archive, stored, file, keks, leaf_keys, equal=[batch.known]))
    return _described("known", stored, file, cohort.cohort, keys={}, of=of)


def _row_groups(rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Yield the rows cut into row groups, each with the position of its first row."""
    size = partition.ROW_GROUP_ROWS
    for start in range(0, len(rows), size):
        yield start, rows.slice(start, size).combine_chunks()


def _put(archive: Archive, key: str, file: EncryptedFile, retain_until: datetime) -> StoredObject:
    stored = archive.store.put(key, partition.as_binary_file(file), retain_until=retain_until)
    sha256 = hashlib.sha256(file.content).hexdigest()
    if stored.sha256 != sha256 or stored.size_bytes != file.content.size:
        raise ReadBackError(
            key=key,
            detail=Said("the store reports another digest or size", "存储报告的摘要或大小不同"),
        )
    return stored


def _read_back(
    archive: Archive,
    stored: StoredObject,
    file: EncryptedFile,
    keks: Mapping[str, bytes],
    leaf_keys: Mapping[str, str],
    *,
    equal: Iterable[pa.Table],
) -> Iterator[pa.Table]:
    """Yield the row groups as the store gives them back, by version id, each `equal` to its own.

    One after the other: all of them decoded would be the largest thing in memory.
    """
    key = stored.key
    content = archive.store.get(key, stored.version_id)
    if hashlib.sha256(content).hexdigest() != stored.sha256:
        raise ReadBackError(key=key, detail=Said("other bytes", "字节不同"))
    opened = partition.open_file(content, keks, footer_sha256=file.footer_sha256, where=key)
    for number, expected in zip(range(opened.num_row_groups), equal, strict=True):
        back = partition.read_row_group(opened, number, list(leaf_keys), key)
        if not back.equals(expected):
            raise ReadBackError(
                key=key,
                detail=Said(
                    "the rows do not decrypt to what was sealed", "解密所得的行与封存的不同"
                ),
            )
        yield back
        del back  # before the next one is read


def _all(groups: Iterable[pa.Table]) -> None:
    """Have all of them read back, for nothing but the comparison."""
    for _ in groups:
        pass


def _described(
    kind: Literal["orders", "rejects", "segments", "known"],
    stored: StoredObject,
    file: EncryptedFile,
    cohort: str,
    *,
    keys: dict[KeyName, str],
    merkle_root: str | None = None,
    of: str | None = None,
) -> SealedObject:
    return SealedObject(
        kind=kind,
        key=stored.key,
        version_id=stored.version_id,
        size_bytes=stored.size_bytes,
        sha256=stored.sha256,
        retain_until=stored.retain_until,
        rows=sum(group.rows for group in file.row_groups),
        cohort=cohort,
        keys=keys,
        footer=Footer(length=file.footer_length, sha256=file.footer_sha256),
        merkle_root=merkle_root,
        of=of,
    )


def _refuse_overlong(archive: Archive, batch: Batch) -> None:
    lawful = retention.retain_until(archive.clock.now(), archive.rules.retention)
    overshoot = batch.retain_until - lawful
    if overshoot.days >= MAX_OVERSHOOT_DAYS:
        raise RetentionRefusedError(
            detail=Said(
                f"{batch.source} {batch.day}: {batch.retain_until:%Y-%m-%d} is "
                f"{overshoot.days} days beyond what an order completed today may be locked for",
                f"{batch.source} {batch.day}：{batch.retain_until:%Y-%m-%d} "
                f"比今日完成的订单可锁定到的日期还晚 {overshoot.days} 天",
            )
        )


def _new_key(kind: str, batch: Batch) -> str:
    return layout.data_key(kind, batch.source, batch.day, os.urandom(16).hex())


def _card_tokens(orders: pa.Table, key: bytes) -> pa.Array:
    """Return the keyed token of every delivery's card secret, by which a lookup confirms a card."""
    _, values = _deliveries(orders)
    secrets = values.field("secret")
    column = pa.nulls(len(values), DELIVERY.field("card_token").type)
    if len(values) > secrets.null_count:
        made = tokens.token_array(tokens.tokens(key, tokens.normalised_cards(secrets.drop_null())))
        column = pc.replace_with_mask(column, secrets.is_valid(), made)
    return column


def _with_card_tokens(orders: pa.Table, made: pa.Array) -> pa.Table:
    """Return orders with these tokens of their deliveries' card secrets."""
    deliveries, values = _deliveries(orders)
    offsets = deliveries.offsets.to_numpy()
    fields = [
        made if f.name == "card_token" else values.field(f.name)
        for f in (DELIVERY.field(i) for i in range(DELIVERY.num_fields))
    ]
    listed = pa.ListArray.from_arrays(
        pa.array(offsets - offsets[0]),
        pa.StructArray.from_arrays(fields, fields=list(DELIVERY)),
        type=ORDER_V1.field("deliveries").type,
        mask=deliveries.is_null() if deliveries.null_count else None,
    )
    return _replaced(orders, "deliveries", listed)


def _deliveries(orders: pa.Table) -> tuple[pa.ListArray, pa.StructArray]:
    """Return the deliveries of each order, and these orders' deliveries one behind the other."""
    deliveries = whole(orders["deliveries"])
    offsets = deliveries.offsets
    first, end = offsets[0].as_py(), offsets[-1].as_py()
    return deliveries, deliveries.values.slice(first, end - first)


def _replaced(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    position = table.schema.get_field_index(name)
    return table.set_column(position, table.schema.field(name), column)
