"""What every test may ask for: real servers, started once a run, and a place of its own in each.

A test that asks for a server may talk to 127.0.0.1; every other test has no network. A missing
server fails its tests under `CI=true` and skips them, saying why, elsewhere.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest
import stamina
from hypothesis import HealthCheck, settings

from tests import tally
from tests.servers import mariadb as mariadb_server
from tests.servers import postgres as postgres_server
from tests.servers import seaweedfs as seaweedfs_server
from tests.servers.authority import TimeAuthority
from tests.servers.mariadb import MariaDB, ShopDatabase
from tests.servers.postgres import Postgres, PostgresDatabase
from tests.servers.proxy import S3Proxy
from tests.servers.receiver import Receiver
from tests.servers.seaweedfs import S3Bucket, SeaweedFS
from tests.servers.shared import ServerMissingError
from tests.servers.witness import WitnessServer

T = TypeVar("T")
ATTEMPTS = 100
"""More than anything tries; with `cap`, what is configured counts."""
SERVERS = {
    "chromium_office",
    "mariadb",
    "postgres",
    "receiver",
    "seaweedfs",
    "time_authority",
    "witness_server",
}

# Two cores are shared: no deadline, for no test is about time.
settings.register_profile("test", deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("test"), derandomize=True)
settings.register_profile(
    "soak",
    settings.get_profile("test"),
    max_examples=int(os.environ.get("SOAK_EXAMPLES", "500")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") == "true" else "test")
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests that use a server talk to this machine, and to nothing else."""
    for item in items:
        if SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.server)
            item.add_marker(pytest.mark.allow_hosts(["127.0.0.1"]))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Let a test's last report carry what it counted."""
    if counted := tally.taken():
        item.user_properties.append((tally.PROPERTY, counted))


def pytest_terminal_summary(terminalreporter: Any) -> None:  # noqa: ANN401  pytest's own, not typed
    """Say what the whole run did to the archive."""
    counted: list[Mapping[str, Any]] = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "teardown"
        for name, value in report.user_properties
        if name == tally.PROPERTY
    ]
    for line in tally.told(tally.summed(counted)):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def _no_configuration_of_this_machine() -> Iterator[None]:
    """Keep AWS configuration and credentials of whoever runs the tests out of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_waiting() -> Iterator[None]:
    """Try again as often as ever, without the waits between."""
    with stamina.set_testing(True, attempts=ATTEMPTS, cap=True):
        yield


@pytest.fixture(scope="session", autouse=True)
def _no_flushing() -> Iterator[None]:
    """Wait for no disk: these files live as long as the test run, as the servers' do.

    What is flushed, and when, is tested where a test listens to `os.fsync`; commands that run as
    processes of their own flush for real.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # it, too, refuses what is not open
        yield


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of this run share, and no other run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def enter_or_say_why(stack: ExitStack, server: AbstractContextManager[T]) -> T:
    """Start a server; where its program is missing, skip or (under `CI=true`) fail."""
    try:
        return stack.enter_context(server)
    except ServerMissingError as missing:
        _say_why(missing)


def _say_why(missing: ServerMissingError) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(str(missing))
    pytest.skip(str(missing))


@pytest.fixture(scope="session")
def mariadb(run_folder: Path) -> Iterator[MariaDB]:
    """The run's MariaDB."""
    with ExitStack() as stack:
        yield enter_or_say_why(stack, mariadb_server.running(run_folder))


@pytest.fixture
def shop_database(mariadb: MariaDB) -> Iterator[ShopDatabase]:
    """An empty MariaDB database of this test."""
    database = mariadb.new_database()
    yield database
    mariadb.drop(database)


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> Iterator[Postgres]:
    """The run's PostgreSQL."""
    with ExitStack() as stack:
        yield enter_or_say_why(stack, postgres_server.running(run_folder))


@pytest.fixture
def postgres_database(postgres: Postgres) -> Iterator[PostgresDatabase]:
    """An empty PostgreSQL database of this test."""
    database = postgres.new_database()
    yield database
    postgres.drop(database)


@pytest.fixture(scope="session")
def seaweedfs(run_folder: Path) -> Iterator[SeaweedFS]:
    """The run's S3 server."""
    with ExitStack() as stack:
        yield enter_or_say_why(stack, seaweedfs_server.running(run_folder))


@pytest.fixture
def s3_bucket(seaweedfs: SeaweedFS) -> S3Bucket:
    """An empty bucket of this test, with Object Lock. What is locked in it cannot be removed."""
    return seaweedfs.new_bucket()


@pytest.fixture
def s3_proxy(s3_bucket: S3Bucket) -> Iterator[S3Proxy]:
    """A proxy that can be told to lie; `s3_proxy.bucket` is `s3_bucket` reached through it."""
    with S3Proxy(s3_bucket) as proxy:
        yield proxy


@pytest.fixture
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def receiver(_no_proxy: None) -> Iterator[Receiver]:
    """Somebody who is told of alarms."""
    with Receiver() as server:
        yield server


@pytest.fixture
def witness_server(_no_proxy: None, tmp_path: Path) -> Iterator[WitnessServer]:
    """A witness that verifies and remembers; it knows no log yet."""
    with WitnessServer(memory=tmp_path / "witness-server.json") as server:
        yield server


@pytest.fixture
def time_authority(_no_proxy: None, tmp_path: Path) -> Iterator[TimeAuthority]:
    """An authority whose time stamps OpenSSL makes."""
    with ExitStack() as stack:
        try:
            server = TimeAuthority(folder=tmp_path / "authority")
        except ServerMissingError as missing:
            _say_why(missing)
        yield stack.enter_context(server)
