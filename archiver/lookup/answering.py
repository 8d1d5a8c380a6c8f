"""From a person's question to an answer that may be shown: allowed, found, recorded, masked.

Responsible for the order of these steps. What the rules forbid is recorded as denied and nothing
is looked for; what was found is recorded, durably, before a caller gets to see any of it
(DESIGN 3.12). If the record cannot be written there is no answer. Relies on `policy` for every
decision about roles.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from archiver import policy
from archiver.access_log import AccessLog, AccessRecord, Asked, Entry, Guard, Outcome
from archiver.access_log.entry import LONGEST, WIDE
from archiver.access_log.question import neighbours, question_tokens
from archiver.errors import ArchiverError, RequestError, Said
from archiver.index import Lacking
from archiver.lookup.absence import Answer, Coverage, absence
from archiver.lookup.finding import Finder, Found, FoundOrder
from archiver.lookup.opening import BASE_LEAVES, LISTED
from archiver.lookup.question import Conditions, Fact, Question
from archiver.lookup.reporting import Sales, sales
from archiver.lookup.scanning import Scanner, ScanTooLargeError
from archiver.lookup.shown import instant
from archiver.lookup.standing import LEAVES as STANDING_LEAVES
from archiver.policy import MayAsk, Role
from archiver.ports import Progress
from archiver.refusals import NotAllowedError, OvertakenError, PurposeMissingError

_MAX_CASE: Final = 200
"""Characters: a document number such as 〔2026〕公（刑）调证字 12 号."""


WIDE_FROM: Final = timedelta(days=31)
"""Orders of so many days without any number: a list of them, not somebody's order."""
COUNTED: Final = ("order", "payment", "account", "contact")
"""Kinds whose values may be counted through."""


class Asker(Protocol):
    """Who asks: a session is one."""

    @property
    def name(self) -> str:
        """The operator's name."""

    @property
    def role(self) -> Role:
        """The operator's role."""

    @property
    def origin(self) -> str:
        """From where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """Why somebody asks."""

    purpose: str | None = None
    case: str | None = None


def grounds(purpose: str | None, case: str | None) -> Grounds:
    """Return why somebody asks, as it will be recorded.

    Raises:
        RequestError: A purpose or case number is empty or longer than a sentence.
    """
    told = []
    for option, text, longest in (("--purpose", purpose, LONGEST), ("--case", case, _MAX_CASE)):
        line = " ".join(text.split()) if text is not None else None
        if line is not None and not (line and len(line) <= longest and line.isprintable()):
            raise RequestError(
                detail=Said(
                    f"{option}: one to {longest} printable characters",
                    f"{option}：须为 1 至 {longest} 个可显示的字符",
                )
            )
        told.append(line)
    return Grounds(purpose=told[0], case=told[1])


class AmbiguousError(RequestError):
    """An order id that stands in several sources."""

    code = "ambiguous"
    en = "This order id stands in several sources: {sources}; say which with --source"
    zh = "该订单号存在于多个数据源：{sources}；请用 --source 指明"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What may be shown: it is on record."""

    record: AccessRecord
    answer: Answer
    coverage: Coverage
    unsealed: Sequence[date] = ()
    """Days that were asked about and could change a "no"."""
    orders: Sequence[FoundOrder] = ()
    next: str | None = None
    lacking: Sequence[Lacking] = ()
    """By what not all orders are found: the local index lacks it for some partitions."""


