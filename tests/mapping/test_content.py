"""What makes a revision, and what does not."""

import pytest

from archiver.mapping import content
from tests.mapping.pages import GOOD, mapped, mapping

NOT_DIGESTED = {"id", "updated", "category"}


@pytest.mark.parametrize("column", sorted(NOT_DIGESTED))
def test_look_ups_paging_key_and_change_time_make_no_revision(column: str) -> None:
    other = "2026-11-03 00:00:00" if column == "updated" else "99"

    assert mapped({}).content.equals(mapped({column: other}).content)


@pytest.mark.parametrize("column", sorted(GOOD.keys() - NOT_DIGESTED - {"kind"}))
def test_every_own_column_makes_a_revision(column: str) -> None:
    other = {
        "state": "back",
        "created": "2026-11-01 20:00:01",
        "delivered": "2026-11-01 20:06:01",
        "guest": "0",
    }.get(column, "77")

    assert not mapped({}).content.equals(mapped({column: other}).content)


def test_null_and_empty_differ() -> None:
    assert not mapped({"race": ""}).content.equals(mapped({"race": None}).content)


def test_moving_a_boundary_between_columns_differs() -> None:
    one = mapped({"contact": "ab", "created": None, "delivered": "2026-11-01 20:06:00"})
    two = mapped({"contact": "a", "created": None, "delivered": "2026-11-01 20:06:00"})
    assert not one.content.equals(two.content)


def test_child_rows_count_and_their_order_too() -> None:
    first = {"order_no": "A1", "amount": "1.00"}
    second = {"order_no": "A1", "amount": "2.00"}
    seen = [
        mapped({}, refunds=refunds).content[0].as_py()
        for refunds in ((), (first,), (second,), (first, second), (second, first))
    ]
    assert len(set(seen)) == len(seen)


def test_rejects_of_different_values_differ() -> None:
    values: list[list[bytes | None]] = [
        [b"a", b"b"],
        [b"ab", b""],
        [b"a", None],
        [None, b"a"],
        [b"a", b"b", None],
    ]

    assert len({content.of_reject(row) for row in values}) == len(values)


def test_own_columns_are_sorted_so_the_order_of_a_mapping_file_does_not_count() -> None:
    assert list(mapping().own_columns) == sorted(mapping().own_columns)
    assert mapping().digest == mapping().digest != mapping(version=2).digest
