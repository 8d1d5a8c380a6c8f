"""Exports in a folder as a shop: sealed, looked at again, and refused when they are broken."""

from decimal import Decimal
from pathlib import Path

from archiver.errors import Exit
from tests.nights.evidence import FolderVault, Opened
from tests.nights.site import (
    SHANGHAI,
    Site,
    assert_identity,
    codes,
    dir_store,
    shown,
    source,
    total,
)

MAPPING = """
[source.mapping]
name = "export"
version = 1
key = "file_row"
key_kind = "text"
order_id = "订单号"
query = 'SELECT file_row, "订单号", "状态", "完成时间", "实付", "卡密" FROM files'
[source.mapping.status]
column = "状态"
completed = ["已完成"]
ignored = ["未付款"]
[source.mapping.times]
completed = { column = "完成时间", zone = "Asia/Shanghai" }
[source.mapping.completion]
latest_of = ["completed"]
[source.mapping.fields]
"money.paid" = "实付"
"money.currency" = { const = "CNY" }
[[source.mapping.deliveries]]
split_lines = true
columns = { kind = { const = "card" }, secret = "卡密" }
"""
HEADER = "订单号,状态,完成时间,实付,卡密\r\n"


def export(site: Site, first: int, count: int) -> str:
    """Return a CSV file as spreadsheets write it."""
    lines = []
    for n in range(first, first + count):
        end = f"{site.days_before(n % 4)} {n % 24:02d}:00:00"
        state = "未付款" if n % 7 == 0 else "已完成"
        lines.append(f'F{n:05d},{state},{end},{n}.50,"CANARY-{n}-A\r\nCANARY-{n}-B"\r\n')
    return "\ufeff" + HEADER + "".join(lines)


def test_a_folder_of_exports_is_sealed_row_for_row(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "host" / "exports"
    shop = source("file:exports", preset="files", more=MAPPING)
    site.configure(store=dir_store(), sources=shop)
    folder.mkdir()
    (folder / "b.csv").write_text(export(site, 1, 300), "utf-8", newline="")

    first = site.first_night()

    assert (first.exit, first.failures) == (Exit.DONE, [])
    assert_identity(first)
    opened = Opened.at(FolderVault(site.folder / "vault"), site.folder)
    rows = {row["order_id"]: row for row in opened.rows()}
    assert rows.keys() == {f"F{n:05d}" for n in range(1, 301) if n % 7}
    for number, row in rows.items():
        n = int(number[1:])
        assert [d["secret"] for d in row["deliveries"]] == [f"CANARY-{n}-A", f"CANARY-{n}-B"]
        assert row["money"]["paid"] == Decimal(n) + Decimal("0.50")
        ended = row["completed_at"].astimezone(SHANGHAI)
        assert f"{ended:%F %T}" == f"{site.days_before(n % 4)} {n % 24:02d}:00:00"
    # More files, before and behind the first one: what was sealed is known again.
    (folder / "a.csv").write_text(export(site, 501, 6), "utf-8", newline="")
    (folder / "c.csv").write_text(export(site, 601, 6), "utf-8", newline="")
    second = site.night()
    assert total(second) == {"read": 268, "orders": 10, "unchanged": 258}
    opened.assert_everything_is_named_once()


def test_a_broken_export_stops_the_night_and_names_the_line(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "host" / "exports"
    shop = source("file:exports/*.csv", preset="files", more=MAPPING)
    site.configure(store=dir_store(), sources=shop)
    folder.mkdir()
    (folder / "a.csv").write_text(export(site, 1, 5) + "F9,已完成\r\n", "utf-8", newline="")

    report = site.first_night()

    assert report.exit == Exit.FIX_REQUEST
    assert codes(report)
    assert "a.csv:12" in shown(report)
    assert "CANARY" not in shown(report)
