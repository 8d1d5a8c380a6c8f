"""Files as a source: what is in them arrives, and what is broken is named."""

import json
import os
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archiver.errors import ArchiverError, MappingError, SourceAccessError, SourceUnavailableError
from archiver.mapping import OrderMapping, parse_mapping
from archiver.sources import files
from archiver.sources.database import DatabaseSource
from archiver.sources.failures import ReadError
from tests.sources.shops import EVER, orders, rejects, window

MAPPING: dict[str, Any] = {
    "name": "export",
    "version": 1,
    "query": "SELECT file_row, no, state, done, amount, card FROM files",
    "key": "file_row",
    "key_kind": "text",
    "order_id": "no",
    "status": {"column": "state", "completed": ["ok"], "ignored": ["new"]},
    "times": {"completed": {"column": "done", "zone": "Asia/Shanghai"}},
    "completion": {"latest_of": ["completed"]},
    "fields": {"money.paid": "amount"},
    "deliveries": [{"split_lines": True, "columns": {"secret": "card"}}],
}
HEADER = "no,state,done,amount,card"
DONE = "2026-09-05 10:00:00"


def source(place: Path | str, **options: Any) -> DatabaseSource:  # noqa: ANN401  (the source's)
    mapping: OrderMapping = parse_mapping(options.pop("mapping", MAPPING))
    return DatabaseSource(
        "export", f"file:{place}", None, mapping, timezone="Asia/Shanghai", **options
    )


def found(place: Path | str, **options: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401
    return {order["order_id"]: order for order in orders(source(place, **options))}


def complaint(place: Path | str) -> ArchiverError:
    with pytest.raises(ArchiverError) as caught:
        list(source(place).pages(EVER))
    assert "CANARY" not in caught.value.text("en") + caught.value.text("zh")
    return caught.value


def table(count: int = 3, first: int = 1, **changes: pa.Array) -> pa.Table:
    numbers = range(first, first + count)
    begin = datetime(2026, 9, 5, 2, tzinfo=UTC)
    columns = {
        "no": pa.array([f"P{n:04d}" for n in numbers]).dictionary_encode(),
        "state": pa.array(["ok"] * count),
        "done": pa.array([begin + timedelta(hours=n) for n in numbers], pa.timestamp("us", "UTC")),
        "amount": pa.array([Decimal(n) / 100 for n in numbers], pa.decimal128(10, 2)),
        "card": pa.array([f"CANARY-{n}".encode() for n in numbers]),
        **changes,
    }
    return pa.table({name: column for name, column in columns.items() if column is not None})


def test_a_csv_with_bom_crlf_and_quotes_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(
        b"\xef\xbb\xbf" + HEADER.encode() + b"\r\n"
        + f'A1,ok,{DONE},"1,50","CARD ""1""\r\nCARD 2"\r\n\r\n'.replace('"1,50"', "1.50").encode()
        + f"A2,ok,{DONE},,月卡 ✨\r\n".encode()
        + f"A3,ok,{DONE},3,".encode() + "月卡".encode("gbk") + b"\n"
        + f"A4,new,{DONE},3,x\n".encode()
    )  # fmt: skip

    here = found(tmp_path)

    assert here.keys() == {"A1", "A2"}
    assert [d["secret"] for d in here["A1"]["deliveries"]] == ['CARD "1"', "CARD 2"]
    assert here["A1"]["completed_at"] == datetime(2026, 9, 5, 2, tzinfo=UTC)
    assert (here["A1"]["money"]["paid"], here["A2"]["money"]["paid"]) == (Decimal("1.50"), None)
    assert rejects(source(tmp_path)) == {b"a.csv:000000000006": "broken-utf8"}


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('A2,ok,now,1,"CANARY', "a.csv:3"),
        ('A2,ok,now,1,"CANARY"x', "a.csv:3"),
        ("A2,ok,now,1", "a.csv:3"),
        ("A2,ok,now,1,CANARY,x", "a.csv:3"),
        ('A2,ok,now,1,"CANARY\n2"\nA3', "a.csv:5"),
    ],
)
def test_a_broken_csv_line_is_named_and_nothing_is_read(
    tmp_path: Path, line: str, place: str
) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}\nA1,ok,{DONE},1,CANARY\n{line}\n", "utf-8")

    error = complaint(tmp_path)

    assert isinstance(error, MappingError)
    assert place in error.text("en")
    assert place in error.text("zh")


