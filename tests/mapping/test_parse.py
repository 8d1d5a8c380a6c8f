"""Mapping files: what they may say."""

import tomllib
from typing import Any

import pytest

from archiver.errors import MappingError
from archiver.mapping import parse_mapping
from archiver.sources.mappings import load_mapping, presets
from tests.mapping.pages import MAPPING, mapping


def test_a_parameter_is_part_of_a_tables_name() -> None:
    assert parse_mapping(MAPPING, {"prefix": "acg_"}).query == "SELECT * FROM acg_orders"


@pytest.mark.parametrize("value", ["a b", "x;", "x`", 'x"', "x.y", "-- ", "订单", "x" * 49])
def test_a_parameter_cannot_smuggle_sql(value: str) -> None:
    with pytest.raises(MappingError, match="letters, digits and underscores"):
        parse_mapping(MAPPING, {"prefix": value})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"unknown": 1}, "Extra inputs"),
        ({"key_kind": "uuid"}, "key_kind"),
        ({"version": "1"}, "version"),
        ({"query": "SELECT * FROM {table}"}, "table"),
        ({"order_id": "search_pwd"}, "search_pwd must never be kept"),
        ({"extra": {"x": "Password"}}, "Password must never be kept"),
        ({"never_kept": ["title"]}, "title must never be kept"),
        ({"fields": {"buyer.nickname": "x"}}, "buyer.nickname"),
        ({"fields": {"money.paid": {"const": "1"}}}, "money.paid cannot be a constant"),
        ({"completion": {"latest_of": []}}, "latest_of is empty"),
        ({"completion": {"latest_of": ["closed"]}}, "closed"),
        ({"changed_at": "closed"}, "closed"),
        ({"payments": [{"columns": {"nothing": "x"}}]}, "payments has no nothing"),
        ({"payments": [{"columns": {"callback_at": "x"}}]}, "needs a column and its zone"),
        (
            {"payments": [{"columns": {"method": {"column": "x", "zone": "UTC"}}}]},
            "is no time",
        ),
        ({"deliveries": [{"columns": {"hint": "x"}}]}, "deliveries has no hint"),
        ({"deliveries": [{"split_lines": True, "columns": {"target": "x"}}]}, "needs a secret"),
        ({"deliveries": [{"when": [{"column": "x"}], "columns": {"target": "x"}}]}, "one of"),
        (
            {"status": {"column": "s", "completed": ["1"], "failed": ["1"]}},
            "a state stands in two lists",
        ),
    ],
)
def test_a_mapping_that_cannot_work_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(MappingError, match=complaint):
        mapping(**changes)


def test_a_zone_can_be_a_parameter_of_times() -> None:
    text = MAPPING.replace("[parameters]", '[parameters]\nzone = "UTC"').replace(
        'zone = "Asia/Shanghai"', 'zone = "{zone}"'
    )

    assert parse_mapping(text).times["created"].zone == "UTC"
    assert parse_mapping(text, {"zone": "Asia/Tokyo"}).times["created"].zone == "Asia/Tokyo"
    assert parse_mapping(text, {"zone": "Asia/Tokyo"}).times["paid"].zone == "epoch_s"
    for zone in ("Asia/Nowhere", "../../etc/passwd", "", "x'; DROP"):
        with pytest.raises(MappingError, match="no time zone"):
            parse_mapping(text, {"zone": zone})


def test_an_unknown_parameter_and_broken_toml_are_refused() -> None:
    with pytest.raises(MappingError, match="no parameter suffix"):
        parse_mapping(MAPPING, {"suffix": "x"})
    with pytest.raises(MappingError, match="no TOML"):
        parse_mapping("name = ")


def test_comments_and_layout_do_not_change_the_digest() -> None:
    again = parse_mapping("# a comment\n" + MAPPING.replace(" = ", "="))

    assert again.digest == parse_mapping(MAPPING).digest
    assert again.digest != parse_mapping(MAPPING, {"prefix": "x_"}).digest


@pytest.mark.parametrize("preset", presets())
def test_every_preset_loads(preset: str) -> None:
    assert load_mapping(preset).name == preset


def test_an_unknown_preset_names_those_that_exist() -> None:
    with pytest.raises(MappingError, match="dujiaoka"):
        load_mapping("../dujiaoka")


def test_a_mapping_comes_from_a_table_too() -> None:
    assert load_mapping(tomllib.loads(MAPPING)).digest == parse_mapping(MAPPING).digest
