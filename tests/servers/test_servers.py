"""The servers that other tests rely on do what those tests take for granted."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pymysql
import pytest
from botocore.exceptions import ClientError

from tests.conftest import enter_or_say_why
from tests.servers import mariadb as mariadb_server
from tests.servers import seaweedfs as seaweedfs_server
from tests.servers.mariadb import ShopDatabase
from tests.servers.postgres import PostgresDatabase
from tests.servers.seaweedfs import S3Bucket
from tests.servers.shared import ServerMissingError

A_CLIENT_THAT_WAITS = """
import sys, time
from pathlib import Path
from tests.servers import mariadb
with mariadb.running(Path(sys.argv[1])) as server:
    print(server.port, flush=True)
    time.sleep(60)
"""


def test_a_shop_database_is_filled_by_its_admin_and_only_read_by_its_reader(
    shop_database: ShopDatabase,
) -> None:
    with shop_database.connect() as admin, admin.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a INT)")
        cursor.execute("INSERT INTO t VALUES (1)")
        admin.commit()
    with shop_database.connect(reader=True) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT a FROM t")
        assert cursor.fetchall() == ((1,),)
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute("INSERT INTO t VALUES (2)")


def test_a_postgres_database_is_filled_by_its_admin_and_only_read_by_its_reader(
    postgres_database: PostgresDatabase,
) -> None:
    with postgres_database.connect() as admin:
        admin.execute("CREATE TABLE t (a INT)")
        admin.execute("INSERT INTO t VALUES (1)")
    with postgres_database.connect(reader=True) as reader:
        assert reader.execute("SELECT a FROM t").fetchall() == [(1,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("INSERT INTO t VALUES (2)")


def test_a_bucket_is_born_with_object_lock_and_refuses_strangers(s3_bucket: S3Bucket) -> None:
    s3 = s3_bucket.client()
    lock = s3.get_object_lock_configuration(Bucket=s3_bucket.name)
    assert lock["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"
    stranger = seaweedfs_server.client(s3_bucket.endpoint, secret_key="wrong")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stranger.list_objects_v2(Bucket=s3_bucket.name)


def test_a_test_without_servers_has_no_network() -> None:
    with pytest.warns(UserWarning, match="socket"), pytest.raises(RuntimeError, match="socket"):
        socket.socket()


@pytest.mark.usefixtures("shop_database")
def test_a_test_with_a_server_reaches_only_this_machine() -> None:
    with (
        socket.socket() as outside,
        pytest.warns(UserWarning, match="connect"),
        pytest.raises(RuntimeError, match="connect"),
    ):
        outside.connect(("192.0.2.1", 80))


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_a_missing_server_skips_its_tests_but_fails_them_under_ci(
    ci: str,
    outcome: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(mariadb_server, "_find", _not_installed)
    with ExitStack() as stack, pytest.raises(outcome, match="package mariadb-server"):
        enter_or_say_why(stack, mariadb_server.running(tmp_path))


def _not_installed(program: str) -> str:
    raise ServerMissingError(f"{program} is missing: install Debian's package mariadb-server")


@pytest.mark.enable_socket
def test_a_server_ends_when_its_last_user_is_killed(tmp_path: Path) -> None:
    first = _waiting_client(tmp_path)
    second = _waiting_client(tmp_path)
    port = _port(first)
    assert _port(second) == port  # one server for both

    _kill(first)
    assert _listens(port)

    _kill(second)
    deadline = time.monotonic() + 20
    while _listens(port):
        assert time.monotonic() < deadline, "the server outlives its users"
        time.sleep(0.05)


def _waiting_client(run_folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", A_CLIENT_THAT_WAITS, str(run_folder)],
        stdout=subprocess.PIPE,
        text=True,
    )


def _port(client: "subprocess.Popen[str]") -> int:
    assert client.stdout is not None
    line = client.stdout.readline()
    if not line and os.environ.get("CI") != "true":
        pytest.skip("MariaDB does not start here")
    return int(line)


def _kill(client: "subprocess.Popen[str]") -> None:
    client.send_signal(signal.SIGKILL)
    client.communicate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
