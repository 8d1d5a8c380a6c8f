"""WeChat Pay's two exports for merchants: 交易账单 (trades) and 资金账单 (movements).

Every value has a backtick before it. The table is followed by a row of names of totals and a
row of totals. Times are those of Shanghai.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import ClassVar, Final

from archiver.retention import LEGAL_ZONE
from archiver.statements.model import BrokenLineError, Entry, Kind, UnusableError
from archiver.statements.text import cleaned, column_name, parse_amount, parse_number, parse_time

_NOTHING: Final = Decimal("0.00")
_REFUND_VOUCHER: Final = "REF"
"""Before the payment's number in the 业务凭证号 of a refund."""


class _WeChatTable:
    channel: ClassVar[str] = "wechat"
    first_total: ClassVar[str]
    total_columns: ClassVar[Mapping[str, str]]
    """Names of totals, and of the sums of ours that they must equal."""

    def __init__(self, places: Mapping[str, int]) -> None:
        self._places = places
        self._width = max(places.values()) + 1
        self._sums: dict[str, Decimal] = {}
        self._totals: Mapping[str, int] = {}
        self.accounts: set[tuple[str, ...]] = set()

    def begins_totals(self, cells: Sequence[str]) -> bool:
        """Say whether these are the names of the totals."""
        if column_name(cells[0]) != self.first_total:
            return False
        names = [column_name(cell) for cell in cells]
        self._totals = {name: place for place, name in enumerate(names)}
        return True

    def check_totals(self, cells: Sequence[str]) -> None:
        """Compare the totals with the rows."""
        for total, name in self.total_columns.items():
            place = self._totals.get(total)
            if place is None:
                continue
            try:
                stated = parse_amount(cells[place])
            except (IndexError, BrokenLineError):
                raise UnusableError(
                    f"its total {total} cannot be read", f"合计“{total}”无法读取"
                ) from None
            if abs(stated) != abs(self._sums.get(name, _NOTHING)):
                raise UnusableError(
                    f"its rows do not add up to its {total}: incomplete or altered",
                    f"各行相加与合计“{total}”不符：不完整或被改动",
                )

    def check_remark(self, remark: str) -> bool:  # noqa: ARG002  the protocol's
        """Say that no remark states a total."""
        return False

    def _row(self, cells: Sequence[str]) -> Callable[..., str]:
        if len(cells) < self._width:
            raise BrokenLineError("it has fewer cells than the header", "单元格少于表头")
        if len(cells) > self._width and any(cell.strip() for cell in cells[self._width :]):
            raise BrokenLineError("it has more cells than the header", "单元格多于表头")

        def cell(*names: str) -> str:
            place = next((self._places[name] for name in names if name in self._places), None)
            return cells[place] if place is not None else ""

        return cell

    def _add(self, name: str, amount: Decimal) -> None:
        self._sums[name] = self._sums.get(name, _NOTHING) + amount


class WeChatTrade(_WeChatTable):
    """交易账单: payments and refunds; older ones call the amount 总金额."""

    name: ClassVar[str] = "wechat-trade"
    required: ClassVar[frozenset[str]] = frozenset(
        {"交易时间", "商户号", "微信订单号", "商户订单号", "交易状态"}
    )
    first_total: ClassVar[str] = "总交易单数"
    total_columns: ClassVar[Mapping[str, str]] = {
        "总交易单数": "rows",
        "订单总金额": "orders",
        "申请退款总金额": "asked",
    }

    def entry(self, line: int, cells: Sequence[str]) -> Entry:
        """Return a payment or a refund as an entry."""
        cell = self._row(cells)
        state = cleaned(cell("交易状态"))
        if state not in ("SUCCESS", "REFUND", "REVOKED"):
            raise BrokenLineError("its 交易状态 is unknown", "交易状态未知")
        if cleaned(cell("货币种类")) not in ("", "CNY"):
            raise BrokenLineError("it is not in CNY", "币种不是人民币")
        provider_no = parse_number(cell("微信订单号"))
        if provider_no is None:
            raise BrokenLineError("it has no 微信订单号", "没有微信订单号")
        ordered = parse_amount(cell("订单金额", "总金额", "应结订单金额"))
        asked = parse_amount(cell("申请退款金额", "退款金额"))
        refund_no = parse_number(cell("商户退款单号"))
        provider_refund_no = parse_number(cell("微信退款单号"))
        paid = state == "SUCCESS"
        refund = provider_refund_no or refund_no or "revoked"
        failed = state == "REFUND" and cleaned(cell("退款状态")) in ("FAIL", "CHANGE")
        made = Entry(
            line=line,
            kind=Kind.PAYMENT if paid else Kind.OTHER if failed else Kind.REFUND,
            identity=provider_no if paid else f"{provider_no}/{refund}",
            amount=abs(ordered if paid else asked or ordered),
            at=parse_time(cell("交易时间"), LEGAL_ZONE),
            label=state,
            provider_no=provider_no,
            merchant_no=parse_number(cell("商户订单号")),
            refund_no=None if paid else refund_no,
            provider_refund_no=None if paid else provider_refund_no,
        )
        names = (parse_number(cell("商户号")), parse_number(cell("特约商户号", "子商户号")))
        self.accounts.add(tuple(name for name in names if name))
        self._add("rows", Decimal(1))
        self._add("orders", ordered)
        self._add("asked", asked)
        return made


class WeChatFunds(_WeChatTable):
    """资金账单: movements of the account; knows WeChat's numbers only, and no account."""

    name: ClassVar[str] = "wechat-funds"
    required: ClassVar[frozenset[str]] = frozenset(
        {"记账时间", "微信支付业务单号", "资金流水单号", "业务类型", "收支类型", "收支金额(元)"}
    )
    first_total: ClassVar[str] = "资金流水总笔数"
    total_columns: ClassVar[Mapping[str, str]] = {
        "资金流水总笔数": "rows",
        "收入笔数": "收入 rows",
        "收入金额": "收入",
        "支出笔数": "支出 rows",
        "支出金额": "支出",
    }

    def entry(self, line: int, cells: Sequence[str]) -> Entry:
        """Return a movement as an entry."""
        cell = self._row(cells)
        direction, label = cleaned(cell("收支类型")), cleaned(cell("业务类型"))
        if direction not in ("收入", "支出"):
            raise BrokenLineError(
                "its 收支类型 is neither 收入 nor 支出", "收支类型既非收入也非支出"
            )
        identity = parse_number(cell("资金流水单号"))
        if identity is None:
            raise BrokenLineError("it has no 资金流水单号", "没有资金流水单号")
        number = parse_number(cell("微信支付业务单号"))
        voucher = parse_number(cell("业务凭证号"))
        amount = abs(parse_amount(cell("收支金额(元)")))
        kind = Kind.OTHER
        if label == "交易" and direction == "收入":
            kind = Kind.PAYMENT
        elif label in ("退款", "交易") and direction == "支出":
            kind = Kind.REFUND
        refund = kind is Kind.REFUND
        made = Entry(
            line=line,
            kind=kind,
            identity=identity,
            amount=amount,
            at=parse_time(cell("记账时间"), LEGAL_ZONE),
            label=label,
            provider_no=(voucher or "").removeprefix(_REFUND_VOUCHER) or None if refund else number,
            provider_refund_no=number if refund else None,
        )
        self._add("rows", Decimal(1))
        self._add(f"{direction} rows", Decimal(1))
        self._add(direction, amount)
        return made
