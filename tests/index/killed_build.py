"""`python -m tests.index.killed_build FOLDER`: builds an index again and again until it is killed.

It says `building` before each build. The archive in FOLDER has a `dir:` store; the index goes to
FOLDER/search.
"""

import sys
from pathlib import Path

from archiver.catalog import Catalog
from archiver.index import IndexBuilder, IndexKeys
from archiver.keyring import KeyPair
from archiver.stores.directory import DirectoryStore
from tests.archives import Place, Silent
from tests.auditor import secret_in
from tests.clock import FrozenClock
from tests.desk import at


def builder(folder: Path) -> tuple[IndexBuilder, Catalog]:
    """Return what builds the index of an archive of three days, and its manifests."""
    clock = FrozenClock(at(6, 3))
    archive = Place(folder).open(DirectoryStore(folder / "vault", clock), clock)
    keys = IndexKeys.open(archive, KeyPair(secret_in(folder / "root.key", "seed")))
    catalog = Catalog(archive, folder / "manifests")
    catalog.refresh()
    where = folder / "search"
    return IndexBuilder(archive=archive, keys=keys, folder=where, progress=Silent()), catalog


def main(folder: str) -> None:
    """Build for ever."""
    made, catalog = builder(Path(folder))
    while True:
        print("building", flush=True)
        made.rebuild(catalog.entries)


if __name__ == "__main__":
    main(sys.argv[1])
