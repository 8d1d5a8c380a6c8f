"""Which refunds a shop knows of, by what little shops note."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.reconcile.refunds import AfterSale, Refund, unknown_refunds

PAID = Decimal("100.00")


def refund(line: int, amount: str, *numbers: str) -> Refund:
    return Refund(line=line, amount=Decimal(amount), numbers=numbers)


def noted(amount: str | None, number: str | None = None) -> AfterSale:
    return AfterSale(amount=Decimal(amount) if amount else None, number=number)


@pytest.mark.parametrize(
    ("refunds", "after_sales", "unknown"),
    [
        ([refund(1, "5.00", "R1")], [noted("5.00", "R1")], []),
        ([refund(1, "5.00", "R1")], [noted("5.00")], []),
        ([refund(1, "5.00", "R1")], [noted(None, "R1")], []),
        ([refund(1, "5.00", "R1")], [noted(None)], []),
        ([refund(1, "5.00", "R1")], [noted("4.00", "R1")], [1]),
        ([refund(1, "5.00")], [noted("4.00")], [1]),
        ([refund(1, "5.00"), refund(2, "5.00")], [noted("5.00")], [2]),
        ([refund(1, "2.00"), refund(2, "3.00")], [noted("5.00")], []),
        # The number decides before the amount: the other refund is the unknown one.
        ([refund(1, "5.00"), refund(2, "5.00", "R2")], [noted("5.00", "R2")], [1]),
    ],
)
def test_a_refund_is_known_by_its_number_else_its_amount_else_the_sum(
    refunds: list[Refund], after_sales: list[AfterSale], unknown: list[int]
) -> None:
    assert unknown_refunds(refunds, after_sales, outcome="completed", paid=PAID) == unknown


@pytest.mark.parametrize(
    ("outcome", "paid", "unknown"),
    [
        ("refunded", Decimal("5.00"), []),
        ("refunded", None, []),
        ("refunded", Decimal("4.00"), [1]),
        ("completed", Decimal("5.00"), [1]),
    ],
)
def test_without_after_sales_only_the_outcome_speaks(
    outcome: str, paid: Decimal | None, unknown: list[int]
) -> None:
    assert unknown_refunds([refund(1, "5.00")], [], outcome=outcome, paid=paid) == unknown


@given(st.lists(st.decimals("0.01", "99", places=2), max_size=6), st.randoms())
def test_every_refund_is_known_where_the_shop_notes_each(
    amounts: list[Decimal], random: st.DataObject
) -> None:
    refunds = [Refund(line=n, amount=a, numbers=(f"R{n}",)) for n, a in enumerate(amounts)]
    after_sales = [AfterSale(amount=a, number=f"R{n}") for n, a in enumerate(amounts)]
    random.shuffle(after_sales)  # type: ignore[attr-defined]
    assert unknown_refunds(refunds, after_sales, outcome="completed", paid=PAID) == []
    extra = Refund(line=99, amount=Decimal("0.01"), numbers=("X",))
    found = unknown_refunds([*refunds, extra], after_sales, outcome="completed", paid=PAID)
    assert found == [99]
