"""Shops and hosts for nights."""

from pathlib import Path

import pytest

from tests.nights.shop import BentShop, MariaShop, SqliteShop, new_sqlite_shop
from tests.nights.site import Site
from tests.servers.mariadb import READER_PASSWORD, ShopDatabase
from tests.servers.seaweedfs import S3Bucket
from tests.shops import dujiaoka
from tests.shops.dujiaoka_tables import create_tables


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A host that knows the shop's password."""
    return Site(tmp_path / "host", environment={"SHOP_DB_PASSWORD": READER_PASSWORD})


@pytest.fixture
def bucket(s3_bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> S3Bucket:
    """A bucket whose credentials stand in the environment."""
    for name, value in s3_bucket.environment.items():
        monkeypatch.setenv(name, value)
    return s3_bucket


@pytest.fixture
def mariadb_shop(shop_database: ShopDatabase) -> MariaShop:
    """An empty shop on MariaDB."""
    with shop_database.connect() as connection:
        create_tables(connection)
        dujiaoka.fill_catalogue(connection)
    return MariaShop(shop_database)


@pytest.fixture
def sqlite_shop(tmp_path: Path) -> SqliteShop:
    """An empty shop in SQLite."""
    return new_sqlite_shop(tmp_path / "shop.db")


@pytest.fixture
def bent_mariadb(mariadb_shop: MariaShop) -> BentShop:
    """A shop on MariaDB that takes anything."""
    mariadb_shop.bend()
    return mariadb_shop


@pytest.fixture
def bent_sqlite(sqlite_shop: SqliteShop) -> BentShop:
    """A shop in SQLite that takes anything."""
    sqlite_shop.bend()
    return sqlite_shop
