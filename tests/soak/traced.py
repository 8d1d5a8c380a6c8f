"""Every system call of a real night goes wrong once: `strace` makes it fail, or kills there.

A night is run as its own process, traced once without faults; of its calls on the archive's
files and sockets some are drawn, and the night is run again and again with a fault at each: EIO,
ENOSPC, ECONNRESET, SIGKILL. Afterwards one night without faults must finish it, and an auditor
opens everything. The shop is in SQLite, the store a folder or SeaweedFS.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from tests.archives import Place
from tests.auditor import Audit, audit
from tests.nights.shop import SqliteShop, good_orders, new_sqlite_shop
from tests.nights.site import Site, dir_store, s3_store, source
from tests.servers import seaweedfs
from tests.servers.seaweedfs import S3Bucket
from tests.servers.shared import ServerMissingError
from tests.soak.progress import Progress, listed

NIGHT: Final = ("-c", "from cli.main import main; main()", "nightly", "--json")
_WAITING: Final = """
import sys, pyarrow.parquet, boto3, connectorx, rich.table
import archiver.wiring, archiver.nightly, cli.main, cli.commands.nightly, cli.views.nights
print("ready", file=sys.stderr, flush=True)
sys.stdin.readline()
cli.main.main()
"""
AFTER_IMPORTS: Final = ("-c", _WAITING, "nightly", "--json")
"""A night that waits before it begins: what Python does to start is nobody's business here."""
TIMEOUT_S: Final = 300
"""For a night of some orders; one that takes longer hangs."""

WRITES: Final = ("openat", "write", "pwrite64", "fsync", "ftruncate", "mkdir", "rename", "link")
READS: Final = ("read", "pread64", "lseek", "newfstatat", "fstat", "statx", "getdents64", "mmap")
KEEPS: Final = ("unlink", "fchmod", "chmod", "close", "flock", "fcntl")
NETWORK: Final = ("socket", "connect", "sendto", "recvfrom", "poll", "getsockopt")
FAULTS: Final = {
    **dict.fromkeys(WRITES, ("error=ENOSPC", "error=EIO", "signal=KILL")),
    **dict.fromkeys(READS, ("error=EIO", "signal=KILL")),
    **dict.fromkeys(KEEPS, ("error=EIO", "signal=KILL")),
    **dict.fromkeys(NETWORK, ("error=ECONNRESET", "signal=KILL")),
}
"""By system call: what may go wrong there."""

_CALL: Final = re.compile(r"^(\d+) +(\w+)\(")
_BUG: Final = 1


