"""Every row of a statement is an entry or is reported; half a statement is refused."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from archiver.statements import Kind, StatementReader, UnusableError
from tests.statements import bills
from tests.statements.bills import FORMS, MERCHANT, PID, SHANGHAI, Paid, read

ALIPAY = Paid(number=bills.alipay_no(1), order="ORD-1")
WECHAT = Paid(number=bills.wechat_no(1), order="ORD-1")


def own(form: str) -> Paid:
    return WECHAT if form.startswith("wechat") else ALIPAY


@pytest.mark.parametrize("form", FORMS)
def test_a_payment_and_its_refund_are_read_from_every_form(form: str) -> None:
    paid = own(form)
    refund = paid.refunded("R-1", "3.30", at=paid.at + timedelta(hours=1))
    entries, reader = read(FORMS[form]([paid, refund]), form)

    assert reader.layout == form
    assert (reader.broken, reader.rows) == ([], 2)
    first, second = entries
    assert (first.kind, first.amount, first.provider_no) == (
        Kind.PAYMENT,
        Decimal("9.90"),
        paid.number,
    )
    assert (second.kind, second.amount, second.provider_no) == (
        Kind.REFUND,
        Decimal("3.30"),
        paid.number,
    )
    assert first.at == paid.at
    assert second.at - first.at == timedelta(hours=1)
    if form != "wechat-funds":  # which knows the provider's numbers only
        assert first.merchant_no == second.merchant_no == "ORD-1"
    assert first.refund_no is None
    assert first.identity != second.identity


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_may_end_in_either_way(form: str, end: str) -> None:
    text = FORMS[form]([own(form)]).replace("\r\n", end)
    assert len(read(text, form)[0]) == 1


@pytest.mark.parametrize("form", ["alipay-account", "alipay-business"])
def test_alipay_states_its_account_and_period(form: str) -> None:
    _, reader = read(FORMS[form]([ALIPAY]), form)
    assert reader.accounts == {(f"{PID}0156",)}
    assert reader.periods == [
        (datetime(2026, 3, 4, tzinfo=SHANGHAI), datetime(2026, 3, 5, tzinfo=SHANGHAI))
    ]
    assert reader.totals_checked
    assert reader.channel == "alipay"


def test_a_period_that_ends_with_the_last_second_of_a_day_is_a_whole_day() -> None:
    text = bills.alipay_business([ALIPAY]).replace(
        "终止日期：[2026年03月05日 00:00:00]", "终止日期:[2026-03-04 23:59:59]"
    )
    _, reader = read(text)
    assert reader.periods[0][1] == datetime(2026, 3, 5, tzinfo=SHANGHAI)


def test_wechat_rows_name_merchant_and_sub_merchant() -> None:
    _, reader = read(bills.wechat_trade([WECHAT]), "wechat-trade")
    assert reader.accounts == {(MERCHANT,)}
    _, reader = read(bills.wechat_trade([WECHAT], sub="1900009999"), "wechat-trade")
    assert reader.accounts == {(MERCHANT, "1900009999")}


def test_wechat_bills_of_before_2018_are_read() -> None:
    entries, reader = read(bills.wechat_old([WECHAT]), "wechat-trade")
    assert [(one.amount, one.merchant_no) for one in entries] == [(Decimal("9.90"), "ORD-1")]
    assert reader.totals_checked


def test_fees_are_neither_payment_nor_refund() -> None:
    fee = replace(ALIPAY, amount="0.06")
    entries, _ = read(bills.alipay_account([ALIPAY], fees=[fee]), "alipay-account")
    assert [one.kind for one in entries] == [Kind.PAYMENT, Kind.OTHER]
    assert entries[1].label == "收费"
    entries, _ = read(bills.wechat_funds([WECHAT], fees=[fee]), "wechat-funds")
    assert [one.kind for one in entries] == [Kind.PAYMENT, Kind.OTHER]


def test_a_refund_that_failed_is_no_refund_and_a_revoked_payment_is_one() -> None:
    refund = WECHAT.refunded("R-1")
    failed = bills.wechat_trade([WECHAT, refund]).replace("`ORIGINAL,`SUCCESS", "`ORIGINAL,`FAIL")
    assert [one.kind for one in read(failed, "wechat-trade")[0]] == [Kind.PAYMENT, Kind.OTHER]
    revoked = bills.wechat_trade([replace(WECHAT, state="REVOKED")])
    (entry,) = read(revoked, "wechat-trade")[0]
    assert (entry.kind, entry.amount) == (Kind.REFUND, Decimal("9.90"))


@pytest.mark.parametrize("goods", ["卡, 月卡", "A,B,C", '5" 屏, "旗舰"', "`x`, y", "#1 会员"])
@pytest.mark.parametrize("form", ["alipay-account", "alipay-business", "wechat-trade"])
def test_commas_and_quotes_in_a_products_name_move_nothing(form: str, goods: str) -> None:
    paid = replace(own(form), goods=goods)
    entries, reader = read(FORMS[form]([paid, own(form).refunded("R-1")]), form)
    assert reader.broken == []
    assert [one.amount for one in entries] == [Decimal("9.90")] * 2


def test_a_quoted_cell_may_span_lines() -> None:
    text = bills.bank([replace(ALIPAY, goods="第一行\n第二行"), ALIPAY])
    entries, reader = read(text, "mapped")
    assert reader.broken == []
    assert [one.line for one in entries] == [4, 6]


def test_a_quote_that_never_closes_breaks_its_own_line_only() -> None:
    lines = bills.bank([ALIPAY, ALIPAY, ALIPAY]).splitlines(keepends=True)
    lines[4] = lines[4].replace("Steam", 'Ste"am').replace(',"9.90"', ',"9.90')
    entries, reader = read("".join(lines), "mapped")
    assert [one.line for one in reader.broken] == [5]
    assert len(entries) == 2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("9.90", "9x90", "amount"),
        ("9.90", "9.905", "cent"),
        ("2026-03-04 10:30:00", "昨天", "time"),
        ("2026-03-04 10:30:00", "1026-03-04 10:30:00", "absurd"),
    ],
)
def test_a_broken_line_is_reported_with_its_number(
    form: str, old: str, new: str, reason: str
) -> None:
    paid = own(form)
    lines = FORMS[form]([paid, replace(paid, amount="1.00")]).splitlines(keepends=True)
    (place,) = [n for n, line in enumerate(lines) if paid.number in line and "9.90" in line]
    lines[place] = lines[place].replace(old, new)
    reader = bills.reader_of(form)
    with suppress(UnusableError):  # the totals no longer fit, either
        list(reader.entries(lines))
    assert reader.broken_count == 1
    assert reader.broken[0].line == place + 1
    assert reason in str(reader.broken[0].reason)
    assert paid.number not in str(reader.broken[0].reason)


@pytest.mark.parametrize("form", FORMS)
def test_a_number_that_a_spreadsheet_has_rounded_is_refused(form: str) -> None:
    text = FORMS[form]([own(form)]).replace(own(form).number, "2.02603E+27")
    reader = bills.reader_of(form)
    if form == "mapped":
        list(reader.entries(text.splitlines()))
    else:
        with pytest.raises(UnusableError):
            list(reader.entries(text.splitlines()))
    assert "spreadsheet" in str(reader.broken[0].reason)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lost", [1, 2, 3, 4])
def test_a_statement_that_is_cut_off_is_refused(form: str, lost: int) -> None:
    lines = FORMS[form]([own(form), own(form).refunded("R-1")]).splitlines(keepends=True)
    cut = {"alipay-account": 3, "alipay-business": 3, "mapped": 1}.get(form, 0)
    with pytest.raises(UnusableError):
        read("".join(lines[: -cut - lost]), form)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "mapped"])
def test_a_statement_without_one_of_its_rows_contradicts_its_totals(form: str) -> None:
    paid = own(form)
    text = FORMS[form]([paid, replace(paid, number=paid.number[:-1] + "7")])
    lines = [line for line in text.splitlines(keepends=True) if paid.number not in line]
    with pytest.raises(UnusableError, match=r"altered"):
        read("".join(lines), form)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "mapped"])
def test_an_altered_amount_contradicts_the_totals(form: str) -> None:
    paid = own(form)
    lines = FORMS[form]([paid]).splitlines(keepends=True)
    altered = [line.replace("9.90", "8.90") if paid.number in line else line for line in lines]
    with pytest.raises(UnusableError, match=r"add up"):
        read("".join(altered), form)


@pytest.mark.parametrize("form", FORMS)
def test_files_of_two_days_may_be_joined(form: str) -> None:
    paid = own(form)
    other = replace(paid, number=paid.number[:-1] + "9", order="ORD-2")
    entries, reader = read(FORMS[form]([paid]) + FORMS[form]([other]), form)
    assert [one.provider_no for one in entries] == [paid.number, other.number]
    assert reader.broken == []


def test_different_kinds_are_not_joined() -> None:
    with pytest.raises(UnusableError, match="different kinds"):
        read(bills.alipay_business([ALIPAY]) + bills.wechat_trade([WECHAT]))


def test_a_joined_file_whose_first_part_is_cut_off_is_refused() -> None:
    first = bills.wechat_trade([WECHAT]).splitlines(keepends=True)[:-2]
    with pytest.raises(UnusableError, match="closing lines"):
        read("".join(first) + bills.wechat_trade([WECHAT]), "wechat-trade")


@pytest.mark.parametrize(
    "text",
    ["", "\r\n\r\n", "a,b,c\r\n1,2,3\r\n", "x\r\n" * 200, "#支付宝业务汇总查询\r\n#账号：[1]\r\n"],
)
def test_what_has_no_known_header_is_no_statement(text: str) -> None:
    with pytest.raises(UnusableError, match="header"):
        read(text)


def test_rows_behind_the_end_are_reported() -> None:
    text = bills.wechat_trade([WECHAT])
    row = text.splitlines(keepends=True)[1]
    _, reader = read(text + row, "wechat-trade")
    assert [str(one.reason) for one in reader.broken] == ["it stands behind the table's end"]
    text = bills.bank([ALIPAY])
    _, reader = read(text + text.splitlines(keepends=True)[3], "mapped")
    assert reader.broken_count == 1


def test_unknown_words_are_reported_not_guessed() -> None:
    for text, form in (
        (bills.alipay_business([ALIPAY]).replace(",交易\t", ",转让\t"), "alipay-business"),
        (bills.wechat_trade([replace(WECHAT, state="WHAT")]), "wechat-trade"),
        (bills.wechat_trade([WECHAT]).replace("`CNY", "`HKD"), "wechat-trade"),
        (bills.bank([replace(ALIPAY, state="红包")]), "mapped"),
    ):
        reader: StatementReader = bills.reader_of(form)
        try:
            list(reader.entries(text.splitlines()))
        except UnusableError:
            assert form != "mapped"
        assert reader.broken_count == 1


@pytest.mark.parametrize(
    ("form", "old", "new"),
    [
        ("alipay-account", "3900000000000000\t", "\t"),
        ("alipay-account", ",在线支付\t,\t", ""),
        ("alipay-business", bills.alipay_no(1), ""),
        ("alipay-business", "-0.06,0.00,", "-0.06,0.00,,x"),
        ("wechat-trade", bills.wechat_no(1), ""),
        ("wechat-trade", "`0.60%,", "`0.60%,`more,"),
        ("wechat-trade", "`OTHERS,", ""),
        ("wechat-funds", "`收入,", "`转移,"),
        ("wechat-funds", "`1900000000000000", "`"),
    ],
)
def test_rows_with_too_much_or_too_little_are_reported(form: str, old: str, new: str) -> None:
    text = FORMS[form]([own(form)])
    assert text.count(old) == 1
    reader = bills.reader_of(form)
    with suppress(UnusableError):
        list(reader.entries(text.replace(old, new).splitlines()))
    assert reader.broken_count == 1


def test_totals_and_periods_that_cannot_be_read_refuse_the_statement() -> None:
    with pytest.raises(UnusableError, match="cannot be read"):
        read(bills.wechat_trade([WECHAT]).replace("`1.0,", "`one,"), "wechat-trade")
    with pytest.raises(UnusableError, match="period"):
        read(bills.alipay_business([ALIPAY]).replace("2026年03月04日", "2026年13月40日"))


def test_an_outgoing_payment_of_alipay_is_a_refund() -> None:
    text = bills.alipay_account([ALIPAY.refunded("R-1")]).replace("交易退款", "在线支付")
    assert [one.kind for one in read(text, "alipay-account")[0]] == [Kind.REFUND]


def test_at_most_a_hundred_broken_lines_are_kept() -> None:
    _, reader = read(bills.bank([replace(ALIPAY, state="红包")] * 300), "mapped")
    assert (len(reader.broken), reader.broken_count) == (100, 300)
