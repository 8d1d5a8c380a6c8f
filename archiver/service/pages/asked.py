"""What a form of the search page asks: read, checked, sealed into links, made a question. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from archiver import policy
from archiver.errors import RequestError, Said
from archiver.lookup.answering import Grounds, grounds
from archiver.lookup.question import Conditions, Fact, Question, conditions, fact, parse_cursor
from archiver.lookup.standing import STANDINGS
from archiver.policy import MayAsk, Role
from archiver.service.pages.typed import KINDS, Reading, readings

PAGE: Final = 10
"""Orders: the watch counts what is shown, and two pages must not look like a harvest."""
LONGEST: Final[Mapping[str, int]] = {
    "typed": 200,
    "purpose": 120,
    "case": 100,
    "product": 100,
    "channel": 60,
    "amount": 20,
    "source": 64,
}
"""Characters: all of it must fit into an address, sealed."""
TABS: Final = ("all", *STANDINGS)


class NothingAskedError(RequestError):
    """Neither a value nor days."""

    code = "nothing-asked"
    en = "Nothing was asked for"
    zh = "未指定查询内容"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The form, as it was filled in."""

    typed: str = field(default="", repr=False)
    purpose: str = ""
    case: str = ""
    kind: str = ""
    """What the value is said to be; empty: it is recognised."""
    first: str = ""
    last: str = ""
    amount: str = ""
    product: str = ""
    channel: str = ""
    source: str = ""
    tab: str = "all"
    cursor: str = ""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Return what was filled in, without blanks around it; unknown names are left out.

        Raises:
            RequestError: Something is longer than anybody means it.
        """
        known = {one.name for one in fields(cls)}
        asked = cls(**{name: str(value).strip() for name, value in told.items() if name in known})
        for name, longest in LONGEST.items():
            if len(getattr(asked, name)) > longest:
                option = {"typed": "order"}.get(name, name)
                raise RequestError(
                    detail=Said(
                        f"--{option} has more than {longest} characters",
                        f"--{option} 超过 {longest} 个字符",
                    )
                )
        if asked.kind not in ("", *KINDS) or asked.tab not in TABS:
            raise RequestError(detail=Said("there is no such kind", "没有该类别"))
        return asked

    def told(self) -> dict[str, str]:
        """Return what a link has to carry."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def why(self) -> Grounds:
        """On which grounds, as they will be recorded."""
        return grounds(self.purpose or None, self.case or None)

    @property
    def filtered(self) -> bool:
        """Whether something narrows the question."""
        return any((self.first, self.last, self.amount, self.product, self.channel, self.source))

    @property
    def narrow(self) -> bool:
        """Whether it brings a second fact (`policy.Need.SECOND_FACT`)."""
        return any((self.first, self.last, self.amount, self.product))

    def readings(self) -> Sequence[Reading]:
        """Return what the value may be, most probable first; nothing where there is none."""
        found = readings(self.typed)
        if not self.kind or not found:
            return found
        chosen = [one for one in found if one.kind == self.kind]
        return chosen or (Reading(kind=self.kind, value=self.typed),)

    def conditions(self, zone: ZoneInfo, sources: Sequence[str]) -> Conditions:
        """Return what narrows the question.

        Raises:
            RequestError: Something cannot be meant.
        """
        return conditions(
            zone=zone,
            first=_day("from", self.first),
            last=_day("to", self.last),
            product=self.product or None,
            channel=self.channel or None,
            amount=self.amount or None,
            source=self.source or None,
            sources=sources,
            standing=None if self.tab == "all" else self.tab,
        )

    def question(self, reading: Reading | None, zone: ZoneInfo, sources: Sequence[str]) -> Question:
        """Return the question, its value read in one way.

        Raises:
            RequestError: Something cannot be meant.
        """
        narrowed = self.conditions(zone, sources)
        if reading is None and not narrowed.timed:
            raise NothingAskedError
        return Question(
            facts=() if reading is None else (as_fact(reading),),
            conditions=narrowed,
            limit=PAGE,
            after=parse_cursor(self.cursor) if self.cursor else None,
        )


def as_fact(reading: Reading) -> Fact:
    """Return a reading as what is asked for."""
    return fact(reading.kind, reading.value)


def allowed(role: Role, asked: Asked, found: Sequence[Reading]) -> Sequence[Reading]:
    """Return the readings that a role may ask for with what the form brings."""
    return [
        one
        for one in found
        if isinstance(
            policy.may_ask(
                role,
                policy.Question(one.kind),
                purpose=bool(asked.purpose),
                case=bool(asked.case),
                second_fact=asked.narrow,
            ),
            MayAsk,
        )
    ]


def kinds_of(role: Role) -> Sequence[str]:
    """Return the kinds that a role ever asks for, in the order in which they are offered."""
    return [
        kind
        for kind in KINDS
        if isinstance(
            policy.may_ask(role, policy.Question(kind), purpose=True, case=True, second_fact=True),
            MayAsk,
        )
    ]


def _day(option: str, text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RequestError(
            detail=Said(
                f"--{option}: not a day such as 2026-03-05",
                f"--{option}：不是形如 2026-03-05 的日期",
            )
        ) from None
