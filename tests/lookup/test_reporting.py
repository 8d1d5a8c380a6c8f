"""A merchant's sums are the sums over all latest revisions."""

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from archiver.errors import RequestError
from archiver.lookup.finding import Finder
from archiver.lookup.question import Fact
from archiver.lookup.reporting import LEAVES, Sum, quarter, sales
from tests.archives import Silent
from tests.desk import SHANGHAI, at
from tests.lookup.bazaar import Bazaar
from tests.lookup.orders import a_refund, an_order


@pytest.mark.parametrize("merchant", ["m1", "卡盟一号", "STRASSE", "nobody"])
def test_sums_are_those_of_all_latest_revisions(
    market: Bazaar, finder: Finder, merchant: str
) -> None:
    start, end = at(3), at(5)
    latest = {}
    for row in sorted(market.sealed, key=lambda row: row["revision"]):
        latest[row["source"], row["order_id"]] = row
    sums: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    for row in latest.values():
        names = {str(row["seller"][name]).casefold() for name in ("merchant_id", "name")}
        if merchant.casefold().replace("ß", "ss") in names and start <= row["completed_at"] < end:
            one = sums[f"{row['completed_at'].astimezone(SHANGHAI):%Y-%m}"]
            one[0] += 1
            one[1] += row["money"]["paid"]
            one[2] += row["money"]["paid"] if row["outcome"] == "refunded" else 0

    made = sales(finder, Fact(kind="merchant", value=merchant), (start, end), SHANGHAI, Silent())

    found = {m: [Decimal(s.count), s.gross, s.refunds] for (m, _), s in made.months.items()}
    assert found == dict(sums)
    assert bool(found) is (merchant != "nobody")


def test_nothing_of_a_buyer_is_decrypted() -> None:
    assert not [leaf for leaf in LEAVES if leaf.startswith(("buyer", "payments", "deliveries"))]


def test_a_refund_is_what_after_sales_say_or_else_all_of_a_refunded_order() -> None:
    one = Sum()
    one.add(an_order(after_sales=[a_refund(amount=Decimal("4.00"))]))
    one.add(an_order(outcome="refunded"))
    one.add(an_order())
    assert (one.count, one.gross, one.refunds, one.net) == (
        3,
        Decimal("30.00"),
        Decimal("14.00"),
        Decimal("16.00"),
    )
    assert one.refunded_orders == 2


def test_a_quarter_is_three_months_of_the_archive_zone() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    assert quarter("2026Q1", zone) == (
        datetime(2025, 12, 31, 16, tzinfo=UTC),
        datetime(2026, 3, 31, 16, tzinfo=UTC),
    )
    assert quarter("2026q4", zone)[1] == datetime(2026, 12, 31, 16, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "2026", "2026Q5", "Q1", "0000Q1", "9999Q4", "2026Q1 x"])
def test_what_is_no_quarter_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        quarter(text, SHANGHAI)
