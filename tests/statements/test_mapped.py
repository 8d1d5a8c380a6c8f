"""A mapping says what a CSV's columns and words mean, and contradicts nothing."""

from decimal import Decimal

import pytest

from archiver.errors import ConfigurationError
from archiver.statements import Entry, Kind, StatementReader, parse_statement_mapping
from tests.statements import bills

MINIMAL = """
name = "x"
[columns]
provider_no = "id"
amount = "sum"
time = "at"
"""


def read(mapping: str, text: str) -> tuple[list[Entry], StatementReader]:
    reader = StatementReader(mapping=parse_statement_mapping(mapping))
    return list(reader.entries(text.splitlines(keepends=True))), reader


def test_without_a_column_for_the_kind_the_sign_decides() -> None:
    entries, _ = read(
        MINIMAL, "id,sum,at\nA,1.00,2026-03-04 10:00:00\nA,-1.00,2026-03-04 11:00:00\n"
    )
    assert [(one.kind, one.amount) for one in entries] == [
        (Kind.PAYMENT, Decimal("1.00")),
        (Kind.REFUND, Decimal("1.00")),
    ]
    assert entries[0].at.utcoffset() == bills.SHANGHAI.utcoffset(entries[0].at.replace(tzinfo=None))


def test_rows_that_never_happened_are_set_apart() -> None:
    mapping = MINIMAL + 'state = "st"\n[states]\ncounted = ["ok"]\nignored = ["failed"]\n'
    entries, reader = read(
        mapping,
        "id,sum,at,st\nA,1,2026-03-04 10:00,ok\nB,1,2026-03-04 10:00,failed\nC,1,2026-03-04,new\n",
    )
    assert [one.kind for one in entries] == [Kind.PAYMENT, Kind.OTHER]
    assert [one.line for one in reader.broken] == [4]


def test_delimiter_zone_and_time_format_are_the_mappings() -> None:
    mapping = 'delimiter = ";"\nzone = "UTC"\ntime_format = "%d.%m.%Y %H:%M"\n' + MINIMAL
    (entry,) = read(mapping, "id;sum;at\nA;1,234.50;04.03.2026 10:00\n")[0]
    assert entry.amount == Decimal("1234.50")
    assert entry.at.isoformat() == "2026-03-04T10:00:00+00:00"


def test_columns_may_be_more_and_stand_anywhere() -> None:
    (entry,) = read(MINIMAL, "x,at,id,y,sum\n1,2026-03-04 10:00:00,A,2,3.00\n")[0]
    assert (entry.provider_no, entry.amount) == ("A", Decimal("3.00"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "x"', "name = "),
        ('name = "x"', 'name = "x"\nunknown = 1'),
        ('name = "x"', 'name = "x"\nzone = "Mars/Base"'),
        ('name = "x"', 'name = "X Y"'),
        ('provider_no = "id"', ""),
        ('amount = "sum"', ""),
        ('amount = "sum"', 'amount = "sum"\nkind = "k"'),
        ('amount = "sum"', 'amount = "sum"\nstate = "s"'),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused(old: str, new: str) -> None:
    with pytest.raises(ConfigurationError, match="statement's mapping"):
        parse_statement_mapping(MINIMAL.replace(old, new))


@pytest.mark.parametrize("row", ["A", "A,1,", ",1,2026-03-04 10:00:00"])
def test_rows_that_lack_something_are_broken(row: str) -> None:
    entries, reader = read(MINIMAL, f"id,sum,at\n{row}\n")
    assert entries == []
    assert reader.broken_count == 1
