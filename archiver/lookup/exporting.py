"""Orders as files for other programs: what a role may see, and the number of its access record.

Every row carries that number, so that a sheet that turns up somewhere says who took it. What a
spreadsheet would take for a formula is made text. The file appears whole or not at all, and for
its owner alone; nothing is written beside it, not even for a moment.
"""

import csv
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from archiver.errors import RequestError, Said
from archiver.local_files import disk_errors, sync_folder

FORMATS: Final = ("csv", "xlsx", "parquet", "jsonl")
MOST_ORDERS: Final = 100_000
"""In one file: all of it is in memory once, and Excel takes no more than ten times as many."""
_CELL: Final = 32_767
"""Characters of a cell in Excel."""
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""With what a spreadsheet's formula begins (OWASP, CSV injection), full-width signs included."""
_OWN: Final = 0o600

Row = Mapping[str, Any]
"""An order as it is shown (`archiver.lookup.shown`)."""


def format_of(path: Path) -> str:
    """Return the format that a file's name asks for.

    Raises:
        RequestError: It is none of ours, or the file is there already.
    """
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        names = ", ".join(f".{name}" for name in FORMATS)
        raise RequestError(
            detail=Said(
                f"--output: a file that ends with {names}", f"--output：文件名须以 {names} 结尾"
            )
        )
    require_new(path)
    return suffix


def require_new(path: Path) -> None:
    """Refuse a file that could not be written, before anybody is asked anything.

    Raises:
        RequestError: It is there already, or its folder is not.
    """
    if path.exists():
        raise RequestError(detail=Said(f"{path} is there already", f"{path} 已存在"))
    if not path.absolute().parent.is_dir():
        folder = path.absolute().parent
        raise RequestError(detail=Said(f"there is no folder {folder}", f"没有目录 {folder}"))


def write_export(path: Path, orders: Sequence[Row], access: str) -> int:
    """Write orders to a file that does not exist.

    Args:
        path: Its ending says the format.
        orders: As they are shown.
        access: The number of the access record.

    Returns:
        Bytes.

    Raises:
        LocalDiskError: The disk refused. Nothing is left.
        RequestError: A value is too long for a cell of this format.
    """
    content = exported(format_of(path), orders, access)
    write_new(path, content)
    return len(content)


def exported(kind: str, orders: Sequence[Row], access: str) -> bytes:
    """Return orders as the content of a file.

    Args:
        kind: One of `FORMATS`.
        orders: As they are shown.
        access: The number of the access record.

    Raises:
        RequestError: A value is too long for a cell of this format.
    """
    if kind == "jsonl":
        return _jsonl(orders, access)
    rows = [flat(order, access) for order in orders]
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["access"]
    return {"csv": _csv, "xlsx": _xlsx, "parquet": _parquet}[kind](names, rows)


def flat(order: Row, access: str) -> dict[str, str | None]:
    """Return an order as one row: structs dissolved, each list as one JSON text."""
    row: dict[str, str | None] = {"access": access}

    def put(name: str, value: object) -> None:
        if isinstance(value, Mapping):
            for inner, below in value.items():
                put(f"{name}.{inner}", below)
        elif isinstance(value, list):
            row[name] = json.dumps(value, ensure_ascii=False) if value else None
        elif isinstance(value, bool):
            row[name] = "true" if value else "false"
        else:
            row[name] = None if value is None else str(value)

    for name, value in order.items():
        put(name, value)
    return row


def harmless(text: str | None) -> str:
    """Return text that no spreadsheet takes for a formula; numbers stay numbers."""
    if text is None:
        return ""
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def _csv(names: Sequence[str], rows: Sequence[Mapping[str, str | None]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows([harmless(row.get(name)) for name in names] for row in rows)
    # With a mark, so that Excel reads Chinese as UTF-8.
    return out.getvalue().encode("utf-8-sig")


def _xlsx(names: Sequence[str], rows: Sequence[Mapping[str, str | None]]) -> bytes:
    out = io.BytesIO()
    # In memory: the library would otherwise write its parts to temporary files, in plain.
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    access = next((row["access"] for row in rows), None)
    book.set_properties({"comments": f"access {access}"})
    sheet = book.add_worksheet("orders")
    sheet.write_row(0, 0, names, book.add_format({"bold": True}))
    sheet.freeze_panes(1, 0)
    for number, row in enumerate(rows, 1):
        for column, name in enumerate(names):
            text = row.get(name)
            if text is not None and sheet.write_string(number, column, harmless(text)):
                raise RequestError(
                    detail=Said(
                        f"a value has more than {_CELL:,} characters: use .csv, .parquet or .jsonl",
                        f"有的值超过 {_CELL:,} 个字符：请用 .csv、.parquet 或 .jsonl",
                    )
                )
    book.close()
    return out.getvalue()


def _parquet(names: Sequence[str], rows: Sequence[Mapping[str, str | None]]) -> bytes:
    table = pa.table(
        {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _jsonl(orders: Sequence[Row], access: str) -> bytes:
    lines = (json.dumps({"access": access, **order}, ensure_ascii=False) for order in orders)
    return "".join(f"{line}\n" for line in lines).encode()


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there, for its owner alone: whole, or not at all.

    Raises:
        LocalDiskError: The disk refused, or the file has appeared meanwhile. Nothing is left.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with disk_errors(path.absolute().parent):
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with os.fdopen(os.open(draft, flags, _OWN), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # A link, unlike a renaming, replaces nothing that has appeared meanwhile.
            os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.absolute().parent)
