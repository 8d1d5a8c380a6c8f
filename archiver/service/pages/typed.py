"""What somebody may have meant by what he typed into the one search box. Pure.

People copy what they have: a number with its label before it, a telephone number with blanks in
it, full-width digits, an address with a port. What a value can be is told from its form alone,
most probable first; which of these an order really has, only the index can say.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

KINDS: Final = ("order", "payment", "contact", "account", "ip", "target", "merchant")
"""What the box looks for. Card secrets are typed elsewhere, where nobody looks over a shoulder."""
LONG_NUMBER: Final = 20
"""Digits: order numbers of the shops that we know have 19 at most, payment numbers 24 to 32."""
SHORT_NUMBER: Final = range(5, 12)
"""Digits of a QQ number: an account, a contact and what is topped up at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One thing that was perhaps meant."""

    kind: str
    """One of `KINDS`."""
    value: str = field(repr=False)


_LABELS: Final = {
    "order": "订单号 订单编号 商城订单号 order order-no order-number order-id 订单",
    "payment": (
        "交易号 支付单号 支付号 流水号 交易单号 商户单号 商家订单号 商户订单号 支付宝交易号 "
        "微信支付单号 转账单号 payment payment-no payment-number trade trade-no trade_no"
    ),
    "contact": (
        "邮箱 电子邮箱 邮件 手机 手机号 手机号码 电话 联系方式 联系人 e-mail email mail phone tel "
        "mobile contact"
    ),
    "account": "账号 账户 用户名 用户 买家 account user username buyer",
    "ip": "ip ip地址 买家ip",
    "target": "充值账号 充值号码 target",
    "merchant": "商户 商家 店铺 卖家 merchant seller shop",
}
_BY_LABEL: Final = {label: kind for kind, labels in _LABELS.items() for label in labels.split()}
_LABELLED: Final = re.compile(r"([^\W\d][\w \-]{0,19}?)\s*[:：#＃]\s*(\S.*)", re.DOTALL)
_QUOTES: Final = "\"'`“”‘’「」『』《》<>，,。;；"
_MAIL: Final = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@.]+")
_MOBILE: Final = re.compile(r"(?:\+?86|0086)?(1[3-9][0-9]{9})")
_ABROAD: Final = re.compile(r"\+[0-9]{7,15}")
_WITH_PORT: Final = re.compile(r"([0-9.]+|\[[0-9a-fA-F:.%]+\]):[0-9]{1,5}")
_NUMBER: Final = re.compile(r"[0-9]+")
_NUMBER_LIKE: Final = re.compile(r"(?=.*[0-9])[A-Za-z0-9_./|-]{6,}")
_LANDLINE: Final = re.compile(r"(?:\(0[0-9]{2,3}\)|0[0-9]{2,3}-)[0-9]{7,8}")
_BLANKS: Final = str.maketrans("", "", " \u00a0\u2009\u202f")
_IN_PHONES: Final = _BLANKS | str.maketrans("", "", "-().")


def readings(typed: str) -> Sequence[Reading]:
    """Return what was perhaps meant, most probable first; nothing for nothing.

    A label before the value (`订单号：…`, `trade_no: …`) decides.
    """
    text = unicodedata.normalize("NFKC", typed).strip().strip(_QUOTES).strip()
    if not text:
        return ()
    labelled = _LABELLED.fullmatch(text)
    if labelled is not None and (kind := _BY_LABEL.get(_plain(labelled[1]))) is not None:
        value = labelled[2].strip().strip(_QUOTES).strip()
        if value:
            return (Reading(kind=kind, value=_as_kind(kind, value)),)
    return tuple(Reading(kind=kind, value=value) for kind, value in _by_form(text))


def _plain(label: str) -> str:
    return "-".join(label.casefold().split())


def _by_form(text: str) -> Sequence[tuple[str, str]]:
    address = _address(text)
    if address is not None:
        return _all(("ip",), address)
    # What people put into telephone numbers may be part of an order number: there it stays.
    digits, joined = text.translate(_IN_PHONES), text.translate(_BLANKS)
    if mobile := _MOBILE.fullmatch(digits):
        return (*_all(("contact", "target", "account"), mobile[1]), ("order", joined))
    for form, kinds, value in (
        (_MAIL.fullmatch(text), ("contact", "account", "target"), text),
        (_ABROAD.fullmatch(digits), ("contact", "target", "account"), digits),
        (_LANDLINE.fullmatch(joined), ("contact", "target"), digits),
        (_NUMBER.fullmatch(joined), _of_digits(len(joined)), joined),
        (_NUMBER_LIKE.fullmatch(text), ("order", "payment", "account", "merchant"), text),
    ):
        if form:
            return _all(kinds, value)
    return _all(("account", "contact", "merchant", "order"), text)


def _of_digits(count: int) -> tuple[str, ...]:
    if count >= LONG_NUMBER:
        return ("payment", "order")
    if count in SHORT_NUMBER:
        return ("order", "account", "contact", "target")
    return ("order", "payment", "account")


def _all(kinds: Sequence[str], value: str) -> Sequence[tuple[str, str]]:
    return tuple((kind, value) for kind in kinds)


def _as_kind(kind: str, value: str) -> str:
    """Return a labelled value without what people put into such values to read them."""
    if kind == "ip":
        return _address(value) or value
    bare = value.translate(_IN_PHONES if kind in ("contact", "target") else _BLANKS)
    return bare if _NUMBER.fullmatch(bare.removeprefix("+")) else value


def _address(text: str) -> str | None:
    with_port = _WITH_PORT.fullmatch(text)
    bare = (with_port[1] if with_port else text).strip("[]")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return None
