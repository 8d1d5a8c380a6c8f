"""What `schemas/json/` says is what is written, and every Parquet leaf has its key."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import documents, generate, orders
from tests import cards
from tests.desk import at, founded

TABLES = list(generate.TABLES.values())
NAMES = list(generate.TABLES)


def test_the_generated_folder_is_up_to_date() -> None:
    written = {path.name: path.read_text("utf-8") for path in generate.FOLDER.iterdir()}
    assert written == generate.generated(), "run: python -m schemas.generate"


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_every_parquet_leaf_is_listed_with_a_key(table: pa.Schema) -> None:
    sink = io.BytesIO()
    pq.write_table(table.empty_table(), sink)
    schema = pq.ParquetFile(sink).schema
    leaves = [schema.column(i).path for i in range(len(schema))]
    assert list(orders.leaf_paths(table)) == leaves
    assert set(orders.leaf_paths(table).values()) <= {"base", "reveal"}


def test_card_secrets_and_free_text_are_under_the_reveal_key_and_nothing_else() -> None:
    keys = orders.leaf_paths(orders.ORDER_V1)
    assert {path for path, key in keys.items() if key == "reveal"} == {
        "deliveries.list.element.secret",
        "after_sales.list.element.note",
        "events.list.element.note",
    }
    assert set(orders.leaf_paths(orders.REJECT_V1).values()) == {"reveal"}


@pytest.mark.parametrize("table", TABLES, ids=NAMES)
def test_every_leaf_says_where_it_comes_from_and_times_and_amounts_their_unit(
    table: pa.Schema,
) -> None:
    for path, leaf in generate.described(table)["leaves"].items():
        assert leaf["origin"], path
        if leaf["type"].startswith(("timestamp", "decimal")):
            assert leaf["unit"], path


def test_amounts_and_times_are_never_floats() -> None:
    kinds = {leaf["type"] for t in TABLES for leaf in generate.described(t)["leaves"].values()}
    assert not {kind for kind in kinds if "float" in kind or "double" in kind}
    assert {kind for kind in kinds if "timestamp" in kind} == {"timestamp[us, tz=UTC]"}
    assert {kind for kind in kinds if "decimal" in kind} == {"decimal128(18, 2)"}


def fits(  # noqa: PLR0911  one per kind
    schema: Mapping[str, Any], value: object, within: Mapping[str, Any]
) -> bool:
    """A JSON Schema validator for what our schemas use."""
    if "$ref" in schema:
        return fits(within["$defs"][schema["$ref"].rpartition("/")[2]], value, within)
    if "anyOf" in schema:
        return any(fits(one, value, within) for one in schema["anyOf"])
    if "const" in schema and value != schema["const"]:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    match schema.get("type"):
        case "object":
            return isinstance(value, dict) and fits_object(schema, value, within)
        case "array":
            return isinstance(value, list) and all(
                fits(schema["items"], one, within) for one in value
            )
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and value >= schema.get("minimum", value)
        case "null":
            return value is None
        case _:
            return True


def fits_object(
    schema: Mapping[str, Any], value: Mapping[str, object], within: Mapping[str, Any]
) -> bool:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    return (
        set(schema.get("required", ())) <= value.keys()
        and all(fits(known[name], value[name], within) for name in known.keys() & value.keys())
        and all(
            others is True or (others is not False and fits(others, value[name], within))
            for name in value.keys() - known.keys()
        )
    )


def test_documents_as_they_are_sealed_fit_their_json_schemas(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(1, at(4)), cards.order(2, at(4), paid="x")])
    desk.night()
    schema = json.loads((generate.FOLDER / "manifest.schema.json").read_text("utf-8"))
    for manifest in desk.audit().manifests:
        assert fits(schema, manifest, schema)
        assert not fits(schema, {**manifest, "unknown": 1}, schema)
        assert not fits(schema, {**manifest, "number": 0}, schema)
        assert not fits(schema, {k: v for k, v in manifest.items() if k != "objects"}, schema)


# --- documents -----------------------------------------------------------------------------------

COHORT = documents.Cohort(
    archive="a" * 32, cohort="orders-2029-03-0a1b2c3d", created_at=at(4), keys={}
)


def test_a_document_survives_its_own_bytes() -> None:
    assert documents.Cohort.model_validate_json(COHORT.model_dump_json()) == COHORT


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"kind": "signer"},
        {"unknown": 1},
        {"cohort": "orders-2029-03"},
        {"cohort": "../orders-2029-03-0a1b2c3d"},
        {"created_at": "2026-03-04T12:00:00"},
        {"created_at": None},
        {"keys": {"other": {"public_key": "", "sealed_seed": ""}}},
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        documents.Cohort.model_validate_json(
            json.dumps(json.loads(COHORT.model_dump_json()) | change)
        )


@given(st.integers(-(10**30), 10**30))
@settings(max_examples=30)
def test_sums_are_written_as_text_so_that_no_reader_rounds_them(cents: int) -> None:
    amount = f"{cents}.25"
    line = {
        "channel": "",
        "currency": "CNY",
        **{f"{name}_orders": 1 for name in ("source", "sealed", "known")},
        **{f"{name}_amount": amount for name in ("source", "sealed", "known")},
    }
    read = documents.ChannelSum.model_validate_json(json.dumps(line))
    assert json.loads(read.model_dump_json())["sealed_amount"] == amount
