"""What may be shown of a secret or of somebody's data to somebody who may not see it.

Pure. A hint helps a buyer and the support staff to agree on a card; it must not help anybody
to guess it, so it never shows more than a quarter of the secret. Of what tells who somebody is
(e-mail, telephone, account, address) enough stays for a buyer to say "that is mine", and what
is hidden is replaced by a mask of fixed width: its length is not shown.
"""

import ipaddress
import unicodedata
from enum import StrEnum
from typing import Final, assert_never

import pyarrow as pa
import pyarrow.compute as pc

HINT_CHARACTERS: Final = 4
"""At most; the last ones, as people read card numbers out."""
HINT_SHARE: Final = 4
"""At most one character in so many."""
MASK: Final = "•••"
"""Of fixed width: a mask as long as the secret would tell its length."""


def hints(secrets: pa.Array) -> pa.Array:
    """Return the last characters of each secret: at most 4 and at most a quarter of it.

    Args:
        secrets: Array of text.

    Returns:
        Array of text; null where there is no secret, or one of fewer than four characters.
    """
    shown = pc.min_element_wise(pc.divide(pc.utf8_length(secrets), HINT_SHARE), HINT_CHARACTERS)
    lengths = [n for n in pc.unique(shown).to_pylist() if n]
    result = pa.nulls(len(secrets), pa.string())
    for length in lengths:
        ends = pc.utf8_slice_codeunits(secrets, -length, None)
        whole = len(lengths) == 1 and not shown.null_count and pc.min(shown).as_py() == length
        result = ends if whole else pc.if_else(pc.equal(shown, length), ends, result)
    return result


def masked(secret: str | None) -> str | None:
    """Return what stands for one secret in answers: its hint behind a mask of fixed width."""
    if secret is None:
        return None
    shown = min(len(secret) // HINT_SHARE, HINT_CHARACTERS)
    return MASK + (secret[-shown:] if shown else "")


# --- who somebody is ----------------------------------------------------------------------------


class Personal(StrEnum):
    """What kind of personal data a value is: each kind has its mask."""

    CONTACT = "contact"
    """An e-mail address, a telephone number, or any other address."""
    ACCOUNT = "account"
    ADDRESS = "address"
    """An IP address."""
    TEXT = "text"
    """Free text, of which nothing is shown."""


FEWEST: Final = 4
"""Of a value shorter than this nothing is shown."""
PHONE_DIGITS: Final = range(7, 16)
"""From the shortest national number to the longest of E.164."""
LONG_PHONE: Final = 11
"""From a Chinese mobile number on, the operator's prefix is shown, too."""
_PROVIDERS: Final = (
    "qq.com foxmail.com 163.com 126.com yeah.net sina.com sina.cn sohu.com aliyun.com 139.com "
    "189.cn gmail.com outlook.com hotmail.com live.com icloud.com yahoo.com proton.me"
)
PROVIDERS: Final = frozenset(_PROVIDERS.split())
"""Mail domains of millions; any other may name a person or a firm and is hidden."""
_IN_PHONES: Final = frozenset(" -().")


def mask(kind: Personal, value: str | None) -> str | None:
    """Return what stands for a value of this kind; None stays None."""
    if value is None:
        return None
    text = unicodedata.normalize("NFKC", value).strip()  # full-width digits and @ are common
    match kind:
        case Personal.CONTACT:
            return _masked_contact(text)
        case Personal.ACCOUNT:
            return _masked_account(text)
        case Personal.ADDRESS:
            return _masked_ip(text)
        case Personal.TEXT:
            return MASK
        case _:
            assert_never(kind)


def _masked_contact(text: str) -> str:
    if "@" in text:
        return _masked_email(text)
    plus, digits = text.startswith("+"), "".join(c for c in text if c not in _IN_PHONES)
    digits = digits.removeprefix("+")
    if digits.isdecimal() and len(digits) in PHONE_DIGITS:
        return _masked_phone(digits, plus="+" if plus else "")
    return _masked_account(text)


def _masked_email(text: str) -> str:
    local, _, domain = text.rpartition("@")
    domain = domain.lower()
    shown = local[:1] if len(local) >= FEWEST else ""
    return f"{shown}{MASK}@{domain if domain in PROVIDERS else MASK}"


def _masked_phone(digits: str, *, plus: str) -> str:
    """Return the last two digits and, of a long number, the first three.

    The usual 138****5678 hides ten thousand numbers, few enough to try them all.
    """
    first = digits[:3] if len(digits) >= LONG_PHONE else ""
    return f"{plus if first else ''}{first}{MASK}{digits[-2:]}"


def _masked_account(text: str) -> str:
    if len(text) < FEWEST:
        return MASK
    last = text[-1] if len(text) >= 2 * FEWEST else ""
    return f"{text[0]}{MASK}{last}"


def _masked_ip(text: str) -> str:
    """Return the network's half: two of four octets, 32 of 128 bits."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return MASK
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            first, second = address.exploded.split(":")[:2]
            return f"{first}:{second}:{MASK}"
        address = address.ipv4_mapped
    first, second = str(address).split(".")[:2]
    return f"{first}.{second}.{MASK}"
