from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from archiver.errors import RequestError
from archiver.lookup.question import Conditions, Question, conditions, digest
from archiver.lookup.sifting import caged, sift
from archiver.lookup.standing import STANDINGS, standings
from archiver.retention import LEGAL_ZONE
from schemas.orders import ORDER_V1
from tests.lookup.orders import a_card, a_refund, an_order

IN_ORDER = an_order()
UNDELIVERED = an_order(deliveries=None)
APOLOGY = an_order(deliveries=[a_card(placeholder=True)])
OPEN = an_order(deliveries=None, outcome="open", completed_at=None)
REFUNDED = an_order(outcome="refunded", after_sales=[a_refund(amount=Decimal("10.00"))])
COMPLAINT = an_order(after_sales=[a_refund(amount=None, paid_at=None)])
FAILED = an_order(outcome="failed", deliveries=None)
FEWER = an_order(quantity=3)


@pytest.mark.parametrize(
    ("order", "stands"),
    [
        (IN_ORDER, {"completed"}),
        (UNDELIVERED, {"undelivered", "odd"}),
        (APOLOGY, {"undelivered", "odd"}),
        (OPEN, {"undelivered"}),
        (REFUNDED, {"after-sales"}),
        (COMPLAINT, {"completed", "after-sales"}),
        (FAILED, {"odd"}),
        (FEWER, {"completed", "odd"}),
    ],
)
def test_an_order_stands_where_whoever_answers_a_buyer_looks_for_it(
    order: dict[str, Any], stands: set[str]
) -> None:
    assert standings(order) == stands


@pytest.mark.parametrize("outcome", ["completed", "refunded", "failed", "open"])
def test_no_order_stands_nowhere(outcome: str) -> None:
    assert standings(an_order(outcome=outcome))
    assert standings(an_order(outcome=outcome, deliveries=None, after_sales=None))


def test_sifting_by_a_standing_goes_by_the_same_rule() -> None:
    orders = [IN_ORDER, UNDELIVERED, OPEN, REFUNDED, FAILED, FEWER]
    table = pa.Table.from_pylist(orders, schema=ORDER_V1)
    with caged() as connection:
        for standing in STANDINGS:
            found = sift(connection, table, Conditions(standing=standing))
            assert [orders[n] for n in found] == [o for o in orders if standing in standings(o)]
        both = Conditions(standing="odd", outcomes=("completed",))
        assert list(sift(connection, table, both)) == [1, 5]


def test_a_standing_that_is_none_is_refused() -> None:
    with pytest.raises(RequestError, match="standing"):
        conditions(zone=LEGAL_ZONE, standing="lost")


def test_a_cursor_of_one_standing_does_not_continue_another() -> None:
    asked = [
        digest(Question(conditions=Conditions(standing=standing)), ["t"])
        for standing in (None, *STANDINGS)
    ]
    assert len(set(asked)) == len(asked)
