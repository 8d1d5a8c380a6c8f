"""What a provider was paid and what was sealed agree, or each difference is named."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from archiver.errors import RequestError, StatementAccountError, StatementError
from archiver.reconcile import Kinds, judging
from archiver.reconcile.judging import Coverage
from archiver.reconcile.sealed import SealedOrders
from tests import desk
from tests.desk import at, march
from tests.reconcile import shop
from tests.reconcile.shop import Books, found, kinds, open_shop, order, payment
from tests.statements import bills
from tests.statements.bills import MERCHANT, PID

MARCH_3_TO_4 = ("2026-03-03", "2026-03-05")


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Orders of two days, and one before and one behind."""
    return [
        order(1, at(2, 12)),
        *(order(n, at(3, n)) for n in range(2, 12)),
        *(order(n, at(4, n - 10)) for n in range(12, 22)),
        order(22, at(5, 12)),
    ]


@pytest.fixture
def books(tmp_path: Path, rows: list[dict[str, Any]]) -> Books:
    return open_shop(tmp_path, rows)


def paid(rows: list[dict[str, Any]]) -> list[bills.Paid]:
    """What was paid on 3 and 4 March."""
    return [payment(row) for row in rows[1:-1]]


@pytest.mark.parametrize("form", [bills.alipay_business, bills.alipay_account])
@pytest.mark.parametrize("encoding", ["gbk", "utf-8", "utf-8-sig"])
def test_a_statement_that_agrees_matches(
    books: Books, rows: list[dict[str, Any]], form: Callable[..., str], encoding: str
) -> None:
    payments = paid(rows)
    result = books.compare(books.file(form(payments, days=MARCH_3_TO_4), encoding))
    assert result.verdict == "match"
    assert result.totals == []
    assert (result.payments, result.statement.rows) == (20, 20)
    assert result.orders_checked
    assert [(day.day, day.channel, day.payments, day.matched) for day in result.days] == [
        (march(3), shop.ALIPAY, 10, 10),
        (march(4), shop.ALIPAY, 10, 10),
    ]
    assert sum(day.amount for day in result.days) == bills.total(payments)


def test_a_payment_without_an_order_is_a_loss(books: Books, rows: list[dict[str, Any]]) -> None:
    lost = bills.Paid(number=bills.alipay_no(999), order="ORD-999", amount="648.00", at=at(3, 9))
    result = books.compare(bills.alipay_business([*paid(rows), lost], days=MARCH_3_TO_4))
    assert result.verdict == "differences"
    (one,) = found(result)
    assert (one.kind, one.day) == (Kinds.PAYMENT_WITHOUT_ORDER, march(3))
    assert (one.provider_no, one.merchant_no) == (lost.number, "ORD-999")
    assert one.statement_amount == Decimal("648.00")
    assert one.line == 26
    assert result.totals[0].amount == Decimal("648.00")


def test_an_order_without_a_payment_was_made_up(books: Books, rows: list[dict[str, Any]]) -> None:
    result = books.compare(bills.alipay_business(paid(rows)[1:], days=MARCH_3_TO_4))
    (one,) = found(result)
    assert (one.kind, one.order_id) == (Kinds.ORDER_WITHOUT_PAYMENT, "ORD-2")
    assert (one.archive_amount, one.statement_amount) == (Decimal("12.50"), None)


def test_amounts_that_differ_are_named(books: Books, rows: list[dict[str, Any]]) -> None:
    payments = paid(rows)
    payments[3] = replace(payments[3], amount="99.99")
    (one,) = found(books.compare(bills.alipay_business(payments, days=MARCH_3_TO_4)))
    assert (one.kind, one.order_id) == (Kinds.AMOUNT_DIFFERS, "ORD-5")
    assert (one.statement_amount, one.archive_amount) == (Decimal("99.99"), Decimal("15.50"))


