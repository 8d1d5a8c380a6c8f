"""The kinds of values by which orders are found. Their numbers are part of the format."""

from enum import IntEnum
from typing import Final


class Kind(IntEnum):
    """What a value is. The number stands in segments and in the purpose of the token's key."""

    ORDER_ID = 1
    PAYMENT_NO = 2
    """The provider's, the aggregator's or the merchant's number: buyers know one, not which."""
    ACCOUNT = 3
    CONTACT = 4
    CLIENT_IP = 5
    MERCHANT = 6
    """Id or name."""
    TARGET = 7
    """What was topped up."""
    CARD = 8
    """A whole card secret. Its token begins the order's `card_token`, which confirms it."""
    CARD_PART = 9
    """A line, the number or the password of a card secret."""


ALL_KINDS: Final = frozenset(Kind)
SECRET_KINDS: Final = frozenset({Kind.CARD_PART})
"""Cannot be computed from a sealed partition without the reveal key."""
