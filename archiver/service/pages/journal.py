"""Entries of the access log as rows. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from archiver.access_log.entry import Chained
from archiver.service.pages.shapes import At, at
from archiver.service.pages.words import Words

TOKENS: Final = 2
"""Of a question, so many are shown."""
LETTERS: Final = 8
"""Of a token: enough to see that two are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One entry."""

    name: str
    at: At | None
    operator: str
    origin: str
    act: str
    question: str
    why: str
    count: str
    outcome: str
    said: str
    """The outcome in words."""
    detail: str


def rows(entries: Iterable[Chained], zone: ZoneInfo, words: Words) -> Sequence[Row]:
    """Return entries as rows, in their order."""
    return [_row(one, zone, words) for one in entries]


def _row(one: Chained, zone: ZoneInfo, words: Words) -> Row:
    entry, name = one.entry, f"access.{one.entry.outcome}"
    act = f"act.{entry.command.replace(' ', '-')}"

    def said(part: str, code: str) -> str:
        known = f"{part}.{code}"
        return words(known) if words.knows(known) else code

    filters = [
        f"{said('filter', key)} {_plain(value, zone)}" for key, value in entry.filters.items()
    ]
    asked = [f"{said('kind', one.kind)} {one.token[:LETTERS]}" for one in entry.question[:TOKENS]]
    if len(entry.question) > TOKENS:
        asked.append(f"+{len(entry.question) - TOKENS}")
    why = [text for text in (entry.case, entry.purpose) if text]
    return Row(
        name=f"{one.node}/{one.number}",
        at=at(one.at, zone),
        operator=entry.operator or words("access.host"),
        origin=entry.origin.removeprefix("ip:"),
        act=words(act) if words.knows(act) else entry.command,
        question=" · ".join([*asked, *filters]),
        why=" · ".join(why),
        count=str(entry.count) if entry.count else "",
        outcome=str(entry.outcome),
        said=words(name) if words.knows(name) else str(entry.outcome),
        detail=_detail(entry.detail or "", words),
    )


def _detail(detail: str, words: Words) -> str:
    """Return what stands beside an outcome: codes of ours in words, all else as it is."""
    decided, _, kind = detail.partition(" ")
    if decided in ("granted", "refused") and words.knows(f"approval.kind-{kind}"):
        return words(f"detail.{decided}", kind=words(f"approval.kind-{kind}"))
    known = f"detail.{detail}"
    return words(known) if not kind and words.knows(known) else detail


def _plain(value: str, zone: ZoneInfo) -> str:
    """Return a filter's value, an instant as the archive's clocks show it."""
    try:
        told = at(value, zone) if value.endswith("Z") else None
    except ValueError:
        told = None
    return value if told is None else told.minute_of_day
