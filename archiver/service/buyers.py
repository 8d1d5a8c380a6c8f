"""The shop's own site, asking for a buyer: his own orders, and his card secrets by a code.

Responsible for a "no" that is one "no": an order that is not there, one of somebody else, a number
that was guessed at too often and a decoy are answered alike, after the same time. A secret is shown
on the strength of a code that went to the contact in the archive, to the one that was sealed first:
who can change a shop's database, or holds its token, cannot have it sent to himself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from archiver.access_log import AccessRecord, Asked, Entry, Guard, Outcome
from archiver.access_log.question import question_tokens
from archiver.desk import Desk
from archiver.errors import ArchiverError
from archiver.judging import Judgement
from archiver.lookup.answering import Answered, Grounds
from archiver.lookup.finding import Found, FoundOrder
from archiver.lookup.question import Conditions, Fact, Question
from archiver.lookup.shown import shown
from archiver.policy import Role
from archiver.reading_room import Person
from archiver.refusals import BlockedError
from archiver.reveal import process
from archiver.reveal.asking import request_of
from archiver.service.codes import Codes
from archiver.service.couriers import Courier
from archiver.service.library import Library, Shelf
from archiver.service.peers import plain
from archiver.service.problems import refused
from archiver.service.questions import Mine
from archiver.service_tokens import ServiceToken

PURPOSE: Final = "buyer"
MOST: Final = 20
"""Orders of one number."""
DAY: Final = timedelta(days=1)
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """Where one request of a site is served."""

    library: Library
    desk: Desk
    """As it is seen from where the site is."""
    token: ServiceToken
    codes: Codes
    unusual: Callable[[Sequence[Judgement]], None]
    blocked: Callable[[BlockedError], None]
    """Told what the watch found."""

    def mine(self, asked: Mine) -> Mapping[str, Any]:
        """Answer which orders have a number and are this buyer's.

        Raises:
            ProblemError: The budget is spent, or the watch has blocked the site or the address.
            AccessLogUnwritableError: It could not be recorded.
        """
        person = self._person(asked.address, "find")
        with self.library.reading() as shelf:
            answered = self._looked_up(shelf, person, asked)
            orders = answered.orders if answered else ()
            as_of = self.library.holdings.coverage(shelf.index, stale=shelf.stale).as_of
        return {
            "answer": "found" if orders else "none",
            "as_of": str(as_of) if as_of else None,
            "orders": [shown(one.order, Role.BUYER) for one in orders],
        }

    def challenge(
        self, asked: Mine, courier: Courier, post: Callable[[Callable[[], None]], None]
    ) -> Mapping[str, Any]:
        """Send a code to the contact of an order, if it is this buyer's; say the same if not.

        Args:
            asked: As for `mine`.
            courier: Who carries it.
            post: Has it carried, behind the answer.

        Raises what `mine` raises.
        """
        person = self._person(asked.address, "buyer code")
        with self.library.reading() as shelf:
            answered = self._looked_up(shelf, person, asked)
            found = answered.orders[0] if answered and len(answered.orders) == 1 else None
            contact = self._first_contact(shelf, found) if found else None
            target = self._target(shelf, asked.facts[0])
            # By any of its numbers it is the same order, and the same contact that is rung up.
            one = self._tokens(shelf, "order", [found.order["order_id"]])[0] if found else target
        reached = contact is not None and courier.reaches(contact)
        order = (
            {name: str(found.order[name]) for name in ("source", "order_id")}
            if found and reached
            else None
        )
        made = self.codes.make(self.token.name, one, order)
        self._record("buyer code", Outcome.DONE, person, [Asked(kind="order", token=target)])
        if made.sent and contact is not None:
            post(lambda: courier.carry(contact, made.code))
        return {"challenge": made.name, "expires_in": 600}

    def reveal(
        self,
        challenge: str,
        code: str,
        address: str,
        *,
        config: Path,
        environment: Mapping[str, str],
        runner: Sequence[str],
    ) -> Mapping[str, Any]:
        """Show the card secrets of the order that a code is for, once.

        Raises:
            ProblemError: The code is wrong, old or used, or there is no such challenge.
            RevealFailedError: The revealing process failed; that is on record.
        """
        person = self._person(address, "buyer reveal")
        order = self.codes.redeem(self.token.name, challenge, code)
        if order is None:
            self._record("buyer reveal", Outcome.FAILED, person, detail="code-refused")
            raise refused(403, "code-refused", "The code does not count", "验证码无效")
        with self.library.reading() as shelf:
            by_source, _ = shelf.finder.revisions(order["order_id"], order["source"])
            (found,) = by_source.values()
            tokens = self._tokens(shelf, "order", [order["order_id"]])
            asked = [Asked(kind="order", token=token) for token in tokens]
            objects = (found.hit.partition.key,)
            record = self._record(
                "buyer reveal", Outcome.REVEALED, person, asked, tokens, objects=objects
            )
            self.desk.access_log.publish_head()
            try:
                request = request_of(shelf.finder, found, config)
                secrets = process.reveal(request, environment, runner)
            except ArchiverError as error:
                self._record("buyer reveal", Outcome.FAILED, person, asked, detail=error.code)
                raise
        return {"access": str(record), "deliveries": [dict(one) for one in secrets]}

    # --- steps ------------------------------------------------------------------------------------

    def _person(self, address: str, command: str) -> Person:
        """Return who asks: the site, for somebody at an address; refuse who asked too much."""
        known = plain(address)
        if known is None:
            raise refused(422, "invalid", "address: no IP address", "address：不是 IP 地址")
        origin = f"ip:{known} via:{self.desk.origin.removeprefix('ip:')}"
        person = Person(
            name=self.token.subject, role=Role.BUYER, origin=origin[:200], confirmed_at=NEVER
        )
        self._require_budget()
        self._require_clear(person, command)
        return person

    def _require_clear(self, person: Person, command: str) -> None:
        try:
            self.unusual(self.desk.watch.require_clear(person, command))
        except BlockedError as error:
            self.blocked(error)
            raise refused(
                403, "blocked", "This address or site asked for too much", "该地址或站点查询过多"
            ) from None

    def _guard(self, person: Person, before: Sequence[Entry]) -> None:
        """Refuse an answer beyond what may be asked: `AccessLog.record` asks when it is alone.

        Raises:
            ProblemError: The budget has been spent by questions of the same moment.
            OvertakenError: The watch would block now.
        """
        self._require_budget([one for one in before if one.operator == person.name])
        self.desk.watch.require_still_clear(person, before)

    def _require_budget(self, before: Sequence[Entry] = ()) -> None:
        since = self.library.archive.clock.now() - DAY
        tally = self.desk.access_log.tally(
            five=since, hour=since, day=since, week=since, operator=self.token.subject
        )
        if tally.with_more(before).asked_day >= self.token.daily_budget:
            raise refused(
                429,
                "budget-spent",
                "The questions of this token are used up for today",
                "此令牌今日的查询额度已用完",
                retry_after=3_600,
            )

    def _looked_up(self, shelf: Shelf, person: Person, asked: Mine) -> Answered | None:
        """Look for the order; None where its number has been guessed at too often."""
        holdings, facts = self.library.holdings, asked.facts
        answering = holdings.answering(
            self.desk, person, Grounds(purpose=PURPOSE), shelf.finder, self.library.scanner(shelf)
        )
        answering.coverage = holdings.coverage(shelf.index, stale=shelf.stale)
        answering.guard = lambda before: self._guard(person, before)
        answering.overtaken = lambda command: self._require_clear(person, command)
        target = self._target(shelf, facts[0])
        number = [Asked(kind=facts[0].kind, token=target)]
        if self.codes.guarded(target):
            self._missed(person, number)
            return None
        known = {one.source for one in answering.coverage.sources}
        source = asked.source if asked.source in known else None
        question = Question(facts=facts, conditions=Conditions(source=source), limit=MOST)
        answered = answering.find(question)
        if not answered.orders:
            self.codes.guessed(target)
        elif self.codes.guarded(target):  # many were sent at once: the right one was one of them
            self._missed(person, number)
            return None
        return answered

    def _missed(self, person: Person, number: Sequence[Asked]) -> None:
        """Record a "no" to a number that has been guessed at too often: it counts as any other."""
        self._record(
            "find",
            Outcome.MISSED,
            person,
            number,
            detail="guarded",
            guard=lambda before: self._require_budget(
                [one for one in before if one.operator == person.name]
            ),
        )

    def _target(self, shelf: Shelf, number: Fact) -> str:
        (one,) = shelf.finder.sought([number])
        return self._tokens(shelf, number.kind, [one.compared if one else ""])[0]

    def _tokens(self, shelf: Shelf, kind: str, values: list[str]) -> list[str]:
        return question_tokens(shelf.finder.keys.token_key, kind, values)

    def _first_contact(self, shelf: Shelf, found: FoundOrder) -> str | None:
        """Return the contact that was sealed first: a later one may be a thief's."""
        for _, order in shelf.finder.read(Found(), found.revisions[:1]):
            contact = (order["buyer"] or {}).get("contact")
            return str(contact) if contact else None
        return None

    def _record(
        self,
        command: str,
        outcome: Outcome,
        person: Person,
        question: Sequence[Asked] = (),
        orders: Sequence[str] = (),
        *,
        objects: Sequence[str] = (),
        detail: str | None = None,
        guard: Guard | None = None,
    ) -> AccessRecord:
        return self.desk.access_log.record(
            Entry(
                command=command,
                outcome=outcome,
                operator=person.name,
                role=person.role.value,
                origin=person.origin,
                purpose=PURPOSE,
                question=question,
                objects=objects,
                orders=orders,
                count=len(orders),
                detail=detail,
            ),
            guard,
        )
