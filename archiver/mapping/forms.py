"""Form input of manual orders: parsed by field, passwords dropped.

Responsible for this promise: the password of a buyer's game account is in no order, no reject
and no digest. It therefore drops rather too much: a line whose label speaks of a password, the
rest of a line from the word on, and the line after a label that stood alone. What it keeps of
the column is called *clean* and is all that the rest of the mapper ever sees.
"""

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archiver.mapping.columns import mask
from archiver.mapping.faults import Mask, Positions
from archiver.mapping.parts import Form

# Both RE2 (Arrow) and `re` read these. Zero-width characters are literal: no escape suits both.
_GAP: Final = "[\\s\u200b-\u200d\u2060\ufeff]*"
_CHINESE: Final = (
    rf"密{_GAP}[码碼保匙钥鑰]|[账帐賬]密|口{_GAP}令|暗{_GAP}号|安全码|验证码|校验码|动态码"
)
# In Latin script the word must stand alone: an account may be called bypass@example.com.
_WORD: Final = rf"{_CHINESE}|\b(?:pass\s*(?:word|wd|code|phrase)?|pwd|pswd|psw|mima)\b"
PASSWORD_TEXT: Final = rf"(?i)(?:{_WORD})"
_PASSWORD_INLINE: Final = rf"(?i)(?:{_WORD}).*$"
# A label is no account: there it is found within other words, too (GamePassword, user_pw1).
PASSWORD_LABEL: Final = (
    rf"(?i)(?:{_CHINESE}|p\s*a\s*s\s*s\s*w\s*o\s*r\s*d|pass\s*(?:wd|code|phrase)|pswd|pwd|psw|"
    r"(?:\b|_)(?:pass|pw|mima)(?:\b|_|\d))"
)
_LABELLED: Final = r"^(?P<label>[^:：=＝]{1,40}?)\s*[:：=＝]\s*(?P<value>.*)$"

_TEXT: Final = re.compile(PASSWORD_TEXT)
_LABEL: Final = re.compile(PASSWORD_LABEL)
_COLON: Final = re.compile(r"[:：=＝]")
_LABEL_ALONE: Final = re.compile(r"[:：=\s]*")
_ESCAPED: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_BREAKS: Final = re.compile(r"[\r\n\v\f\x85\u2028\u2029]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The clean lines of a form column, in order."""

    row: Positions
    line: pa.Array
    label: pa.Array
    """Null where a line has none."""
    value: pa.Array


def read(values: pa.Array) -> Lines:
    """Return the clean lines of form texts, without those that are empty or a password's."""
    split = pc.split_pattern(values.fill_null(""), "\n")
    row = np.asarray(pc.list_parent_indices(split)).astype(np.int64)
    line = pc.utf8_trim_whitespace(split.flatten())
    # Empty lines go first: a password may stand below one.
    there = ~mask(pc.equal(pc.binary_length(line), 0))
    row, line = row[there], line.filter(pa.array(there))
    fields = pc.extract_regex(line, _LABELLED)
    label, value = pc.struct_field(fields, "label"), pc.struct_field(fields, "value")
    # Full-width Latin letters are the same words to a person.
    folded = pc.utf8_normalize(line, form="NFKC")
    secret = mask(pc.match_substring_regex(pc.utf8_normalize(label, form="NFKC"), PASSWORD_LABEL))
    alone = secret & mask(pc.equal(pc.binary_length(value), 0))
    mentions = mask(pc.match_substring_regex(folded, PASSWORD_TEXT)) & ~secret
    follows = np.zeros(len(secret), np.bool_)
    # A label without a value: the value may stand on the next line. An unlabelled line that
    # says password is treated the same way.
    lonely = alone | (mentions & mask(label.is_null()))
    follows[1:] = lonely[:-1] & (row[1:] == row[:-1]) & mask(label.is_null())[1:]
    keep = ~(secret | follows | (mentions & mask(label.is_null())))
    if mentions.any():
        line, value = _cut(line, value, label, mentions)
    kept = pa.array(keep)
    return Lines(
        row=row[keep], line=line.filter(kept), label=label.filter(kept), value=value.filter(kept)
    )


def lines_of_json(values: pa.Array) -> pa.Array:
    """Return JSON forms as `label:value` lines; what is no JSON object says nothing.

    It is not kept as it is: where it broke off, nobody can tell a password from a server's name.
    """
    return pa.array([None if v is None else _lines(v) for v in values.to_pylist()], pa.string())


def _lines(text: str) -> str:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(fields, dict):
        return ""
    lines = []
    for name, value in fields.items():
        title = name
        if isinstance(value, dict) and "value" in value:
            # The name may speak of a password where the title does not.
            speaks = _LABEL.search(name)
            title = name if speaks else str(value.get("cn") or name)
            value = value["value"]  # noqa: PLW2901  the field's own value
        said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if value is not None and said:
            lines.append(_BREAKS.sub(" ", f"{title.replace(':', ' ')}:{said}"))
    # JSON can name letters that no text may hold.
    return "\n".join(lines).replace("\0", "").encode("utf-8", "replace").decode()


def _cut(
    line: pa.Array, value: pa.Array, label: pa.Array, mentions: Mask
) -> tuple[pa.Array, pa.Array]:
    """Keep only the first word of values that go on to speak of a password."""
    folded = pc.utf8_normalize(value, form="NFKC")
    cut = pc.utf8_trim_whitespace(pc.replace_substring_regex(folded, _PASSWORD_INLINE, ""))
    first = pc.replace_substring_regex(cut, r"[\s,，;；|/、].*$", "")
    both = pc.binary_join_element_wise(label, first, ":")
    rows = pa.array(mentions)
    return pc.if_else(rows, both, line), pc.if_else(rows, first, value)


def clean(lines: Lines, rows: int) -> pa.Array:
    """Return the clean text of each of `rows` rows, lines joined again."""
    offsets = np.concatenate([[0], np.cumsum(np.bincount(lines.row, minlength=rows))])
    grouped = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), lines.line)
    return pc.binary_join(grouped, "\n")


