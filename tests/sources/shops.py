"""What the tests of sources share: sources on test databases, and reading them whole."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from archiver.mapping import MapContext, MappedPage, apply
from archiver.ports import RawPage, Window
from archiver.sources.database import DatabaseSource
from archiver.sources.mappings import load_mapping
from tests.servers.mariadb import ShopDatabase

SEEN = datetime(2026, 11, 22, 12, tzinfo=UTC)
EVER = Window(start=datetime(2020, 1, 1, tzinfo=UTC), end=SEEN)


def window(first: str, last: str) -> Window:
    """Return the window between two instants given as ISO 8601."""
    return Window(start=datetime.fromisoformat(first), end=datetime.fromisoformat(last))


def dujiaoka(
    database: ShopDatabase,
    *,
    password: str | None = None,
    prefix: str = "",
    **options: Any,  # noqa: ANN401 (DatabaseSource's)
) -> DatabaseSource:
    """Return a source on a dujiaoka shop in MariaDB."""
    mapping = load_mapping("dujiaoka", {"prefix": prefix})
    return DatabaseSource(
        "main", database.url, password or database.reader_password, mapping, **options
    )


def mapped(source: DatabaseSource, pages: Iterable[RawPage]) -> list[MappedPage]:
    """Return all pages, mapped."""
    context = MapContext(
        archive="shop-1", source=source.name, observed_at=SEEN, session_zone=source.session_zone
    )
    return [apply(page, source.mapping, context) for page in pages]


def orders(source: DatabaseSource, span: Window = EVER) -> list[dict[str, Any]]:
    """Return all orders that end in a window or near it."""
    tables = [page.orders for page in mapped(source, source.pages(span))]
    found: list[dict[str, Any]] = pa.concat_tables(tables).to_pylist() if tables else []
    return found


def rejects(source: DatabaseSource, span: Window = EVER) -> dict[bytes | None, str]:
    """Return the reason of each reject, by its paging key."""
    found = [page.rejects for page in mapped(source, source.pages(span))]
    rows = [row for table in found for row in table.to_pylist()]
    return {row["row_key"]: row["reason"] for row in rows}


def keys(pages: Iterable[RawPage], name: str = "id") -> list[int]:
    """Return the integer keys of all rows, as they came."""
    return [int(key) for page in pages for key in page.rows[name].to_pylist()]
