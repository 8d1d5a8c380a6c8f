"""Full disks and two runs at once: one wins, the other says so, and nothing is sealed twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from archiver.errors import AnotherRunError, ArchiverError, Exit, LocalDiskError, NoFenceError
from tests.archives import Silent
from tests.nights.evidence import BucketVault, FolderVault, Opened
from tests.nights.shop import SqliteShop, good_orders
from tests.nights.site import Site, codes, dir_store, s3_store, total
from tests.servers.postgres import PostgresDatabase
from tests.servers.proxy import DROP_IF_NONE_MATCH, OnItsWay, S3Proxy, request
from tests.servers.seaweedfs import S3Bucket

COMMAND = [sys.executable, "-c", "from cli.main import main; main()"]


# ------------------------------------------------------------------------------ a full disk


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A file system of one megabyte."""

    folder: Path

    @contextmanager
    def full(self, *, but_for_bytes: int = 0) -> Iterator[None]:
        """Leave only so many bytes, to the page."""
        ballast = self.folder / "ballast"
        room = os.statvfs(self.folder)
        ballast.write_bytes(bytes(room.f_bavail * room.f_bsize - but_for_bytes))
        try:
            yield
        finally:
            ballast.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], SmallDisk]]:
    """Mount small disks below the test's folder; only root may."""
    with ExitStack() as stack:

        def mounted(place: str) -> SmallDisk:
            folder = tmp_path / place
            folder.mkdir(parents=True)
            mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
            done = subprocess.run(mount, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
            # Lazily: what a failed night has mapped into memory may still be there.
            stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
            return SmallDisk(folder)

        yield mounted


def failure(site: Site) -> ArchiverError:
    """Run a night that fails; return why."""
    try:
        report = site.night()
    except ArchiverError as error:
        return error
    [reason] = report.failures
    return reason


def assert_full(site: Site, place: Path) -> None:
    error = failure(site)
    assert isinstance(error, LocalDiskError), error
    assert error.exit is Exit.TRY_LATER
    assert str(place) in error.text("en")
    assert error.next_command == "archiver nightly"


def test_a_full_disk_under_the_store_leaves_nothing_half_visible(
    site: Site, sqlite_shop: SqliteShop, small_disk: Callable[[str], SmallDisk]
) -> None:
    sqlite_shop.add(good_orders(site.last_closed, 4))
    disk = small_disk("host/vault")
    site.configure(store=dir_store(), sources=sqlite_shop.source()).init()
    for room in (0, 8 << 10, 24 << 10, 40 << 10):
        with disk.full(but_for_bytes=room):
            assert_full(site, disk.folder)
            archive = Opened.at(FolderVault(disk.folder), site.folder)
            assert archive.manifests == []
        sqlite_shop.add(good_orders(site.last_closed, 1, first_id=room + 100))

    report = site.night()

    assert (report.exit, total(report)["orders"]) == (Exit.DONE, 8)
    archive = Opened.at(FolderVault(disk.folder), site.folder)
    archive.assert_sealed_once()
    assert len(archive.rows()) == 8


def test_a_full_disk_under_the_index_seals_nothing_twice(
    site: Site, sqlite_shop: SqliteShop, small_disk: Callable[[str], SmallDisk]
) -> None:
    disk = small_disk("host/index")
    site.configure(store=dir_store(), sources=sqlite_shop.source()).init()
    for number, room in enumerate((0, 4 << 10, 12 << 10, 16 << 10), 1):
        sqlite_shop.add(good_orders(site.last_closed, 1, first_id=number))
        with disk.full(but_for_bytes=room):
            assert_full(site, disk.folder)

    site.night()

    archive = Opened.at(FolderVault(site.folder / "vault"), site.folder)
    archive.assert_everything_is_named_once()
    assert len(archive.rows()) == 4
    assert set(total(site.night())) == {"read", "unchanged"}


# ------------------------------------------------------------------------- two runs at once


class Meanwhile(Silent):
    """Does something once, when the first batch has been handed to sealing."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act: Callable[[], object] | None = act

    def advance(self, units: int = 1) -> None:
        """Take the first chance."""
        del units
        act, self.act = self.act, None
        if act:
            act()


def command(site: Site, *arguments: str) -> "subprocess.Popen[str]":
    """Start the command line on a site, as a process of its own."""
    return subprocess.Popen(
        [*COMMAND, *arguments, "--json", "--config", str(site.folder / "archiver.toml")],
        env={**os.environ, **site.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_second_process_on_the_same_host_is_told_to_wait(
    site: Site, sqlite_shop: SqliteShop
) -> None:
    sqlite_shop.add(good_orders(site.last_closed, 3))
    site.configure(store=dir_store(), sources=sqlite_shop.source()).init()

    with site.installation.night(Silent()) as night:
        other = command(site, "nightly")
        out, err = other.communicate()
        report = night.run()

    document = json.loads(out)
    assert (other.returncode, document["exit"], document["outcome"]) == (10, 10, "retry")
    assert [alarm["code"] for alarm in document["alarms"]] == ["another-run"]
    assert str(os.getpid()) in document["alarms"][0]["message"]
    assert document["alarms"][0]["next"].startswith("archiver status")
    assert err == ""
    assert total(report)["orders"] == 3
    # The lock ends with its holder.
    again = command(site, "nightly")
    assert json.loads(again.communicate()[0])["exit"] == 0


@pytest.fixture
def two_hosts(site: Site, sqlite_shop: SqliteShop, bucket: S3Bucket) -> tuple[Site, Site]:
    """Two hosts with the same keys, one archive in a bucket, one shop."""
    for back in (0, 1):
        sqlite_shop.add(good_orders(site.days_before(back), 5, first_id=1 + 10 * back))
    site.configure(store=s3_store(bucket), sources=sqlite_shop.source()).init()
    twin = Site(site.folder.parent / "twin", clock=site.clock)
    shutil.copytree(site.folder, twin.folder)
    return site, twin


def test_of_two_hosts_one_wins_the_number_and_the_other_starts_again(
    two_hosts: tuple[Site, Site], bucket: S3Bucket
) -> None:
    one, twin = two_hosts

    with one.installation.night(Meanwhile(twin.night)) as night:
        report = night.run()

    assert (report.exit, codes(report)) == (Exit.TRY_LATER, ["another-run"])
    assert isinstance(report.failures[0], AnotherRunError)
    assert report.days == []
    archive = Opened.at(BucketVault.of(bucket), one.folder)
    archive.assert_sealed_once()
    assert len(archive.rows()) == 10
    # What the loser had stored are orphans: no manifest names them, and nobody can read them.
    assert set(total(one.night())) == {"read", "unchanged"}
    assert set(total(twin.night())) == {"read", "unchanged"}
    archive.assert_sealed_once()


def test_two_processes_on_two_hosts_seal_every_order_once(
    two_hosts: tuple[Site, Site], bucket: S3Bucket
) -> None:
    both = [command(site, "nightly") for site in two_hosts]

    codes_of_both = []
    for process in both:
        out, err = process.communicate()
        assert err == ""
        codes_of_both.append((process.returncode, json.loads(out)["outcome"]))

    assert (0, "done") in codes_of_both
    assert set(codes_of_both) <= {(0, "done"), (10, "retry")}
    archive = Opened.at(BucketVault.of(bucket), two_hosts[0].folder)
    archive.assert_sealed_once()
    assert len(archive.rows()) == 10


# ------------------------------------------------------------- stopped, overtaken, woken up again


@pytest.fixture
def proxy(s3_proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch) -> S3Proxy:
    """A proxy before a bucket whose credentials stand in the environment."""
    for name, value in s3_proxy.bucket.environment.items():
        monkeypatch.setenv(name, value)
    return s3_proxy


@dataclass(slots=True)
class Stopped:
    """A process that is stopped (SIGSTOP) while its first manifest is on its way to the store."""

    process: "subprocess.Popen[str] | None" = None
    arrived: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self.process is not None
        return self.process.pid

    def hold(self) -> None:
        """Stop the process, and keep its request until it is let go."""
        os.kill(self.pid, signal.SIGSTOP)
        self.arrived.set()
        self.goes_on.wait(timeout=120)

    def wake(self) -> tuple[int, dict[str, Any]]:
        """Let the request arrive and the process go on; return its exit code and document."""
        assert self.process is not None
        self.goes_on.set()
        os.kill(self.pid, signal.SIGCONT)
        out, err = self.process.communicate(timeout=120)
        assert err == ""
        return self.process.returncode, json.loads(out)


@pytest.fixture
def stopped(proxy: S3Proxy) -> Iterator[Callable[[Site], Stopped]]:
    """Start a night that stands still, its manifest on its way; it ends with the test."""
    made = Stopped()

    def begun(site: Site) -> Stopped:
        proxy.lie(OnItsWay(made.hold), when=request("PUT", "manifests/"), times=1)
        made.process = command(site, "nightly")
        assert made.arrived.wait(timeout=120)
        return made

    yield begun
    made.goes_on.set()
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.communicate()


def test_a_process_that_was_stopped_with_its_manifest_on_the_way_comes_too_late(
    site: Site,
    sqlite_shop: SqliteShop,
    proxy: S3Proxy,
    stopped: Callable[[Site], Stopped],
) -> None:
    sqlite_shop.add(good_orders(site.last_closed, 5))
    site.configure(store=s3_store(proxy.bucket), sources=sqlite_shop.source()).init()
    twin = Site(site.folder.parent / "twin", clock=site.clock, environment=site.environment)
    shutil.copytree(site.folder, twin.folder)
    night = stopped(site)

    # On the same host the dead weight is told; another host goes on.
    with pytest.raises(AnotherRunError, match=f"process {night.pid}"):
        site.night()
    assert twin.night().exit is Exit.DONE
    code, document = night.wake()

    assert (code, [alarm["code"] for alarm in document["alarms"]]) == (10, ["another-run"])
    archive = Opened.at(BucketVault.of(proxy.upstream), site.folder)
    archive.assert_sealed_once()
    assert len(archive.rows()) == 5
    for host in (site, twin):
        assert set(total(host.night())) == {"read", "unchanged"}


def test_where_the_store_is_no_fence_nights_refuse_until_a_row_keeps_them_apart(
    site: Site,
    sqlite_shop: SqliteShop,
    proxy: S3Proxy,
    stopped: Callable[[Site], Stopped],
    postgres_database: PostgresDatabase,
) -> None:
    for back in (0, 1):
        sqlite_shop.add(good_orders(site.days_before(back), 5, first_id=1 + 10 * back))
    store, sources = s3_store(proxy.bucket), sqlite_shop.source()
    proxy.lie(DROP_IF_NONE_MATCH)
    site.configure(store=store, sources=sources).init()  # its proof says that every writer wins
    with pytest.raises(NoFenceError, match="one host's only"):
        site.night()
    assert not (site.folder / "state.db").exists()

    place = f"{postgres_database.host}:{postgres_database.port}/{postgres_database.name}"
    state = f'[state]\nurl = "postgresql://{postgres_database.admin}@{place}"\n'
    site.configure(store=store, sources=f'{state}password_env = "STATE_PASSWORD"\n{sources}')
    site.environment["STATE_PASSWORD"] = postgres_database.admin_password
    one, twin = site, Site(site.folder.parent / "twin", site.clock, site.environment)
    shutil.copytree(one.folder, twin.folder)
    night = stopped(one)
    with pytest.raises(AnotherRunError, match=f"{one.folder / 'index'} has it"):
        twin.night()
    with postgres_database.connect() as connection:  # ten minutes without a sign of life
        connection.execute("UPDATE fences SET until_us = 0")

    report = twin.night()
    code, document = night.wake()

    # The twin has sent what the stopped run had decided, and sealed the rest.
    assert (report.exit, total(report)["orders"]) == (Exit.DONE, 5)
    assert (code, [alarm["code"] for alarm in document["alarms"]]) == (10, ["another-run"])
    vault = BucketVault.of(proxy.upstream)
    archive = Opened.at(vault, one.folder)
    archive.assert_sealed_once()
    assert len(archive.rows()) == 10
    first = [version for key, version in vault.listed() if key == "manifests/00000001.json"]
    assert len(first) == 2
    assert len({vault.fetch("manifests/00000001.json", version) for version in first}) == 1
    for host in (one, twin):
        assert set(total(host.night())) == {"read", "unchanged"}


# ------------------------------------------------------------------------------- many runs at once


def test_of_many_runs_on_hosts_of_their_own_one_names_each_order_and_the_losers_end_with_10(
    two_hosts: tuple[Site, Site], bucket: S3Bucket
) -> None:
    one, twin = two_hosts
    sites = [one, twin]
    for number in range(3):
        folder = one.folder.parent / f"host-{number}"
        shutil.copytree(one.folder, folder)
        sites.append(Site(folder, clock=one.clock, environment=one.environment))
    together = threading.Barrier(len(sites))

    def night(site: Site) -> tuple[Exit, list[str]]:
        # All have read the same chain before any goes on to seal.
        meeting = Meanwhile(lambda: together.wait(timeout=120))
        with site.installation.night(meeting) as night:
            report = night.run()
        return report.exit, list(codes(report))

    with ThreadPoolExecutor(len(sites)) as pool:
        ends = list(pool.map(night, sites))

    losers = [(Exit.TRY_LATER, ["another-run"])] * (len(sites) - 1)
    assert sorted(ends) == [(Exit.DONE, []), *losers]
    vault = BucketVault.of(bucket)
    archive = Opened.at(vault, one.folder)
    archive.assert_sealed_once()
    assert len(archive.rows()) == 10
    assert [m["number"] for m in archive.manifests] == [1, 2]
    for version in vault.versions():  # the losers' leftovers as well
        assert version.mode == "COMPLIANCE", version
        assert version.retain_until is not None
