"""One entry of the access log as a value, and the bytes that are chained.

Pure. An entry names values only by keyed tokens: who reads the log, or steals it, learns who
asked, when and why, not what for. The bytes are made once and never again: they are hashed,
stored and sealed as they are (FORMAT.md 3, "Access part").
"""

import hashlib
import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from archiver.errors import Said, TamperedError

FORMAT: Final = 1
KEY: Final = "access/"
"""What an entry is called in errors: all of them end below it."""
LONGEST: Final = 500
"""Characters of a purpose: a sentence, not a file."""
WIDE: Final = "wide"
"""The filter that marks a question for all orders of a month and more, outside of a case."""
LISTED: Final = 1_000
"""Objects and orders that an entry lists; `count` has all."""


class Outcome(StrEnum):
    """What became of a question or an act."""

    ANSWERED = "answered"
    """Something was found and shown, masked as the role demands."""
    MISSED = "missed"
    """Nothing was found."""
    DECOYED = "decoyed"
    """Asked for a decoy, which nobody can know but who harvests; shown as not found."""
    DENIED = "denied"
    """The rules forbid it; `detail` says which."""
    REVEALED = "revealed"
    """A card secret was shown."""
    DONE = "done"
    """An act: an operator was added, a request approved, a login made."""
    FAILED = "failed"
    """An attempt that did not succeed: a wrong code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One value that was asked for."""

    kind: str
    """As in `archiver.policy.Question`."""
    token: str
    """Keyed, hexadecimal (`archiver.access_log.question`)."""
    beside: bool = False
    """A neighbour of it in counting order was asked shortly before: somebody may be walking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Who asked or did what, why, from where, and what became of it."""

    command: str
    """As it was called: `find`, `reveal`, `operator add`."""
    outcome: Outcome
    operator: str | None = None
    """None: nobody was logged in, the host's own account acted."""
    role: str | None = None
    origin: str = ""
    """From where: `account@host`, ` ssh:ADDRESS` behind it over SSH; `ip:ADDRESS` over HTTP."""
    purpose: str | None = None
    case: str | None = None
    question: Sequence[Asked] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    """What narrowed the question and tells of nobody: days, status, product."""
    objects: Sequence[str] = ()
    """Keys of the store's objects that were read."""
    orders: Sequence[str] = ()
    """Tokens of the orders that were shown."""
    count: int = 0
    """How many orders were shown."""
    detail: str | None = None
    """A fixed code: why it was denied; whom the act was about."""
    approval: int | None = None
    """The number of the request that was granted for this."""

    @property
    def shown(self) -> int:
        """How many orders were shown that nobody else knew of.

        Within a case they do not count, for an authority may ask for thousands; nor do those of an
        export that somebody else has agreed to.
        """
        answered = self.outcome in (Outcome.ANSWERED, Outcome.REVEALED)
        known = self.case is not None or self.approval is not None
        return 0 if known or not answered else self.count

    @property
    def stepped(self) -> bool:
        """Whether a neighbour of what was asked had been asked shortly before.

        A question without any value over a wide range of days counts alike: it is a step of one
        who walks through everything.
        """
        return any(one.beside for one in self.question) or WIDE in self.filters


@dataclass(frozen=True, slots=True, kw_only=True)
class Chained:
    """An entry in its place."""

    archive: str
    node: str
    number: int
    """Counted from 1, without gaps."""
    at: datetime
    previous: str | None
    """SHA-256 of the entry before; None for the first."""
    entry: Entry


def encode(chained: Chained) -> bytes:
    """Return the bytes that stand for an entry, for good."""
    entry = chained.entry
    content = {
        "format": FORMAT,
        "archive": chained.archive,
        "node": chained.node,
        "number": chained.number,
        "at": instant(chained.at),
        "previous": chained.previous,
        **{one.name: getattr(entry, one.name) for one in fields(entry)},
        "purpose": None if entry.purpose is None else entry.purpose[:LONGEST],
        "question": [
            {"kind": one.kind, "token": one.token, "beside": one.beside} for one in entry.question
        ],
        "filters": dict(entry.filters),
        "objects": list(entry.objects[:LISTED]),
        "orders": list(entry.orders[:LISTED]),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def decode(body: bytes) -> Chained:
    """Return the entry in stored bytes.

    Raises:
        TamperedError: They are no entry of this format.
    """
    try:
        content: dict[str, Any] = json.loads(body)
        if content.pop("format") != FORMAT:
            raise _no_entry()
        place = {name: content.pop(name) for name in ("archive", "node", "number", "previous")}
        at = datetime.fromisoformat(content.pop("at"))
        content["question"] = tuple(Asked(**one) for one in content["question"])
        content["outcome"] = Outcome(content["outcome"])
        return Chained(**place, at=at, entry=Entry(**content))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _no_entry() from None


def _no_entry() -> TamperedError:
    detail = Said("not an entry of this format", "不是此格式的记录")
    return TamperedError(key=KEY, detail=detail)


def digest(body: bytes) -> str:
    """Return what the next entry, the head file and a sealed part call this entry by."""
    return hashlib.sha256(body).hexdigest()


def instant(at: datetime) -> str:
    """Return an instant as it stands in entries and heads: UTC, microseconds."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


@lru_cache(maxsize=1_000)
def network_of(place: str) -> Sequence[str]:
    """Return the places of an IPv4 /24, if a place is one of them; none for an IPv6 /64.

    Who has many addresses has neighbours, most often; of IPv6 the /64 is one place already.
    """
    try:
        address = ipaddress.IPv4Address(place.removeprefix("ip:"))
    except ValueError:
        return ()
    first = str(address).rpartition(".")[0]
    return tuple(f"ip:{first}.{last}" for last in range(256))


def place_of(origin: str) -> str:
    """Return what counts as one place: an account of a host, an IPv4 address, an IPv6 /64.

    The address of an SSH connection is told by its user's own shell and proves nothing.
    """
    first = origin.split(" ", 1)[0][:200]
    if not first.startswith("ip:"):
        return first
    try:
        address = ipaddress.ip_address(first.removeprefix("ip:"))
    except ValueError:
        return first
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return f"ip:{address.ipv4_mapped}"
        return f"ip:{ipaddress.ip_network((address, 64), strict=False)}"
    return f"ip:{address}"
