"""Comparing archived orders of other shops with what was put into the shop."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.nights.evidence import Row
from tests.nights.site import SHANGHAI, Site

ORDERS = 600
DAYS = 5
PASSWORD = 'password_env = "SHOP_DB_PASSWORD"\n'


def instant(local: str | None) -> datetime | None:
    """Return a shop's local time."""
    return datetime.fromisoformat(local).replace(tzinfo=SHANGHAI) if local else None


def lines(text: str | None) -> list[str]:
    """Return the cards in a text."""
    return (text or "").splitlines()


def told(row: Row, *paths: str) -> dict[str, Any]:
    """Return some fields of an archived order."""
    found = {}
    for path in paths:
        value: Any = row
        for name in path.split("."):
            value = value[name]
        found[path] = value
    return found


def extra(row: Row) -> dict[str, str]:
    """Return an archived order's leftovers."""
    return {one["name"]: one["value"] for one in row["extra"]}


def text(value: object) -> str | None:
    """Return a value as the archive keeps names of things; empty is nothing."""
    return None if value in (None, "") else str(value)


def unless_zero(value: object) -> str | None:
    """Return a value that means nothing when it is zero."""
    return None if value in (None, "", 0, "0.00") else str(value)


def assert_nothing_forbidden(
    site: Site, rows: Mapping[str, Row], canaries: tuple[str, ...]
) -> None:
    """No canary is in any order, and none in any file of the host, in plain."""
    everything = json.dumps([*rows.values()], default=str, ensure_ascii=False)
    assert not [word for word in canaries if word in everything]
    files = [path.read_bytes() for path in Path(site.folder).rglob("*") if path.is_file()]
    plain = (*canaries, "CANARYCARD")
    assert not [word for word in plain if any(word.encode() in content for content in files)]
