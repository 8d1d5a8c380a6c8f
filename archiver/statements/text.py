"""Cells into values: numbers, amounts, times; and which encoding a file is in.

Pure. Refuses what a spreadsheet has destroyed: a payment number of 28 digits that was saved
as 2.02603E+27 is gone.
"""

import codecs
import csv
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Final, Literal

from archiver.statements.model import BrokenLineError, UnusableError

Encoding = Literal["utf-8", "gb18030"]

_PADDING: Final = " \t\r\n\u3000\ufeff`"
"""Around values: tabs keep spreadsheets from reading numbers, WeChat puts a backtick before."""
_FULL_WIDTH: Final = str.maketrans("（）：，", "():,")
_ABSENT: Final = frozenset({"", "0", "-", "--", "/", "无"})
"""What exports write for no number."""
_SCIENTIFIC: Final = re.compile(r"\d(\.\d+)?[eE]\+?\d+")
_AMOUNT: Final = re.compile(r"([+-]?)(\d{1,3}(?:,\d{3})+|\d{1,15})(?:\.(\d+))?")
_CENTS: Final = 2
_TIMES: Final = ("%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y年%m月%d日 %H:%M:%S", "%Y-%m-%d %H:%M")
_LONGEST_NUMBER: Final = 128
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2100


def detect_encoding(chunks: Iterable[bytes]) -> Encoding:
    """Return the encoding of a whole file: UTF-8, with or without BOM, else GB18030.

    GB18030 contains GBK and GB2312. Text that is valid UTF-8 and has Chinese in it is not GBK
    by chance; pure ASCII is the same in both.

    Raises:
        UnusableError: Neither, e.g. UTF-16 or no text at all.
    """
    decoders = {name: codecs.getincrementaldecoder(name)("strict") for name in ("utf-8", "gb18030")}
    first = True
    for chunk in chunks:
        if first and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise UnusableError(
                "it is UTF-16; export it as CSV in UTF-8 or GBK",
                "编码为 UTF-16；请导出为 UTF-8 或 GBK 编码的 CSV",
            )
        if first and chunk.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
            raise UnusableError(
                "it is an archive or a spreadsheet; unpack it or export CSV",
                "这是压缩包或电子表格；请解压或导出 CSV",
            )
        if b"\0" in chunk:
            raise UnusableError("it has NUL bytes: no text", "含有 NUL 字节，不是文本")
        first = False
        _decode(decoders, chunk, final=False)
    _decode(decoders, b"", final=True)
    return "utf-8" if "utf-8" in decoders else "gb18030"


def _decode(decoders: dict[str, codecs.IncrementalDecoder], chunk: bytes, *, final: bool) -> None:
    for name in list(decoders):
        try:
            decoders[name].decode(chunk, final)
        except UnicodeDecodeError:
            del decoders[name]
    if not decoders:
        raise UnusableError(
            "it is neither UTF-8 nor GBK/GB18030", "编码既非 UTF-8 也非 GBK/GB18030"
        )


def cleaned(cell: str) -> str:
    """Return a cell without what exports put around values."""
    cell = cell.strip(_PADDING)
    if cell.startswith('="') and cell.endswith('"'):
        return cell[2:-1].strip(_PADDING)
    return cell


def column_name(cell: str) -> str:
    """Return a header's cell as names are compared: no spaces, half-width brackets."""
    return cleaned(cell).translate(_FULL_WIDTH).replace(" ", "")


def split_line(line: str, delimiter: str = ",") -> Sequence[str]:
    """Return a line's cells, as they are.

    Raises:
        csv.Error: A quoted cell goes on in the next line.
    """
    if line.startswith("`"):
        # Every value has its backtick and none is quoted: a comma inside a product's name is
        # not followed by one.
        return line[1:].split(f"{delimiter}`")
    if '"' not in line:
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter, strict=True))


def parse_number(cell: str) -> str | None:
    """Return an order's or payment's number, None where the export has none.

    Raises:
        BrokenLineError: A spreadsheet has rounded it, or it is no number that anybody gives.
    """
    number = cleaned(cell).strip("'")
    if number in _ABSENT:
        return None
    if _SCIENTIFIC.fullmatch(number):
        raise BrokenLineError(
            "a number was rounded by a spreadsheet; use the file as exported",
            "单号已被电子表格软件舍入；请使用导出的原文件",
        )
    if len(number) > _LONGEST_NUMBER or not number.isprintable():
        raise BrokenLineError(
            "a number is too long or has control characters", "单号过长或含有控制字符"
        )
    return number


def parse_amount(cell: str) -> Decimal:
    """Return a signed amount in major units, two decimals; an empty cell is nothing.

    Raises:
        BrokenLineError: It is no amount, or has fractions of a cent.
    """
    text = cleaned(cell).lstrip("¥￥").strip()
    if not text:
        return Decimal("0.00")
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise BrokenLineError("an amount is no number", "金额不是数字")
    sign, whole, fraction = match[1], match[2].replace(",", ""), match[3] or ""
    if fraction[_CENTS:].strip("0"):
        raise BrokenLineError("an amount has fractions of a cent", "金额有不足一分的尾数")
    amount = Decimal(f"{sign}{whole}.{fraction[:_CENTS]:0<2}")
    return amount or Decimal("0.00")


def parse_time(cell: str, zone: tzinfo, time_format: str | None = None) -> datetime:
    """Return an instant, aware.

    Args:
        cell: `2026-03-05 10:00:00`, ISO 8601 or one of the forms exports use.
        zone: Of times that do not name theirs.
        time_format: Of `strptime`; the only one accepted, if given.

    Raises:
        BrokenLineError: It is no time.
    """
    text = cleaned(cell)
    if time_format is None:
        with suppress(ValueError):
            return _aware(datetime.fromisoformat(text), zone)
    for one in _TIMES if time_format is None else (time_format,):
        with suppress(ValueError):
            return _aware(datetime.strptime(text, one), zone)  # noqa: DTZ007  `_aware` does it
    raise BrokenLineError("a time cannot be read", "时间无法读取")


def _aware(at: datetime, zone: tzinfo) -> datetime:
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise BrokenLineError("a time is absurd", "时间不合常理")
    return at.replace(tzinfo=zone) if at.tzinfo is None else at