@pytest.mark.parametrize("by", ["out_no", "no"])
def test_orders_are_found_by_the_merchants_number(tmp_path: Path, by: str) -> None:
    columns = {"trade_no": None, "out_no": "OUT-7" if by == "out_no" else None}
    row = order(7, at(4), **columns)
    books = open_shop(tmp_path, [row])
    result = books.compare(bills.alipay_business([payment(row, number=bills.alipay_no(1))]))
    assert result.verdict == "match"


def test_an_order_without_payments_of_its_own_is_found_by_its_id(tmp_path: Path) -> None:
    row = order(7, at(4), method=None)
    books = open_shop(tmp_path, [row])
    result = books.compare(bills.alipay_business([payment(row)]))
    assert result.verdict == "match"
    assert result.days[0].channel == ""
    altered = payment(row, amount="1.00")
    assert kinds(books.compare(bills.alipay_business([altered]))) == {Kinds.AMOUNT_DIFFERS: 1}


def test_only_orders_of_the_statements_channel_need_a_payment(tmp_path: Path) -> None:
    others = [
        order(1, at(4), method=shop.WECHAT, trade_no=bills.wechat_no(1)),
        order(2, at(4), method="支付宝", channel="aggregator"),
        order(3, at(4), method="余额", channel="balance", trade_no=None),
        order(4, at(4), method="USDT", trade_no="0xabc"),
        order(5, at(4), method=None, trade_no=None),
        order(6, at(4), paid="0.00"),
    ]
    own = order(7, at(4), method="扫码", channel=None)  # the number is of Alipay's form
    books = open_shop(tmp_path, [*others, own])
    result = books.compare(bills.alipay_business([]))
    assert [one.order_id for one in found(result)] == ["ORD-7"]
    result = books.compare(bills.alipay_business([]), methods=["USDT"])
    assert [one.order_id for one in found(result)] == ["ORD-4"]
    funds = [payment(others[0])]
    assert books.compare(bills.wechat_funds(funds)).verdict == "match"
    trade = bills.wechat_trade([replace(funds[0], number=bills.wechat_no(9), order="ORD-9")])
    assert kinds(books.compare(trade)) == {
        Kinds.PAYMENT_WITHOUT_ORDER: 1,
        Kinds.ORDER_WITHOUT_PAYMENT: 1,
    }


@pytest.mark.parametrize(
    ("created", "ended"),
    [((3, 23.9), (4, 0.1)), ((4, 23.9), (5, 0.1)), ((1, 12), (4, 12)), ((4, 23.8), (4, 23.99))],
)
def test_orders_over_an_edge_of_the_period_are_not_accused(
    tmp_path: Path, created: tuple[int, float], ended: tuple[int, float]
) -> None:
    books = open_shop(tmp_path, [order(1, at(*ended), created_at=at(*created))])
    assert books.compare(bills.alipay_business([])).verdict == "match"


def test_a_time_that_only_stands_for_the_payments_accuses_nobody(tmp_path: Path) -> None:
    books = open_shop(tmp_path, [order(1, at(4, 9), created_at=at(3, 20))])
    archive, catalog, root = books.open()
    sealed = SealedOrders(archive, root)
    (orders,) = [one for entry in catalog.entries for one in sealed.read(entry.document)]
    cover = Coverage(start=at(4, 0), end=at(5, 0), channel="alipay", methods=())
    for basis, accused in (("updated", 0), ("recorded", 1)):
        columns = {
            "paid_at": pa.array([at(4, 8)], orders.schema.field("paid_at").type),
            "paid_basis": pa.array([basis]),
        }
        for name, column in columns.items():
            orders = orders.set_column(orders.schema.get_field_index(name), name, column)
        judge = judging.Judge(desk.SHANGHAI)
        judge.take_entries([])
        judge.take_orders(orders, cover)
        judge.judge([], "CNY")
        assert len(list(judge.differences())) == accused


def test_a_payment_before_midnight_may_belong_to_the_next_days_order(tmp_path: Path) -> None:
    row = order(1, at(5, 0.1))
    books = open_shop(tmp_path, [row])
    assert payment(row).at < at(5, 0)
    assert books.compare(bills.alipay_business([payment(row)])).verdict == "match"


