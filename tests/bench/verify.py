"""Everything verified, against reading it once, against restic, and three years on S3."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, time, timedelta
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Final, Literal

from archiver import keyring, roots
from archiver.archive import Archive
from archiver.canonical import order_leaves
from archiver.catalog import Catalog
from archiver.keyring import KeyPair
from archiver.merkle import tree_hash
from archiver.partition import open_file, read_row_groups
from archiver.retention import LEGAL_ZONE
from archiver.stores.s3 import open_s3
from archiver.verification.opening import READABLE
from archiver.wiring import Installation
from schemas.documents import SealedObject
from tests import cards
from tests.bench.figures import Figure, ratio
from tests.bench.ground import DAY, ArchiveHome, Ground
from tests.bench.processes import Run, run
from tests.bench.startup import PROGRAM
from tests.clock import FrozenClock
from tests.desk import founded
from tests.servers import seaweedfs

NAME: Final = "verify"
DAYS: Final = 1_095
A_DAY: Final = 50
_PASSWORD: Final = "verify"
_WARNINGS: Final = (0, 20)
"""Days behind the benchmark's are not sealed; an old lock proof is an alarm."""


def measure(ground: Ground) -> Iterator[Figure]:
    """Alternate with both peers over the same bytes; then verify three years of small days."""
    shop = ground.shop(ground.orders)
    with ground.archive(shop.url) as home:
        home.night(DAY)
        yield from _against_peers(ground, home)
    yield from _three_years(ground)


def _against_peers(ground: Ground, home: ArchiveHome) -> Iterator[Figure]:
    size = sum(path.stat().st_size for path in home.vault.rglob("*") if path.is_file())
    partitions = _partitions(home)
    theirs = sum(stored.size_bytes for stored, _ in partitions)
    restic = _restic(ground, home)
    ours, again, once, checked = [], [], [], []
    for number in range(ground.runs):
        ours.append(_verified(home, "--deep"))
        once.append(_read_once(home, partitions))
        ground.say(f"  verify {number + 1}: {ours[-1].seconds:.2f} s; once: {once[-1]:.2f} s")
        again.append(_verified(home))
        if restic:
            checked.append(restic.check())
            ground.say(f"  again: {again[-1].seconds:.2f} s; restic: {checked[-1].seconds:.2f} s")
    yield _figure(
        f"bytes/s against reading, decrypting, hashing once ({theirs / 1e6:.0f} MB), leaves anew",
        ratio(once, (one.seconds for one in ours)),
        "×",
        0.7,
    )
    if restic:
        yield _figure(
            f"bytes/s against restic check --read-data ({size / 1e6:.0f} MB), leaves known",
            ratio((one.seconds for one in checked), (one.seconds for one in again)),
            "×",
            1.0,
        )
        yield _figure(
            "the same by CPU time: others use this machine, too",
            ratio((one.cpu_seconds for one in checked), (one.cpu_seconds for one in again)),
            "×",
        )
        yield _figure(
            "the same, leaves anew: restic decodes and hashes no row",
            ratio((one.seconds for one in checked), (one.seconds for one in ours)),
            "×",
        )
        restic.remove()
    for what, runs in (("leaves anew", ours), ("leaves compared before", again)):
        best = min(one.seconds for one in runs)
        yield _figure(f"verify --full, {what}", size / best / 1e6, "MB/s")
        yield _figure(f"its CPU time, {what}", min(one.cpu_seconds for one in runs), "s")


def _verified(home: ArchiveHome, *more: str) -> Run:
    argv: list[str | Path] = [PROGRAM, "verify", "--full", *more, "--json"]
    argv += ["--config", home.config]
    return run(argv, environment=home.environment, accept=_WARNINGS)


# --- reading once -------------------------------------------------------------------------------


def _partitions(home: ArchiveHome) -> list[tuple[SealedObject, bytes]]:
    """Return the partitions with their opened keys."""
    os.environ.update(home.environment)
    installation = Installation.load(home.config)
    archive: Archive = installation.archive()
    catalog: Catalog = installation.catalog(archive)
    catalog.refresh()
    root = roots.open_root(
        installation.places.roots["base"],
        archive.document.roots["base"],
        archive.id,
        "base",
        environment={},
    )
    pairs: dict[str, KeyPair] = {}
    found = []
    for entry in catalog.entries:
        for stored in entry.document.objects:
            if stored.kind == "orders":
                cohort = archive.read_cohort(stored.cohort)
                if stored.cohort not in pairs:
                    pairs[stored.cohort] = keyring.open_cohort_key(cohort, "base", root)
                kek = keyring.open_kek(cohort, "base", pairs[stored.cohort], stored)
                found.append((stored, kek))
    return found


