"""The register of operators: who there is, in which role, with which factors.

Responsible for adding, resetting and disabling, and for the two factors as they are kept:
passwords as argon2id, secrets of phones sealed under the operators' key, recovery codes as
keyed hashes. The last administrator cannot be disabled; a disabled operator's sessions end in
the same transaction.
"""

import hmac
import os
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from archiver.errors import KeyUnavailableError, RequestError, Said
from archiver.operators.codes import (
    kept_recovery_code,
    new_recovery_codes,
    new_secret,
    uri,
)
from archiver.operators.passwords import STANDARD, Costs, Passwords, require_sound
from archiver.operators.tables import (
    PART,
    instant,
    operators,
    recovery_codes,
    sessions,
    stamp,
)
from archiver.policy import Role
from archiver.ports import Clock
from archiver.refusals import NotAllowedError
from archiver.state import State

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Plain ASCII: names that look alike must be alike."""
_NONCE: Final = 12
_KEY: Final = Said("operators'", "操作员")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A person with a role."""

    name: str
    role: Role
    created_at: datetime
    created_by: str | None
    """None: made on the host, by whoever owns the configuration."""
    disabled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What a new operator is shown once, and what is nowhere in plain afterwards."""

    operator: Operator
    secret: str = field(repr=False)
    uri: str = field(repr=False)
    recovery_codes: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The operators of one archive."""

    state: State
    clock: Clock
    archive: str
    """The archive's name, for authenticator apps."""
    key: bytes = field(repr=False)
    """The operators' key: 32 bytes that are not in the state database."""
    costs: Costs = STANDARD

    @property
    def passwords(self) -> Passwords:
        """How passwords are kept."""
        return Passwords(key=self._derived("password"), costs=self.costs)

    def is_empty(self) -> bool:
        """Tell whether nobody was ever added."""
        with self.state.reading(PART) as connection:
            return connection.scalar(select(func.count()).select_from(operators)) == 0

    def all(self) -> tuple[Operator, ...]:
        """Return all operators by name, disabled ones included."""
        with self.state.reading(PART) as connection:
            rows = connection.execute(select(operators).order_by(operators.c.name)).all()
        return tuple(operator_of(row) for row in rows)

    def find(self, name: str) -> Operator:
        """Return an operator.

        Raises:
            RequestError: There is none of that name.
        """
        with self.state.reading(PART) as connection:
            return operator_of(_row(connection, name))

    def require_addable(self, name: str, role: Role, password: str, by: str | None) -> None:
        """Refuse what `add` would refuse.

        Raises what `add` raises.
        """
        if not NAME.fullmatch(name):
            raise RequestError(
                detail=Said(
                    "a name is up to 64 small letters, digits, dots, hyphens and underscores",
                    "名称由最多 64 个小写字母、数字、点、连字符和下划线组成",
                )
            )
        require_sound(password, name)
        with self.state.reading(PART) as connection:
            _require_new(connection, name, role, by)

    def add(self, name: str, role: Role, password: str, *, by: str | None) -> Enrolment:
        """Add an operator and return what he is shown once.

        Args:
            name: Small letters, digits, dots, hyphens.
            role: What he is here for.
            password: His own choice.
            by: The administrator who adds him; None for the first one, an administrator, whom
                the host's owner makes.

        Raises:
            RequestError: The name is taken or cannot be one, or the first is no administrator.
            NotAllowedError: `by` is None although there are operators.
            PasswordRefusedError: The password is too easy to guess.
        """
        self.require_addable(name, role, password, by)
        kept = self.passwords.hashed(password)
        secret, codes = new_secret(), new_recovery_codes()
        now = self.clock.now()
        with self.state.writing(PART) as connection:
            _require_new(connection, name, role, by)
            connection.execute(
                insert(operators).values(
                    name=name,
                    role=role.value,
                    created_at=stamp(now),
                    created_by=by,
                    password=kept,
                    totp=self._sealed(secret, name),
                    totp_step=0,
                )
            )
            self._give_codes(connection, name, codes)
            made = operator_of(_row(connection, name))
        return self._enrolment(made, secret, codes)

    def reset(self, name: str, password: str) -> Enrolment:
        """Give an operator new factors; the old ones and his sessions end.

        Raises:
            RequestError: There is no such operator, or he is disabled.
            PasswordRefusedError: The password is too easy to guess.
        """
        require_sound(password, name)
        kept = self.passwords.hashed(password)
        secret, codes = new_secret(), new_recovery_codes()
        with self.state.writing(PART) as connection:
            found = operator_of(_row(connection, name))
            if found.disabled_at is not None:
                raise RequestError(detail=Said(f"{name} is disabled", f"{name} 已停用"))
            connection.execute(
                update(operators)
                .where(operators.c.name == name)
                .values(password=kept, totp=self._sealed(secret, name), totp_step=0)
            )
            connection.execute(delete(sessions).where(sessions.c.operator == name))
            connection.execute(delete(recovery_codes).where(recovery_codes.c.operator == name))
            self._give_codes(connection, name, codes)
        return self._enrolment(found, secret, codes)

    def disable(self, name: str) -> Operator:
        """Disable an operator for good and end his sessions; a second call changes nothing.

        Raises:
            RequestError: There is no such operator.
            NotAllowedError: He is the last administrator.
        """
        now = self.clock.now()
        with self.state.writing(PART) as connection:
            found = operator_of(_row(connection, name))
            if found.disabled_at is None:
                _require_another_administrator(connection, found)
                connection.execute(
                    update(operators).where(operators.c.name == name).values(disabled_at=stamp(now))
                )
            connection.execute(delete(sessions).where(sessions.c.operator == name))
            return operator_of(_row(connection, name))

    def secret_of(self, row: "Row[tuple[object, ...]]") -> str:
        """Return the secret of an operator's phone from his row.

        Raises:
            KeyUnavailableError: It was sealed under another key, or altered.
        """
        sealed: bytes = row.totp
        try:
            opened = AESGCM(self._derived("totp")).decrypt(
                sealed[:_NONCE], sealed[_NONCE:], row.name.encode()
            )
        except (InvalidTag, ValueError):
            raise KeyUnavailableError(
                key=_KEY,
                detail=Said(
                    f"{row.name} was enrolled under another key: restore it, or let an "
                    "administrator reset him",
                    f"{row.name} 使用另一密钥登记：请恢复该密钥，或由管理员重置",
                ),
            ) from None
        return opened.decode()

    def kept_code(self, name: str, code: str) -> str:
        """Return what is kept of one of an operator's recovery codes."""
        return kept_recovery_code(self._derived("recovery"), name, code)

    def unknown_name(self, typed: str) -> str:
        """Return what stands for a name that nobody has, so that attempts with it are counted."""
        key = self._derived("unknown-name")
        return "?" + hmac.digest(key, typed.encode("utf-8", "replace"), "sha256").hex()[:32]

    def _sealed(self, secret: str, name: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._derived("totp")).encrypt(nonce, secret.encode(), name.encode())

    def _derived(self, purpose: str) -> bytes:
        return hmac.digest(self.key, f"archiver/v1/operators/{purpose}".encode(), "sha256")

    def _give_codes(self, connection: Connection, name: str, codes: list[str]) -> None:
        rows = [{"operator": name, "kept": self.kept_code(name, code)} for code in codes]
        connection.execute(insert(recovery_codes), rows)

    def _enrolment(self, operator: Operator, secret: str, codes: list[str]) -> Enrolment:
        return Enrolment(
            operator=operator,
            secret=secret,
            uri=uri(secret, operator.name, self.archive),
            recovery_codes=tuple(codes),
        )


