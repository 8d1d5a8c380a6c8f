"""The operators' tables in the state database. Times are microseconds since 1970, UTC."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from archiver.state import Part

metadata: Final = MetaData()
_NAME: Final = String(64)

operators: Final = Table(
    "operators",
    metadata,
    Column("name", _NAME, primary_key=True),
    Column("role", String(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", _NAME),  # null: the host's owner, who made the first one
    Column("disabled_at", BigInteger),
    Column("password", Text, nullable=False),  # argon2id
    Column("totp", LargeBinary, nullable=False),  # sealed under the operators' key
    Column("totp_step", BigInteger, nullable=False),
)
recovery_codes: Final = Table(
    "operator_recovery_codes",
    metadata,
    Column("operator", _NAME, primary_key=True),
    Column("kept", String(64), primary_key=True),
    Column("used_at", BigInteger),
)
sessions: Final = Table(
    "operator_sessions",
    metadata,
    Column("token", String(64), primary_key=True),  # SHA-256 of what the operator holds
    Column("operator", _NAME, nullable=False),
    Column("origin", String(200), nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("confirmed_at", BigInteger, nullable=False),
)
attempts: Final = Table(
    "operator_attempts",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("operator", _NAME, nullable=False),  # a keyed hash where there is no such operator
    Column("origin", String(200), nullable=False),
    Column("succeeded", Boolean, nullable=False),
    Index("operator_attempts_by_operator", "operator", "at"),
    Index("operator_attempts_by_origin", "origin", "at"),
)
approvals: Final = Table(
    "operator_approvals",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("digest", String(64), nullable=False),  # of the parameters
    Column("text", Text, nullable=False),
    Column("asked_by", _NAME, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("decided_by", _NAME),
    Column("decided_at", BigInteger),
    Column("granted", Boolean),  # null while it waits
    Column("used_at", BigInteger),
    Index("operator_approvals_by_request", "kind", "digest", "asked_by"),
)

PART: Final = Part(name="operators", version=1, metadata=metadata)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def stamp(at: datetime) -> int:
    """Return an instant as the tables hold it."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def instant(stamped: int) -> datetime:
    """Return what `stamp` was given."""
    return _EPOCH + timedelta(microseconds=stamped)
