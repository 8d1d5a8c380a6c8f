"""The tables that partitions, segments and known entries hold, version 1.

Responsible for column names, types, units, origins and for saying which leaves open with
which key. Imports nothing of ours: whoever has this folder and a key can read an archive.

Amounts are `decimal128(18, 2)` in the order's currency, instants `timestamp[us, UTC]`. A time
or a fact that the source lacks is null and is never invented. Field metadata carries `unit`,
`origin` (where the value comes from) and `key` (`reveal` where it is not the base key).
"""

from typing import Final

import pyarrow as pa

MONEY: Final = pa.decimal128(18, 2)
INSTANT: Final = pa.timestamp("us", tz="UTC")
TEXT: Final = pa.string()
TOKEN: Final = pa.binary(16)
"""128 bits of a keyed pseudo-random function (FORMAT.md 6)."""
COMMITMENT: Final = pa.binary(32)

OUTCOMES: Final = ("completed", "refunded", "failed", "open")
BASES: Final = ("recorded", "delivered", "paid", "closed", "updated", "observed")
"""How a time is known: a column of its own, the named event, or the change time as a proxy."""


def _field(
    name: str,
    kind: pa.DataType,
    origin: str,
    *,
    unit: str | None = None,
    reveal: bool = False,
    required: bool = False,
) -> pa.Field:
    metadata = {"origin": origin}
    if unit:
        metadata["unit"] = unit
    if reveal:
        metadata["key"] = "reveal"
    return pa.field(name, kind, nullable=not required, metadata=metadata)


def _list(kind: pa.DataType) -> pa.DataType:
    """A list whose items are called as Parquet calls them, so that reading gives this type."""
    return pa.list_(pa.field("element", kind))


def _money(name: str, origin: str) -> pa.Field:
    return _field(name, MONEY, origin, unit="major units of money.currency")


def _time(name: str, origin: str) -> list[pa.Field]:
    """A time of the order and the basis on which it is known."""
    return [
        _field(f"{name}_at", INSTANT, origin, unit="UTC"),
        _field(f"{name}_basis", TEXT, "archive: one of BASES"),
    ]