def _read_once(home: ArchiveHome, partitions: list[tuple[SealedObject, bytes]]) -> float:
    """Read, decrypt and hash all partitions on all cores; return the seconds, start included."""
    begun = perf_counter()
    cores = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        roots_found = list(pool.map(_root_of, [(home.vault, *one) for one in partitions]))
    assert roots_found == [stored.merkle_root for stored, _ in partitions]
    return perf_counter() - begun


def _root_of(work: tuple[Path, SealedObject, bytes]) -> str:
    vault, stored, kek = work
    (path,) = (vault / stored.key).iterdir()
    content = path.read_bytes()
    file = open_file(content, {"base": kek}, footer_sha256=stored.footer.sha256, where=stored.key)
    leaves: list[bytes] = []
    for rows in read_row_groups(file, READABLE, stored.key):
        leaves += order_leaves(rows, kek, first_row=len(leaves))
    return tree_hash(leaves).hex()


# --- restic -------------------------------------------------------------------------------------


class _Restic:
    """A restic repository over the same files."""

    def __init__(self, program: str, folder: Path, vault: Path) -> None:
        self.folder = folder / "restic"
        self._argv = [program, "--repo", str(self.folder), "--no-cache", "--quiet"]
        self._do("init")
        self._do("backup", str(vault))

    def check(self) -> Run:
        """Check the repository, data included."""
        return self._do("check", "--read-data")

    def remove(self) -> None:
        """Delete it."""
        shutil.rmtree(self.folder)

    def _do(self, *words: str) -> Run:
        return run([*self._argv, *words], environment={"RESTIC_PASSWORD": _PASSWORD})


def _restic(ground: Ground, home: ArchiveHome) -> _Restic | None:
    program = shutil.which("restic")
    return None if program is None else _Restic(program, ground.folder, home.vault)


# --- three years --------------------------------------------------------------------------------


def _three_years(ground: Ground) -> Iterator[Figure]:
    """Seal three years of small days into SeaweedFS and verify all of it."""
    server = ground.stack.enter_context(seaweedfs.running(ground.folder))
    bucket = server.new_bucket()
    os.environ.update(bucket.environment)
    store = open_s3(f"{bucket.url}/bench", bucket.endpoint, bucket.region)
    now = datetime.now(UTC)
    today = datetime.combine(now.astimezone(LEGAL_ZONE).date(), time(), LEGAL_ZONE)
    first = today - timedelta(days=DAYS)
    rows = []
    for number in range(DAYS * A_DAY):
        ended = first + timedelta(days=number // A_DAY, hours=12, seconds=number % A_DAY)
        rows.append(cards.order(number + 1, ended.astimezone(UTC)))
    folder = ground.folder / "three-years"
    folder.mkdir()
    ground.say(f"sealing {DAYS:,} days of {A_DAY} orders into SeaweedFS")
    desk = founded(folder, rows, store=store, clock=FrozenClock(now), page_rows=100_000)
    assert desk.night(threads=2).failures == []
    home = ArchiveHome(folder=folder, bucket=bucket)
    home.config.write_text(
        f"""
[archive]
name = "shop-1"
role = "platform"
legal_basis = "电子商务法第三十一条"
[store]
url = "{bucket.url}/bench"
endpoint = "{bucket.endpoint}"
region = "{bucket.region}"
"""
    )
    took = _verified(home)
    yield _figure(
        f"verify --full of {DAYS:,} days × {A_DAY} orders on SeaweedFS", took.seconds, "s", 300
    )


def _figure(what: str, value: float, unit: str, target: float | None = None) -> Figure:
    sense: Literal["at least", "at most"] = "at most" if unit == "s" else "at least"
    return Figure(benchmark=NAME, what=what, value=value, unit=unit, target=target, sense=sense)
