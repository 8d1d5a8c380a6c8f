"""A lookup host: an index that was built from the store with the base root, and a finder."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from archiver.archive import Archive
from archiver.catalog import Catalog
from archiver.index import Index, IndexBuilder, IndexKeys
from archiver.keyring import KeyPair
from archiver.lookup.finding import Finder
from archiver.lookup.opening import BaseKeys, Opener
from archiver.ports import ObjectStore
from tests.archives import Silent
from tests.auditor import secret_in
from tests.desk import Desk


def base_root(desk: Desk) -> KeyPair:
    """Return the private half of the base root."""
    return KeyPair(secret_in(desk.place.folder / "root.key", "seed"))


def builder_of(archive: Archive, keys: IndexKeys, folder: Path) -> tuple[IndexBuilder, Catalog]:
    """Return what builds the index in a host's folder, and what it is built from."""
    catalog = Catalog(archive, folder / "manifests")
    builder = IndexBuilder(archive=archive, keys=keys, folder=folder / "search", progress=Silent())
    return builder, catalog


def built_index(archive: Archive, keys: IndexKeys, folder: Path) -> Index:
    """Bring the index up to date and open it."""
    builder, catalog = builder_of(archive, keys, folder)
    catalog.refresh()
    builder.update(catalog.entries)
    return Index.open(builder.folder, archive.id)


@contextmanager
def finder_at(desk: Desk, *, store: ObjectStore | None = None) -> Iterator[Finder]:
    """Give a finder over what is sealed now."""
    archive = desk.open(store)
    keys = IndexKeys.open(archive, base_root(desk))
    index = built_index(archive, keys, desk.place.folder / "index")
    with ThreadPoolExecutor(4) as executor:
        yield Finder(
            index=index,
            keys=keys.search,
            opener=Opener(archive, BaseKeys(archive, keys.base), executor),
            now=archive.clock.now,
            due=lambda _place: archive.clock.now() + timedelta(days=1),
        )
    index.close()
