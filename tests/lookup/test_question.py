from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import RequestError
from archiver.lookup.question import (
    Conditions,
    Cursor,
    Question,
    conditions,
    digest,
    fact,
    parse_cursor,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")


def said(**asked: Any) -> Conditions:  # noqa: ANN401  options of any type
    return conditions(zone=SHANGHAI, sources=["main"], **asked)


def test_days_are_whole_days_of_the_archive() -> None:
    asked = said(first=date(2026, 3, 4), last=date(2026, 3, 4))
    assert asked.start == datetime(2026, 3, 3, 16, tzinfo=UTC)
    assert asked.end == datetime(2026, 3, 4, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    "asked",
    [
        {"first": date(2026, 3, 5), "last": date(2026, 3, 4)},
        {"first": date(1026, 3, 5)},
        {"last": date(9999, 12, 31)},
        {"first": date(2000, 1, 1), "last": date(2026, 1, 1)},
        {"statuses": ["done"]},
        {"statuses": ["Completed"]},
        {"product": " "},
        {"product": "x" * 1_000_000},
        {"channel": ""},
        {"source": "other"},
        {"amount": "ten"},
        {"amount": "1.005"},
        {"amount": "1e400"},
        {"amount": "NaN"},
        {"amount": ""},
        {"amount": "1" * 1_000},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as refused:
        said(**asked)
    assert len(refused.value.text("zh")) < 300
    assert "xxxx" not in refused.value.text("en")


def test_a_range_of_ten_years_is_answered() -> None:
    assert said(first=date(2016, 1, 1), last=date(2026, 1, 1)).timed


@pytest.mark.parametrize("text", ["12.5", "12.50", "￥12.50", "¥12.5", " 12.50 "])
def test_an_amount_is_one_number_however_it_is_written(text: str) -> None:
    assert said(amount=text).amount == Decimal("12.50")


def test_thousands_may_have_commas() -> None:
    assert said(amount="1,234.50").amount == Decimal("1234.50")


@pytest.mark.parametrize("value", ["", " ", "\n", "x" * 1_000_000, "a\0b", "\ud800"], ids=repr)
def test_a_fact_that_is_empty_enormous_or_no_text_is_refused_and_not_repeated(value: str) -> None:
    with pytest.raises(RequestError) as refused:
        fact("payment", value)
    assert "--payment-no" in refused.value.text("en")
    assert len(refused.value.text("zh")) < 200


def test_a_card_may_be_longer_than_anything_else() -> None:
    assert fact("card", "x" * 5_000).value == "x" * 5_000


def test_no_repr_shows_what_was_asked() -> None:
    question = Question(facts=[fact("card", "SECRET-1")])
    assert "SECRET-1" not in repr(question)


@given(st.text("0123456789abcdef", min_size=16, max_size=16), st.text(max_size=80))
def test_a_cursor_comes_back_as_it_was(asked: str, behind: str) -> None:
    cursor = Cursor(question=asked, behind=behind)
    assert parse_cursor(cursor.text()) == cursor


@pytest.mark.parametrize(
    "text",
    ["", "x", "%%%", "W10", "WzEsMiwzLDQsNV0=!", "bnVsbA", "A" * 100_000, "é"],
    ids=lambda text: text[:8],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        parse_cursor(text)


def test_questions_that_differ_have_cursors_that_differ() -> None:
    asked = [
        Question(),
        Question(conditions=said(amount="1")),
        Question(conditions=said(product="1")),
        Question(conditions=said(channel="1")),
        Question(conditions=said(first=date(2026, 3, 4))),
        Question(conditions=said(last=date(2026, 3, 4))),
        Question(conditions=said(statuses=["open"])),
        Question(conditions=said(source="main")),
    ]
    digests = {digest(one, ["t"]) for one in asked} | {digest(Question(), ["u"])}
    assert len(digests) == len(asked) + 1