def test_json_lines_may_leave_out_what_is_null_and_keep_numbers_as_written(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '\ufeff{"no": "J1", "state": "ok", "done": "2026-09-05T10:00:00", "amount": 1.10}\n\n'
        f'{{"no": 12345678901234567890, "state": "ok", "done": "{DONE}", "card": "C1"}}\n'
        f'{{"no": "J3", "state": "ok", "done": "{DONE}", "amount": 1e999, "card": null}}\n',
        "utf-8",
    )

    here = found(tmp_path / "*.jsonl")

    assert here.keys() == {"J1", "12345678901234567890"}
    assert here["J1"]["money"]["paid"] == Decimal("1.10")
    assert rejects(source(tmp_path)).keys() == {b"a.jsonl:000000000004"}
    for broken in ("{", "[1]", '{"no": "1", "no": "2"}', "CANARY"):
        (tmp_path / "b.jsonl").write_text(f'{{"no": "X"}}\n{broken}\n')
        assert "b.jsonl:2: this line is broken" in complaint(tmp_path).text("en")


def test_parquet_of_any_types_is_read_as_text(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "a.parquet")
    pq.write_table(table(2, 10), tmp_path / "b.parquet")
    changed = {**MAPPING, "times": {"completed": {"column": "done", "zone": "UTC"}}}

    here = found(tmp_path, mapping=changed, page_rows=2)

    assert sorted(here) == ["P0001", "P0002", "P0003", "P0010", "P0011"]
    assert here["P0002"]["completed_at"] == datetime(2026, 9, 5, 4, tzinfo=UTC)
    assert here["P0002"]["money"]["paid"] == Decimal("0.02")
    assert here["P0011"]["deliveries"][0]["secret"] == "CANARY-11"


def test_columns_that_are_missing_extra_or_renamed_are_named(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "a.parquet")
    other = tmp_path / "b.parquet"
    for odd, told in (
        (table(card=None), "b.parquet: -card"),
        (table(extra=pa.array([1, 2, 3])), "b.parquet: +extra"),
        (table().rename_columns(["no", "state", "done", "amount", "Card"]), "-card, +Card"),
    ):
        pq.write_table(odd, other)
        error = complaint(tmp_path)
        assert isinstance(error, MappingError)
        assert told in error.text("en")
    other.unlink()
    pq.write_table(table(card=None), tmp_path / "a.parquet")
    assert "card" in complaint(tmp_path).text("en")
    pq.write_table(table(Card=pa.array(["x"] * 3)), tmp_path / "a.parquet")
    assert "same name" in complaint(tmp_path).text("en")


def test_what_is_no_such_file_is_said(tmp_path: Path) -> None:
    assert isinstance(complaint(tmp_path), SourceAccessError)
    assert isinstance(complaint(tmp_path / "none*.csv"), SourceAccessError)
    (tmp_path / "a.csv").write_text("")
    assert "a.csv: there is no header" in complaint(tmp_path).text("en")
    (tmp_path / "a.csv").write_text(HEADER)
    (tmp_path / ".hidden").write_text("x")
    assert found(tmp_path) == {}
    (tmp_path / "b.parquet").write_bytes(b"PAR1 but not really")
    assert isinstance(complaint(tmp_path), SourceUnavailableError)
    (tmp_path / "b.parquet").rename(tmp_path / "b.xlsx")
    assert "b.xlsx is no CSV" in complaint(tmp_path).text("en")


