"""Rows in, orders and rejects out."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import MappingError
from archiver.mapping import REJECTED_V1, apply
from archiver.ports import RawPage
from schemas.orders import ORDER_V1
from tests.mapping.pages import GOOD, SEEN, context, mapped, mapping, order, page, reason


def test_a_good_row_becomes_the_order_that_the_mapping_describes() -> None:
    found = order()

    assert found["order_id"] == "A1"
    assert (found["outcome"], found["source_status"]) == ("completed", "done")
    assert found["created_at"] == datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert found["paid_at"] == datetime(2026, 11, 1, 12, 5, tzinfo=UTC)
    assert (
        found["completed_at"] == found["delivered_at"] == datetime(2026, 11, 1, 12, 6, tzinfo=UTC)
    )
    assert (found["completed_basis"], found["paid_basis"]) == ("delivered", "recorded")
    assert found["closed_at"] is found["closed_basis"] is None
    assert found["completion_rule"] == "latest of delivered, paid; else updated"
    assert found["buyer"]["contact"] == "a&b@example.com"
    assert (found["buyer"]["guest"], found["buyer"]["client_port"]) == (True, 443)
    assert found["seller"]["own"] is True
    assert found["money"]["fees"] == Decimal("0.35")
    assert found["money"]["paid"] == found["payments"][0]["amount"] == Decimal("19.90")
    assert found["payments"][0]["callback_at"] == found["paid_at"]
    assert [d["secret"] for d in found["deliveries"]] == [
        "CARD-1111-2222-3333",
        "CARD-4444-5555-6666",
    ]
    assert {d["hint"] for d in found["deliveries"]} == {"3333", "6666"}
    assert found["extra"] == []  # empty text is nothing
    assert (found["revision"], found["first_seen_at"]) == (1, SEEN)
    assert found["secret_commitment"] == bytes(32)
    assert found["mapping_digest"] == mapping().digest


def test_the_tables_have_exactly_the_published_schemas() -> None:
    result = mapped({}, {"no": None})

    assert result.orders.schema.equals(ORDER_V1, check_metadata=True)
    assert result.rejects.schema.equals(REJECTED_V1, check_metadata=True)
    result.orders.validate(full=True)
    assert len(result.content) == len(result.changed_at) == result.orders.num_rows
    assert len(result.reject_content) == result.rejects.num_rows


def test_an_empty_page_gives_empty_tables() -> None:
    result = mapped()

    assert (result.orders.num_rows, result.rejects.num_rows, result.not_archived) == (0, 0, 0)
    assert result.orders.schema.equals(ORDER_V1)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"no": None}, ("null-order-id", "no")),
        ({"no": ""}, ("null-order-id", "no")),
        ({"no": " \t"}, ("null-order-id", "no")),
        ({"title": b"\xff\xfe"}, ("broken-utf8", "title")),
        ({"info": b"a\xc3("}, ("broken-utf8", "info")),
        ({"title": b"a\0b"}, ("nul-byte", "title")),
        ({"title": b"x" * (16 * 1024 * 1024 + 1)}, ("too-large", "title")),
        ({"state": "gone"}, ("unknown-status", "state")),
        ({"state": None}, ("unknown-status", "state")),
        ({"created": "0000-00-00 00:00:00"}, ("bad-time", "created")),
        ({"created": "9999-12-31 23:59:59"}, ("bad-time", "created")),
        ({"created": "2026-02-30 00:00:00"}, ("bad-time", "created")),
        ({"created": "yesterday"}, ("bad-time", "created")),
        ({"created": "1989-12-31 23:59:59"}, ("bad-time", "created")),
        ({"paid": "99999999999999999999"}, ("bad-time", "paid")),
        ({"paid": "999999999999"}, ("bad-time", "paid")),  # the year 33658
        ({"paid": "-1"}, ("bad-time", "paid")),
        ({"delivered": "2200-01-02 00:00:00"}, ("bad-time", "delivered")),
        ({"delivered": None, "paid": "0", "updated": None}, ("missing-end-time", "updated")),
        ({"delivered": "2026-11-24 00:00:00"}, ("future-time", "updated")),
        ({"created": "2026-11-02 20:06:01"}, ("bad-time", "updated")),  # a day after the end
        ({"amount": "-0.01"}, ("negative-money", "amount")),
        ({"amount": "12.345"}, ("money-too-wide", "amount")),
        ({"amount": "12345678901234567.00"}, ("money-too-wide", "amount")),
        ({"amount": "9" * 60}, ("money-too-wide", "amount")),
        ({"amount": "12,50"}, ("bad-number", "amount")),
        ({"amount": b"\xff"}, ("bad-number", "amount")),
        ({"fee_cents": "1.5"}, ("money-too-wide", "fee_cents")),  # no whole cents
        ({"pieces": "two"}, ("bad-number", "pieces")),
        ({"pieces": "9223372036854775808"}, ("bad-number", "pieces")),
        ({"port": "4294967296"}, ("bad-number", "port")),
        ({"guest": "perhaps"}, ("bad-number", "guest")),
    ],
)
def test_a_bad_value_rejects_its_row_with_a_fixed_reason(
    row: dict[str, Any], found: tuple[str, str]
) -> None:
    assert reason(**row) == found


@pytest.mark.parametrize(
    "row",
    [
        {"title": "🎮" * 100},
        {"info": "x" * (10 * 1024 * 1024)},
        {"amount": "12.340"},
        {"amount": "0"},
        {"amount": "9999999999999999.99"},
        {"amount": None},
        {"created": None},
        {"created": "2026-11-01"},
        {"created": "2026-11-02 20:06:00"},  # a zone that is wrong by hours
        {"created": "2026-11-01T20:00:00.5"},
        {"created": "2026-11-01 20:00:00+08"},
        {"category": b"\xff"},  # a look-up's faults are not the order's
        {"pay": None},
    ],
)
def test_an_odd_value_is_still_an_order(row: dict[str, Any]) -> None:
    assert order(**row)["order_id"] == "A1"


def test_good_rows_around_a_bad_one_are_not_touched() -> None:
    rows = [{"no": f"A{n}", "id": str(n), "amount": f"{n}.10"} for n in range(50)]
    rows[17]["amount"] = "rubbish"
    rows[18]["created"] = "rubbish"

    result = mapped(*rows)

    kept = [n for n in range(50) if n not in (17, 18)]
    assert result.orders["order_id"].to_pylist() == [f"A{n}" for n in kept]
    assert [money["paid"] for money in result.orders["money"].to_pylist()] == [
        Decimal(f"{n}.10") for n in kept
    ]
    assert result.rejects["row_key"].to_pylist() == [b"17", b"18"]


def test_states_decide_what_becomes_of_a_row() -> None:
    states = ("done", "back", "broken", "paid", "new", "?")
    result = mapped(*({"state": state} for state in states))

    assert result.orders["outcome"].to_pylist() == ["completed", "refunded", "failed"]
    assert (result.not_archived, result.rejects.num_rows) == (2, 1)


def test_a_row_that_is_not_archived_is_no_reject_however_bad_it_is() -> None:
    result = mapped({"state": "new", "no": None, "amount": "-1", "title": b"\xff"})

    assert (result.not_archived, result.rejects.num_rows) == (1, 0)


def test_open_orders_have_no_end_time_when_they_are_asked_for() -> None:
    result = apply(page({"state": "paid"}), mapping(), context(include_open=True))

    (found,) = result.orders.to_pylist()
    assert (found["outcome"], found["completed_at"], found["completed_basis"]) == (
        "open",
        None,
        None,
    )


def test_the_end_time_falls_back_to_the_change_time_and_says_so() -> None:
    found = order(delivered=None, paid="0")

    assert found["completed_at"] == datetime(2026, 11, 2, 0, 0, 0, 123456, tzinfo=UTC)
    assert found["completed_basis"] == "updated"


def test_rejects_keep_allow_listed_columns_as_they_were_read() -> None:
    result = mapped({"title": b"\xff\x00"}, refunds=({"order_no": "A1", "note": "n"},))

    (found,) = result.rejects.to_pylist()
    values = {entry["name"]: entry["value"] for entry in found["values"]}
    assert values["title"] == b"\xff\x00"
    assert values["amount"] == b"19.90"
    assert values["after_sales.note"] == b"n"
    assert "category" not in values
    assert (found["order_id"], found["row_key"]) == (b"A1", b"1")


def test_child_rows_come_with_their_order_and_in_their_order() -> None:
    refunds = (
        {"order_no": "B", "amount": "1.00"},
        {"order_no": "A", "amount": "2.00", "at": "2026-11-03 00:00:00"},
        {"order_no": "A", "amount": "3.00"},
        {"order_no": "C", "amount": "4.00"},
        {"order_no": None, "amount": "5.00"},
    )
    result = mapped({"no": "A"}, {"no": "B"}, {"no": "D"}, refunds=refunds)

    amounts = [
        [int(entry["amount"]) for entry in entries]
        for entries in result.orders["after_sales"].to_pylist()
    ]
    assert amounts == [[2, 3], [1], []]


def test_a_bad_child_row_rejects_its_order() -> None:
    refunds = ({"order_no": "A", "amount": "-2.00"}, {"order_no": "B", "amount": "1"})
    result = mapped({"no": "A"}, {"no": "B"}, refunds=refunds)

    assert result.orders["order_id"].to_pylist() == ["B"]
    assert result.rejects["reason"].to_pylist() == ["negative-money"]


def test_an_apology_is_marked_as_placeholder() -> None:
    found = order(info="很抱歉，有人在你付款之前抢走了商品")

    assert [d["placeholder"] for d in found["deliveries"]] == [True]


def test_sliced_and_chunked_pages_map_like_whole_ones() -> None:
    rows = [{"no": f"A{n}", "amount": "x" if n == 5 else f"{n}.00"} for n in range(12)]
    whole = page(*rows).rows
    parts = pa.concat_tables([whole.slice(0, 3), whole.slice(3, 6), whole.slice(9)])
    children = page().children

    expected = apply(RawPage(rows=whole, children=children), mapping(), context())
    found = apply(RawPage(rows=parts, children=children), mapping(), context())
    sliced = apply(RawPage(rows=whole.slice(4, 4), children=children), mapping(), context())

    assert found.orders.equals(expected.orders)
    assert found.content.equals(expected.content)
    assert sliced.orders["order_id"].to_pylist() == ["A4", "A6", "A7"]


def test_a_page_without_a_needed_column_names_it() -> None:
    without = RawPage(rows=page({}).rows.drop_columns(["amount"]), children=page().children)

    with pytest.raises(MappingError, match="amount"):
        apply(without, mapping(), context())


HOSTILE = st.one_of(
    st.none(),
    st.binary(max_size=12),
    st.text(max_size=12).map(str.encode),
    st.sampled_from([b"", b"0", b"-1", b"1e400", b"NaN", b"inf", b"2026-11-01 00:00:00", b"\0"]),
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {}, optional={name: HOSTILE for name in GOOD if name not in ("id", "category")}
        ),
        max_size=8,
    )
)
def test_every_row_is_exactly_one_of_order_reject_and_not_archived(
    rows: list[dict[str, bytes | None]],
) -> None:
    result = mapped(*rows)

    assert result.orders.num_rows + result.rejects.num_rows + result.not_archived == len(rows)
    result.orders.validate(full=True)
    assert None not in result.orders["completed_at"].to_pylist()
    assert len(result.content) == result.orders.num_rows
