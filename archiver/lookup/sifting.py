"""Conditions on decrypted orders, asked of DuckDB in a cage.

Responsible for one thing: which rows of an Arrow table satisfy conditions. Values go in as
parameters, never as SQL; DuckDB may read no file, load no extension, and change no setting. There
is one such function for one order and for a hundred thousand, so that both give one answer.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from archiver.lookup.question import Conditions
from archiver.lookup.standing import LEAVES as STANDING_LEAVES
from archiver.lookup.standing import standings
from archiver.search_tokens import folded

LEAVES: Final = (
    "source",
    "outcome",
    "product.name",
    "money.paid",
    "created_at",
    "completed_at",
    "first_seen_at",
    "payments.list.element.method",
    "payments.list.element.channel",
    "payments.list.element.amount",
)
"""What conditions look at, but for the standing."""
_STANDING_COLUMNS: Final = tuple(dict.fromkeys(leaf.split(".")[0] for leaf in STANDING_LEAVES))

MEMORY_LIMIT: Final = "512MB"
"""Of all questions of this process together."""
THREADS: Final = 2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
WHEN: Final = "coalesce(completed_at, created_at, first_seen_at)"
"""The time of an order: its completion, or its creation while it is unfinished."""


@contextmanager
def caged() -> "Iterator[duckdb.DuckDBPyConnection]":
    """Give a connection that can reach nothing but what is registered with it."""
    connection = _cage().cursor()
    try:
        yield connection
    finally:
        connection.close()


@cache
def _cage() -> duckdb.DuckDBPyConnection:
    """Return an empty database: to open one takes longer than what it is asked here."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": "",
            "threads": str(THREADS),
        },
    )
    connection.execute("SET lock_configuration = true")
    return connection


def sift(
    connection: duckdb.DuckDBPyConnection, orders: pa.Table, conditions: Conditions
) -> Sequence[int]:
    """Return the places of the rows that satisfy all conditions, ascending.

    Args:
        connection: From `caged`.
        orders: At least `leaves` of ORDER_V1.
        conditions: What must hold.
    """
    clauses, values = _clauses(conditions)
    if conditions.product is not None:
        clauses.append("list_contains(?::VARCHAR[], product.name)")
        values.append(_names_with(orders, conditions.product))
    numbered = orders.append_column("place", pa.array(np.arange(len(orders))))
    connection.register("orders", numbered)
    try:
        where = " AND ".join(clauses) or "true"
        rows = connection.execute(
            f"SELECT place FROM orders WHERE {where} ORDER BY place",  # noqa: S608  our own text
            values,
        ).fetchall()
    finally:
        connection.unregister("orders")
    places = [place for (place,) in rows]
    if conditions.standing is None:
        return places
    chosen = orders.select(_STANDING_COLUMNS).take(pa.array(places, pa.int64())).to_pylist()
    return [
        place
        for place, order in zip(places, chosen, strict=True)
        if conditions.standing in standings(order)
    ]


def leaves(asked: Conditions) -> tuple[str, ...]:
    """Return what conditions look at."""
    more = () if asked.standing is None else STANDING_LEAVES
    return tuple(dict.fromkeys((*LEAVES, *more)))


def _clauses(asked: Conditions) -> tuple[list[str], list[object]]:
    clauses: list[str] = []
    values: list[object] = []

    def add(clause: str, *parameters: object) -> None:
        clauses.append(f"({clause})")
        values.extend(parameters)

    if asked.start is not None:
        add(f"epoch_us({WHEN}) >= ?::BIGINT", _microseconds(asked.start))
    if asked.end is not None:
        add(f"epoch_us({WHEN}) < ?::BIGINT", _microseconds(asked.end))
    if asked.outcomes:
        add("list_contains(?::VARCHAR[], outcome)", list(asked.outcomes))
    if asked.source is not None:
        add("source = ?::VARCHAR", asked.source)
    if asked.channel is not None:
        # A name, not a part of one: `pay` must not find `alipay`.
        add(
            "len(list_filter(payments, lambda one: "
            f"{_folded('one.method')} = {_folded('?::VARCHAR')} "
            f"OR {_folded('one.channel')} = {_folded('?::VARCHAR')})) > 0",
            asked.channel,
            asked.channel,
        )
    if asked.amount is not None:
        add(
            "money.paid = ?::DECIMAL(18, 2) OR "
            "len(list_filter(payments, lambda one: one.amount = ?::DECIMAL(18, 2))) > 0",
            asked.amount,
            asked.amount,
        )
    return clauses, values


def _names_with(orders: pa.Table, word: str) -> list[str]:
    """Return the different product names that contain a word, folded as the index folds them."""
    names = pc.unique(pc.struct_field(orders["product"], "name")).drop_null().to_pylist()
    return [name for name in names if folded(word) in folded(name)]


def _folded(expression: str) -> str:
    """Composed characters, small letters: `É` and `e` with an accent behind it are one."""
    return f"lower(nfc_normalize({expression}))"


def _microseconds(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(microseconds=1)