SELLER: Final = pa.struct(
    [
        _field("merchant_id", TEXT, "source"),
        _field("name", TEXT, "source: as it was when sold"),
        _field("sub_site", TEXT, "source"),
        _field("promoter", TEXT, "source"),
        _field("own", pa.bool_(), "mapping: the platform's own goods, not a third party's"),
    ]
)
BUYER: Final = pa.struct(
    [
        _field("account", TEXT, "source"),
        _field("contact", TEXT, "source: e-mail, telephone or other address given"),
        _field("guest", pa.bool_(), "source"),
        _field("minor", pa.bool_(), "source, if known"),
        _field("client_ip", TEXT, "source: IPv4 or IPv6 text"),
        _field("client_port", pa.int32(), "source", unit="TCP port"),
        _field("device", TEXT, "source"),
    ]
)
PRODUCT: Final = pa.struct(
    [
        _field("id", TEXT, "source"),
        _field("name", TEXT, "source: as sold"),
        _field("category", TEXT, "source, look-up"),
        _field("description", TEXT, "source, look-up"),
        _field("kind", TEXT, "source"),
        _field("sku", TEXT, "source"),
    ]
)
MONEY_PARTS: Final = pa.struct(
    [
        _money("unit_price", "source"),
        _money("discount", "source"),
        _money("coupon_discount", "source"),
        _field("coupon", TEXT, "source"),
        _money("fees", "source"),
        _money("cost_price", "source"),
        _money("shares", "source: parts paid on to merchants, sub-sites, promoters"),
        _money("total", "source: before deductions"),
        _money("paid", "source: what the buyer paid"),
        _field("currency", TEXT, "mapping", unit="ISO 4217 code"),
    ]
)
PAYMENT: Final = pa.struct(
    [
        _field("method", TEXT, "source"),
        _field("channel", TEXT, "mapping: direct, aggregator, balance, …"),
        _field("provider_no", TEXT, "source: 交易号 of Alipay, WeChat Pay, …"),
        _field("aggregator_no", TEXT, "source"),
        _field("merchant_no", TEXT, "source: 商家订单号 told to the provider"),
        _money("amount", "source"),
        _field("callback_at", INSTANT, "source", unit="UTC"),
        _field("state", TEXT, "source"),
    ]
)
DELIVERY: Final = pa.struct(
    [
        _field("kind", TEXT, "mapping: card, top-up, link or manual"),
        _field("target", TEXT, "source: account that was topped up"),
        _field("secret", TEXT, "source: card secret or what was handed over", reveal=True),
        _field("hint", TEXT, "archive: last characters, at most a quarter and at most 4"),
        _field("card_token", TOKEN, "archive: keyed token of the secret"),
        _field("card_id", TEXT, "source: row id of the card"),
        _field("reusable", pa.bool_(), "source: one secret sold many times"),
        _field("placeholder", pa.bool_(), "mapping: an apology, not goods"),
        _field("supplier_ref", TEXT, "source"),
        _field("downstream_ref", TEXT, "source"),
        _field("mail_state", TEXT, "source"),
    ]
)
AFTER_SALE: Final = pa.struct(
    [
        _field("requested_at", INSTANT, "source", unit="UTC"),
        _field("decided_at", INSTANT, "source", unit="UTC"),
        _field("paid_at", INSTANT, "source", unit="UTC"),
        _money("amount", "source"),
        _field("route", TEXT, "source: original way, balance, …"),
        _field("number", TEXT, "source"),
        _field("operator", TEXT, "source"),
        _field("note", TEXT, "source: free text, may hold a card secret", reveal=True),
    ]
)
EVENT: Final = pa.struct(
    [
        _field("at", INSTANT, "source", unit="UTC"),
        _field("kind", TEXT, "source"),
        _field("actor", TEXT, "source"),
        _field("note", TEXT, "source: free text, may hold a card secret", reveal=True),
    ]
)
EXTRA: Final = pa.struct(
    [
        _field("name", TEXT, "mapping"),
        _field("value", TEXT, "source"),
    ]
)

ORDER_V1: Final = pa.schema(
    [
        _field("archive", TEXT, "archive id", required=True),
        _field("source", TEXT, "configuration", required=True),
        _field("order_id", TEXT, "source: identity together with `source`", required=True),
        _field("revision", pa.int32(), "archive: 1, 2, 3 …", required=True),
        _field("first_seen_at", INSTANT, "archive", unit="UTC", required=True),
        _field("outcome", TEXT, "mapping: one of OUTCOMES", required=True),
        _field("source_status", TEXT, "source: its own word for the state"),
        _field("seller", SELLER, "snapshot"),
        _field("buyer", BUYER, "snapshot"),
        _field("product", PRODUCT, "snapshot"),
        _field("quantity", pa.int64(), "source", unit="pieces"),
        _field("money", MONEY_PARTS, "source"),
        *_time("created", "source"),
        *_time("paid", "source"),
        *_time("delivered", "source"),
        *_time("completed", "archive: by `completion_rule`, decides the retention"),
        *_time("closed", "source"),
        _field("payments", _list(PAYMENT), "source"),
        _field("deliveries", _list(DELIVERY), "source"),
        _field("after_sales", _list(AFTER_SALE), "source"),
        _field("events", _list(EVENT), "source"),
        _field("extra", _list(EXTRA), "source: allow-listed leftovers"),
        _field("mapping_digest", TEXT, "archive", unit="SHA-256, hexadecimal", required=True),
        _field("completion_rule", TEXT, "mapping", required=True),
        _field("secret_commitment", COMMITMENT, "archive: FORMAT.md 5", required=True),
    ],
    metadata={"schema": "ORDER_V1"},
)

