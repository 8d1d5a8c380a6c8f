"""What an order is found by, written a second time: value by value, in plain Python.

From FORMAT.md 6 alone; shares no code with `archiver.search_tokens`.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow.compute as pc

Row = Mapping[str, Any]

BLANKS = (
    "".join(
        chr(code)
        for code in (*range(9, 14), 32, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200C), 0x2028, 0x2029)
    )
    + "\u202f\u205f\u3000\ufeff"
)
LABELS = re.compile(
    "(?:卡号|卡密|账号|帐号|账户|用户名|密码|口令|序列号|激活码|兑换码|提取码|邮箱|密保|辅助邮箱|"
    "account|user ?name|user|e-?mail|card ?(?:no\\.?|number)|card|number|no\\.?|serial|sn|"
    "pass ?word|passwd|pass|pwd|pin|code|key|cdk) ?[:：=]",
    re.IGNORECASE,
)
SEPARATORS = re.compile("-{2,}|—+|[|,;，；、\t]| {2,}")
NAMES = {
    "product": ("product", "name"),
    "category": ("product", "category"),
    "merchant": ("seller", "name"),
}
WHITE = " \t\n\v\f\r"


def trimmed(value: str) -> str:
    """Return NFC without blanks around it."""
    return unicodedata.normalize("NFC", value).strip(BLANKS)


def address(value: str) -> str:
    """Return an account, contact or target as compared."""
    value = trimmed(value)
    if "@" in value:
        value = value.casefold()
    digits = "".join(c for c in value if c in "0123456789")
    if len(digits) >= 5 and set(value) <= set("+-(). 0123456789"):
        for prefix in ("0086", "86"):
            rest = digits.removeprefix(prefix)
            if rest != digits and len(rest) == 11 and rest[0] == "1" and rest[1] in "3456789":
                return rest
        return digits
    return value


def client_ip(value: str) -> str:
    """Return an address as compared."""
    value = trimmed(value)
    bare = value.removeprefix("[").removesuffix("]").split("%")[0]
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return value.casefold()
    if found.version == 6 and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return found.compressed


def card(value: str) -> str:
    """Return a card secret, or a part of one, as compared."""
    bare = "".join(c for c in value if c not in WHITE and c != "-")
    # One character stays one, other than in Python: of letters such as ß, Arrow decides.
    return bare.upper() if bare.isascii() else str(pc.utf8_upper(bare).as_py())


def parts(secret: str) -> set[str]:
    """Return the parts of a card secret, as compared."""
    lines = [line for line in re.split("[\r\n]+", secret) if line.strip(WHITE)]
    found = list(lines) if len(lines) > 1 else []
    for whole in lines:
        line = whole.strip(WHITE)
        marked = SEPARATORS.sub("\x1f", LABELS.sub("\x1f", line))
        if "\x1f" not in marked:
            words = re.fullmatch("([^ ]+) ([^ ]+)", marked)
            sides = re.fullmatch("([^:：]+)[:：]([^:：/][^:：]*)", marked)
            split = words or sides
            marked = f"{split[1]}\x1f{split[2]}" if split else marked
        if "\x1f" in marked:
            found += [piece for piece in marked.split("\x1f") if piece.strip(WHITE)]
    kept = [one for one in map(card, found) if len(one) >= 4 and one != card(secret)]
    return set(kept[:16])


def wanted(row: Row) -> Iterator[tuple[int, str]]:
    """Yield kind and value, as compared, of everything that an order is found by."""
    found: set[tuple[int, str]] = set()
    buyer, seller = row["buyer"] or {}, row["seller"] or {}
    found.add((1, row["order_id"]))
    for payment in row["payments"] or ():
        for name in ("provider_no", "aggregator_no", "merchant_no"):
            found.add((2, trimmed((payment or {}).get(name) or "")))
    found.add((3, address(buyer.get("account") or "")))
    found.add((4, address(buyer.get("contact") or "")))
    found.add((5, client_ip(buyer.get("client_ip") or "")))
    for name in ("merchant_id", "name"):
        found.add((6, trimmed(seller.get(name) or "").casefold()))
    for delivery in row["deliveries"] or ():
        found.add((7, address((delivery or {}).get("target") or "")))
        secret = (delivery or {}).get("secret")
        if secret is not None and not delivery.get("placeholder"):
            found.add((8, card(secret)))
            found |= {(9, part) for part in parts(secret)}
    # Every order has an id, and a secret of hyphens only has a card token all the same.
    yield from ((kind, value) for kind, value in found if value or kind in (1, 8))