def test_a_folder_that_changes_while_it_is_read_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER}\nA1,ok,{DONE},1,x\n")
    kept = files._READERS[".csv"]

    changes: tuple[Callable[[], object], ...] = (
        lambda: (tmp_path / "b.csv").write_text(f"{HEADER}\n"),
        lambda: os.utime(tmp_path / "a.csv", (1, 1)),
        (tmp_path / "b.csv").unlink,
        lambda: (tmp_path / "a.csv").write_text(f"{HEADER}\nA1,ok,{DONE},1,longer\n"),
    )
    for change in changes:

        def read(path: Path, change: Callable[[], object] = change) -> files.Portions:
            if path.name == "a.csv":
                change()
            return kept(path)

        monkeypatch.setitem(files._READERS, ".csv", read)
        with pytest.raises(ReadError) as caught:
            files.Files(str(tmp_path))
        assert caught.value.failure.kind == "unavailable"
        assert caught.value.failure.detail == "the files changed while they were read"


def test_a_folder_that_is_written_to_gives_all_or_says_so(tmp_path: Path) -> None:
    lines = "".join(f"A{n},ok,{DONE},1,x\n" for n in range(2_000))
    for n in range(4):
        (tmp_path / f"{n}.csv").write_text(f"{HEADER}\n{lines.replace('A', f'{n}A')}")
    done = threading.Event()

    def write() -> None:
        number = 4
        while not done.wait(0.02):
            (tmp_path / f"{number}.csv").write_text(f"{HEADER}\n{number}A0,ok,{DONE},1,x\n")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(SourceUnavailableError, match="changed while"):
            [list(source(tmp_path).pages(EVER)) for _ in range(20)]
    finally:
        done.set()
        writer.join()
    assert len(found(tmp_path)) >= 8_000


def test_windows_days_census_and_keys_work_on_files(tmp_path: Path) -> None:
    rows = [f"A{n:03d},{'new' if n % 5 == 0 else 'ok'},2026-09-{1 + n % 20:02d} 10:00:00,1,C{n}"
            for n in range(200)]  # fmt: skip
    (tmp_path / "b.csv").write_text("\n".join([HEADER, *rows[100:]]))
    (tmp_path / "a.csv").write_text("\n".join([HEADER, *rows[:100]]))
    here = source(tmp_path, page_rows=7)
    day = window("2026-09-06T00:00+08:00", "2026-09-07T00:00+08:00")

    read = [key for page in here.pages(EVER) for key in page.rows["file_row"].to_pylist()]
    (census,) = here.census(EVER, EVER)
    (page,) = here.rows([b"b.csv:000000000003", b"a.csv:000000000003"])

    assert read == sorted(read) == census["key"].to_pylist()
    assert len(read) == 160
    assert page.rows["no"].to_pylist() == [b"A001", b"A101"]
    assert here.days(day) == {}  # the fifth of every twenty are new
    later = window("2026-09-07T00:00+08:00", "2026-09-08T00:00+08:00")
    assert here.days(later) == {date(2026, 9, 7): 10}
    assert sum(part.rows.num_rows for part in here.pages(later)) < 40


def test_a_query_that_takes_a_password_along_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{HEADER},password\nA1,ok,{DONE},1,x,CANARY\n")

    assert found(tmp_path).keys() == {"A1"}
    with pytest.raises(MappingError, match="password, which must never be kept"):
        list(source(tmp_path, mapping={**MAPPING, "query": "SELECT * FROM files"}).pages(EVER))


def test_column_names_cannot_smuggle_sql(tmp_path: Path) -> None:
    odd = 'x" TEXT); DROP TABLE files; --'
    (tmp_path / "a.jsonl").write_text(
        json.dumps({"no": "A1", "state": "ok", "done": DONE, odd: "1", "amount": "1", "card": "c"})
    )

    assert found(tmp_path).keys() == {"A1"}
