"""Approvals: what takes two people. One asks, another one grants, for one thing, for a time.

How another part uses it, a reveal for instance:

    approval = approvals.require_granted("reveal", {"order": token}, session, said="order …")
    … record in the access log, with approval=approval.number …
    approvals.consume(approval, session)
    … act …

The first call of an operator makes the request and raises `ApprovalNeededError`, which names it;
once somebody else has granted it, the same call returns it. `consume` succeeds once. Who may
ask and grant stands in `archiver.policy.APPROVALS`; nobody ever grants his own request.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Row, insert, select, update

from archiver.errors import RequestError, Said
from archiver.operators.logins import Session
from archiver.operators.tables import PART, approvals, instant, operators, stamp
from archiver.policy import APPROVALS, ROLES, may_grant, may_request
from archiver.ports import Clock
from archiver.refusals import ApprovalNeededError, NotAllowedError
from archiver.state import State

LASTS: Final = timedelta(hours=24)
"""How long a request may wait and be used, together, where the caller does not say."""
LONGEST_TEXT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A request, and what became of it."""

    number: int
    kind: str
    """As in `archiver.policy.APPROVALS`."""
    digest: str
    """Of the parameters: SHA-256 of their canonical JSON."""
    text: str
    """What it is for, for whoever decides: no contact, no secret."""
    asked_by: str
    asked_at: datetime
    until: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    granted: bool | None = None
    """None while it waits."""
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approvals:
    """The requests of one archive."""

    state: State
    clock: Clock

    def request(
        self,
        kind: str,
        parameters: Mapping[str, str],
        session: Session,
        *,
        said: str,
        lasts: timedelta = LASTS,
    ) -> Approval:
        """Ask for an approval; asking again for the same thing returns the same request.

        Args:
            kind: Of what.
            parameters: What exactly: the approval holds for these and no others.
            session: Who asks.
            said: The same for people. It stands in the state as it is: name no buyer.
            lasts: From now on; then it can be neither granted nor used.

        Raises:
            NotAllowedError: The role does not ask for this.
        """
        if not may_request(session.role, kind):
            raise NotAllowedError(
                detail=Said(
                    f"the role {session.role} does not ask for {kind}",
                    f"{ROLES[session.role].zh}角色不能申请 {kind}",
                )
            )
        now, digest = self.clock.now(), digest_of(parameters)
        with self.state.writing(PART) as connection:
            found = _open_request(connection, kind, digest, session.name, now)
            if found is not None:
                return found
            number = connection.execute(
                insert(approvals)
                .values(
                    kind=kind,
                    digest=digest,
                    text=said[:LONGEST_TEXT],
                    asked_by=session.name,
                    asked_at=stamp(now),
                    until=stamp(now + lasts),
                )
                .returning(approvals.c.number)
            ).scalar_one()
            return _approval(connection, number)

    def decide(self, number: int, session: Session, *, granted: bool) -> Approval:
        """Grant or refuse a request; deciding the same again changes nothing.

        Raises:
            RequestError: There is no such request, or it is decided otherwise or too old.
            NotAllowedError: It is one's own, or the role does not decide this.
        """
        now = self.clock.now()
        with self.state.writing(PART) as connection:
            found = _approval(connection, number)
            self._require_may_decide(found, session)
            if (found.granted, found.decided_by) == (granted, session.name):
                return found
            if found.granted is not None or now >= found.until:
                raise RequestError(
                    detail=Said(
                        f"request {number} was decided by {found.decided_by}"
                        if found.decided_by
                        else f"request {number} has expired: it has to be made again",
                        f"请求 {number} 已由 {found.decided_by} 决定"
                        if found.decided_by
                        else f"请求 {number} 已过期，须重新提出",
                    )
                )
            connection.execute(
                update(approvals)
                .where(approvals.c.number == number)
                .values(decided_by=session.name, decided_at=stamp(now), granted=granted)
            )
            return _approval(connection, number)

    def require_granted(
        self,
        kind: str,
        parameters: Mapping[str, str],
        session: Session,
        *,
        said: str,
        lasts: timedelta = LASTS,
    ) -> Approval:
        """Return the approval for exactly this; where there is none yet, ask for it.

        Arguments as for `request`.

        Raises:
            ApprovalNeededError: It waits for somebody else.
            NotAllowedError: The role does not ask for this, or it was refused.
        """
        found = self.request(kind, parameters, session, said=said, lasts=lasts)
        if found.granted is False:
            raise NotAllowedError(
                detail=Said(
                    f"{found.decided_by} has refused request {found.number}",
                    f"{found.decided_by} 已拒绝请求 {found.number}",
                )
            )
        with self.state.reading(PART) as connection:
            holds = found.granted and _granter_is_there(connection, found)
        if not holds:
            names = sorted(APPROVALS[kind].grants)
            raise ApprovalNeededError(
                number=found.number,
                roles=Said(", ".join(names), "、".join(ROLES[name].zh for name in names)),
            )
        return found

    def consume(self, approval: Approval, session: Session) -> Approval:
        """Use an approval up, in the moment before the act; of two processes one succeeds.

        An approval of a kind that is good for several acts stays.

        Raises:
            NotAllowedError: It was used, is too old, or is not this operator's.
        """
        now = self.clock.now()
        with self.state.writing(PART) as connection:
            found = _approval(connection, approval.number)
            valid = (
                found.granted
                and found.asked_by == session.name
                and now < found.until
                and found.used_at is None
                and may_request(session.role, found.kind)
                and _granter_is_there(connection, found)
            )
            if not valid:
                raise NotAllowedError(
                    detail=Said(
                        f"approval {found.number} was used, has expired or is another operator's",
                        f"批准 {found.number} 已使用、已过期或不属于该操作员",
                    )
                )
            if APPROVALS[found.kind].single_use:
                connection.execute(
                    update(approvals)
                    .where(approvals.c.number == found.number)
                    .values(used_at=stamp(now))
                )
            return _approval(connection, found.number)

    def find(self, number: int) -> Approval:
        """Return one request.

        Raises:
            RequestError: There is none of that number.
        """
        with self.state.reading(PART) as connection:
            return _approval(connection, number)

    def all(self, *, waiting: bool = True) -> tuple[Approval, ...]:
        """Return requests, newest first; those that can still be decided, or all."""
        query = select(approvals).order_by(approvals.c.number.desc())
        if waiting:
            now = stamp(self.clock.now())
            query = query.where(approvals.c.granted.is_(None), approvals.c.until > now)
        with self.state.reading(PART) as connection:
            return tuple(_of(row) for row in connection.execute(query))

    def _require_may_decide(self, found: Approval, session: Session) -> None:
        own = found.asked_by == session.name
        if not may_grant(session.role, found.kind, own=own):
            raise NotAllowedError(
                detail=Said(
                    "nobody decides on his own request"
                    if own
                    else f"the role {session.role} does not decide on {found.kind}",
                    "任何人都不得批准自己的请求"
                    if own
                    else f"{ROLES[session.role].zh}角色无权决定 {found.kind}",
                )
            )


