"""Idempotency keys: a write that is sent again, because its answer was lost, is not done again.

A request with the header `Idempotency-Key` is done once for each key, operator or token, and route,
within a day; sent again it gets the first answer, and where that held a secret, the word that it
was given already. While it is worked on the key is held for a minute: one whose node has died may
then be sent again, though nobody knows how far it came. Which request it was is kept as a keyed
hash. (IETF httpapi, draft "The Idempotency-Key HTTP Header Field".)
"""

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from archiver.operators.tables import stamp
from archiver.ports import Clock
from archiver.service.problems import refused
from archiver.state import Part, State
from archiver.tokens import derive_key

HEADER: Final = "idempotency-key"
LASTS: Final = timedelta(hours=24)
LONGEST: Final = 128
LEASE: Final = timedelta(minutes=1)
"""For so long a request that is under way keeps its key: writes take seconds at most."""

_metadata: Final = MetaData()
_writes: Final = Table(
    "service_writes",
    _metadata,
    Column("name", String(64), primary_key=True),  # keyed: of whom, which route, which key
    Column("request", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("status", Integer),
    Column("answer", Text),
)
PART: Final = Part(name="service-writes", version=1, metadata=_metadata)

Answer = tuple[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """The writes of the last day."""

    state: State
    clock: Clock
    token_key: bytes = field(repr=False)

    def once(
        self,
        who: str,
        route: str,
        key: str | None,
        request: Mapping[str, Any],
        act: Callable[[], Answer],
        *,
        kept: bool = True,
    ) -> Answer:
        """Do something once.

        Args:
            who: Operator or token.
            route: Which write.
            key: As the request gave it; None: it is done each time.
            request: What was asked.
            act: Does it.
            kept: The answer may be given again: it holds no secret.

        Raises:
            ProblemError: The key is no key, was used for something else, or is being worked on.
        """
        if key is None:
            return act()
        if not (0 < len(key) <= LONGEST and key.isascii() and key.isprintable()):
            raise refused(400, "idempotency-key", "No such key is possible", "幂等键无效")
        name = self._digest(f"{who}\0{route}\0{key}")
        asked = self._digest(json.dumps(request, sort_keys=True, default=str))
        now = self.clock.now()
        if (earlier := self._begun(name, asked, now)) is not None:
            return earlier
        # Whose lease has ended may find that it is another's by now.
        ours = (_writes.c.name == name) & (_writes.c.at == stamp(now))
        try:
            status, answer = act()
        except BaseException:
            with self.state.writing(PART) as connection:  # nothing was done: it may be tried again
                connection.execute(delete(_writes).where(ours))
            raise
        told = json.dumps(dict(answer), ensure_ascii=False) if kept else None
        with self.state.writing(PART) as connection:
            connection.execute(update(_writes).where(ours).values(status=status, answer=told))
        return status, answer

    def _begun(self, name: str, asked: str, now: datetime) -> Answer | None:
        """Note that it is begun; return the answer, if it was done before."""
        with self.state.writing(PART) as connection:
            dead = _writes.c.status.is_(None) & (_writes.c.at <= stamp(now - LEASE))
            connection.execute(delete(_writes).where((_writes.c.at < stamp(now - LASTS)) | dead))
            row = connection.execute(select(_writes).where(_writes.c.name == name)).one_or_none()
            if row is None:
                connection.execute(insert(_writes).values(name=name, request=asked, at=stamp(now)))
                return None
        if row.request != asked:
            raise refused(
                422,
                "idempotency-key",
                "The key was used for another request",
                "该幂等键已用于其他请求",
            )
        if row.status is None:
            raise refused(
                409,
                "in-progress",
                "The same request is under way",
                "同一请求正在处理",
                retry_after=5,
            )
        if row.answer is None:
            raise refused(
                409,
                "done-already",
                "It was done, and what it gave is not given twice",
                "该请求已完成，其结果不会重复给出",
            )
        return int(row.status), json.loads(row.answer)

    def _digest(self, text: str) -> str:
        key = derive_key(self.token_key, "service-writes")
        return hmac.digest(key, text.encode(), "sha256").hex()