def operator_of(row: "Row[tuple[object, ...]]") -> Operator:
    """Return the person whom a row of `operators` describes."""
    return Operator(
        name=row.name,
        role=Role(row.role),
        created_at=instant(row.created_at),
        created_by=row.created_by,
        disabled_at=None if row.disabled_at is None else instant(row.disabled_at),
    )


def _row(connection: Connection, name: str) -> "Row[tuple[object, ...]]":
    row = connection.execute(select(operators).where(operators.c.name == name)).one_or_none()
    if row is None:
        raise RequestError(detail=Said("there is no operator of that name", "没有该名称的操作员"))
    return row


def _require_new(connection: Connection, name: str, role: Role, by: str | None) -> None:
    count = connection.scalar(select(func.count()).select_from(operators))
    if by is None and count:
        raise NotAllowedError(
            detail=Said(
                "there are operators already: an administrator adds further ones",
                "已有操作员：须由管理员添加",
            )
        )
    if by is None and role is not Role.ADMINISTRATOR:
        raise RequestError(
            detail=Said(
                "the first operator is an administrator, who then adds the others: "
                "--role administrator",
                "首位操作员须为管理员，再由其添加他人：--role administrator",
            )
        )
    if connection.scalar(select(operators.c.name).where(operators.c.name == name)):
        raise RequestError(detail=Said(f"{name} is taken for good", f"名称 {name} 已被占用"))


def _require_another_administrator(connection: Connection, leaving: Operator) -> None:
    others = connection.scalar(
        select(func.count())
        .select_from(operators)
        .where(
            operators.c.role == Role.ADMINISTRATOR.value,
            operators.c.disabled_at.is_(None),
            operators.c.name != leaving.name,
        )
    )
    if leaving.role is Role.ADMINISTRATOR and not others:
        raise NotAllowedError(
            detail=Said(
                f"{leaving.name} is the last administrator: add another one first",
                f"{leaving.name} 是最后一位管理员：请先添加另一位",
            )
        )
