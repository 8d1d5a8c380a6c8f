"""Cells become exactly what they say, or are refused; encodings are found."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.statements import UnusableError, detect_encoding
from archiver.statements.model import BrokenLineError
from archiver.statements.text import parse_amount, parse_number, parse_time
from tests.statements import bills
from tests.statements.bills import BOM, SHANGHAI, Paid

PADDING = st.text(" \t`\u3000", max_size=3)
NUMBERS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_|*-]{0,63}", fullmatch=True).filter(
    lambda text: text not in {"0", "-"} and not text.replace(".", "").upper().count("E")
)
CENTS = st.integers(-(10**15) + 1, 10**15 - 1)


@given(NUMBERS, PADDING, PADDING)
def test_a_number_survives_what_exports_put_around_it(number: str, left: str, right: str) -> None:
    assert parse_number(left + number + right) == number
    assert parse_number(f'="{number}"') == number


@given(st.integers(10**20, 10**30))
def test_a_number_in_scientific_notation_is_refused(number: int) -> None:
    with pytest.raises(BrokenLineError, match="spreadsheet"):
        parse_number(f"{Decimal(number):.5E}")


@pytest.mark.parametrize("cell", ["", " ", "\t", "`", "0", "/", "-", "无"])
def test_no_number_is_none(cell: str) -> None:
    assert parse_number(cell) is None


@pytest.mark.parametrize("cell", ["a\x01b", "9" * 200])
def test_a_number_that_nobody_gives_is_refused(cell: str) -> None:
    with pytest.raises(BrokenLineError):
        parse_number(cell)


@given(CENTS, st.booleans(), st.sampled_from(["", "¥", "￥"]), PADDING, st.integers(0, 3))
def test_an_amount_survives_separators_currency_and_padding(
    cents: int, separators: bool, sign: str, padding: str, zeros: int
) -> None:
    amount = Decimal(cents).scaleb(-2)
    text = f"{amount:,.2f}" if separators else f"{amount:.2f}"
    assert parse_amount(f"{padding}{sign}{text}{'0' * zeros}{padding}") == amount


@given(st.integers(-(10**9), 10**9))
def test_whole_and_short_amounts_are_read(number: int) -> None:
    assert parse_amount(str(number)) == number
    assert parse_amount(f"{number}.5") == Decimal(f"{number}.5")


@pytest.mark.parametrize("cell", ["1.005", "1e3", "NaN", "一", "1,00", "--1", "9" * 16, "1 000"])
def test_what_is_no_amount_is_refused(cell: str) -> None:
    with pytest.raises(BrokenLineError):
        parse_amount(cell)


def test_nothing_is_nothing() -> None:
    assert parse_amount(" \t") == 0
    assert not parse_amount("-0.00").is_signed()


@given(st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1)))  # noqa: DTZ001  local times
def test_a_time_is_read_in_the_statements_zone(local: datetime) -> None:
    local = local.replace(microsecond=0)
    expected = local.replace(tzinfo=SHANGHAI)
    for form in ("%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y年%m月%d日 %H:%M:%S"):
        assert parse_time(f"`{local:{form}}\t", SHANGHAI) == expected
    assert parse_time(f"{local:%d.%m.%Y %H:%M:%S}", SHANGHAI, "%d.%m.%Y %H:%M:%S") == expected


def test_a_time_that_names_its_zone_keeps_it() -> None:
    expected = datetime(2026, 3, 4, 12, tzinfo=UTC)
    assert parse_time("2026-03-04T12:00:00Z", SHANGHAI) == expected
    assert parse_time("2026-03-04 13:00:00+01:00", SHANGHAI) == expected
    assert parse_time("2026-03-04 13:00:00+01:00", SHANGHAI).tzinfo == timezone(timedelta(hours=1))


@pytest.mark.parametrize("cell", ["", "2026-02-30 00:00:00", "soon", "0001-01-01 00:00:00"])
def test_what_is_no_time_is_refused(cell: str) -> None:
    with pytest.raises(BrokenLineError):
        parse_time(cell, SHANGHAI)


@given(st.sampled_from(["utf-8", "gbk", "gb18030"]), st.booleans(), st.integers(1, 7))
def test_the_encoding_of_a_statement_is_found(encoding: str, bom: bool, size: int) -> None:
    text = bills.alipay_business([Paid(number=bills.alipay_no(1), order="ORD-1")])
    content = text.encode(encoding)
    if encoding == "utf-8" and bom:
        content = BOM + content
    chunks = [content[n : n + size * 997] for n in range(0, len(content), size * 997)]
    found = detect_encoding(chunks)
    assert found == ("utf-8" if encoding == "utf-8" else "gb18030")
    assert content.decode(found).lstrip("\ufeff") == text


def test_rare_characters_of_gb18030_are_read() -> None:
    text = "卡密🎮𠮷"
    assert text.encode("gb18030").decode(detect_encoding([text.encode("gb18030")])) == text


@pytest.mark.parametrize(
    "content",
    ["账号".encode("utf-16"), b"PK\x03\x04rest", b"a\0b", b"\xff\xff\xff", b"\xd0\xcf\x11\xe0"],
)
def test_what_is_no_text_of_ours_is_refused(content: bytes) -> None:
    with pytest.raises(UnusableError):
        detect_encoding([content])