def test_only_the_latest_revision_counts(books: Books, rows: list[dict[str, Any]]) -> None:
    payments = paid(rows)
    books.desk.change(5, paid="99.99", touched_at=at(6, 10))
    books.desk.night_of(6)
    (one,) = found(books.compare(bills.alipay_business(payments, days=MARCH_3_TO_4)))
    assert (one.kind, one.archive_amount) == (Kinds.AMOUNT_DIFFERS, Decimal("99.99"))
    # Weeks later the shop mends it: a further revision, far behind the period.
    books.desk.clock.instant = at(20, 3)
    books.desk.change(5, paid="15.50", touched_at=at(19, 10))
    books.desk.night()
    assert books.compare(bills.alipay_business(payments, days=MARCH_3_TO_4)).verdict == "match"


def test_an_order_that_came_weeks_late_is_found(tmp_path: Path) -> None:
    late = order(2, at(30), created_at=at(3, 9))
    books = open_shop(tmp_path, [order(1, at(3)), late], sealed=31)
    sold = [payment(order(1, at(3))), payment(late, at=at(3, 9.5))]
    result = books.compare(bills.alipay_business(sold, days=("2026-03-03", "2026-03-04")))
    assert result.verdict == "match"


def test_days_that_are_not_sealed_yet_are_pending(tmp_path: Path) -> None:
    sold = order(1, at(4))
    books = open_shop(tmp_path, [sold], sealed=4)
    fresh = bills.Paid(number=bills.alipay_no(2), order="ORD-2", at=at(4, 20))
    result = books.compare(bills.alipay_business([payment(sold), fresh]))
    assert (result.verdict, result.days_unsealed) == ("pending", [march(4)])
    assert sum(day.pending for day in result.days) == 1
    books.desk.night_of(5)
    assert kinds(books.compare(bills.alipay_business([payment(sold), fresh]))) == {
        Kinds.PAYMENT_WITHOUT_ORDER: 1
    }


def test_refunds_are_known_by_number_amount_or_outcome(tmp_path: Path) -> None:
    rows = [
        order(1, at(3), state="refunded"),
        order(2, at(3)),
        order(3, at(3)),
        order(4, at(3), state="refunded"),
        order(5, at(3)),
    ]
    children = {
        "after_sales": [
            {"order_id": 1, "amount": "11.50", "number": "R-1"},
            {"order_id": 2, "amount": "2.00", "number": None},
            {"order_id": 3, "amount": "1.00", "number": "R-3"},
        ]
    }
    desk_ = desk.founded(tmp_path, rows, mapping=shop.MAPPING, now=at(6, 3), exact=False)
    desk_.source.children = children
    desk_.night()
    books = Books(desk_, tmp_path)
    payments = [payment(row) for row in rows]
    refunds = [
        payments[0].refunded("R-1"),
        payments[1].refunded("R-2", "2.00"),
        payments[2].refunded("R-3", "3.00"),  # more than the shop noted
        payments[3].refunded("R-4"),
        payments[4].refunded("R-5"),  # the shop knows nothing of it
        replace(payments[0], number=bills.alipay_no(77), order="ORD-77").refunded("R-77", "1.00"),
    ]
    text = bills.alipay_business([*payments, *refunds], days=("2026-03-03", "2026-03-04"))
    result = books.compare(text)
    assert result.refunds == 6
    assert [(one.kind, one.order_id, one.refund_no) for one in found(result)] == [
        (Kinds.REFUND_UNKNOWN, "ORD-3", "R-3"),
        (Kinds.REFUND_UNKNOWN, "ORD-5", "R-5"),
        (Kinds.REFUND_UNKNOWN, None, "R-77"),
    ]


