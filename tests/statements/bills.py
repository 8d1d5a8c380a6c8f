"""Statements as providers export them, from payments that a test makes up.

Everything that surrounds the rows is here: remarks, tabs, backticks, totals, encodings.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from archiver.statements import Entry, StatementReader, parse_statement_mapping

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
PID: Final = "2088123456789012"
MERCHANT: Final = "1900000109"
BOM: Final = b"\xef\xbb\xbf"
MAPPING: Final = """
name = "bank"
methods = ["转账"]
footer = ["合计"]
[columns]
provider_no = "流水号"
merchant_no = "订单号"
refund_no = "退款号"
amount = "金额"
time = "时间"
kind = "类型"
account = "账户"
[kinds]
payment = ["收款"]
refund = ["退款"]
other = ["手续费"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """A payment or a refund of it."""

    number: str
    """The provider's."""
    order: str
    amount: str = "9.90"
    at: datetime = datetime(2026, 3, 4, 2, 30, tzinfo=UTC)
    refund: str | None = None
    """The shop's number of the refund, if it is one."""
    goods: str = "Steam 充值卡 50元"
    state: str | None = None

    def refunded(self, number: str, amount: str | None = None, **changes: object) -> "Paid":
        """Return a refund of this payment."""
        changed = replace(self, refund=number, amount=amount or self.amount)
        return replace(changed, **changes)  # type: ignore[arg-type]

    @property
    def cents(self) -> Decimal:
        """The amount."""
        return Decimal(self.amount)

    @property
    def local(self) -> str:
        """The time as exports write it."""
        return self.at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def alipay_no(n: int, day: str = "20260304") -> str:
    """Return a number as Alipay gives it: 28 digits that begin with the day."""
    return f"{day}2200141{n:013d}"


def wechat_no(n: int) -> str:
    """Return a number as WeChat Pay gives it: 28 digits."""
    return f"4200001{n:021d}"


def joined(lines: Iterable[str], end: str = "\r\n") -> str:
    """Return lines as a file."""
    return "".join(f"{line}{end}" for line in lines)


def total(rows: Iterable[Paid]) -> Decimal:
    """Return the sum of amounts."""
    return sum((row.cents for row in rows), Decimal("0.00"))


def _alipay_head(title: str, account: str, days: tuple[str, str]) -> list[str]:
    first, last = (f"{d[:4]}年{d[5:7]}月{d[8:]}日" for d in days)
    return [
        f"#支付宝{title}查询",
        f"#账号：[{account}]",
        f"#起始日期：[{first} 00:00:00]   终止日期：[{last} 00:00:00]",
        f"#-----------------------------------------{title}列表----------------------------------------",
    ]


def alipay_business(
    rows: Sequence[Paid],
    *,
    account: str = f"{PID}0156",
    days: tuple[str, str] = ("2026-03-04", "2026-03-05"),
) -> str:
    """Return a 业务明细."""
    lines = _alipay_head("业务明细", account, days)
    lines.append(
        "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
        "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,"
        "券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
    )
    for row in rows:
        sign = "-" if row.refund else ""
        lines.append(
            f"{row.number}\t,{row.order}\t,{'退款' if row.refund else '交易'}\t,{row.goods},"
            f"{row.local},{row.local},,,,,*佳(yan***@163.com),"
            f"{sign}{row.amount},{sign}{row.amount},0.00,0.00,0.00,0.00,0.00,,0.00,0.00,"
            f"{row.refund or ''}\t,-0.06,0.00,"
        )
    paid = [row for row in rows if not row.refund]
    back = [row for row in rows if row.refund]
    lines += [
        "#-----------------------------------------业务明细列表结束------------------------------------",
        f"#交易合计：{len(paid)}笔，商家实收共{total(paid)}元，商家优惠共0.00元",
        f"#退款合计：{len(back)}笔，商家实收退款共-{total(back)}元，商家优惠退款共0.00元",
        "#导出时间：[2026年03月06日 06:27:10]",
    ]
    return joined(lines)


def alipay_account(
    rows: Sequence[Paid],
    *,
    fees: Sequence[Paid] = (),
    account: str = f"{PID}0156",
    days: tuple[str, str] = ("2026-03-04", "2026-03-05"),
) -> str:
    """Return a 账务明细."""
    lines = _alipay_head("账务明细", account, days)
    lines.append(
        "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,"
        "账户余额（元）,交易渠道,业务类型,备注"
    )
    for place, row in enumerate([*rows, *fees]):
        fee = place >= len(rows)
        out = fee or row.refund
        income, expense = ("0.00", f"-{row.amount}") if out else (row.amount, "0.00")
        word = "收费" if fee else "交易退款" if row.refund else "在线支付"
        lines.append(
            f"3900{place:012d}\t,{row.number}\t,{row.order}\t,{row.goods}\t,{row.local}\t,"
            f"张三 (a***@example.com)\t,{income}\t,{expense}\t,100.00\t,支付宝\t,"
            f"{word}\t,{row.refund or ''}\t"
        )
    paid = [row for row in rows if not row.refund]
    out_rows = [*(row for row in rows if row.refund), *fees]
    lines += [
        "#-----------------------------------------账务明细列表结束------------------------------------",
        f"#支出合计：{len(out_rows)}笔，共-{total(out_rows)}元",
        f"#收入合计：{len(paid)}笔，共{total(paid)}元",
        "#导出时间：[2026年03月06日 06:27:10]",
    ]
    return joined(lines)


def _ticked(cells: Iterable[object]) -> str:
    return ",".join(f"`{cell}" for cell in cells)


def wechat_trade(rows: Sequence[Paid], *, merchant: str = MERCHANT, sub: str = "0") -> str:
    """Return a 交易账单."""
    lines = [
        (
            "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
            "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,"
            "退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
        )
    ]
    for row in rows:
        state = row.state or ("REFUND" if row.refund else "SUCCESS")
        paid, back = ("0.00", row.amount) if row.refund else (row.amount, "0.00")
        number = f"5030{row.refund}" if row.refund else "0"
        lines.append(
            _ticked(
                (
                    *(row.local, "wx0e25d797adcdc399", merchant, sub, "", row.number, row.order),
                    *("oUpF8uMuAJO", "NATIVE", state, "OTHERS", "CNY", paid, "0.00", number),
                    *(row.refund or "0", back, "0.00", "ORIGINAL" if row.refund else ""),
                    *("SUCCESS" if row.refund else "", row.goods, "", "0.06000", "0.60%"),
                    *(paid, back, ""),
                )
            )
        )
    paid_rows, back_rows = ([r for r in rows if bool(r.refund) is b] for b in (False, True))
    lines += [
        "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额",
        _ticked(
            (
                *(f"{len(rows)}.0", total(paid_rows), total(back_rows), "0.00", "0.06000"),
                *(total(paid_rows), total(back_rows)),
            )
        ),
    ]
    return joined(lines)


def wechat_old(rows: Sequence[Paid]) -> str:
    """Return a 交易账单 as it was before the end of 2018."""
    lines = [
        (
            "交易时间,公众账号ID,商户号,子商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
            "付款银行,货币种类,总金额,企业红包金额,微信退款单号,商户退款单号,退款金额,企业红包退款金额,退款类型,"
            "退款状态,商品名称,商户数据包,手续费,费率"
        )
    ]
    lines += [
        _ticked(
            (
                *(row.local, "wx0e", MERCHANT, "0", "", row.number, row.order, "aas", "JSAPI"),
                *("SUCCESS", "BOSH_CREDIT", "CNY", row.amount, "0.00", "0", "0", "0.00", "0.00"),
                *("", "", row.goods, "", "0.00000", "1.00%"),
            )
        )
        for row in rows
    ]
    lines += [
        "总交易单数,总交易额,总退款金额,总企业红包退款金额,手续费总金额",
        _ticked((len(rows), total(rows), "0.00", "0.00", "0.00000")),
    ]
    return joined(lines)


def wechat_funds(rows: Sequence[Paid], *, fees: Sequence[Paid] = ()) -> str:
    """Return a 资金账单."""
    lines = [
        (
            "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余（元）,"
            "资金变更提交申请人,备注,业务凭证号"
        )
    ]
    for place, row in enumerate([*rows, *fees]):
        fee = place >= len(rows)
        word = "扣除交易手续费" if fee else "退款" if row.refund else "交易"
        lines.append(
            _ticked(
                (
                    row.local,
                    f"5000{row.refund}" if row.refund else row.number,
                    f"1900{place:012d}",
                    *(word, word, "支出" if fee or row.refund else "收入", row.amount, "99.00"),
                    *("system", "备注, 带逗号", f"REF{row.number}" if row.refund else row.number),
                )
            )
        )
    paid = [row for row in rows if not row.refund]
    out = [*(row for row in rows if row.refund), *fees]
    lines += [
        "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额",
        _ticked(
            (
                f"{len(paid) + len(out)}.0",
                f"{len(paid)}.0",
                total(paid),
                f"{len(out)}.0",
                total(out),
            )
        ),
    ]
    return joined(lines)


def bank(rows: Sequence[Paid], *, account: str = "6222") -> str:
    """Return a CSV that `MAPPING` explains, with a title before and a footer behind the table."""
    lines = ["某银行 电子回单", "", "时间,流水号,订单号,退款号,账户,类型,金额,附言"]
    lines += [
        f"{row.local},{row.number},{row.order},{row.refund or ''},{account},"
        f'{row.state or ("退款" if row.refund else "收款")},"{row.cents:,}","{row.goods}"'
        for row in rows
    ]
    return joined([*lines, f"合计,{len(rows)},,,,,{total(rows)}", "制表人：张三"])


FORMS: Final[Mapping[str, Any]] = {
    "alipay-account": alipay_account,
    "alipay-business": alipay_business,
    "wechat-trade": wechat_trade,
    "wechat-funds": wechat_funds,
    "mapped": bank,
}


def reader_of(form: str) -> StatementReader:
    """Return a reader for a form."""
    return StatementReader(mapping=parse_statement_mapping(MAPPING) if form == "mapped" else None)


def read(text: str, form: str = "alipay-business") -> tuple[list[Entry], StatementReader]:
    """Read a whole statement."""
    reader = reader_of(form)
    return list(reader.entries(text.splitlines(keepends=True))), reader
