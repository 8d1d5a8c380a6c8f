"""JSON Schemas of the documents and descriptions of the tables, for readers without Python.

`python -m schemas.generate` writes `json/` anew; a test compares it with what is written
there. Imports nothing of ours beyond this folder.
"""

import json
import re
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from schemas import documents, orders

FOLDER: Final = Path(__file__).parent / "json"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

DOCUMENTS: Final = sorted(
    (
        model
        for model in vars(documents).values()
        if isinstance(model, type)
        and issubclass(model, documents.Document)
        and ("format" in model.model_fields or model is documents.LedgerEntry)
    ),
    key=lambda model: model.__name__,
)
"""What is signed on its own, and what stands as text in such; all other models are parts."""
TABLES: Final = {
    "order_v1": orders.ORDER_V1,
    "reject_v1": orders.REJECT_V1,
    "segment_v1": orders.SEGMENT_V1,
    "known_v1": orders.KNOWN_V1,
}
_INDEX_TABLES: Final = {"segment_v1": "index", "known_v1": "known"}
"""Tables that are under one key of their own as a whole."""


def generated() -> dict[str, str]:
    """Return the text of every file in `json/` by its name."""
    files: dict[str, Any] = {}
    for model in DOCUMENTS:
        schema = {"$schema": _DIALECT, **model.model_json_schema(mode="serialization")}
        files[f"{_file_name(model.__name__)}.schema.json"] = schema
    for name, table in TABLES.items():
        files[f"{name}.json"] = described(table, _INDEX_TABLES.get(name))
    return {
        name: json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        for name, content in files.items()
    }


def described(table: pa.Schema, key: str | None = None) -> dict[str, Any]:
    """Return a table's leaves as Parquet names them: type, key, unit and origin of each.

    Args:
        table: One of the Arrow schemas.
        key: What opens all leaves, where that is not for the fields to say.
    """
    keys = orders.leaf_paths(table)
    leaves = {
        path: {"type": str(field.type), "required": not field.nullable, "key": key or keys[path]}
        | _metadata(field)
        for top in table
        for path, field in _leaves(top, top.name)
    }
    return {"schema": table.metadata[b"schema"].decode(), "leaves": leaves}


def _file_name(model: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", model).lower()


def _leaves(field: pa.Field, path: str) -> list[tuple[str, pa.Field]]:
    if pa.types.is_struct(field.type):
        inner = [field.type.field(i) for i in range(field.type.num_fields)]
        return [leaf for one in inner for leaf in _leaves(one, f"{path}.{one.name}")]
    if pa.types.is_list(field.type):
        return _leaves(pa.field("element", field.type.value_type), f"{path}.list.element")
    return [(path, field)]


def _metadata(field: pa.Field) -> dict[str, str]:
    told = {name.decode(): value.decode() for name, value in (field.metadata or {}).items()}
    return {name: told[name] for name in ("unit", "origin") if name in told}


def main() -> None:
    """Write the folder anew."""
    FOLDER.mkdir(exist_ok=True)
    files = generated()
    for path in FOLDER.iterdir():
        if path.name not in files:
            path.unlink()
    for name, content in files.items():
        (FOLDER / name).write_text(content, "utf-8")


if __name__ == "__main__":
    main()
