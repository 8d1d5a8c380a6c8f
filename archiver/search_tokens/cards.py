"""What a card secret consists of: lines, and in a line a number and a password.

Shops write `number----password`, `number password`, `卡号：number 密码：password`, and much
else; whoever asks knows one of the parts. A part too many costs a token, a part too few hides
a card, so anything that may separate does. Text is matched by RE2's rules.
"""

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archiver.tokens import normalised_cards

MAX_PARTS: Final = 16
"""Of one secret. Real ones have two to five; a pasted page of text must not fill the index."""
MIN_PART: Final = 4
"""Characters. Fewer are no number that anybody would ask for."""

LABELS: Final = (
    "(?i)(?:卡号|卡密|账号|帐号|账户|用户名|密码|口令|序列号|激活码|兑换码|提取码|邮箱|密保|辅助邮箱"
    "|account|user ?name|user|e-?mail|card ?(?:no\\.?|number)|card|number|no\\.?|serial|sn"
    "|pass ?word|passwd|pass|pwd|pin|code|key|cdk) ?[:：=]"
)
_LABEL_SIGNS: Final = "[:：=]"
SEPARATORS: Final = r"-{2,}|—+|[|,;，；、\t]| {2,}"
TWO_WORDS: Final = r"^([^ ]+) ([^ ]+)$"
TWO_SIDES: Final = r"^([^:：]+)[:：]([^:：/][^:：]*)$"
"""`user:password`, but no `https://…`."""
LINES: Final = r"[\r\n]+"
_BETWEEN: Final = "\x1f"
_APART: Final = rf"\1{_BETWEEN}\2"
_MAY_SEPARATE: Final = r"[\r\n\t |,;:=，；、：—]|--"


def parts_of(secrets: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return the parts of card secrets, as they are compared, and which secret each is of.

    A secret that is one part only, itself, has none: its own token finds it.

    Args:
        secrets: Text without nulls.
    """
    owners = np.flatnonzero(
        pc.match_substring_regex(secrets, _MAY_SEPARATE).to_numpy(zero_copy_only=False)
    )
    if not len(owners):
        return pa.array([], secrets.type), owners
    secrets = secrets.take(pa.array(owners))
    lines, of_lines = _split(secrets, LINES)
    several = np.bincount(of_lines, minlength=len(secrets))[of_lines] > 1
    pieces, of_pieces = _pieces(lines)
    found = pa.concat_arrays([lines.filter(pa.array(several)), pieces])
    of = np.concatenate([of_lines[several], of_lines[of_pieces]])
    normal = normalised_cards(found)
    whole = normalised_cards(secrets).take(pa.array(of))
    keep = pc.greater_equal(pc.utf8_length(normal), MIN_PART)
    keep = pc.and_(keep, pc.not_equal(normal, whole)).to_numpy(zero_copy_only=False)
    # By secret, lines before pieces: those in front are kept where there are too many.
    order = np.flatnonzero(keep)[np.argsort(of[keep], kind="stable")]
    order = order[_rank(of[order]) < MAX_PARTS]
    return normal.take(pa.array(order)), owners[of[order]]


def _pieces(lines: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return what stands between separators in lines that have some, and the line of each."""
    lines = pc.ascii_trim_whitespace(lines)
    marked = _with_labels_marked(lines)
    marked = pc.replace_substring_regex(marked, SEPARATORS, _BETWEEN)
    plain = pc.invert(pc.match_substring(marked, _BETWEEN))
    if pc.any(plain).as_py():
        rest = pc.replace_substring_regex(marked.filter(plain), TWO_WORDS, _APART)
        sides = pc.replace_substring_regex(rest, TWO_SIDES, _APART)
        rest = pc.if_else(pc.match_substring(rest, _BETWEEN), rest, sides)
        marked = pc.replace_with_mask(marked, plain, rest)
    chosen = pc.match_substring(marked, _BETWEEN)
    numbers = np.flatnonzero(chosen.to_numpy(zero_copy_only=False))
    pieces, of = _split(marked.filter(chosen), _BETWEEN)
    return pieces, numbers[of]


def _with_labels_marked(lines: pa.Array) -> pa.Array:
    """Return lines with a mark for each label; all of them end with a sign that few lines have."""
    signed = pc.match_substring_regex(lines, _LABEL_SIGNS)
    if not pc.any(signed).as_py():
        return lines
    marked = pc.replace_substring_regex(lines.filter(signed), LABELS, _BETWEEN)
    return pc.replace_with_mask(lines, signed, marked)


def _split(values: pa.Array, pattern: str) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return the non-empty pieces of values and which value each is of."""
    split = pc.split_pattern_regex(values, pattern)
    owner = pc.list_parent_indices(split).to_numpy()
    pieces = split.flatten()
    full = pc.greater(pc.binary_length(pc.ascii_trim_whitespace(pieces)), 0)
    return pieces.filter(full), owner[full.to_numpy(zero_copy_only=False)].astype(np.int64)


def _rank(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return of each item of sorted groups how many of its group stand before it."""
    numbers = np.arange(len(groups))
    starts = np.r_[True, groups[1:] != groups[:-1]] if len(groups) else np.zeros(0, np.bool_)
    return numbers - np.maximum.accumulate(np.where(starts, numbers, 0))
