"""The statements that read a shop: SELECT only, every value as the bytes of its text.

Pure. Queries are the operator's own, names are quoted, values are literals in hexadecimal or
checked (hence the silenced S608); the session is read-only besides. `q` is the mapping's query,
`l` a look-up, `c` a child query.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Final

from archiver.sources.failures import ReadError
from archiver.sources.plan import ReadPlan, Span

FAT_BYTES: Final = 4096
"""A text above this is fetched on its own, so a page's size is known before it is read."""
SIZE: Final = "archiver_size"
INTEGER: Final = re.compile(r"-?\d{1,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What is known about the columns of a query."""

    names: tuple[str, ...] = ()
    """All that it returns; empty if unknown."""
    integers: frozenset[str] = frozenset()
    short: frozenset[str] = frozenset()
    """Can hold no long text."""
    text: frozenset[str] = frozenset()
    as_is: frozenset[str] = frozenset()
    """Bytes, or text in UTF-8: no conversion needed."""
    raw_text: bool = False
    """PostgreSQL without an encoding (SQL_ASCII): text may be any bytes."""


class Dialect(ABC):
    """How one kind of database says it."""

    @abstractmethod
    def name(self, identifier: str) -> str:
        """Return a quoted identifier."""

    @abstractmethod
    def value(self, alias: str, column: str, shape: Shape) -> str:
        """Return an expression for the bytes of a column's text."""

    @abstractmethod
    def literal(self, value: bytes) -> str:
        """Return a text literal that adapts to the column it is compared with."""

    @abstractmethod
    def not_among(self, column: str, states: tuple[str, ...], shape: Shape) -> str:
        """Return a condition that compares byte by byte, whatever the collation."""

    @abstractmethod
    def no_date(self, column: str) -> str:
        """Return a condition for text that does not begin like a date."""

    @abstractmethod
    def day(self, span: Span) -> str:
        """Return the calendar day of a time column as text `YYYY-MM-DD`."""

    def column(self, alias: str, name: str) -> str:
        """Return a qualified column; unqualified ones could be taken for text in SQLite."""
        return f"{alias}.{self.name(name)}"

    def keys(self, expression: str, values: list[bytes], *, integer: bool) -> str:
        """Return a condition that an expression is among values."""
        listed = ", ".join(self.key(value, integer=integer) for value in values)
        return f"{expression} IN ({listed})"

    def key(self, value: bytes, *, integer: bool) -> str:
        """Return a paging key as literal."""
        if not integer:
            return self.literal(value)
        text = value.decode("ascii", "replace")
        if not INTEGER.fullmatch(text):
            raise ReadError("mapping", 'the key is no integer; the mapping needs key_kind = "text"')
        return text

    # ------------------------------------------------------------------ conditions

    def wanted(self, plan: ReadPlan, shape: Shape) -> str:
        """Return the condition that a row is archivable and may concern us (`ports.Source`)."""
        parts: list[str] = []
        if plan.skipped_states:
            status = self.column("q", plan.status_column)
            known = self.not_among(plan.status_column, plan.skipped_states, shape)
            parts.append(f"({status} IS NULL OR {known})")
        times = [self._within(span) for span in (*plan.ended, *plan.future)]
        if plan.changed:
            times.append(self._within(plan.changed))
        if plan.ended:
            absurd = [self._absurd(span, shape) for span in plan.ended]
            times.append(f"({' AND '.join(absurd)})")
        if times:
            parts.append(f"({' OR '.join(times)})")
        if plan.created:
            absurd_start = self._absurd(plan.created, shape)
            parts.append(f"({self._within(plan.created)} OR {absurd_start})")
        if plan.not_after:
            parts.append(self._or_open(self._not_ended_after(plan, shape), plan, shape))
        if plan.not_before:
            parts.append(self._or_open(self._not_ended_before(plan, shape), plan, shape))
        return " AND ".join(parts) or "1 = 1"

    def _not_ended_after(self, plan: ReadPlan, shape: Shape) -> str:
        """Return a condition that a row may have ended in time."""
        tests = [
            f"({self.column('q', span.column)} < {self._bound(span, span.high)}"
            f" OR {self._absurd(span, shape)})"
            for span in plan.not_after
        ]
        return f"({' AND '.join(tests)})"

    def _not_ended_before(self, plan: ReadPlan, shape: Shape) -> str:
        """Return a condition that a row may have ended late enough, or that nobody can tell."""
        spans = (*plan.not_before, *((plan.begun,) if plan.begun else ()))
        # Of a time that is NULL neither test holds: others decide, and if all lack, the last one.
        tests = [
            f"{self.column('q', span.column)} >= {self._bound(span, span.low)}"
            f" OR {self._is_absurd(span, shape)}"
            for span in spans
        ]
        lacking = " AND ".join(f"{self.column('q', s.column)} IS NULL" for s in plan.not_before)
        return f"({' OR '.join(tests)} OR ({lacking}))"

    def _or_open(self, condition: str, plan: ReadPlan, shape: Shape) -> str:
        """Return a condition that what has not ended meets in any case."""
        if not plan.open_states:
            return condition
        ended = self.not_among(plan.status_column, plan.open_states, shape)
        return f"({condition} OR NOT ({ended}))"

    def _within(self, span: Span) -> str:
        column = self.column("q", span.column)
        low, high = self._bound(span, span.low), self._bound(span, span.high)
        return f"({column} >= {low} AND {column} < {high})"

    def _absurd(self, span: Span, shape: Shape) -> str:
        return f"({self.column('q', span.column)} IS NULL OR {self._is_absurd(span, shape)})"

    def _is_absurd(self, span: Span, shape: Shape) -> str:
        column = self.column("q", span.column)
        tests = [
            f"{column} < {self._bound(span, span.oldest)}",
            f"{column} >= {self._bound(span, span.newest)}",
        ]
        if span.column in shape.text and not span.unit:
            tests.append(self.no_date(column))
        return " OR ".join(tests)

    def _bound(self, span: Span, bound: str) -> str:
        return bound if span.unit else f"'{bound}'"

    # ------------------------------------------------------------------ statements

    def rows(
        self,
        plan: ReadPlan,
        shape: Shape,
        *,
        condition: str,
        limit: int | None = None,
        newest: bool = False,
        guarded: frozenset[str] = frozenset(),
    ) -> str:
        """Return a page's statement; texts of `guarded` columns above FAT_BYTES are NULL in it.

        With guarded columns there is one more column, SIZE: their bytes in all.
        """
        chosen: list[str] = []
        for name in plan.columns:
            value = self.value("q", name, shape)
            if name in guarded:
                length = self.length(self.column("q", name))
                value = f"CASE WHEN {length} > {FAT_BYTES} THEN NULL ELSE {value} END"
            chosen.append(f"{value} AS {self.name(name)}")
        if guarded:
            lengths = (f"COALESCE({self.length(self.column('q', n))}, 0)" for n in sorted(guarded))
            chosen.append(f"{' + '.join(lengths)} AS {SIZE}")
        end = " DESC" if newest else ""
        end += f" LIMIT {limit}" if limit is not None else ""
        return (
            f"SELECT {', '.join(chosen)} FROM ({plan.query}) q "  # noqa: S608 (see above)
            f"WHERE {condition} ORDER BY {self.column('q', plan.key)}{end}"
        )

    def length(self, expression: str) -> str:
        """Return the stored bytes of a text, without reading it."""
        return f"OCTET_LENGTH({expression})"

    def days(self, plan: ReadPlan, shape: Shape) -> str:
        """Return the statement that counts rows by the day of their latest end time."""
        days = [self.day(span) for span in plan.ended]
        if len(days) > 1:
            # GREATEST of NULL is NULL, so each stands in for the others where they lack.
            filled = [f"COALESCE({', '.join([d, *(e for e in days if e != d)])})" for d in days]
            latest = f"{self.greatest}({', '.join(filled)})"
        else:
            latest = days[0]
        inside = " OR ".join(self._within(span) for span in plan.ended)
        states = self.wanted(replace(plan, ended=(), changed=None), shape)
        day = self.as_text(latest)
        return (
            f"SELECT {day} AS day, {self.as_text('COUNT(*)')} AS orders "  # noqa: S608
            f"FROM ({plan.query}) q WHERE ({inside}) AND {states} GROUP BY {latest}"
        )

    greatest = "GREATEST"

    @abstractmethod
    def as_text(self, expression: str) -> str:
        """Return an expression as bytes of its text."""
