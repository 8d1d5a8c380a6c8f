"""What is odd about an order, and what to check next. Pure.

Says only what the sealed order shows. What a source never records (a refund in dujiaoka, the
time of a manual delivery in acg-faka) is no oddity.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from archiver.errors import Said
from archiver.lookup.timeline import PROXIES

SLACK: Final = timedelta(minutes=1)
"""Clocks of database, web server and payment provider differ by seconds."""
NOTHING: Final = Decimal(0)

Order = Mapping[str, Any]
"""A row of ORDER_V1 without what the reveal key opens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is odd."""

    code: str
    said: Said
    check: Said
    """What to look at next."""


def diagnose(order: Order) -> Sequence[Finding]:
    """Return what is odd about an order, gravest first; nothing if it is in order."""
    found = (
        *_not_received(order),
        *_fewer_cards(order),
        *_placeholders(order),
        *_before_paid(order),
        *_never_paid(order),
        *_refunds(order),
    )
    return tuple(found)


def _not_received(order: Order) -> Iterator[Finding]:
    goods = [one for one in _deliveries(order) if not one["placeholder"]]
    if not _is_paid(order) or goods or order["outcome"] in ("refunded", "failed"):
        return
    if order["outcome"] == "open":
        said = Said("paid, and unfinished when it was sealed", "已付款，封存时尚未完成")
        check = Said(
            "whether the shop has delivered or refunded it since: the next nights seal that as a "
            "further revision",
            "商店此后是否已发货或退款：后续夜间任务会将其作为新修订封存",
        )
    else:
        said = Said("paid, and no delivery is on record", "已付款，但没有发货记录")
        check = Said(
            "the product's stock at that time, a delivery by hand (chat, e-mail), the supplier's "
            "record; a refund that was made outside the shop",
            "当时的库存、人工发货（聊天、邮件）、供货方记录，以及在商店之外进行的退款",
        )
    yield Finding(code="paid-not-received", said=said, check=check)


def _fewer_cards(order: Order) -> Iterator[Finding]:
    cards = [one for one in _deliveries(order) if one["kind"] == "card" and not one["placeholder"]]
    bought = order["quantity"]
    if not cards or bought is None or len(cards) >= bought:
        return
    if any(one["reusable"] for one in cards):
        return  # one secret is sold many times: a single line serves every piece
    yield Finding(
        code="fewer-cards",
        said=Said(
            f"{bought} bought, {len(cards)} delivered", f"购买 {bought} 件，发货 {len(cards)} 件"
        ),
        check=Said(
            "whether one line holds several cards; the stock at that time; whether the rest was "
            "refunded",
            "一行中是否含多张卡密、当时的库存、差额是否已退款",
        ),
    )


def _placeholders(order: Order) -> Iterator[Finding]:
    if any(one["placeholder"] for one in _deliveries(order)):
        yield Finding(
            code="placeholder",
            said=Said(
                "an apology was delivered instead of goods: stock had run out",
                "发出的是缺货致歉语，而非商品",
            ),
            check=Said(
                "whether cards were sent later by hand, or the money was returned",
                "是否事后人工补发，或已退款",
            ),
        )


def _before_paid(order: Order) -> Iterator[Finding]:
    delivered, paid = order["delivered_at"], order["paid_at"]
    if delivered is None or paid is None:
        return
    if {order["delivered_basis"], order["paid_basis"]} & set(PROXIES):
        return  # a stand-in says nothing about which came first
    if delivered + SLACK < paid:
        yield Finding(
            code="delivered-before-paid",
            said=Said("it was delivered before it was paid", "发货时间早于付款时间"),
            check=Said(
                "who set it to paid and when (events); whether the payment is in the provider's "
                "bill (archiver reconcile)",
                "由谁、何时标记为已付款（事件）；"
                "支付渠道账单中是否有此笔付款（archiver reconcile）",
            ),
        )


def _never_paid(order: Order) -> Iterator[Finding]:
    goods = [one for one in _deliveries(order) if not one["placeholder"]]
    asked = order["money"]["total"] if order["money"] else None
    if goods and asked and asked > NOTHING and not _is_paid(order):
        yield Finding(
            code="delivered-not-paid",
            said=Said("it was delivered, and no payment is on record", "已发货，但没有付款记录"),
            check=Said(
                "whether it was paid from a balance or by coupon; who completed it",
                "是否以余额或优惠券支付；由谁完成该订单",
            ),
        )


def _refunds(order: Order) -> Iterator[Finding]:
    refunds = [one for one in order["after_sales"] or () if one["amount"] or one["paid_at"]]
    refunded = sum((one["amount"] or NOTHING for one in refunds), NOTHING)
    if not refunds:
        return
    if not _is_paid(order):
        yield Finding(
            code="refund-without-payment",
            said=Said("money was returned, and no payment is on record", "有退款，但没有付款记录"),
            check=Said(
                "the payment number of the refund in the provider's bill; a recharge of the "
                "buyer's balance",
                "支付渠道账单中该退款对应的交易号；买家余额充值记录",
            ),
        )
    elif _paid(order) is not None and refunded > (_paid(order) or NOTHING):
        yield Finding(
            code="refund-exceeds-payment",
            said=Said(
                f"{refunded} was returned of {_paid(order)} paid",
                f"实付 {_paid(order)}，退款 {refunded}",
            ),
            check=Said(
                "whether a refund was recorded twice, or damages were paid",
                "退款是否重复记录，或含赔偿",
            ),
        )


def _deliveries(order: Order) -> Sequence[Mapping[str, Any]]:
    return order["deliveries"] or ()


def _paid(order: Order) -> Decimal | None:
    return order["money"]["paid"] if order["money"] else None


def _is_paid(order: Order) -> bool:
    """Whether anything says that money came in."""
    return bool(order["paid_at"] or order["payments"] or (_paid(order) or NOTHING) > NOTHING)
