"""The access log's tables in the state database."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

from archiver.state import Part

metadata: Final = MetaData()

entries: Final = Table(
    "access_entries",
    metadata,
    Column("node", String(64), primary_key=True),
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", BigInteger, nullable=False),  # microseconds since 1970, UTC
    Column("operator", String(64)),
    Column("place", String(200), nullable=False),
    Column("command", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("shown", Integer, nullable=False),  # orders that count for the watch
    Column("stepped", Integer, nullable=False),  # 1: a neighbour was asked shortly before
    Column("body", LargeBinary, nullable=False),
    Column("digest", String(64), nullable=False),
    Index("access_entries_by_operator", "operator", "at"),
    Index("access_entries_by_place", "place", "at"),
)
"""`body` counts; the other columns repeat it for searching and are compared with it by
`access verify`."""

heads: Final = Table(
    "access_heads",
    metadata,
    Column("node", String(64), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("digest", String(64)),
)
"""The last entry of each node. Its row is also the lock under which the next one is made."""

PART: Final = Part(name="access", version=1, metadata=metadata)