@dataclass(slots=True)
class Answering:
    """Answers one operator."""

    asker: Asker
    grounds: Grounds
    log: AccessLog
    finder: Finder = field(repr=False)
    scanner: Scanner = field(repr=False)
    coverage: Coverage
    stepped: Callable[[Sequence[str]], bool]
    """Tells whether one of these tokens was asked lately: numbers that follow one another."""
    zone: ZoneInfo
    decoyed: Callable[[Sequence[str]], bool] = lambda _tokens: False
    """Tells whether one of these tokens is a decoy's."""
    guard: Guard | None = None
    """Whether an answer may still go out, asked when it is recorded: nobody else records then."""
    overtaken: Callable[[str], object] = lambda _command: None
    """Refuses, and records it, who may not ask any more, after `guard` has found that."""
    sprung: Callable[[Asker, AccessRecord], None] = lambda _asker, _record: None
    """Told of each question for a decoy, once it is on record: whoever asked is not."""

    def find(self, question: Question) -> Answered:
        """Answer a question with a page of orders.

        Raises:
            NotAllowedError: The role does not ask this; it is on record.
            PurposeMissingError: It was not said why.
            RequestError: The cursor is of another question.
            AccessLogUnwritableError: The answer could not be recorded.
        """
        self._require("find", question)
        with self._recording_failures("find", question):
            found = self._search(question)
        return self._answered("find", question, found)

    def export(self, question: Question, *, approval: int | None = None) -> Answered:
        """Answer with all orders at once, for a file: `question.limit` is the most there may be.

        Args:
            question: What is exported.
            approval: The number of the request that was granted for it, if it takes one.

        Raises what `find` raises, and:
            ScanTooLargeError: There are more.
        """
        self._require("export", question)
        with self._recording_failures("export", question):
            found = self._search(question, BASE_LEAVES)
            if found.next is not None:
                most = f"{question.limit:,}"
                raise ScanTooLargeError(
                    detail=Said(f"more than {most} orders", f"超过 {most} 笔订单")
                )
        return self._answered("export", question, found, approval)

    def report(
        self, merchant: Fact, between: tuple[datetime, datetime], progress: Progress
    ) -> tuple[AccessRecord, Sales]:
        """Answer with what a merchant sold: sums, and nothing of any buyer."""
        question = Question(
            facts=[merchant], conditions=Conditions(start=between[0], end=between[1])
        )
        if not policy.may_run(self.asker.role, "report"):
            self._deny("report", question, "role", Said("report", "report"))
        if self.grounds.purpose is None and self.grounds.case is None:
            self._deny("report", question, "purpose", Said("a purpose is missing", "缺少事由"))
        with self._recording_failures("report", question):
            made = sales(self.finder, merchant, between, self.zone, progress)
        # No order is shown: the watch has nothing to count.
        outcome = Outcome.ANSWERED if made.months else Outcome.MISSED
        return self._record("report", question, outcome, objects=made.objects), made

    def _search(self, question: Question, columns: Sequence[str] = LISTED) -> Found:
        if question.conditions.standing is not None:
            columns = tuple(dict.fromkeys((*columns, *STANDING_LEAVES)))
        if question.facts:
            return self.finder.find(question, columns)
        if not question.conditions.timed:
            raise RequestError(
                detail=Said(
                    "nothing is asked for: give a number, a contact, … or days (--from, --to)",
                    "未指定查询内容：请给出单号、联系方式等，或日期（--from、--to）",
                )
            )
        return self.scanner.find(question, columns)

    def cards(
        self, cards: Sequence[Fact], source: str | None, advance: Callable[[int], None]
    ) -> tuple[Answered, Sequence[Sequence[FoundOrder]]]:
        """Answer for many card secrets at once, each by itself.

        Args:
            cards: Facts of kind `card`.
            source: Of this one only.
            advance: Told how many more are done.

        Returns:
            The answer with every order once, and the orders of each card.
        """
        question = Question(facts=cards, conditions=Conditions(source=source))
        self._require("find", question)
        with self._recording_failures("find", question):
            each, found = self.finder.each(cards, source, advance)
        once = {(o.order["source"], o.order["order_id"]): o for orders in each for o in orders}
        found.orders = list(once.values())
        return self._answered("find", question, found), each

    def show(
        self, command: str, order_id: Fact, source: str | None, revision: int | None = None
    ) -> Answered:
        """Answer with one order: its latest revision, or the one that is asked for.

        Args:
            command: `show`, `why` or `diagnose`: as it is recorded.
            order_id: Of kind `order`.
            source: Where it stands in several.
            revision: Which one.

        Raises:
            AmbiguousError: It stands in several sources; it is on record that this was told.
        """
        question = Question(facts=[order_id], conditions=Conditions(source=source), limit=1)
        self._require(command, question)
        with self._recording_failures(command, question):
            by_source, found = self.finder.revisions(order_id.value, source, revision)
        if len(by_source) > 1:
            self._record(command, question, Outcome.ANSWERED, detail="ambiguous")
            raise AmbiguousError(sources=", ".join(by_source))
        found.orders = list(by_source.values())
        return self._answered(command, question, found)

    def _answered(
        self, command: str, question: Question, found: Found, approval: int | None = None
    ) -> Answered:
        asked = question.conditions
        facts = [one for one in self.finder.sought(question.facts) if one]
        lacking = self.finder.index.lacking({k for one in facts for k in one.criterion.kinds})
        answer: Answer = "found"
        unsealed: list[date] = []
        if not found.orders and not question.after:
            answer, unsealed = absence(
                self.coverage,
                disposed=found.disposed > 0,
                source=asked.source,
                start=asked.start,
                end=asked.end,
                zone=self.zone,
            )
        if lacking and answer == "never_archived":
            answer = "not_yet_archived"  # not findable yet: nobody may say never
        outcome = Outcome.ANSWERED if found.orders else self._missed(command, question)
        record = self._record(
            command,
            question,
            outcome,
            objects=found.objects,
            orders=[one.order["order_id"] for one in found.orders],
            detail=None if found.orders else answer,
            approval=approval,
            guard=self.guard,
        )
        if outcome is Outcome.DECOYED:
            self.sprung(self.asker, record)
        return Answered(
            record=record,
            answer=answer,
            coverage=self.coverage,
            unsealed=unsealed,
            orders=found.orders,
            next=found.next,
            lacking=lacking,
        )

    def _missed(self, command: str, question: Question) -> Outcome:
        tokens = [one.token for one in self._asked(question.facts)]
        with self._recording_failures(command, question):
            return Outcome.DECOYED if self.decoyed(tokens) else Outcome.MISSED

    def _require(self, command: str, question: Question) -> None:
        """Refuse what the role does not allow, and record the refusal."""
        role = self.asker.role
        if not policy.may_run(role, command):
            self._deny(command, question, "role", Said(f"{role}: {command}", f"{role}：{command}"))
        kinds = {policy.Question(fact.kind) for fact in question.facts} or {policy.Question.SCAN}
        # A number that only the buyer has vouches for the other facts beside it.
        firm = {policy.Question.ORDER, policy.Question.PAYMENT}
        second = question.conditions.narrow or bool(firm.intersection(kinds))
        whose = {policy.Question.CONTACT, policy.Question.ACCOUNT}
        own = bool(firm.intersection(kinds)) and bool(whose.intersection(kinds))
        for kind in sorted(kinds):
            verdict = policy.may_ask(
                role,
                kind,
                purpose=self.grounds.purpose is not None,
                case=self.grounds.case is not None,
                second_fact=second,
                own=own,
            )
            if not isinstance(verdict, MayAsk):
                self._deny(command, question, verdict.code, verdict.said)

    def _deny(self, command: str, question: Question, code: str, said: Said) -> None:
        self._record(command, question, Outcome.DENIED, detail=code)
        if code == "purpose":
            raise PurposeMissingError
        raise NotAllowedError(detail=said)

    @contextmanager
    def _recording_failures(self, command: str, question: Question) -> Iterator[None]:
        """Record that a question was asked whose answer failed: probing leaves a trace, too."""
        try:
            yield
        except ArchiverError as error:
            self._record(command, question, Outcome.FAILED, detail=error.code)
            raise

    def _record(
        self,
        command: str,
        question: Question,
        outcome: Outcome,
        *,
        objects: Sequence[str] = (),
        orders: Sequence[str] = (),
        detail: str | None = None,
        approval: int | None = None,
        guard: Guard | None = None,
    ) -> AccessRecord:
        entry = Entry(
            command=command,
            outcome=outcome,
            operator=self.asker.name,
            role=self.asker.role.value,
            origin=self.asker.origin,
            purpose=self.grounds.purpose,
            case=self.grounds.case,
            question=list(self._asked(question.facts)),
            filters=self._filters(question),
            objects=tuple(objects),
            orders=tuple(question_tokens(self.finder.keys.token_key, "order", list(orders))),
            count=len(orders),
            detail=detail,
            approval=approval,
        )
        try:
            return self.log.record(entry, guard)
        except OvertakenError:
            self.overtaken(command)
            # He may, after all: somebody has lifted it in between. Once more, and that is that.
            return self.log.record(entry, guard)

    def _filters(self, question: Question) -> Mapping[str, str]:
        told = filters_of(question)
        asked = question.conditions
        begin = asked.start or datetime.min.replace(tzinfo=UTC)
        end = asked.end or datetime.max.replace(tzinfo=UTC)
        if question.facts or self.grounds.case is not None or end - begin < WIDE_FROM:
            return told
        return {**told, WIDE: "yes"}

    def _asked(self, facts: Sequence[Fact]) -> Iterator[Asked]:
        for fact, one in zip(facts, self.finder.sought(facts), strict=True):
            compared = one.compared if one else ""
            key = self.finder.keys.token_key
            (token,) = question_tokens(key, fact.kind, [compared])
            # An authority may ask for a whole series: each case is looked at.
            counted = fact.kind in COUNTED and self.grounds.case is None
            beside = counted and self.stepped(question_tokens(key, fact.kind, neighbours(compared)))
            yield Asked(kind=fact.kind, token=token, beside=beside)


def filters_of(question: Question) -> Mapping[str, str]:
    """Return what narrowed a question and tells of nobody, as it is recorded."""
    asked = question.conditions
    told = {
        "from": instant(asked.start) if asked.start else None,
        "until": instant(asked.end) if asked.end else None,
        "status": ",".join(asked.outcomes) or None,
        "product": asked.product,
        "channel": asked.channel,
        "amount": str(asked.amount) if asked.amount is not None else None,
        "source": asked.source,
        "standing": asked.standing,
        "page": "next" if question.after else None,
    }
    return {name: text for name, text in told.items() if text is not None}
