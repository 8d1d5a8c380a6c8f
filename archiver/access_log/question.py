"""Tokens of what was asked: the log and the watch can tell values apart, and nobody reads one.

Under keys of their own, derived from the token key (FORMAT.md 6): a token here does not find
anything in the index, and the index's tokens find nothing here.
"""

import re
from typing import Final

import pyarrow as pa

from archiver.tokens import derive_key, one_token, tokens

TOKEN_BYTES: Final = 8
FEW: Final = 50
"""Values up to which each by itself is faster than all together."""
REACH: Final = 3
"""How far apart two numbers may be to count as neighbours."""
_LAST_DIGITS: Final = re.compile(r"(.*?)([0-9]{1,18})([^0-9]*)", re.DOTALL)


def question_tokens(token_key: bytes, kind: str, values: list[str]) -> list[str]:
    """Return the token under which each value stands in the log, hexadecimal.

    Args:
        token_key: The archive's token key.
        kind: As in `archiver.policy.Question`.
        values: Normalised as for the index.
    """
    if not values:
        return []
    key = derive_key(token_key, f"access/{kind}")
    if len(values) <= FEW:
        return [one_token(key, value.encode())[:TOKEN_BYTES].hex() for value in values]
    made = tokens(key, pa.array([value.encode() for value in values], pa.binary()))
    return [row.tobytes()[:TOKEN_BYTES].hex() for row in made]


def neighbours(value: str) -> list[str]:
    """Return the values that somebody would ask who counts through order numbers.

    The last run of digits, a few up and down, in its width where it begins with a zero. A random
    number of 16 digits meets one of them about once in 10^15 pairs.
    """
    match = _LAST_DIGITS.fullmatch(value)
    if match is None:
        return []
    before, digits, after = match.groups()
    number, width = int(digits), len(digits) if digits[0] == "0" else 0
    steps = [step for step in range(-REACH, REACH + 1) if step and number + step >= 0]
    return [f"{before}{number + step:0{width}d}{after}" for step in steps]
