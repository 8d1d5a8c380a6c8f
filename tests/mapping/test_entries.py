"""Lists of an order, and the corners of a mapping that the common one does not reach."""

from typing import Any

import numpy as np
import pytest

from archiver.errors import MappingError
from archiver.mapping import OrderMapping, apply, zones
from archiver.ports import RawPage
from tests.mapping.pages import context, mapping, page


def orders(changed: OrderMapping, *rows: dict[str, Any], raw: RawPage | None = None) -> list[Any]:
    found: list[Any] = apply(raw or page(*rows), changed, context()).orders.to_pylist()
    return found


def test_values_are_replaced_kept_or_dropped_as_said() -> None:
    spec = {"column": "pay", "values": {"alipay": "支付宝", "gone": ""}}
    kept = mapping(fields={"buyer.device": spec})
    dropped = mapping(fields={"buyer.device": {**spec, "unlisted": "null"}})
    rows = [{"pay": text, "no": f"A{n}"} for n, text in enumerate(("alipay", "gone", "other"))]

    assert [o["buyer"]["device"] for o in orders(kept, *rows)] == ["支付宝", None, "other"]
    assert [o["buyer"]["device"] for o in orders(dropped, *rows)] == ["支付宝", None, None]


def test_a_value_can_depend_on_another_column() -> None:
    spec = {"column": "title", "when": [{"column": "kind", "in": ["auto"]}]}
    changed = mapping(fields={"product.name": spec}, deliveries=[], forms=[])

    found = orders(changed, {"kind": "auto"}, {"kind": None})

    assert [order["product"]["name"] for order in found] == ["月卡 ✨", None]


@pytest.mark.parametrize(
    ("when", "kept"),
    [
        ({"in": ["a"]}, [True, False, False, False]),
        ({"not_in": ["a"]}, [False, True, True, True]),
        ({"present": True}, [True, True, False, False]),
        ({"present": False}, [False, False, True, True]),
    ],
)
def test_null_is_in_no_list_and_not_present(when: dict[str, Any], kept: list[bool]) -> None:
    entry = {"when": [{"column": "race", **when}], "columns": {"kind": "title"}}
    rows = [{"race": race, "no": f"A{n}"} for n, race in enumerate(("a", "b", "", None))]

    found = orders(mapping(events=[entry]), *rows)

    assert [bool(order["events"]) for order in found] == kept


def test_an_entry_of_which_nothing_is_known_is_none() -> None:
    entry = {"columns": {"kind": {"const": "card"}, "secret": "info", "target": "race"}}

    found = orders(mapping(deliveries=[entry], forms=[]), {"info": None}, {"race": "x"})

    assert [len(order["deliveries"]) for order in found] == [0, 1]
    assert found[1]["deliveries"][0]["target"] == "x"


def test_child_rows_can_be_cards_one_to_a_line() -> None:
    child = {
        "field": "deliveries",
        "query": "SELECT order_no, note FROM cards",
        "key": "order_no",
        "on": "no",
        "columns": {"secret": "note", "card_id": "order_no"},
        "split_lines": True,
        "placeholders": ["^out of"],
    }
    whole = page({"no": "A"}, {"no": "B"})
    cards = page(refunds=({"order_no": "B", "note": "one\ntwo\nout of stock"},)).children
    raw = RawPage(rows=whole.rows, children={"deliveries": cards["after_sales"]})
    changed = mapping(children=[child], deliveries=[], forms=[])

    found = orders(changed, raw=raw)

    assert [order["deliveries"] == [] for order in found] == [True, False]
    told = [(d["secret"], d["card_id"], d["placeholder"]) for d in found[1]["deliveries"]]
    assert told == [("one", "B", False), ("two", "B", False), ("out of stock", "B", True)]


def test_two_child_queries_for_one_list_are_refused() -> None:
    child = {
        "field": "events",
        "query": "SELECT 1",
        "key": "a",
        "columns": {"kind": "b"},
    }
    with pytest.raises(MappingError, match="UNION ALL"):
        mapping(children=[child, child])


def test_a_look_up_that_is_no_number_is_null_and_no_reject() -> None:
    lookup = {"query": "SELECT 1", "key": "id", "on": "group_id", "columns": {"category": "name"}}
    changed = mapping(fields={"money.cost_price": "category"}, lookups=[lookup])

    (found,) = orders(changed, {"category": "rubbish"})

    assert found["money"]["cost_price"] is None


def test_a_rule_of_one_time_without_another() -> None:
    (found,) = orders(mapping(completion={"latest_of": ["updated"]}), {})

    assert (found["completion_rule"], found["completed_basis"]) == ("updated", "updated")


def test_no_times_need_no_zone() -> None:
    assert len(zones.to_utc(np.array([], np.int64), "Asia/Shanghai")) == 0