def digest_of(parameters: Mapping[str, str]) -> str:
    """Return what binds an approval to what it is for."""
    text = json.dumps(dict(parameters), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _open_request(
    connection: Connection, kind: str, digest: str, asked_by: str, now: datetime
) -> Approval | None:
    row = connection.execute(
        select(approvals)
        .where(
            approvals.c.kind == kind,
            approvals.c.digest == digest,
            approvals.c.asked_by == asked_by,
            approvals.c.used_at.is_(None),
            approvals.c.until > stamp(now),
        )
        .order_by(approvals.c.number.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else _of(row)


def _granter_is_there(connection: Connection, approval: Approval) -> bool:
    """Tell whether who granted it is an operator still: what an intruder granted ends with him."""
    query = select(operators.c.name).where(
        operators.c.name == approval.decided_by, operators.c.disabled_at.is_(None)
    )
    return connection.scalar(query) is not None


def _approval(connection: Connection, number: int) -> Approval:
    row = connection.execute(select(approvals).where(approvals.c.number == number)).one_or_none()
    if row is None:
        raise RequestError(
            detail=Said(f"there is no request {number}", f"没有编号为 {number} 的请求")
        )
    return _of(row)


def _of(row: "Row[tuple[object, ...]]") -> Approval:
    def at(stamped: int | None) -> datetime | None:
        return None if stamped is None else instant(stamped)

    return Approval(
        number=row.number,
        kind=row.kind,
        digest=row.digest,
        text=row.text,
        asked_by=row.asked_by,
        asked_at=instant(row.asked_at),
        until=instant(row.until),
        decided_by=row.decided_by,
        decided_at=at(row.decided_at),
        granted=row.granted,
        used_at=at(row.used_at),
    )
