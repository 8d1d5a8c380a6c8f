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


# ------------------------------------------- two hosts on a store that is no fence between them


@pytest.fixture
def unfenced(
    site: Site, sqlite_shop: SqliteShop, s3_proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], tuple[Site, Site]]:
    """Two hosts, and a bucket in which every writer of a key wins; the proof says so."""
    for name, value in s3_proxy.bucket.environment.items():
        monkeypatch.setenv(name, value)
    for back in (0, 1):
        sqlite_shop.add(good_orders(site.days_before(back), 5, first_id=1 + 10 * back))
    s3_proxy.lie(DROP_IF_NONE_MATCH)
    twin = Site(site.folder.parent / "twin", clock=site.clock, environment=site.environment)

    def configured(state: str) -> tuple[Site, Site]:
        store, sources = s3_store(s3_proxy.bucket), f"[state]\n{state}\n{sqlite_shop.source()}"
        site.configure(store=store, sources=sources).init()
        shutil.copytree(site.folder, twin.folder)
        return site, twin

    return configured


def shared(database: PostgresDatabase) -> str:
    """Return the lines of `[state]`."""
    place = f"{database.host}:{database.port}/{database.name}"
    return f'url = "postgresql://{database.admin}@{place}"\npassword_env = "STATE_PASSWORD"'


def test_on_a_store_without_a_fence_a_database_of_this_host_is_none(
    unfenced: Callable[[str], tuple[Site, Site]], s3_bucket: S3Bucket
) -> None:
    site, _ = unfenced('url = "sqlite:///state.db"')

    with pytest.raises(NoFenceError, match="one host's only"):
        site.night()

    assert not (site.folder / "state.db").exists()
    assert Opened.at(BucketVault.of(s3_bucket), site.folder).manifests == []


def test_on_a_store_without_a_fence_a_row_keeps_two_hosts_apart(
    site: Site,
    unfenced: Callable[[str], tuple[Site, Site]],
    s3_bucket: S3Bucket,
    postgres_database: PostgresDatabase,
) -> None:
    site.environment["STATE_PASSWORD"] = postgres_database.admin_password
    one, twin = unfenced(shared(postgres_database))

    with one.installation.night(Silent()) as night:
        with pytest.raises(AnotherRunError) as caught:
            twin.night()
        report = night.run()

    assert str(one.folder / "index") in str(caught.value)
    assert (report.exit, total(report)["orders"]) == (Exit.DONE, 10)
    # The lease ended with its holder, and the twin, a process of its own, finds nothing to seal.
    again = command(twin, "nightly")
    out, err = again.communicate()
    assert (json.loads(out)["exit"], err) == (0, "")
    archive = Opened.at(BucketVault.of(s3_bucket), one.folder)
    archive.assert_everything_is_named_once()
    assert len(archive.rows()) == 10


# ------------------------------------------------------------- stopped, overtaken, woken up again


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


def stopped_night(site: Site, proxy: S3Proxy) -> Stopped:
    """Start a night and return when it stands still, its manifest on its way."""
    stopped = Stopped()
    proxy.lie(OnItsWay(stopped.hold), when=request("PUT", "manifests/"), times=1)
    stopped.process = command(site, "nightly")
    assert stopped.arrived.wait(timeout=120)
    return stopped


def test_a_process_that_was_stopped_with_its_manifest_on_the_way_comes_too_late(
    site: Site, sqlite_shop: SqliteShop, s3_proxy: S3Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_proxy.bucket.environment.items():
        monkeypatch.setenv(name, value)
    sqlite_shop.add(good_orders(site.last_closed, 5))
    site.configure(store=s3_store(s3_proxy.bucket), sources=sqlite_shop.source()).init()
    twin = Site(site.folder.parent / "twin", clock=site.clock, environment=site.environment)
    shutil.copytree(site.folder, twin.folder)
    stopped = stopped_night(site, s3_proxy)

    # On the same host the dead weight is told; another host goes on.
    with pytest.raises(AnotherRunError, match=f"process {stopped.pid}"):
        site.night()
    assert twin.night().exit is Exit.DONE
    code, document = stopped.wake()

    assert (code, [alarm["code"] for alarm in document["alarms"]]) == (10, ["another-run"])
    archive = Opened.at(BucketVault.of(s3_proxy.upstream), site.folder)
    archive.assert_sealed_once()
    assert len(archive.rows()) == 5
    for host in (site, twin):
        assert set(total(host.night())) == {"read", "unchanged"}


def test_a_process_that_was_stopped_is_finished_by_the_next_run_where_a_row_is_the_fence(
    site: Site,
    unfenced: Callable[[str], tuple[Site, Site]],
    s3_proxy: S3Proxy,
    postgres_database: PostgresDatabase,
) -> None:
    site.environment["STATE_PASSWORD"] = postgres_database.admin_password
    one, twin = unfenced(shared(postgres_database))
    stopped = stopped_night(one, s3_proxy)
    with pytest.raises(AnotherRunError, match="has it"):
        twin.night()
    with postgres_database.connect() as connection:  # ten minutes without a sign of life
        connection.execute("UPDATE fences SET until_us = 0")

    report = twin.night()
    code, document = stopped.wake()

    # The twin has sent what the stopped run had decided, and sealed the rest.
    assert (report.exit, total(report)["orders"]) == (Exit.DONE, 5)
    assert (code, [alarm["code"] for alarm in document["alarms"]]) == (10, ["another-run"])
    vault = BucketVault.of(s3_proxy.upstream)
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