@dataclass(frozen=True, slots=True)
class Call:
    """A system call of a night, as `strace` counts it: by name, in each process and thread."""

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A call and what goes wrong there."""

    call: Call
    how: str

    def __str__(self) -> str:
        """Say it as `strace` is told."""
        return f"inject={self.call.name}:{self.how}:when={self.call.number}"


@dataclass(frozen=True, slots=True)
class Night:
    """How a night with a fault ended, and what was found behind it."""

    broken: Broken
    exit: int
    injected: int
    """Calls at which it went wrong: each process and thread counts by itself, so that the number
    may come twice or, as threads share their work differently each time, not at all."""
    finding: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """A folder with a shop and an archive over it."""

    folder: Path
    environment: Mapping[str, str]

    @property
    def site(self) -> Site:
        """The host as tests drive it."""
        return Site(self.folder, environment=dict(self.environment))

    def night(self) -> subprocess.CompletedProcess[str]:
        """Run a night as the nightly job does."""
        return subprocess.run(
            [sys.executable, *NIGHT, "--config", str(self.folder / "archiver.toml")],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )

    def traced_night(self, *options: str) -> tuple[int, str, list[str]]:
        """Run a night under `strace`; return its exit, what it said, and the trace's lines."""
        trace = self.folder / "trace"
        night = subprocess.Popen(
            [sys.executable, *AFTER_IMPORTS, "--config", str(self.folder / "archiver.toml")],
            env={**os.environ, **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with night:
            assert night.stderr is not None
            assert night.stderr.readline() == "ready\n"
            tracer = subprocess.Popen(
                ["strace", "-f", "-y", "-o", str(trace), *options, "-p", str(night.pid)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            with tracer:
                assert tracer.stderr is not None
                assert "attached" in tracer.stderr.readline()
                said, told = night.communicate("\n", timeout=TIMEOUT_S)
        lines = trace.read_text("utf-8", "replace").splitlines()
        trace.unlink()
        return night.returncode, said + told, lines

    def calls(self) -> list[Call]:
        """Run a night and return its calls on the archive's files and on sockets."""
        seen: Counter[tuple[str, str]] = Counter()
        found: dict[Call, None] = {}
        _, _, lines = self.traced_night("-e", "trace=" + ",".join(f"?{name}" for name in FAULTS))
        for line in lines:
            if match := _CALL.match(line):
                seen[match[1], match[2]] += 1
                ours = f"{self.folder}/" in line or "<socket:" in line or "<TCP" in line
                if match[2] in FAULTS and ours:
                    found[Call(match[2], seen[match[1], match[2]])] = None
        return list(found)

    def broken_night(self, broken: Broken) -> Night:
        """Run a night with a fault, then one without, and look at what is there."""
        ended, said, told = self.traced_night("-e", f"trace={broken.call.name}", "-e", str(broken))
        lines = [line for line in told if "(INJECTED)" in line]
        if "signal=KILL" in broken.how:  # all threads of a process die of one
            lines = [line for line in told if "killed by SIGKILL" in line][:1]
        finding = ""
        if ended == _BUG and lines and all(f"{self.folder}/" in line for line in lines):
            finding = f"exit 1: {said[-2000:]}\n{lines}"
        again = self.night()
        if again.returncode not in (0, 3):
            finding += f"one rerun does not repair it: {again.stdout[-2000:]}{again.stderr[-2000:]}"
        return Night(broken, ended, len(lines), finding)

    def audit(self) -> Audit:
        """Let an auditor open everything; what does not hold is an AssertionError."""
        return audit(Place(self.folder), self.site.installation.store)

    def named(self) -> Counter[tuple[str, str, int]]:
        """Return which revisions are sealed, and how many rejects."""
        found = self.audit()
        return found.names + Counter({("", "rejects", 0): len(found.rejects)})


def founded(folder: Path, store: str, environment: Mapping[str, str]) -> tuple[Host, SqliteShop]:
    """Found an archive over a new shop, and seal one night."""
    host = Host(folder, environment)
    folder.mkdir()
    shop = new_sqlite_shop(folder / "shop.db")
    site = host.site
    site.configure(store=store, sources=source("sqlite:///shop.db"))
    shop.add(good_orders(site.days_before(2), 6))
    report = site.first_night(site.days_before(2))
    assert report.failures == []
    return host, shop


def happens(host: Host, shop: SqliteShop, number: int = 0) -> None:
    """Let orders be finished, come late, be edited and be broken."""
    site, first = host.site, 100 + 100 * number
    for back in (0, 1) if number == 0 else (0,):
        shop.add(good_orders(site.days_before(back), 3, first_id=first + 10 * back))
    shop.add(good_orders(site.days_before(2), 1, first_id=first + 50))
    shop.run("UPDATE orders SET actual_price = '-1' WHERE id = ?", first)
    shop.run(
        "UPDATE orders SET email = ?, updated_at = ? WHERE id = ?",
        f"{number}@example.com",
        f"{site.days_before(1)} 12:00:00",
        1 + number % 6,
    )


def on_a_folder(ground: Path, broken: Broken, expected: Counter[tuple[str, str, int]]) -> Night:
    """Break a night on a copy of the host at `ground`, whose store is a folder."""
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        host = Host(Path(name) / "host", {})
        shutil.copytree(ground, host.folder)
        night = host.broken_night(broken)
        try:
            found = host.named()
        except AssertionError as error:
            return _found(night, f"audit: {error!r}")
        if found == expected:
            return night
        lost, undue = expected - found, found - expected
        return _found(night, f"lost: {dict(lost)}, doubled or undue: {dict(undue)}")


def _found(night: Night, finding: str) -> Night:
    return Night(night.broken, night.exit, night.injected, f"{night.finding}\n{finding}")


def drawn(calls: Sequence[Call], count: int, chance: random.Random) -> list[Broken]:
    """Draw faults: all calls by name in turn, so that the rare ones have theirs."""
    by_name: dict[str, list[Broken]] = {}
    for call in calls:
        by_name.setdefault(call.name, []).extend(Broken(call, how) for how in FAULTS[call.name])
    for faults in by_name.values():
        chance.shuffle(faults)
    chosen: list[Broken] = []
    while len(chosen) < count and any(by_name.values()):
        chosen += [faults.pop() for faults in by_name.values() if faults]
    return chosen[:count]


def nights_on_folders(folder: Path, count: int, seed: int, workers: int) -> Iterator[Night]:
    """Yield nights on copies of one host, each with a fault of its own."""
    host, shop = founded(folder / "ground", dir_store(), {})
    happens(host, shop)
    whole = Host(folder / "whole", {})
    shutil.copytree(host.folder, whole.folder)
    faults = drawn(whole.calls(), count, random.Random(seed))
    expected = whole.named()
    with ProcessPoolExecutor(workers) as pool:
        ground = [host.folder] * len(faults)
        yield from pool.map(on_a_folder, ground, faults, [expected] * len(faults))


def nights_on_a_bucket(folder: Path, bucket: S3Bucket, count: int, seed: int) -> Iterator[Night]:
    """Yield nights of one host, each with a fault of its own; the store is SeaweedFS."""
    host, shop = founded(folder / "bucket", s3_store(bucket), bucket.environment)
    happens(host, shop)
    faults = drawn(host.calls(), count, random.Random(seed))
    sealed = host.audit()
    for number, broken in enumerate(faults, 1):
        before = len(sealed.orders)
        happens(host, shop, number)
        night = host.broken_night(broken)
        try:
            sealed = host.audit()
        except AssertionError as error:
            night = _found(night, f"audit: {error!r}")
        else:
            new = len(sealed.orders) - before
            if new != 4:
                night = _found(night, f"{new} instead of 4 were sealed")
        yield night


def soak(count: int, seed: int, workers: int, out: TextIO) -> int:
    """Break so many calls, print what happened, return how many findings there are."""
    if not works():
        print("strace is missing or may not trace here: no system call was broken", file=out)
        return 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        on_bucket = count // 3
        findings = told("folder", nights_on_folders(folder, count - on_bucket, seed, workers), out)
        try:
            server = stack.enter_context(seaweedfs.running(folder))
        except ServerMissingError as missing:
            print(missing, file=out)
            return findings
        bucket = server.new_bucket()
        with bucket_credentials(bucket):
            nights = nights_on_a_bucket(folder, bucket, on_bucket, seed)
            findings += told("SeaweedFS", nights, out)
    return findings


@contextmanager
def bucket_credentials(bucket: S3Bucket) -> Iterator[None]:
    """Let this process reach the bucket as the usual chain finds credentials."""
    before = dict(os.environ)
    os.environ.update(bucket.environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def told(store: str, nights: Iterator[Night], out: TextIO) -> int:
    """Print what became of nights, and count the findings."""
    progress = Progress(sys.stderr)
    calls: Counter[str] = Counter()
    exits: Counter[str] = Counter()
    findings = 0
    for done, night in enumerate(nights, 1):
        progress.show(f"{done:,} nights on {store} with a broken system call, {findings} findings")
        calls[f"{night.broken.call.name} {night.broken.how.partition('=')[2]}"] += night.injected
        ended = "killed" if night.exit in KILLED else f"exit {night.exit}"
        exits[ended if night.injected else "not reached"] += 1
        if night.finding:
            findings += 1
            print(f"\nFINDING on {store}: strace -f -e {night.broken}\n{night.finding}\n", file=out)
    print(f"system calls     {calls.total():,} broken on {store}  {listed(calls)}", file=out)
    print(f"  nights         {exits.total():,}  {listed(exits)}; findings {findings}", file=out)
    return findings


KILLED: Final = (-9, 137)


def works() -> bool:
    """Tell whether `strace` is here and may trace."""
    if shutil.which("strace") is None:
        return False
    probe = subprocess.run(["strace", "-o", os.devnull, "true"], check=False, capture_output=True)
    return probe.returncode == 0
