"""Alipay's two exports for merchants: 账务明细 (every movement) and 业务明细 (trades).

Both begin and end with remarks (`#…`): the account, the period, the totals. Times are those of
Shanghai. Refunds have negative amounts in the second, outgoing ones in the first.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import ClassVar, Final

from archiver.retention import LEGAL_ZONE
from archiver.statements.model import BrokenLineError, Entry, Kind, UnusableError
from archiver.statements.text import cleaned, parse_amount, parse_number, parse_time

_TOTAL: Final = re.compile(
    r"#+\s*(交易|退款|收入|支出)合计[:：]\s*(\d+)\s*笔(?:[^0-9-]*?共\s*(-?[\d,.]*\d)\s*元)?"
)
_TIME: Final = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2} \d{1,2}:\d{2}")
_NOTHING: Final = Decimal("0.00")


class _Totals:
    """What the remarks behind the table are compared with."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.sums: dict[str, Decimal] = {}

    def add(self, name: str, amount: Decimal) -> None:
        self.counts[name] += 1
        self.sums[name] = self.sums.get(name, _NOTHING) + amount

    def check(self, remark: str) -> bool:
        match = _TOTAL.match(remark)
        if match is None:
            return False
        name, count, amount = match[1], int(match[2]), match[3]
        if count != self.counts[name]:
            raise UnusableError(
                f"it states {count} rows of {name} and has {self.counts[name]}: cut off or altered",
                f"载明{name} {count} 行，实有 {self.counts[name]} 行：被截断或改动",
            )
        if amount is not None and abs(parse_amount(amount)) != abs(self.sums.get(name, _NOTHING)):
            raise UnusableError(
                f"its rows do not add up to the total that it states for {name}",
                f"各行相加与其载明的{name}合计不符",
            )
        return True


class _AlipayTable:
    channel: ClassVar[str] = "alipay"
    free_text: ClassVar[str]

    def __init__(self, places: Mapping[str, int]) -> None:
        self._places = places
        self._width = max(places.values()) + 1
        self._totals = _Totals()
        self.accounts: set[tuple[str, ...]] = set()

    def begins_totals(self, cells: Sequence[str]) -> bool:  # noqa: ARG002  totals are remarks
        """Say no: totals are remarks."""
        return False

    def check_totals(self, cells: Sequence[str]) -> None:
        """Compare nothing: totals are remarks."""

    def check_remark(self, remark: str) -> bool:
        """Compare a remark that states a total."""
        return self._totals.check(remark)

    def _aligned(self, cells: Sequence[str]) -> Sequence[str]:
        """Return the cells, commas inside the product's name put back.

        A time follows the name, so the name ends where one is found.
        """
        if len(cells) == self._width:
            return cells
        place = self._places[self.free_text]
        end = next(
            (n for n in range(place + 1, len(cells)) if _TIME.match(cleaned(cells[n]))), None
        )
        if end is not None:
            cells = [*cells[:place], ",".join(cells[place:end]), *cells[end:]]
        if len(cells) < self._width:
            raise BrokenLineError("it has fewer cells than the header", "单元格少于表头")
        if any(cell.strip() for cell in cells[self._width :]):
            raise BrokenLineError("it has more cells than the header", "单元格多于表头")
        return cells

    def _cell(self, cells: Sequence[str], name: str) -> str:
        place = self._places.get(name)
        return cells[place] if place is not None else ""


class AlipayAccount(_AlipayTable):
    """账务明细: every movement of the account, payments and refunds among them."""

    name: ClassVar[str] = "alipay-account"
    free_text: ClassVar[str] = "商品名称"
    required: ClassVar[frozenset[str]] = frozenset(
        {
            "账务流水号",
            "业务流水号",
            "商户订单号",
            "商品名称",
            "发生时间",
            "收入金额(+元)",
            "支出金额(-元)",
            "业务类型",
        }
    )
    payments: ClassVar[frozenset[str]] = frozenset({"在线支付", "交易付款", "交易"})
    refunds: ClassVar[frozenset[str]] = frozenset({"交易退款", "退款", "退款(交易退款)"})

    def entry(self, line: int, cells: Sequence[str]) -> Entry:
        """Return a movement as an entry."""
        cells = self._aligned(cells)
        income = parse_amount(self._cell(cells, "收入金额(+元)"))
        expense = -abs(parse_amount(self._cell(cells, "支出金额(-元)")))
        identity = parse_number(self._cell(cells, "账务流水号"))
        if identity is None:
            raise BrokenLineError("it has no number of its own", "没有自己的流水号")
        label = cleaned(self._cell(cells, "业务类型")).replace("（", "(").replace("）", ")")
        kind = Kind.OTHER
        if label in self.payments and income > 0:
            kind = Kind.PAYMENT
        elif label in self.refunds or (label in self.payments and expense < 0):
            kind = Kind.REFUND
        made = Entry(
            line=line,
            kind=kind,
            identity=identity,
            amount=abs(income + expense),
            at=parse_time(self._cell(cells, "发生时间"), LEGAL_ZONE),
            label=label,
            provider_no=parse_number(self._cell(cells, "业务流水号")),
            merchant_no=parse_number(self._cell(cells, "商户订单号")),
        )
        if income:
            self._totals.add("收入", income)
        if expense:
            self._totals.add("支出", expense)
        return made


class AlipayBusiness(_AlipayTable):
    """业务明细: trades and their refunds."""

    name: ClassVar[str] = "alipay-business"
    free_text: ClassVar[str] = "商品名称"
    required: ClassVar[frozenset[str]] = frozenset(
        {
            "支付宝交易号",
            "商户订单号",
            "业务类型",
            "商品名称",
            "完成时间",
            "订单金额(元)",
            "商家实收(元)",
        }
    )

    def entry(self, line: int, cells: Sequence[str]) -> Entry:
        """Return a trade or a refund as an entry."""
        cells = self._aligned(cells)
        label = cleaned(self._cell(cells, "业务类型"))
        if label not in ("交易", "退款"):
            raise BrokenLineError(
                "its 业务类型 is neither 交易 nor 退款", "业务类型既非交易也非退款"
            )
        amount = parse_amount(self._cell(cells, "订单金额(元)"))
        provider_no = parse_number(self._cell(cells, "支付宝交易号"))
        refund_no = parse_number(self._cell(cells, "退款批次号/请求号"))
        if provider_no is None:
            raise BrokenLineError("it has no 支付宝交易号", "没有支付宝交易号")
        time = self._cell(cells, "完成时间")
        made = Entry(
            line=line,
            kind=Kind.PAYMENT if label == "交易" else Kind.REFUND,
            identity=provider_no if label == "交易" else f"{provider_no}/{refund_no or line}",
            amount=abs(amount),
            at=parse_time(time if cleaned(time) else self._cell(cells, "创建时间"), LEGAL_ZONE),
            label=label,
            provider_no=provider_no,
            merchant_no=parse_number(self._cell(cells, "商户订单号")),
            refund_no=refund_no if label == "退款" else None,
        )
        self._totals.add(label, parse_amount(self._cell(cells, "商家实收(元)")))
        return made
