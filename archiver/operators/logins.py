"""Logins and sessions: who is it, and is it still the same one?

A login takes a password and a code; what the operator holds afterwards is 32 random bytes, of
which the state keeps a hash. An attempt is counted before it is checked, so that many at once
are no way around the limits. Name, password and code are always all looked at, and a refusal
does not say which was wrong.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from archiver.errors import Said
from archiver.operators.codes import looks_like_recovery, matching_step
from archiver.operators.register import Operator, Register, operator_of
from archiver.operators.tables import (
    PART,
    attempts,
    instant,
    operators,
    recovery_codes,
    sessions,
    stamp,
)
from archiver.operators.throttle import (
    FORGOTTEN,
    REMEMBERED,
    Attempts,
    wait_until,
)
from archiver.policy import Role
from archiver.refusals import (
    CodeRefusedError,
    LoginDelayedError,
    LoginNeededError,
    LoginRefusedError,
)
from archiver.state.looks import Look

TOKEN_BYTES: Final = 32
SEEN_EVERY: Final = timedelta(seconds=30)
"""A session's last use is written down no more often than this."""
SKEW: Final = timedelta(minutes=5)
"""A session that begins later than this from now is of a clock that was set back."""
FRESH_FOR: Final = timedelta(minutes=5)
"""How long a code lets an operator do what `archiver.policy.FRESH` lists."""