def test_a_refund_is_found_at_an_order_of_weeks_before(tmp_path: Path) -> None:
    old, new = order(1, at(2), state="refunded"), order(2, at(20))
    books = open_shop(tmp_path, [old, new], sealed=25)
    back = payment(old).refunded("R-1", at=at(20, 10))
    days = ("2026-03-20", "2026-03-21")
    text = bills.alipay_business([payment(new), back], days=days)
    assert books.compare(text).verdict == "match"
    nobodys = replace(back, number=bills.alipay_no(5), order="ORD-5")
    assert kinds(books.compare(bills.alipay_business([payment(new), nobodys], days=days))) == {
        Kinds.REFUND_UNKNOWN: 1
    }


def test_nothing_is_compared_with_an_empty_archive(tmp_path: Path) -> None:
    books = Books(desk.founded(tmp_path, mapping=shop.MAPPING), tmp_path)
    with pytest.raises(RequestError, match="nothing is sealed yet"):
        books.compare(bills.alipay_business([]))


def test_repeated_rows_count_once_and_differing_ones_are_named(
    books: Books, rows: list[dict[str, Any]]
) -> None:
    text = bills.alipay_business(paid(rows), days=MARCH_3_TO_4)
    result = books.compare(text + text)
    assert (result.verdict, result.duplicates, result.payments) == ("match", 20, 20)
    assert result.statement.rows == 40
    other = bills.alipay_business([replace(paid(rows)[0], amount="5.00")], days=MARCH_3_TO_4)
    result = books.compare(text + other)
    assert kinds(result) == {Kinds.DUPLICATE_DIFFERS: 1}


def test_one_payment_for_several_orders_is_compared_with_all_of_them(tmp_path: Path) -> None:
    cart = [order(n, at(4), trade_no=bills.alipay_no(500)) for n in (1, 2)]
    books = open_shop(tmp_path, cart)
    both = payment(cart[0], amount="24.00", order="CART-1")  # 11.50 + 12.50
    assert books.compare(bills.alipay_business([both])).verdict == "match"
    # The same payment claimed by a second, invented order.
    one = payment(cart[0], amount="11.50", order="CART-1")
    assert kinds(books.compare(bills.alipay_business([one]))) == {Kinds.AMOUNT_DIFFERS: 1}


def test_two_payments_of_one_order_are_compared_together(tmp_path: Path) -> None:
    row = order(1, at(4), trade_no=None)
    books = open_shop(tmp_path, [row])
    parts = [
        payment(row, number=bills.alipay_no(n), amount=a) for n, a in ((1, "11.00"), (2, "0.50"))
    ]
    assert books.compare(bills.alipay_business(parts)).verdict == "match"
    parts[1] = replace(parts[1], amount="11.00")
    assert kinds(books.compare(bills.alipay_business(parts))) == {Kinds.AMOUNT_DIFFERS: 1}


def test_the_account_must_be_the_shops(books: Books, rows: list[dict[str, Any]]) -> None:
    text = bills.alipay_business(paid(rows), days=MARCH_3_TO_4)
    assert not books.compare(text).statement.account_checked
    result = books.compare(text, accounts=[PID, MERCHANT])
    assert result.statement.account_checked
    assert result.statement.account == "•••0156"
    with pytest.raises(StatementAccountError) as raised:
        books.compare(text, accounts=["2088000000000001"])
    assert PID not in str(raised.value)
    other = bills.wechat_trade([], merchant="1900000999")
    assert not books.compare(other, first=march(3), last=march(4)).statement.account_checked
    sold = [bills.Paid(number=bills.wechat_no(1), order="ORD-1", at=at(4))]
    with pytest.raises(StatementAccountError):
        books.compare(bills.wechat_trade(sold, merchant="1900000999"), accounts=[MERCHANT])
    mixed = bills.wechat_trade(sold) + bills.wechat_trade(
        [replace(sold[0], number=bills.wechat_no(2))], merchant="1900000999"
    )
    with pytest.raises(StatementAccountError):
        books.compare(mixed, accounts=[MERCHANT])


