"""Findings: what does not hold, by fixed codes, each with what it puts at risk and what to do.

Pure. An `alarm` means that something sealed is changed, hidden, lost, or can be; a `warning` that
it will bite one day; a `note` is good to know. Values of orders never become part of one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

from archiver.errors import Said
from archiver.verification.codes import KINDS, Severity

SEVERITIES: Final[tuple[Severity, ...]] = ("alarm", "warning", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """Whom a finding concerns."""

    days: tuple[date, ...] = ()
    orders: int = 0

    def __add__(self, other: "Touched") -> "Touched":
        days = tuple(sorted({*self.days, *other.days}))
        return Touched(days=days, orders=self.orders + other.orders)


NOBODY: Final = Touched()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that does not hold."""

    code: str
    severity: Severity
    said: Said
    article: Said
    next: str
    key: str | None = None
    version_id: str | None = None
    touched: Touched = NOBODY


def found(
    code: str,
    *,
    key: str | None = None,
    version_id: str | None = None,
    touched: Touched = NOBODY,
    severity: Severity | None = None,
    **params: object,
) -> Finding:
    """Return a finding.

    Args:
        code: One of `KINDS`.
        key: The object.
        version_id: Its version.
        touched: Whom it concerns.
        severity: Where it is another than the code's.
        **params: What the code's sentence names; a `Said` in the reader's language.
    """
    kind = KINDS[code]
    facts = {"key": key or "", "version": version_id or "", **params}
    said = Said(kind.en.format(**_in(facts, "en")), kind.zh.format(**_in(facts, "zh")))
    return Finding(
        code=code,
        severity=severity or kind.severity,
        said=said,
        article=kind.article,
        next=kind.next.format(**_in(facts, "en")),
        key=key,
        version_id=version_id or None,
        touched=touched,
    )


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings, the gravest first, then by code and key."""
    return sorted(
        findings,
        key=lambda one: (SEVERITIES.index(one.severity), one.code, one.key or "", one.said.en),
    )


def _in(facts: dict[str, object], language: str) -> dict[str, object]:
    chinese = language == "zh"
    return {
        name: (fact.zh if chinese else fact.en) if isinstance(fact, Said) else fact
        for name, fact in facts.items()
    }
