"""The reading process: bounded, mortal, and silent about what it read."""

import os
import select
import shutil
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
import venv
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

import archiver
from archiver.errors import ArchiverError, SourceUnavailableError
from archiver.mapping import MapContext
from archiver.sources import failures
from archiver.sources.check import inspect
from archiver.sources.database import DatabaseSource
from archiver.sources.mappings import load_mapping
from tests.servers.mariadb import ShopDatabase
from tests.shops import dujiaoka as shop
from tests.sources.shops import EVER, SEEN, dujiaoka, keys


def fill(database: ShopDatabase, orders: int) -> shop.Filled:
    connection = database.connect()
    filled = shop.fill(connection, orders=orders)
    connection.close()
    return filled


class Cable:
    """A connection to a server that can be cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.carried = 0
        self.cut_after: int | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far:
            while True:
                ready, _, _ = select.select([near, far], [], [], 10)
                for end in ready:
                    chunk = end.recv(65536)
                    if not chunk or (self.cut_after is not None and self.carried >= self.cut_after):
                        return
                    self.carried += len(chunk)
                    (far if end is near else near).sendall(chunk)
                if not ready:
                    return

    def close(self) -> None:
        self._listener.close()


def test_a_connection_cut_within_a_page_is_told_as_unavailable(shop_database: ShopDatabase) -> None:
    fill(shop_database, 12_000)  # more than a pipe holds
    cable = Cable(shop_database.host, shop_database.port)
    url = f"mysql://{shop_database.reader}@127.0.0.1:{cable.port}/{shop_database.name}"
    source = DatabaseSource(
        "main", url, shop_database.reader_password, load_mapping("dujiaoka"), page_rows=500
    )
    pages = source.pages(EVER)
    next(pages)
    cable.cut_after = cable.carried + 20_000

    with pytest.raises(SourceUnavailableError, match="the connection failed") as caught:
        list(pages)

    cable.close()
    assert "canary" not in str(caught.value)


def test_closing_the_pages_ends_the_process(shop_database: ShopDatabase) -> None:
    fill(shop_database, 3000)
    pages = dujiaoka(shop_database, page_rows=100).pages(EVER)
    next(pages)
    before = _readers()

    pages.close()  # type: ignore[attr-defined]  # a generator

    assert len(before) == 1
    assert not _readers()


def _readers(parent: int | None = None) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"archiver.sources.reader" in command and int(stat[1]) == (parent or os.getpid()):
                found.append(int(entry.name))
    return found


def test_the_process_dies_with_its_parent(shop_database: ShopDatabase) -> None:
    fill(shop_database, 3000)
    script = textwrap.dedent(
        """
        import sys
        from archiver.sources.database import DatabaseSource
        from archiver.sources.mappings import load_mapping
        from tests.sources.shops import EVER
        url, password = sys.stdin.readline().split()
        source = DatabaseSource("main", url, password, load_mapping("dujiaoka"), page_rows=50)
        pages = source.pages(EVER)
        next(pages)
        print("reading", flush=True)
        sys.stdin.read()
        """
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdin
    assert parent.stdout
    parent.stdin.write(f"{shop_database.url} {shop_database.reader_password}\n".encode())
    parent.stdin.flush()
    assert parent.stdout.readline() == b"reading\n"
    (reader,) = _readers(parent.pid)

    parent.kill()
    parent.wait()

    deadline = time.monotonic() + 10
    while _alive(reader) and time.monotonic() < deadline:
        time.sleep(0.05)
    parent.stdin.close()
    parent.stdout.close()
    assert not _alive(reader)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_the_password_is_in_no_argument_and_no_environment(shop_database: ShopDatabase) -> None:
    fill(shop_database, 300)
    pages = dujiaoka(shop_database, page_rows=10).pages(EVER)
    next(pages)
    (reader,) = _readers()

    told = b"".join(Path(f"/proc/{reader}/{name}").read_bytes() for name in ("cmdline", "environ"))

    pages.close()  # type: ignore[attr-defined]  # a generator
    assert shop_database.reader_password.encode() not in told
    assert b"canary-shop" not in told


STRAY = 'open(__import__("os").environ["HOME"] + "/ran", "a").write(__file__); raise SystemExit(9)'
"""What lies about in a working directory, and tells that it was run."""


@pytest.mark.parametrize("kind", ["checkout", "installed", "linked"])
def test_what_lies_in_the_working_directory_is_not_run(tmp_path: Path, kind: str) -> None:
    code, working = tmp_path / "code", tmp_path / "working"
    for folder in (code, working / "archiver"):
        folder.mkdir(parents=True)
    for stray in ("json.py", "pyarrow.py", "threading.py", "archiver/__init__.py"):
        (working / stray).write_text(STRAY)
    # An interpreter that has our dependencies and not ourselves.
    venv.create(tmp_path / "venv", symlinks=True)
    (packages,) = tmp_path.glob("venv/lib/python*/site-packages")
    (packages / "theirs.pth").write_text(f"{Path(pa.__file__).parents[1]}\n")
    place = packages if kind == "installed" else code
    for ours in ("archiver", "schemas"):
        shutil.copytree(Path(archiver.__file__).parents[1] / ours, place / ours)
    if kind == "linked":
        (packages / "ours.pth").write_text(f"{code}\n")
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        filled = shop.fill(connection, orders=50)
    connection.close()
    script = textwrap.dedent(
        f"""
        import os, sys
        from archiver.sources.database import DatabaseSource
        from archiver.sources.mappings import load_mapping
        url = "sqlite:///{tmp_path}/shop.db"
        source = DatabaseSource("main", url, None, load_mapping("dujiaoka"), timezone="UTC")
        os.chdir("{working}")
        print(sum(page.rows.num_rows for page in source.sample(1000)))
        """
    )

    run = subprocess.run(
        [tmp_path / "venv" / "bin" / "python", "-c", script],
        cwd=code,
        env={"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert not (tmp_path / "ran").exists(), (tmp_path / "ran").read_text()
    assert run.stdout.strip() == str(len(filled.orders)), run.stderr


def test_memory_stays_bounded_by_the_page_not_by_the_table(shop_database: ShopDatabase) -> None:
    connection = shop_database.connect()
    shop.bulk_fill(connection, orders=120_000)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders MODIFY info LONGTEXT CHARACTER SET utf8mb4")
        cursor.execute("UPDATE orders SET info = REPEAT('卡', 3000000) WHERE id % 3000 = 7")
    connection.commit()
    connection.close()
    most = rows = widest = 0

    for page in dujiaoka(shop_database).pages(EVER):
        for reader in _readers():  # it is gone with the last page
            status = Path(f"/proc/{reader}/status").read_text()
            most = max(most, int(status.partition("VmHWM:")[2].split()[0]) // 1024)
        widest = max(widest, page.rows.nbytes)
        rows += page.rows.num_rows

    assert rows == 120_000
    assert widest < 64 * 1024 * 1024  # 40 texts of nine million bytes are 360 MB
    assert 0 < most < 300  # MB; 143 without the long texts


def test_an_unhurried_reader_holds_up_the_process_and_nothing_else(
    shop_database: ShopDatabase,
) -> None:
    filled = fill(shop_database, 2000)
    source = dujiaoka(shop_database, page_rows=200, timeout=timedelta(seconds=6))
    pages = source.pages(EVER)
    first = next(pages)
    time.sleep(7)  # longer than a page may take to read

    rest = keys(pages)

    finished = [o for o in filled.orders if o.status in (shop.COMPLETED, shop.FAILED)]
    assert first.rows.num_rows + len(rest) == len(finished)


def test_an_inspection_shows_what_would_happen_and_no_secret(shop_database: ShopDatabase) -> None:
    fill(shop_database, 300)
    connection = shop_database.connect()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders SET status = 9 WHERE id IN (290, 291)")
    connection.commit()
    connection.close()
    source = dujiaoka(shop_database)
    context = MapContext(archive="shop-1", source="main", observed_at=SEEN)

    found = inspect(source, context)

    assert found.rows == 100
    assert len(found.orders) + len(found.rejected) + sum(found.not_archived.values()) == 100
    assert {row.reason for row in found.rejected} == {"unknown-status"}
    assert {row.row_key for row in found.rejected} == {"290", "291"}
    assert {row.shape for row in found.rejected} == {"0"}
    assert "buy_ip" in found.columns_taken
    assert found.columns_dropped == []
    assert not [
        word
        for word in (*shop.CANARIES_NEVER_KEPT, *shop.CANARIES_NEVER_PLAIN, "@qq.com")
        if word in repr(found)
    ]


COMPLAINTS = (
    "MySqlError { ERROR 1045 (28000): Access denied for user 'x'@'y' (using password: YES) }",
    "MySqlError { ERROR 1054 (42S22): Unknown column 'q.buy_ip' in 'SELECT' }",
    "MySqlError { ERROR 1146 (42S02): Table 'shop.orders' doesn't exist }",
    "MySqlError { ERROR 1064 (42000): You have an error in your SQL syntax near 'canary' }",
    "MySqlError { ERROR 1292 (22007): Incorrect datetime value: 'canary' for column x }",
    'db error: ERROR: relation "orders" does not exist',
    "db error: ERROR: invalid input syntax for type timestamp: canary",
    "DriverError { Could not connect to address `canary:33992': Connection refused }",
    "called `Result::unwrap()` on an `Err` value: canary",
    "mysql://reader:canary@127.0.0.1:3306/shop is broken",
)


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_a_drivers_words_are_never_passed_on(complaint: str) -> None:
    failure = failures.explain(complaint)

    assert "canary" not in failure.detail
    assert failure.detail


def test_an_error_of_a_source_names_the_next_command(tmp_path: Path) -> None:
    source = DatabaseSource("main", f"sqlite:///{tmp_path}/none.db", None, load_mapping("dujiaoka"))
    with pytest.raises(ArchiverError) as caught:
        list(source.pages(EVER))

    assert caught.value.next_command == "archiver source check --source main"
    assert "无法打开" not in caught.value.text("zh")
    assert caught.value.text("zh").startswith("数据源 main 拒绝访问")