def test_days_can_be_chosen_within_the_statement(books: Books, rows: list[dict[str, Any]]) -> None:
    text = bills.alipay_business(paid(rows), days=MARCH_3_TO_4)
    result = books.compare(text, first=march(4), last=march(4))
    assert (result.verdict, result.payments, result.statement.outside) == ("match", 10, 10)
    with pytest.raises(RequestError, match="covers"):
        books.compare(text, first=march(2))
    with pytest.raises(RequestError, match="behind"):
        books.compare(text, first=march(4), last=march(3))
    with pytest.raises(StatementError, match="--from and --to"):
        books.compare(bills.wechat_trade([]))
    assert books.compare(bills.wechat_trade([]), first=march(4), last=march(4)).payments == 0
    with pytest.raises(RequestError, match="archive begins on 2026-03-02"):
        books.compare(bills.alipay_business([], days=("2026-02-01", "2026-02-02")))


def test_a_csv_of_any_other_origin_is_compared_by_its_mapping(tmp_path: Path) -> None:
    row = order(1, at(4), method="转账", trade_no="B-1")
    lone = order(2, at(4), method="转账", trade_no="B-2")
    books = open_shop(tmp_path, [row, lone, order(3, at(4))])
    result = books.compare(bills.bank([payment(row)]), mapped=True)
    assert [(one.kind, one.order_id) for one in found(result)] == [
        (Kinds.ORDER_WITHOUT_PAYMENT, "ORD-2")
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"a,b\r\n1,2\r\n", "header"),
        (b"PK\x03\x04", "unpack"),
        (bills.alipay_business([]).encode("utf-16"), "UTF-16"),
    ],
)
def test_what_is_no_statement_is_refused(books: Books, content: bytes, message: str) -> None:
    with pytest.raises(StatementError, match=message):
        books.compare(content)


def test_broken_lines_refuse_the_whole_statement(books: Books, rows: list[dict[str, Any]]) -> None:
    text = bills.alipay_business(paid(rows), days=MARCH_3_TO_4)
    broken = text.replace(",12.50,12.50,", ",12.x0,12.50,").replace(",13.50,13.50,", ",,x,")
    with pytest.raises(StatementError, match=r"line 6: .*; line 7: ") as raised:
        books.compare(broken)
    assert bills.alipay_no(2) not in str(raised.value)
    with pytest.raises(StatementError, match="period that it states"):
        books.compare(bills.alipay_business(paid(rows)))
    with pytest.raises(RequestError, match="No such file"):
        books.compare(books.folder / "none.csv")


def test_sources_are_chosen_by_name(books: Books, rows: list[dict[str, Any]]) -> None:
    text = bills.alipay_business(paid(rows), days=MARCH_3_TO_4)
    assert books.compare(text, sources=["main"]).sources == ["main"]
    with pytest.raises(RequestError, match="there are main"):
        books.compare(text, sources=["other"])


def test_a_statement_that_does_not_fit_into_memory_says_so(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "MEMORY_LIMIT", "4MB")
    many = [
        bills.Paid(number=bills.alipay_no(n), order=f"X-{n}", at=at(4, 1)) for n in range(60_000)
    ]
    with pytest.raises(RequestError, match="fewer days"):
        books.compare(bills.alipay_business(many))


def test_the_smallest_difference_among_many_rows_is_found(tmp_path: Path) -> None:
    count = 100_000
    seed = random.Random(1)
    books = open_shop(tmp_path, [order(n, at(4, 0.5 + n % 23)) for n in range(1, 501)])
    sold = [payment(row) for row in books.rows]
    strangers = [
        bills.Paid(
            number=bills.alipay_no(n), order=f"X-{n}", at=at(4, 1) + timedelta(seconds=n % 80_000)
        )
        for n in range(501, count + 1)
    ]
    mixed = sold + strangers
    seed.shuffle(mixed)
    path = books.file(bills.alipay_business(mixed))
    result = books.compare(path)
    assert kinds(result) == {Kinds.PAYMENT_WITHOUT_ORDER: count - 500}
    assert result.days[-1].matched == 500
    assert date(2026, 3, 4) == result.days[-1].day
