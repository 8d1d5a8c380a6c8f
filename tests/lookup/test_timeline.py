from datetime import timedelta

from archiver.lookup.timeline import timeline
from tests.lookup.orders import NOON, a_payment, an_order


def test_the_stages_stand_in_the_order_in_which_buyers_know_them() -> None:
    stages = timeline(an_order())
    assert [stage.name for stage in stages] == [
        "awaiting-payment",
        "paying",
        "processing",
        "delivered",
        "completed",
    ]
    assert stages[0].at == NOON


def test_a_stage_whose_time_the_source_lacks_has_none() -> None:
    stages = timeline(an_order(paid_at=None, paid_basis=None))
    assert [stage.at is None for stage in stages] == [False, True, True, False, False]


def test_the_earliest_callback_is_when_it_was_being_paid() -> None:
    second = NOON + timedelta(seconds=50)
    payments = [a_payment(callback_at=second), a_payment(callback_at=NOON), a_payment()]
    assert timeline(an_order(payments=payments))[1].at == NOON


def test_an_unfinished_order_has_no_end_whatever_its_proxy_says() -> None:
    last = timeline(an_order(outcome="open"))[-1]
    assert (last.name, last.at, last.basis) == ("unfinished", None, None)


def test_an_order_that_failed_or_was_refunded_ends_so() -> None:
    assert timeline(an_order(outcome="refunded"))[-1].name == "refunded"
    assert timeline(an_order(outcome="failed"))[-1].name == "failed"


def test_a_time_that_stands_for_another_is_marked() -> None:
    stages = timeline(an_order(completed_basis="updated", paid_at=None, paid_basis="updated"))
    assert [stage.approximate for stage in stages] == [False, False, False, False, True]
