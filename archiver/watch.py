"""The watch: does somebody look orders up, or does he harvest them?

Responsible for limits over sliding windows: different orders that were shown, questions that found
nothing, order numbers asked one after another, wide ranges, decoys. Watched are operators, the
places that they ask from (an account, an address, an IPv6 /64), the networks around addresses
(/24), and the shop's own site with the addresses that it passes on. Over a limit once is an alarm,
twice demands a fresh code, three times is a block that only compliance lifts; over five minutes
the block comes at the limit itself. All of it is computed from the access log, which nobody
passes by, which survives restarts and which all nodes share; of its own the watch keeps only
blocks and releases.

A site asks for thousands of buyers who mistype. Its token is judged by how many of its questions
find nothing, and has its budget; the address that it passes on is judged as a buyer's, and who
forges a new one for each question is still the same token.

Orders shown within a case do not count: an authority may ask for thousands, and each case is
looked at. Nor do those of an export that somebody else has agreed to. What is forbidden anyway
tells nobody anything and does not count either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import (
    BigInteger,
    Column,
    MetaData,
    Row,
    String,
    Table,
    Text,
    bindparam,
    insert,
    or_,
    select,
    update,
)

from archiver.access_log import AccessLog, Entry, Outcome
from archiver.access_log.entry import network_of, place_of
from archiver.errors import RequestError, Said
from archiver.judging import (
    NETWORK_FACTOR,
    STANDARD,
    Counts,
    Judgement,
    Level,
    Limits,
    different_orders,
    discreet,
    judge,
    judge_site,
)
from archiver.policy import Role
from archiver.ports import Clock
from archiver.refusals import (
    BlockedError,
    NotAllowedError,
    OvertakenError,
    SecondFactorNeededError,
)
from archiver.state import Part, State
from archiver.state.looks import Look

CONFIRMED_FOR: Final = timedelta(minutes=10)
"""How long a fresh code lets an operator go on who is twice over a limit."""
FIVE: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(days=7)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


# --- blocks ---------------------------------------------------------------------------------------

_metadata: Final = MetaData()
_blocks: Final = Table(
    "watch_blocks",
    _metadata,
    Column("subject", String(200), primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("said_en", Text, nullable=False),
    Column("said_zh", Text, nullable=False),
    Column("released_at", BigInteger),
    Column("released_by", String(64)),
)
PART: Final = Part(name="watch", version=1, metadata=_metadata)
_AT_ONCE: Final = 3
"""Subjects of one question at most: who, the place, its network."""
_STANDING: Final = Look(
    select(_blocks).where(or_(*(_blocks.c.subject == bindparam(f"s{n}") for n in range(_AT_ONCE))))
)


class Watched(Protocol):
    """Who is watched: a session is one."""

    @property
    def name(self) -> str:
        """The operator's name."""

    @property
    def role(self) -> Role:
        """The operator's role."""

    @property
    def origin(self) -> str:
        """From where."""

    @property
    def confirmed_at(self) -> datetime:
        """When he last gave a code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block as it stands."""

    subject: str
    """As in `Judgement`."""
    since: datetime
    said: Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The watch over one state's operators and places.

    `require_clear` before each question about orders; add the judgements that it returns to the
    report as alarms.
    """

    state: State
    log: AccessLog
    clock: Clock
    limits: Limits = STANDARD

    def require_clear(self, asker: Watched, command: str) -> list[Judgement]:
        """Let an operator ask, unless he or his place asked too much; a refusal is recorded.

        Args:
            asker: Whose question it is.
            command: As it will be recorded.

        Returns:
            What is over a limit once and may go on.

        Raises:
            BlockedError: Blocked, now or before, until compliance releases it.
            SecondFactorNeededError: He must log in again with a fresh code first.
            AccessLogUnwritableError: The refusal cannot be recorded.
        """
        now = self.clock.now()
        alarms = []
        subjects = list(self._subjects(asker))
        standing = self._standing([one.name for one in subjects])
        with self.log.one_moment():
            for subject in subjects:
                found, released_at = standing.get(subject.name, (None, None))
                if found is None:
                    judged = replace(self._judged(subject, now, released_at), subject=subject.name)
                    if judged.level is Level.BLOCK:
                        found = self._block(subject.name, judged.said, now)
                    elif (
                        judged.level is Level.CODE
                        and asker.role is not Role.BUYER  # nobody is there who could give one
                        and not timedelta() <= now - asker.confirmed_at < CONFIRMED_FOR
                    ):
                        self._deny(asker, command, f"second-factor {judged.measure}")
                        raise SecondFactorNeededError(detail=discreet(judged.said))
                    elif judged.level is not Level.CALM:
                        alarms.append(judged)
                if found is not None:
                    self._deny(asker, command, f"blocked {subject.name}")
                    release = release_words(subject.name)
                    raise BlockedError(release=release, detail=discreet(found.said))
        return alarms

    def require_still_clear(self, asker: Watched, before: Sequence[Entry]) -> None:
        """Refuse an answer that was let pass by `require_clear` and that others have overtaken.

        A guard of `AccessLog.record`: nobody else can record meanwhile, so of questions that are
        asked at once, on whatever nodes, no more are answered than of those asked in turn.

        Args:
            asker: Whose question it is.
            before: Entries that are recorded in this moment, too, and stand before his.

        Raises:
            OvertakenError: Now he would be blocked: `require_clear` does that.
        """
        now = self.clock.now()
        for subject in self._subjects(asker):
            if self._judged(subject, now, None, before).level is not Level.BLOCK:
                continue
            _, released_at = self._standing([subject.name]).get(subject.name, (None, None))
            if (
                released_at is None
                or self._judged(subject, now, released_at, before).level is Level.BLOCK
            ):
                raise OvertakenError

    def _subjects(self, asker: Watched) -> Iterator["_Subject"]:
        """Yield who is watched when somebody asks: himself first, then ever more around him."""
        place, limits = place_of(asker.origin), self.limits
        site = asker.role is Role.BUYER
        if site:
            yield _Subject(name=asker.name, limits=limits, operator=asker.name, site=True)
        else:
            yield _Subject(name=f"operator:{asker.name}", limits=limits, operator=asker.name)
        # An address that a site passes on is one buyer's; one of ours is an office's.
        factor = 1 if site else limits.place_factor
        yield _Subject(name=f"place:{place}", limits=limits, place=place, factor=factor)
        if network := network_of(place):
            name = f"net:{network[0].removeprefix('ip:')}/24"
            factor = NETWORK_FACTOR * limits.place_factor
            yield _Subject(name=name, limits=limits, places=network, factor=factor)

    def stepped(self, asker: Watched, neighbours: Sequence[str]) -> bool:
        """Tell whether one of these tokens was asked lately by the same operator or place.

        Args:
            asker: Whose question it is.
            neighbours: Tokens of `archiver.access_log.question.neighbours` of what he asks.
        """
        now = self.clock.now()
        if self.log.asked(neighbours, since=now - HOUR, place=place_of(asker.origin)):
            return True
        # A site's numbers are many people's.
        return asker.role is not Role.BUYER and self.log.asked(
            neighbours, since=now - DAY, operator=asker.name
        )

    def blocks(self) -> tuple[Block, ...]:
        """Return what is blocked now."""
        query = select(_blocks).where(_blocks.c.released_at.is_(None)).order_by(_blocks.c.since)
        with self.state.reading(PART) as connection:
            rows = connection.execute(query).all()
        return tuple(
            Block(
                subject=row.subject,
                since=_EPOCH + timedelta(microseconds=row.since),
                said=Said(row.said_en, row.said_zh),
            )
            for row in rows
        )

    def release(self, subject: str, by: Watched) -> None:
        """Lift a block; what was counted before counts no more.

        Args:
            subject: As in `Judgement`.
            by: Of a role that may; recording it is the caller's.

        Raises:
            RequestError: It is not blocked.
            NotAllowedError: It is one's own.
        """
        if subject == f"operator:{by.name}":
            detail = Said("nobody releases himself", "任何人都不得解除对自己的阻止")
            raise NotAllowedError(detail=detail)
        with self.state.writing(PART) as connection:
            lifted = connection.execute(
                update(_blocks)
                .where(_blocks.c.subject == subject, _blocks.c.released_at.is_(None))
                .values(released_at=_stamp(self.clock.now()), released_by=by.name)
            )
            if not lifted.rowcount:
                detail = Said(f"{subject} is not blocked", f"{subject} 未被阻止")
                raise RequestError(detail=detail)

    def _standing(self, subjects: Sequence[str]) -> dict[str, tuple[Block | None, datetime | None]]:
        """Return the subjects' blocks, or when they were last released; none of the others."""
        padded = [*subjects, *[subjects[0]] * (_AT_ONCE - len(subjects))]
        rows = self.state.look(PART, _STANDING, **{f"s{n}": one for n, one in enumerate(padded)})
        return {row.subject: _standing_of(row) for row in rows}

    def _judged(
        self,
        subject: "_Subject",
        now: datetime,
        released_at: datetime | None,
        before: Sequence[Entry] = (),
    ) -> Judgement:
        def since(window: timedelta) -> datetime:
            # Windows are open at their start: what was recorded in a release's instant is before.
            return max(now - window, released_at or _EPOCH) + timedelta(microseconds=1)

        five, hour, day = since(FIVE), since(HOUR), since(DAY)
        tally = self.log.tally(
            five=five,
            hour=hour,
            day=day,
            week=since(WEEK),
            operator=subject.operator,
            place=subject.place,
            places=subject.places,
        )
        mine = [one for one in before if subject.covers(one)]
        tally = tally.with_more(mine) if mine else tally
        if subject.site:
            return judge_site(tally, subject.limits)
        # Where more people sit than the factor foresees, it is more people's limit.
        factor = max(subject.factor, 1 if subject.operator else tally.askers)
        limits = subject.limits.times(factor)
        counts = Counts(
            orders_per_5m=tally.shown_five,
            misses_per_5m=tally.missed_five,
            orders_per_hour=tally.shown_hour,
            orders_per_day=tally.shown_day,
            misses_per_hour=tally.missed_hour,
            misses_per_day=tally.missed_day,
            misses_per_week=tally.missed_week,
            steps_per_hour=tally.stepped_hour,
            steps_per_day=tally.stepped_day,
            decoys_per_day=tally.decoys_day,
        )
        if judge(counts, limits).level is Level.CALM:
            return judge(counts, limits)
        # The same order may have been shown often: entries are read only where that matters.
        read = self.log.entries(
            since=day, operator=subject.operator, place=subject.place, places=subject.places
        )
        exact = replace(
            counts,
            orders_per_5m=different_orders([*(one.entry for one in read if one.at >= five), *mine]),
            orders_per_hour=different_orders(
                [*(one.entry for one in read if one.at >= hour), *mine]
            ),
            orders_per_day=different_orders([*(one.entry for one in read), *mine]),
        )
        return judge(exact, limits)

    def _block(self, subject: str, said: Said, now: datetime) -> Block:
        values = {
            "since": _stamp(now),
            "said_en": said.en,
            "said_zh": said.zh,
            "released_at": None,
            "released_by": None,
        }
        with self.state.writing(PART) as connection:
            known = connection.execute(
                update(_blocks).where(_blocks.c.subject == subject).values(**values)
            )
            if not known.rowcount:
                connection.execute(insert(_blocks).values(subject=subject, **values))
        return Block(subject=subject, since=now, said=said)

    def _deny(self, asker: Watched, command: str, detail: str) -> None:
        self.log.record(
            Entry(
                command=command,
                outcome=Outcome.DENIED,
                operator=asker.name,
                role=asker.role.value,
                origin=asker.origin,
                detail=detail,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """Somebody, or something, whose questions are counted together."""

    name: str
    limits: Limits
    factor: int = 1
    operator: str | None = None
    place: str | None = None
    places: Sequence[str] = ()
    site: bool = False

    def covers(self, entry: Entry) -> bool:
        """Tell whether an entry counts for it."""
        if self.operator is not None:
            return entry.operator == self.operator
        place = place_of(entry.origin)
        return place == self.place or place in self.places


def release_words(subject: str) -> str:
    """Return what `archiver operator release` takes for a subject."""
    kind, _, name = subject.partition(":")
    match kind:
        case "operator":
            return name
        case "place":
            return f"--place {name}"
        case _:
            return f"--subject {subject}"


def _standing_of(row: Row[Any]) -> tuple[Block | None, datetime | None]:
    if row.released_at is not None:
        return None, _EPOCH + timedelta(microseconds=row.released_at)
    since = _EPOCH + timedelta(microseconds=row.since)
    return Block(subject=row.subject, since=since, said=Said(row.said_en, row.said_zh)), None


def _stamp(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
