"""How MySQL, MariaDB, PostgreSQL and SQLite say what `archiver.sources.dialect` means."""

from archiver.sources.dialect import INTEGER, Dialect, Shape
from archiver.sources.plan import Span


class MySql(Dialect):
    """MySQL and MariaDB."""

    def name(self, identifier: str) -> str:
        """Return a quoted identifier."""
        return f"`{identifier.replace('`', '``')}`"

    def value(self, alias: str, column: str, shape: Shape) -> str:
        """Return an expression for the bytes of a column's text."""
        expression = self.column(alias, column)
        if column in shape.integers:
            return expression
        if column not in shape.as_is:
            expression = f"CONVERT({expression} USING utf8mb4)"
        return f"CAST({expression} AS BINARY)"

    def literal(self, value: bytes) -> str:
        """Return a text literal that adapts to the column it is compared with."""
        return f"_utf8mb4 x'{value.hex()}'"

    def not_among(self, column: str, states: tuple[str, ...], shape: Shape) -> str:
        """Return a condition that compares byte by byte, whatever the collation."""
        expression = self.column("q", column)
        if column in shape.integers:
            numbers = [state for state in states if INTEGER.fullmatch(state)]
            return f"{expression} NOT IN ({', '.join(numbers)})" if numbers else "1 = 1"
        listed = ", ".join(f"x'{state.encode().hex()}'" for state in states)
        return f"{self.value('q', column, shape)} NOT IN ({listed})"

    def no_date(self, column: str) -> str:
        """Return a condition for text that does not begin like a date."""
        return f"{column} NOT REGEXP '^[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]'"

    def day(self, span: Span) -> str:
        """Return the calendar day of a time column as text `YYYY-MM-DD`."""
        column = self.column("q", span.column)
        if span.unit:
            divided = f"{column} / 1000" if span.unit == "epoch_ms" else column
            column = f"FROM_UNIXTIME({divided})"
        return f"DATE({column} + INTERVAL {span.day_shift_seconds} SECOND)"

    def as_text(self, expression: str) -> str:
        """Return an expression as bytes of its text."""
        return f"CAST({expression} AS BINARY)"


class Postgres(Dialect):
    """PostgreSQL."""

    def name(self, identifier: str) -> str:
        """Return a quoted identifier."""
        return '"' + identifier.replace('"', '""') + '"'

    def value(self, alias: str, column: str, shape: Shape) -> str:
        """Return an expression for the bytes of a column's text."""
        expression = self.column(alias, column)
        if column in shape.integers or column in shape.as_is:
            return expression
        if shape.raw_text:
            # convert_to would refuse broken text; a backslash is what bytea's input reads.
            return rf"replace({expression}::text, '\', '\\')::bytea"
        return self.as_text(expression)

    def literal(self, value: bytes) -> str:
        """Return a text literal that adapts to the column it is compared with."""
        return "'" + value.decode("utf-8", "replace").replace("'", "''").replace("\0", "") + "'"

    def not_among(self, column: str, states: tuple[str, ...], shape: Shape) -> str:
        """Return a condition that compares byte by byte, whatever the collation."""
        del shape
        listed = ", ".join(self.literal(state.encode()) for state in states)
        return f'{self.column("q", column)}::text COLLATE "C" NOT IN ({listed})'

    def no_date(self, column: str) -> str:
        """Return a condition for text that does not begin like a date."""
        return f"{column} !~ '^[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]'"

    def day(self, span: Span) -> str:
        """Return the calendar day of a time column as text `YYYY-MM-DD`."""
        column = self.column("q", span.column)
        if span.unit:
            divided = f"{column} / 1000.0" if span.unit == "epoch_ms" else column
            column = f"to_timestamp({divided})"
        shift = f"interval '{span.day_shift_seconds} seconds'"
        return f"({column}::timestamp + {shift})::date"

    def as_text(self, expression: str) -> str:
        """Return an expression as bytes of its text."""
        return f"convert_to(({expression})::text, 'UTF8')"


class Sqlite(Dialect):
    """SQLite, whose columns may hold anything: text comes back as bytes by `text_factory`."""

    greatest = "MAX"

    def name(self, identifier: str) -> str:
        """Return a quoted identifier."""
        return '"' + identifier.replace('"', '""') + '"'

    def value(self, alias: str, column: str, shape: Shape) -> str:  # noqa: ARG002 (no types here)
        """Return an expression for the bytes of a column's text."""
        return self.as_text(self.column(alias, column))

    def literal(self, value: bytes) -> str:
        """Return a text literal that adapts to the column it is compared with."""
        return f"CAST(x'{value.hex()}' AS TEXT)"

    def keys(self, expression: str, values: list[bytes], *, integer: bool) -> str:
        """Return a condition that an expression is among values, as number or as text."""
        texts = super().keys(expression, values, integer=False)
        numbers = [value for value in values if INTEGER.fullmatch(value.decode("utf-8", "replace"))]
        if integer or not numbers:
            return super().keys(expression, values, integer=integer)
        return f"({texts} OR {super().keys(expression, numbers, integer=True)})"

    def not_among(self, column: str, states: tuple[str, ...], shape: Shape) -> str:
        """Return a condition that compares byte by byte, whatever the collation."""
        listed = ", ".join(self.literal(state.encode()) for state in states)
        return f"({self.value('q', column, shape)} COLLATE BINARY) NOT IN ({listed})"

    def no_date(self, column: str) -> str:
        """Return a condition for text that does not begin like a date."""
        return f"{column} NOT GLOB '[12][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]*'"

    def day(self, span: Span) -> str:
        """Return the calendar day of a time column as text `YYYY-MM-DD`."""
        column = self.column("q", span.column)
        shift = f"'{span.day_shift_seconds:+d} seconds'"
        if span.unit:
            divided = f"{column} / 1000" if span.unit == "epoch_ms" else column
            return f"DATE({divided}, 'unixepoch', {shift})"
        return f"DATE({column}, {shift})"

    def as_text(self, expression: str) -> str:
        """Return an expression as bytes of its text."""
        return f"CAST({expression} AS TEXT)"