_SESSION: Final = Look(
    select(
        *(operators.c[name] for name in ("name", "role", "created_at", "created_by")),
        operators.c.disabled_at,
        *(sessions.c[name] for name in ("origin", "begun_at", "seen_at", "confirmed_at")),
    )
    .join(sessions, sessions.c.operator == operators.c.name)
    .where(sessions.c.token == bindparam("kept"), operators.c.disabled_at.is_(None))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a session lasts."""

    idle: timedelta = timedelta(minutes=15)
    whole: timedelta = timedelta(hours=8)


STANDARD: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An operator who has shown who he is."""

    operator: Operator
    origin: str
    begun_at: datetime
    ends_at: datetime
    """At the latest, however busy he is."""
    confirmed_at: datetime
    """When he last gave a code."""
    token: str = field(repr=False)
    """What he holds; nobody else has it."""

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether he has shown by a code within `FRESH_FOR` that it is he.

        On both sides of it: a clock that was set back leaves nobody fresh for hours.
        """
        return -FRESH_FOR < now - self.confirmed_at < FRESH_FOR

    @property
    def name(self) -> str:
        """The operator's name."""
        return self.operator.name

    @property
    def role(self) -> Role:
        """The operator's role."""
        return self.operator.role


@dataclass(frozen=True, slots=True, kw_only=True)
class Logins:
    """Logins of one archive's operators."""

    register: Register
    limits: Limits = STANDARD

    def login(self, name: str, password: str, code: str, *, origin: str) -> Session:
        """Begin a session.

        Args:
            name: Of the operator.
            password: As typed.
            code: Of his phone, or one of his recovery codes.
            origin: From where: attempts are limited by it.

        Raises:
            LoginRefusedError: Something of it is wrong, or he is disabled.
            LoginDelayedError: Too many wrong attempts; nothing was checked.
        """
        attempt = self._attempt(name, origin)
        row = self._row(name)
        password_matches = self.register.passwords.matches(
            None if row is None else row.password, password
        )
        if row is None or not password_matches or row.disabled_at is not None:
            raise LoginRefusedError
        now = self.register.clock.now()
        token = secrets.token_urlsafe(TOKEN_BYTES)
        with self.register.state.writing(PART) as connection:
            taken = (
                self._take_recovery(connection, name, code, now)
                if looks_like_recovery(code)
                else self._take_code(connection, name, code, now)
            )
            if not taken:
                raise LoginRefusedError
            _succeeded(connection, attempt)
            _forget(connection, now, self.limits)
            connection.execute(
                insert(sessions).values(
                    token=_kept(token),
                    operator=name,
                    origin=origin,
                    begun_at=stamp(now),
                    seen_at=stamp(now),
                    confirmed_at=stamp(now),
                )
            )
        return self.session(token)

    def session(self, token: str) -> Session:
        """Return the session of a token that an operator holds, and note that it is in use.

        Raises:
            LoginNeededError: It has ended, or there is no such session.
        """
        now = self.register.clock.now()
        kept = _kept(token)
        row = next(iter(self.register.state.look(PART, _SESSION, kept=kept)), None)
        if row is None or not _lasts(row, now, self.limits):
            raise LoginNeededError(detail=Said("the session has ended", "会话已结束"))
        if now - instant(row.seen_at) >= SEEN_EVERY:
            with self.register.state.writing(PART) as connection:
                connection.execute(
                    update(sessions).where(sessions.c.token == kept).values(seen_at=stamp(now))
                )
        return Session(
            operator=operator_of(row),
            origin=row.origin,
            begun_at=instant(row.begun_at),
            ends_at=instant(row.begun_at) + self.limits.whole,
            confirmed_at=instant(row.confirmed_at),
            token=token,
        )

    def confirm(self, session: Session, code: str) -> Session:
        """Let an operator show once more that it is he, with a code of his phone.

        Recovery codes are for logging in only.

        Raises:
            CodeRefusedError: It is wrong, old, or was taken before.
            LoginDelayedError: Too many wrong attempts; nothing was checked.
        """
        attempt = self._attempt(session.name, session.origin)
        now = self.register.clock.now()
        with self.register.state.writing(PART) as connection:
            if not self._take_code(connection, session.name, code, now):
                raise CodeRefusedError
            _succeeded(connection, attempt)
            connection.execute(
                update(sessions)
                .where(sessions.c.token == _kept(session.token))
                .values(confirmed_at=stamp(now), seen_at=stamp(now))
            )
        return self.session(session.token)

    def logout(self, token: str) -> None:
        """End a session; a token of none is no error."""
        with self.register.state.writing(PART) as connection:
            connection.execute(delete(sessions).where(sessions.c.token == _kept(token)))

    def _attempt(self, name: str, origin: str) -> int:
        """Count an attempt as a wrong one, before it is checked; return its number."""
        now = self.register.clock.now()
        with self.register.state.writing(PART) as connection:
            known = connection.scalar(select(operators.c.name).where(operators.c.name == name))
            # Somebody may have typed his password here: what is no name is kept as a hash only.
            counted = known or self.register.unknown_name(name)
            until = wait_until(_attempts(connection, counted, origin, now), now)
            if until is not None:
                seconds = int((until - now) / timedelta(seconds=1)) + 1
                raise LoginDelayedError(seconds=seconds)
            return int(
                connection.execute(
                    insert(attempts)
                    .values(at=stamp(now), operator=counted, origin=origin, succeeded=False)
                    .returning(attempts.c.number)
                ).scalar_one()
            )

    def _row(self, name: str) -> "Row[tuple[object, ...]] | None":
        with self.register.state.reading(PART) as connection:
            query = select(operators).where(operators.c.name == name)
            return connection.execute(query).one_or_none()

    def _take_code(self, connection: Connection, name: str, code: str, now: datetime) -> bool:
        row = connection.execute(select(operators).where(operators.c.name == name)).one()
        step = matching_step(self.register.secret_of(row), code, now, row.totp_step)
        if step is None:
            return False
        taken = connection.execute(
            update(operators)
            .where(operators.c.name == name, operators.c.totp_step < step)
            .values(totp_step=step)
        )
        return taken.rowcount == 1

    def _take_recovery(self, connection: Connection, name: str, code: str, now: datetime) -> bool:
        taken = connection.execute(
            update(recovery_codes)
            .where(
                recovery_codes.c.operator == name,
                recovery_codes.c.kept == self.register.kept_code(name, code),
                recovery_codes.c.used_at.is_(None),
            )
            .values(used_at=stamp(now))
        )
        return taken.rowcount == 1

    def recovery_codes_left(self, name: str) -> int:
        """Return how many recovery codes an operator has not used yet."""
        with self.register.state.reading(PART) as connection:
            query = (
                select(func.count())
                .select_from(recovery_codes)
                .where(recovery_codes.c.operator == name, recovery_codes.c.used_at.is_(None))
            )
            return int(connection.scalar(query) or 0)


def _kept(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _lasts(row: "Row[tuple[object, ...]]", now: datetime, limits: Limits) -> bool:
    begun, seen = instant(row.begun_at), instant(row.seen_at)
    return (
        now - begun < limits.whole and now - seen < limits.idle and max(begun, seen) - now <= SKEW
    )


def _attempts(connection: Connection, name: str, origin: str, now: datetime) -> Attempts:
    since = stamp(now - FORGOTTEN)
    columns = select(attempts.c.at, attempts.c.operator, attempts.c.origin).order_by(attempts.c.at)
    wrong = columns.where(attempts.c.succeeded.is_(False), attempts.c.at >= since)
    place = connection.execute(wrong.where(attempts.c.origin == origin)).all()
    operator = connection.execute(wrong.where(attempts.c.operator == name)).all()
    last = connection.scalar(
        select(func.max(attempts.c.number)).where(
            attempts.c.operator == name,
            attempts.c.origin == origin,
            attempts.c.succeeded.is_(True),
            attempts.c.at >= stamp(now - REMEMBERED),
        )
    )
    here = connection.execute(
        wrong.where(
            attempts.c.operator == name,
            attempts.c.origin == origin,
            attempts.c.number > (last or 0),
        )
    ).all()
    return Attempts(
        here=[instant(row.at) for row in here],
        place=[instant(row.at) for row in place],
        operator=[instant(row.at) for row in operator],
        own_place=last is not None,
    )


def _succeeded(connection: Connection, attempt: int) -> None:
    connection.execute(update(attempts).where(attempts.c.number == attempt).values(succeeded=True))


def _forget(connection: Connection, now: datetime, limits: Limits) -> None:
    """Drop what counts nowhere any more."""
    old = attempts.c.at < stamp(now - FORGOTTEN)
    connection.execute(delete(attempts).where(old, attempts.c.succeeded.is_(False)))
    connection.execute(delete(attempts).where(attempts.c.at < stamp(now - REMEMBERED)))
    connection.execute(delete(sessions).where(sessions.c.begun_at < stamp(now - limits.whole)))