REJECT_V1: Final = pa.schema(
    [
        _field("archive", TEXT, "archive id", reveal=True, required=True),
        _field("source", TEXT, "configuration", reveal=True, required=True),
        _field("order_id", pa.large_binary(), "source: bytes as read", reveal=True),
        _field("row_key", pa.large_binary(), "source: paging key as read", reveal=True),
        _field("reason", TEXT, "archive: a fixed code", reveal=True, required=True),
        _field("column", TEXT, "mapping: the column that could not be mapped", reveal=True),
        _field("row_digest", TOKEN, "archive: keyed digest", reveal=True, required=True),
        _field("first_seen_at", INSTANT, "archive", unit="UTC", reveal=True, required=True),
        _field(
            "values",
            _list(
                pa.struct(
                    [
                        _field("name", TEXT, "mapping", reveal=True),
                        _field("value", pa.large_binary(), "source: bytes as read", reveal=True),
                    ]
                )
            ),
            "source: allow-listed columns only",
            reveal=True,
        ),
        _field("mapping_digest", TEXT, "archive", reveal=True, required=True),
    ],
    metadata={"schema": "REJECT_V1"},
)

SEGMENT_V1: Final = pa.schema(
    [
        _field("kind", pa.uint8(), "archive: what the token is of (FORMAT.md 6)", required=True),
        _field("token", pa.uint64(), "archive: first 64 bits, big-endian", required=True),
        _field("row_group", pa.uint16(), "position in the partition", required=True),
        _field("row", pa.uint32(), "row within the row group", required=True),
        _field("revision", pa.int32(), "archive; kind 1 only, else 0", required=True),
        _field("completed_at", INSTANT, "archive; kind 1 only, null if unknown", unit="UTC"),
    ],
    metadata={"schema": "SEGMENT_V1"},
)
"""Sorted by (kind, token). Key-value metadata `partition` and `search` are JSON: FORMAT.md 6."""

KNOWN_V1: Final = pa.schema(
    [
        _field("token", TOKEN, "archive: keyed token of (source, order id)", required=True),
        _field("digest", TOKEN, "archive: keyed digest of the row's content", required=True),
        _field("revision", pa.int32(), "archive; 0 marks a reject", required=True),
        _field("completed_at", INSTANT, "archive: first sealed end time", unit="UTC"),
        _field("first_seen_at", INSTANT, "archive", unit="UTC", required=True),
        _field("created_at", INSTANT, "source; an order that is gone is missed by it", unit="UTC"),
        _field("deliveries", pa.int32(), "archive: how many the order has", unit="pieces"),
        _field("secrets", pa.int32(), "archive: how many of them hold a secret", unit="pieces"),
    ],
    metadata={"schema": "KNOWN_V1"},
)
"""Sorted by token. What a night needs to tell new, changed and known apart."""


def leaf_paths(schema: pa.Schema) -> dict[str, str]:
    """Return every Parquet leaf of `schema` with the key that opens it.

    Returns:
        Dotted Parquet paths (`deliveries.list.element.secret`) in column order, each with
        `base` or `reveal`. Parquet leaves that are not listed stay unencrypted, so every
        writer must list all of them (Parquet Modular Encryption, section 5).
    """

    def walk(field: pa.Field, path: str, inherited: str) -> dict[str, str]:
        key = (field.metadata or {}).get(b"key", inherited.encode()).decode()
        if pa.types.is_struct(field.type):
            children = [field.type.field(i) for i in range(field.type.num_fields)]
            return {k: v for f in children for k, v in walk(f, f"{path}.{f.name}", key).items()}
        if pa.types.is_list(field.type):
            # The element itself carries no metadata of ours, so the list's key is inherited.
            element = pa.field("element", field.type.value_type)
            return walk(element, f"{path}.list.element", key)
        return {path: key}

    return {k: v for field in schema for k, v in walk(field, field.name, "base").items()}
