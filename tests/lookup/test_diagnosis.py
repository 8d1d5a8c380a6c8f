from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from archiver.lookup.diagnosis import diagnose
from tests.lookup.orders import NOON, a_card, a_payment, a_refund, an_order


def codes(**changes: object) -> list[str]:
    return [finding.code for finding in diagnose(an_order(**changes))]


def unpaid(**changes: object) -> dict[str, Any]:
    money = an_order()["money"] | {"paid": None}
    return {"paid_at": None, "payments": None, "money": money, **changes}


def test_an_order_in_order_has_no_findings() -> None:
    assert codes() == []
    assert codes(deliveries=[a_card(), a_card()], quantity=2) == []


def test_paid_and_nothing_delivered_is_told() -> None:
    assert codes(deliveries=None) == ["paid-not-received"]
    assert codes(deliveries=[], outcome="open", completed_at=None) == ["paid-not-received"]


def test_an_order_that_was_refunded_owes_no_delivery() -> None:
    assert codes(deliveries=None, outcome="refunded") == []
    assert codes(deliveries=None, outcome="failed") == []


def test_an_order_that_nobody_paid_owes_no_delivery() -> None:
    assert codes(**unpaid(deliveries=None)) == []


def test_an_apology_is_no_delivery() -> None:
    apology = a_card(placeholder=True)
    assert codes(deliveries=[apology]) == ["paid-not-received", "placeholder"]
    assert codes(deliveries=[apology, a_card()]) == ["placeholder"]


def test_fewer_cards_than_bought_are_told() -> None:
    assert codes(quantity=3, deliveries=[a_card(), a_card()]) == ["fewer-cards"]


def test_one_reusable_card_serves_every_piece() -> None:
    assert codes(quantity=3, deliveries=[a_card(reusable=True)]) == []


def test_a_top_up_of_many_pieces_is_one_delivery() -> None:
    assert codes(quantity=100, deliveries=[a_card(kind="top-up")]) == []


@pytest.mark.parametrize(("seconds", "told"), [(61, True), (59, False)])
def test_delivered_before_paid_is_told_beyond_what_clocks_differ(seconds: int, told: bool) -> None:
    found = codes(delivered_at=NOON, paid_at=NOON + timedelta(seconds=seconds))
    assert found == (["delivered-before-paid"] if told else [])


def test_a_time_that_stands_for_another_proves_no_order_of_events() -> None:
    later = NOON + timedelta(days=1)
    assert codes(paid_at=later, paid_basis="updated") == []
    assert codes(paid_at=later, delivered_basis="observed") == []


def test_delivered_and_never_paid_is_told() -> None:
    assert codes(**unpaid()) == ["delivered-not-paid"]


def test_a_gift_needs_no_payment() -> None:
    money = an_order()["money"] | {"paid": None, "total": Decimal(0)}
    assert codes(**unpaid(money=money)) == []


def test_a_refund_without_a_payment_is_told() -> None:
    found = codes(**unpaid(deliveries=None, outcome="refunded", after_sales=[a_refund()]))
    assert found == ["refund-without-payment"]


def test_more_returned_than_paid_is_told() -> None:
    assert codes(after_sales=[a_refund(), a_refund()]) == ["refund-exceeds-payment"]
    assert codes(after_sales=[a_refund()]) == []
    assert codes(after_sales=[a_refund(amount=None)]) == []


def test_a_payment_alone_shows_that_money_came_in() -> None:
    money = an_order()["money"] | {"paid": None}
    assert codes(money=money, paid_at=None, payments=[a_payment()], deliveries=None) == [
        "paid-not-received"
    ]


def test_every_finding_says_in_both_languages_what_to_check() -> None:
    orders = (
        an_order(deliveries=[a_card(placeholder=True)]),
        an_order(outcome="open", deliveries=None),
        an_order(quantity=3),
        an_order(after_sales=[a_refund(), a_refund()]),
    )
    for finding in (one for order in orders for one in diagnose(order)):
        assert finding.said.en != finding.said.zh
        assert finding.check.en != finding.check.zh
