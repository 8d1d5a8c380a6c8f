"""Search rows: what FORMAT.md says an order is found by, computed a second time without Arrow."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.search_tokens import (
    ALL_KINDS,
    SECRET_KINDS,
    Kind,
    NamesFound,
    SearchKeys,
    SearchRows,
    ask,
    names_of,
    normalised,
    search_rows,
)
from archiver.tokens import derive_key, normalised_cards, token_array, tokens
from schemas.orders import ORDER_V1
from tests import search_oracle
from tests.order_rows import Row, table

KEYS = SearchKeys(bytes(range(32)))
YEAR = "2029"

EMAILS = st.builds(
    lambda blank, name, host, tail: f"{blank}{name}@{host}{tail}",
    st.sampled_from(["", " ", "\u3000", "\ufeff", "\n"]),
    st.text("aBcDÉß.Σς", min_size=1, max_size=5),
    st.sampled_from(["QQ.com", "例子.cn", "e\u0301x.fr", "163.COM"]),
    st.sampled_from(["", " ", "\u200b"]),
)
PHONES = st.text("+-(). 0123456789", max_size=16) | st.sampled_from(
    ["+86 138-0013-8000", "008613800138000", "8613800138000", "13800138000", "8612345678901"]
)
IPS = st.ip_addresses().map(str) | st.sampled_from(
    [
        *("[2001:DB8::1]", "fe80::1%eth0", "::ffff:1.2.3.4", "2408:0:0:1:0:0:0:1", "1.2.3", "::"),
        *("2408:8207:1850:abcd:1:2:3:4", "2408:8207:1850:0abc:1:2:3:4", "Unknown, 1.2.3.4"),
    ]
)
WORDS = st.sampled_from(
    [
        *("卡号", "卡密：", "密码", "Card No.:", "pass word:", "KEY=", "----", "--", "-", "|", ","),
        *("；", " ", "  ", "\t", "\r\n", "\n", ":", "：", "https://", "AB-12", "abcd1234"),
        *("中文卡", "—", "1", "ſn:"),
    ]
)
SECRETS = st.lists(WORDS, max_size=8).map("".join) | st.text(max_size=6)
TEXTS = st.text(max_size=5) | st.sampled_from(["", " ", "e\u0301", "x" * 300, "ＱＱ"])


def some(values: st.SearchStrategy[str]) -> st.SearchStrategy[str | None]:
    return st.none() | values


def fields(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.fixed_dictionaries(strategies)


ORDERS = st.fixed_dictionaries(
    {
        "order_id": st.text(max_size=4),
        "revision": st.integers(1, 3),
        "completed_at": st.sampled_from([None, datetime(2026, 3, 4, tzinfo=UTC)]),
        "seller": fields(merchant_id=some(TEXTS), name=some(TEXTS)),
        "buyer": fields(
            account=some(EMAILS | PHONES | TEXTS),
            contact=some(EMAILS | PHONES | TEXTS),
            client_ip=some(IPS | TEXTS),
        ),
        "payments": st.lists(
            st.fixed_dictionaries(
                dict.fromkeys(("provider_no", "aggregator_no", "merchant_no"), some(TEXTS))
            ),
            max_size=2,
        ),
        "deliveries": st.lists(
            st.fixed_dictionaries(
                {
                    "target": some(PHONES | TEXTS),
                    "secret": some(SECRETS),
                    "placeholder": st.sampled_from([None, False, False, True]),
                }
            ),
            max_size=3,
        ),
    }
)


def whole(row: Mapping[str, Any]) -> Row:
    """An order with everything else that the schema asks for, card tokens filled in."""
    key = derive_key(KEYS.token_key, "card")
    deliveries = []
    for one in row["deliveries"]:
        made = None
        if one["secret"] is not None:
            (made,) = token_array(
                tokens(key, normalised_cards(pa.array([one["secret"]])))
            ).to_pylist()
        deliveries.append({**one, "card_token": made})
    return {
        **{field.name: "" if not field.nullable else None for field in ORDER_V1},
        "first_seen_at": datetime(2026, 3, 4, tzinfo=UTC),
        "secret_commitment": bytes(32),
        **row,
        "deliveries": deliveries,
    }


def found_in(rows: pa.Table, group_rows: int) -> set[tuple[int, int, int]]:
    """Return kind, token and position of each search row."""
    return {
        (row["kind"], row["token"], row["row_group"] * group_rows + row["row"])
        for row in rows.to_pylist()
    }


@given(st.lists(ORDERS, min_size=1, max_size=6), st.integers(1, 4))
@settings(max_examples=150)
def test_orders_have_the_tokens_that_the_format_names_and_each_once(
    content: list[Mapping[str, Any]], group_rows: int
) -> None:
    rows = search_rows(
        KEYS,
        YEAR,
        table(ORDER_V1, [whole(row) for row in content]),
        ALL_KINDS,
        group_rows=group_rows,
    )
    expected = {
        (kind, one_token(kind, value), position)
        for position, row in enumerate(content)
        for kind, value in search_oracle.wanted(row)
    }
    assert found_in(rows, group_rows) == expected
    assert len(rows) == len(expected)
    pairs = [(row["kind"], row["token"]) for row in rows.to_pylist()]
    assert pairs == sorted(pairs)


def one_token(kind: int, value: str) -> int:
    key = derive_key(KEYS.token_key, "card" if kind == 8 else f"search/{YEAR}/{kind}")
    return int.from_bytes(tokens(key, pa.array([value]))[0, :8].tobytes(), "big")


@given(ORDERS)
@settings(max_examples=100)
def test_whoever_asks_for_a_value_as_it_was_sealed_gets_its_token(row: Mapping[str, Any]) -> None:
    rows = search_rows(KEYS, YEAR, table(ORDER_V1, [whole(row)]), ALL_KINDS, group_rows=10)
    have = {one["token"] for one in rows.to_pylist()}
    buyer, seller = row["buyer"] or {}, row["seller"] or {}
    asked = [
        (Kind.ORDER_ID, row["order_id"]),
        *((Kind.PAYMENT_NO, no) for payment in row["payments"] for no in payment.values()),
        (Kind.ACCOUNT, buyer.get("account")),
        (Kind.CONTACT, buyer.get("contact")),
        (Kind.CLIENT_IP, buyer.get("client_ip")),
        *((Kind.MERCHANT, value) for value in seller.values()),
        *((Kind.TARGET, one["target"]) for one in row["deliveries"]),
        *((Kind.CARD, one["secret"]) for one in row["deliveries"] if not one["placeholder"]),
    ]
    for kind, value in asked:
        criterion = ask(KEYS, kind, value or "")
        if criterion is not None:
            alternatives = criterion.tokens(YEAR)
            assert any(set(wanted) <= have for wanted in alternatives)
            if kind is not Kind.CARD:
                assert criterion.confirms([None, "another", value])


@pytest.mark.parametrize(
    ("kind", "sealed", "asked"),
    [
        (Kind.CONTACT, "Buyer@QQ.com", " buyer@qq.COM\u200b"),
        (Kind.CONTACT, "+86 138-0013-8000", "13800138000"),
        (Kind.ACCOUNT, "e\u0301cole", "école"),
        (Kind.CLIENT_IP, "2408:8207:0:0:0:0:0:1", "2408:8207::1"),
        (Kind.CLIENT_IP, "::ffff:36.1.2.3", "36.1.2.3"),
        (Kind.MERCHANT, "Steam 小店", "steam 小店 "),
        (Kind.PAYMENT_NO, "2026030422001", "\t2026030422001\r\n"),
    ],
)
def test_other_spellings_of_a_value_are_the_same(kind: Kind, sealed: str, asked: str) -> None:
    one, other = (normalised(kind, pa.array([value])).to_pylist() for value in (sealed, asked))
    assert one == other


@pytest.mark.parametrize(
    ("kind", "sealed", "asked"),
    [
        (Kind.CONTACT, "a@qq.com", "а@qq.com"),  # the second one is Cyrillic
        (Kind.ORDER_ID, "N%", "NX"),
        (Kind.PAYMENT_NO, "AB1", "ab1"),
        (Kind.CONTACT, "1234", "12-34"),
        (Kind.CLIENT_IP, "10.0.0.1", "10.0.0.10"),
    ],
)
def test_values_that_only_look_alike_are_not_the_same(kind: Kind, sealed: str, asked: str) -> None:
    one, other = (normalised(kind, pa.array([value])).to_pylist() for value in (sealed, asked))
    assert one != other


@pytest.mark.parametrize(
    ("secret", "asked"),
    [
        ("ABC123----pass99", ["ABC123", "abc-123", "PASS99", "abc123----pass99", "abc123 pass99"]),
        ("卡号：A-1-B-2 密码：x9x9x9", ["A1B2", "X9X9X9", "a1b2----x9x9x9"]),
        ("user@qq.com:pass99", ["user@qq.com", "PASS99"]),
        ("number77 password88", ["number77", "password88", "number77|password88"]),
        ("ABCD-EFGH-IJKL", ["ABCDEFGHIJKL", "abcd efgh ijkl"]),
        ("AAAA1111\nBBBB2222----CCCC", ["AAAA1111", "BBBB2222----CCCC", "BBBB2222", "CCCC"]),
        ("卡密: KEYS-0001", ["KEYS-0001"]),
        ("https://x.cn/redeem?k=ABCD", ["https://x.cn/redeem?k=ABCD"]),
    ],
)
def test_a_card_is_found_by_its_parts(secret: str, asked: list[str]) -> None:
    order = whole(
        {
            "order_id": "N",
            "revision": 1,
            "payments": [],
            "deliveries": [{"secret": secret, "placeholder": None, "target": None}],
        }
    )
    rows = search_rows(KEYS, YEAR, table(ORDER_V1, [order]), ALL_KINDS, group_rows=10)
    have = {row["token"] for row in rows.to_pylist()}
    for value in asked:
        criterion = ask(KEYS, Kind.CARD, value)
        assert criterion is not None
        assert any(set(wanted) <= have for wanted in criterion.tokens(YEAR)), value
    wrong = ask(KEYS, Kind.CARD, "ABC123----wrong99")
    assert wrong is not None
    assert not any(set(wanted) <= have for wanted in wrong.tokens(YEAR))


def test_without_the_secrets_everything_but_parts_of_cards_is_made() -> None:
    order = whole(
        {
            "order_id": "N",
            "revision": 2,
            "payments": [],
            "deliveries": [
                {"secret": "ABC123----pass99", "placeholder": None, "target": "13800138000"}
            ],
        }
    )
    everything = table(ORDER_V1, [order])
    fields = [ORDER_V1.field("deliveries").type.value_type.field(i) for i in range(11)]
    kept = [field for field in fields if field.name != "secret"]
    deliveries = pa.array(
        [[{field.name: one.get(field.name) for field in kept} for one in order["deliveries"]]],
        pa.list_(pa.struct(kept)),
    )
    closed = everything.set_column(
        everything.schema.get_field_index("deliveries"), "deliveries", deliveries
    )
    kinds = ALL_KINDS - SECRET_KINDS
    one = search_rows(KEYS, YEAR, everything, ALL_KINDS, group_rows=10).to_pylist()
    other = search_rows(KEYS, YEAR, closed, kinds, group_rows=10).to_pylist()
    assert other == [row for row in one if row["kind"] in kinds]
    assert {row["kind"] for row in one} - {row["kind"] for row in other} == {9}


@given(st.lists(ORDERS, min_size=1, max_size=6), st.integers(1, 5))
@settings(max_examples=50)
def test_orders_bring_the_same_piece_by_piece_as_at_once(
    content: list[Mapping[str, Any]], size: int
) -> None:
    orders = table(ORDER_V1, [whole(row) for row in content])
    rows, names = SearchRows(KEYS, YEAR, ALL_KINDS), NamesFound()
    for start in range(0, len(orders), size):
        rows.add(orders.slice(start, size))
        names.add(orders.slice(start, size))
    assert rows.table(group_rows=2) == search_rows(KEYS, YEAR, orders, ALL_KINDS, group_rows=2)
    assert names.names() == names_of(orders)


def test_an_empty_question_is_none() -> None:
    assert ask(KEYS, Kind.CONTACT, " \u3000") is None
    assert ask(KEYS, Kind.CARD, " - ") is None
