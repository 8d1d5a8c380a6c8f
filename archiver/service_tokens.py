"""Service tokens: by which the shop's own site asks on behalf of its buyers.

A token is 32 random bytes, of which the state keeps a hash; it says which site asks and nothing
about who the buyer is. Each has a budget of questions a day. Revoked, it ends on every node with
the next request.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    bindparam,
    insert,
    select,
    update,
)

from archiver.errors import RequestError, Said
from archiver.operators.tables import instant, stamp
from archiver.ports import Clock
from archiver.state import Part, State
from archiver.state.looks import Look

PREFIX: Final = "archiver_"
"""By which scanners of repositories know a leaked one."""
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,47}")
TOKEN_BYTES: Final = 32
BUDGET: Final = 2_000
"""Questions a day where nobody says otherwise."""

_metadata: Final = MetaData()
_tokens: Final = Table(
    "service_tokens",
    _metadata,
    Column("name", String(64), primary_key=True),
    Column("kept", String(64), nullable=False, unique=True),  # SHA-256 of what the site holds
    Column("daily_budget", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("revoked_at", BigInteger),
)
PART: Final = Part(name="service-tokens", version=1, metadata=_metadata)
_HELD: Final = Look(
    select(_tokens).where(_tokens.c.kept == bindparam("kept"), _tokens.c.revoked_at.is_(None))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceToken:
    """A site that may ask for its buyers."""

    name: str
    daily_budget: int
    created_at: datetime
    created_by: str
    revoked_at: datetime | None = None

    @property
    def subject(self) -> str:
        """How the access log and the watch call it; no operator can have this name."""
        return f"token:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A new token: what the site holds is nowhere in plain afterwards."""

    token: ServiceToken
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of one archive."""

    state: State
    clock: Clock

    def require_addable(self, name: str) -> None:
        """Refuse a name that `add` would refuse.

        Raises:
            RequestError: It is taken, or cannot be one.
        """
        if not NAME.fullmatch(name):
            raise RequestError(
                detail=Said(
                    "a token's name is up to 48 small letters, digits, dots, hyphens, underscores",
                    "令牌名称由最多 48 个小写字母、数字、点、连字符和下划线组成",
                )
            )
        if any(one.name == name for one in self.all()):
            raise RequestError(detail=Said(f"{name} is taken for good", f"名称 {name} 已被占用"))

    def add(self, name: str, *, daily_budget: int, by: str) -> Given:
        """Make a token; what it returns is shown once.

        Raises:
            RequestError: The name is taken, or cannot be one.
        """
        self.require_addable(name)
        secret = PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
        with self.state.writing(PART) as connection:
            connection.execute(
                insert(_tokens).values(
                    name=name,
                    kept=_kept(secret),
                    daily_budget=daily_budget,
                    created_at=stamp(self.clock.now()),
                    created_by=by,
                )
            )
            row = connection.execute(select(_tokens).where(_tokens.c.name == name)).one()
        return Given(token=_of(row), secret=secret)

    def revoke(self, name: str) -> ServiceToken:
        """End a token for good; a second call changes nothing.

        Raises:
            RequestError: There is none of that name.
        """
        with self.state.writing(PART) as connection:
            connection.execute(
                update(_tokens)
                .where(_tokens.c.name == name, _tokens.c.revoked_at.is_(None))
                .values(revoked_at=stamp(self.clock.now()))
            )
            row = connection.execute(select(_tokens).where(_tokens.c.name == name)).one_or_none()
        if row is None:
            raise RequestError(detail=Said(f"there is no token {name}", f"没有令牌 {name}"))
        return _of(row)

    def all(self) -> tuple[ServiceToken, ...]:
        """Return all tokens by name, revoked ones included."""
        with self.state.reading(PART) as connection:
            return tuple(
                _of(row) for row in connection.execute(select(_tokens).order_by(_tokens.c.name))
            )

    def held(self, secret: str) -> ServiceToken | None:
        """Return the token of what a site holds; None if there is none, or not any more."""
        return next((_of(row) for row in self.state.look(PART, _HELD, kept=_kept(secret))), None)


def _kept(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _of(row: "Row[tuple[object, ...]]") -> ServiceToken:
    return ServiceToken(
        name=row.name,
        daily_budget=row.daily_budget,
        created_at=instant(row.created_at),
        created_by=row.created_by,
        revoked_at=None if row.revoked_at is None else instant(row.revoked_at),
    )
