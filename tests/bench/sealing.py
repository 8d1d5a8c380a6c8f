"""A day's orders sealed, against Debian's pt-archiver writing them to a text file."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, ratio
from tests.bench.ground import DAY, Ground
from tests.bench.processes import Run, run
from tests.servers.mariadb import ShopDatabase

NAME = "sealing"


def measure(ground: Ground) -> Iterator[Figure]:
    """Alternate the two over the same table, after reading it once."""
    rows = ground.orders
    shop = ground.shop(rows)
    peer = shutil.which("pt-archiver")
    _warm(shop)
    ours, theirs, size = [], [], 0
    for number in range(ground.runs):
        # With its first day named, this night is as all later ones: it asks for no other days.
        with ground.archive(shop.url, since=DAY) as home:
            ours.append(home.night(DAY))
            if int(ours[-1].output.split()[-1]) != rows:
                raise RuntimeError(f"not all orders were sealed: {ours[-1].output}")
            stored = (home.vault / "orders").rglob("*")
            size = sum(path.stat().st_size for path in stored if path.is_file())
        _say(ground, f"night {number + 1}", ours[-1])
        if peer:
            theirs.append(_pt_archiver(peer, shop, ground.folder, rows))
            _say(ground, f"pt-archiver {number + 1}", theirs[-1])
    best = min(run.seconds for run in ours)
    if peer:
        yield Figure(
            benchmark=NAME,
            what=f"rows/s against pt-archiver, {rows:,} orders (median of pairs)",
            value=ratio((run.seconds for run in theirs), (run.seconds for run in ours)),
            unit="×",
            target=1.5,
            sense="at least",
        )
        yield Figure(
            benchmark=NAME,
            what="rows/s against pt-archiver (best of each)",
            value=min(run.seconds for run in theirs) / best,
            unit="×",
        )
        yield Figure(
            benchmark=NAME,
            what="pt-archiver --limit 10000 --commit-each",
            value=rows / min(run.seconds for run in theirs),
            unit="rows/s",
        )
    yield Figure(benchmark=NAME, what="our night, whole process", value=rows / best, unit="rows/s")
    yield Figure(
        benchmark=NAME,
        what="our CPU time per million orders (without the server's)",
        value=min(run.cpu_seconds for run in ours) / rows * 1e6,
        unit="s",
    )
    yield Figure(benchmark=NAME, what="stored", value=size / rows, unit="bytes/order")


def _say(ground: Ground, who: str, took: Run) -> None:
    ground.say(f"  {who}: {took.seconds:.2f} s, {took.cpu_seconds:.2f} s of CPU")


def _warm(shop: ShopDatabase) -> None:
    with shop.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT SUM(LENGTH(info)) FROM orders")


def _pt_archiver(program: str, shop: ShopDatabase, folder: Path, rows: int) -> Run:
    """Copy the same rows; the password goes through a file, as it should."""
    options, copy = folder / "pt.cnf", folder / "pt.txt"
    options.write_text(f"[client]\npassword={shop.admin_password}\n")
    source = f"F={options},h={shop.host},P={shop.port},u={shop.admin},D={shop.name},t=orders"
    took = run(
        [
            *(program, "--source", source, "--where", "status = 4", "--no-delete"),
            *("--file", copy, "--limit", "10000", "--commit-each"),
            *("--no-check-charset", "--no-version-check"),
        ]
    )
    with copy.open("rb") as file:
        written = sum(1 for _ in file)
    copy.unlink()
    if written < rows - 1:  # without --no-safe-auto-increment it leaves out the newest row
        raise RuntimeError(f"pt-archiver wrote {written} of {rows} rows")
    return took
