"""How values are written before they are compared, kind by kind (FORMAT.md 6).

Vectorised: real columns are ASCII nearly throughout, and what needs more care than Arrow's
functions give is done value by value for the few that are not.
"""

import ipaddress
import socket
from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from archiver.search_tokens.kinds import Kind
from archiver.tokens import normalised_cards

BLANKS: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""Unicode's White_Space, and two that are invisible and come along when people copy."""

MIN_PHONE_DIGITS: Final = 5
_PHONE: Final = r"^[+0-9 ().-]+$"
_NO_DIGIT: Final = "[^0-9]"
_CHINESE_MOBILE: Final = "^(?:00)?86(1[3-9][0-9]{9})$"
_PLAIN_IPV6: Final = "^(?:[1-9a-f][0-9a-f]{0,3}:){7}[1-9a-f][0-9a-f]{0,3}$"
"""Eight groups, none of them zero and none with a leading one: it is written canonically."""


def normalised(kind: Kind, values: pa.Array) -> pa.Array:
    """Return values as they are compared; empty ones are not searched for.

    Args:
        kind: What they are.
        values: Text without nulls.

    Returns:
        Text, value by value.
    """
    return _BY_KIND[kind](values)


def _as_sealed(values: pa.Array) -> pa.Array:
    return values


def _trimmed(values: pa.Array) -> pa.Array:
    """NFC, without blanks at both ends."""
    if not _is_ascii(values):
        values = pc.utf8_normalize(values, form="NFC")
    return pc.utf8_trim(values, characters=BLANKS)


def _addresses(values: pa.Array) -> pa.Array:
    """E-mail addresses case-folded, telephone numbers as digits, anything else trimmed."""
    values = _trimmed(values)
    mail = pc.match_substring(values, "@")
    values = pc.if_else(mail, _case_folded(values), values)
    phone = pc.match_substring_regex(values, _PHONE)
    if not pc.any(phone).as_py():
        return values
    return _replaced(values, phone, _phones(values.filter(phone)))


def _phones(values: pa.Array) -> pa.Array:
    digits = pc.replace_substring_regex(values, _NO_DIGIT, "")
    enough = pc.greater_equal(pc.binary_length(digits), MIN_PHONE_DIGITS)
    mobile = pc.replace_substring_regex(digits, _CHINESE_MOBILE, r"\1")
    return pc.if_else(enough, mobile, values)


def _merchants(values: pa.Array) -> pa.Array:
    return _case_folded(_trimmed(values))


_NOT_PLAIN: Final = bytes(10)
"""Ten zero bytes begin what C libraries write in ways of their own: IPv4 within IPv6, ::1."""


def _client_ips(values: pa.Array) -> pa.Array:
    values = _case_folded(_trimmed(values))
    # IPv4 is written in one way only; all that may be something else has one of these.
    marked = pc.match_substring(values, ":")
    for sign in "[]%":
        marked = pc.or_(marked, pc.match_substring(values, sign))
    some = values.filter(marked)
    if not len(some):
        return values
    odd = pc.invert(pc.match_substring_regex(some, _PLAIN_IPV6))
    return _replaced(values, marked, _one_by_one(some, odd, _client_ip))


def _client_ip(value: str) -> str:
    """RFC 5952; IPv4 for what is mapped from it; without zone and brackets."""
    bare = value.removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        packed = socket.inet_pton(socket.AF_INET6, bare)
    except (OSError, ValueError):
        packed = _NOT_PLAIN
    if not packed.startswith(_NOT_PLAIN):
        # A night meets thousands of these; `ipaddress` takes ten times as long.
        return socket.inet_ntop(socket.AF_INET6, packed)
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return value
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _case_folded(values: pa.Array) -> pa.Array:
    if _is_ascii(values):
        return pc.ascii_lower(values)
    plain = pc.string_is_ascii(values)
    lowered = pc.if_else(plain, pc.ascii_lower(values), values)
    return _one_by_one(lowered, pc.invert(plain), str.casefold)


def _one_by_one(values: pa.Array, chosen: pa.Array, change: Callable[[str], str]) -> pa.Array:
    """Change the chosen values in Python, each different one once."""
    some = values.filter(chosen)
    if not len(some):
        return values
    encoded = some.dictionary_encode()
    changed = [change(one) for one in encoded.dictionary.to_pylist()]
    return _replaced(values, chosen, pa.array(changed, values.type).take(encoded.indices))


def _replaced(values: pa.Array, chosen: pa.Array, by: pa.Array) -> pa.Array:
    return pc.replace_with_mask(values, chosen, by.cast(values.type))


def _is_ascii(values: pa.Array) -> bool:
    return bool(pc.all(pc.string_is_ascii(values)).as_py() in (True, None))


_BY_KIND: Final[dict[Kind, Callable[[pa.Array], pa.Array]]] = {
    Kind.ORDER_ID: _as_sealed,
    Kind.PAYMENT_NO: _trimmed,
    Kind.ACCOUNT: _addresses,
    Kind.CONTACT: _addresses,
    Kind.CLIENT_IP: _client_ips,
    Kind.MERCHANT: _merchants,
    Kind.TARGET: _addresses,
    Kind.CARD: normalised_cards,
    Kind.CARD_PART: normalised_cards,
}