def clean_broken(raw: bytes) -> bytes:
    """Return what a reject keeps of a form text that is no proper text.

    Whole lines go: where the encoding is unknown, nothing finer is safe. Old shops wrote GBK.
    """
    kept: list[bytes] = []
    follows = False
    for line in raw.replace(b"\0", b"").split(b"\n"):
        readings = [line.decode(encoding, "replace") for encoding in ("utf-8", "gb18030")]
        # JSON may write every letter as its number.
        readings += [_ESCAPED.sub(lambda found: chr(int(found[1], 16)), t) for t in readings]
        readings += [unicodedata.normalize("NFKC", text) for text in readings]
        found = [match for text in readings if (match := _spoken(text))]
        if found:
            follows = any(_LABEL_ALONE.fullmatch(match.string, match.end()) for match in found)
        elif not follows or not line.strip():
            kept.append(line)
        else:
            follows = False
    return b"\n".join(kept)


def _spoken(line: str) -> re.Match[str] | None:
    """Return where a line speaks of a password, in its label or anywhere."""
    colon = _COLON.search(line)
    return (_LABEL.search(line, 0, colon.start()) if colon else None) or _TEXT.search(line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a form says, one entry for each row that says anything."""

    row: Positions
    target: pa.Array
    secret: pa.Array
    extra_row: Positions
    extra_name: pa.Array
    extra_value: pa.Array


def fill(lines: Lines, form: Form, rows: int) -> Filled:
    """Sort the clean lines: the first target, particulars, and the rest as one secret."""
    label = pc.utf8_trim_whitespace(pc.utf8_lower(lines.label))

    def among(labels: tuple[str, ...]) -> Mask:
        return mask(pc.is_in(label, pa.array([text.lower() for text in labels], pa.string())))

    is_target = among(form.target)
    is_first = np.zeros(len(is_target), np.bool_)
    where = np.flatnonzero(is_target)
    is_first[where[np.unique(lines.row[where], return_index=True)[1]]] = True
    is_extra = among(form.extra) | (is_target & ~is_first)
    is_rest = ~is_first & ~is_extra
    rest = pa.array(is_rest)
    secret = clean(
        Lines(
            row=lines.row[is_rest],
            line=lines.line.filter(rest),
            label=lines.label.filter(rest),
            value=lines.value.filter(rest),
        ),
        rows,
    )
    at = np.full(rows, -1, np.int64)
    at[lines.row[is_first]] = np.flatnonzero(is_first)
    target = lines.value.take(pa.array(at, mask=at < 0))
    present = np.unique(lines.row[is_first | is_rest])
    extra = pa.array(is_extra)
    chosen = pa.array(present)
    return Filled(
        row=present,
        target=target.take(chosen),
        secret=pc.if_else(pc.equal(pc.binary_length(secret), 0), None, secret).take(chosen),
        extra_row=lines.row[is_extra],
        extra_name=lines.label.filter(extra),
        extra_value=lines.value.filter(extra),
    )
