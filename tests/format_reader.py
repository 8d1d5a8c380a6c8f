"""The reader of FORMAT.md, section 9, taken out of the page as somebody in need would take it."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal

import pyarrow as pa

from archiver.errors import ObjectMissingError
from archiver.ports import ObjectStore

Fetch = Callable[[str, str | None], bytes]
Roots = Mapping[Literal["base", "reveal"], bytes]


@cache
def source() -> str:
    """Return the reader's text."""
    page = resources.files("schemas").joinpath("FORMAT.md").read_text("utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return str(block)


@cache
def names() -> dict[str, Any]:
    """Return what the reader defines."""
    defined: dict[str, Any] = {"__name__": "format_reader"}
    exec(compile(source(), "FORMAT.md", "exec"), defined)  # noqa: S102  our own page
    return defined


def read(
    fetch: Fetch, anchor: bytes, number: int, roots: Roots, kind: str = "orders"
) -> Iterator[pa.Table]:
    """Yield the tables of a manifest, as the reader gives them."""
    yield from names()["read"](fetch, anchor, number, roots, kind)


def fetch_from(store: ObjectStore) -> Fetch:
    """Return what the reader needs of a store: versions by id, or the earliest."""

    def fetch(key: str, version_id: str | None) -> bytes:
        if version_id is not None:
            return store.get(key, version_id)
        versions = [
            version
            for version in store.list_versions(key)
            if version.key == key and not version.is_delete_marker
        ]
        if not versions:
            raise ObjectMissingError(key=key, detail="no version of it")
        return store.get(key, versions[-1].version_id)

    return fetch
