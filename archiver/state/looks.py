"""A question that is asked of the state all the time: made into SQL once, one statement.

SQLAlchemy's own way to an answer takes several times as long as the database does, and a service
asks who somebody is, and what the log has grown by, of each request. One statement sees one moment
by itself, so it needs no transaction around it.
"""

from collections import namedtuple
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa


@dataclass(frozen=True, slots=True)
class Look:
    """One SELECT. Columns are numbers, text and bytes, which drivers give as they are."""

    statement: sa.Select[Any]
    _made: "dict[str, _Made]" = field(default_factory=dict, repr=False, compare=False)

    def at(self, engine: sa.Engine, values: Mapping[str, object]) -> list[Any]:
        """Return the rows, as named tuples.

        Args:
            engine: Of the database.
            values: Of the statement's parameters, by name; no lists.
        """
        made = self._made.get(engine.dialect.name)
        if made is None:
            made = self._made[engine.dialect.name] = _made(self.statement, engine.dialect)
        with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(made.sql, made.parameters(values))
            return [made.row(*one) for one in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class _Made:
    sql: str
    names: Sequence[str] | None
    """In the order of the statement, where the driver takes no names."""
    fixed: Mapping[str, object]
    """Values that the statement itself brings."""
    row: Any

    def parameters(self, values: Mapping[str, object]) -> Any:  # noqa: ANN401  the driver's own
        told = {**self.fixed, **values}
        return told if self.names is None else tuple(told[name] for name in self.names)


def _made(statement: sa.Select[Any], dialect: sa.Dialect) -> _Made:
    compiled = statement.compile(dialect=dialect)
    return _Made(
        sql=str(compiled),
        names=compiled.positiontup if compiled.positional else None,
        fixed=compiled.params,
        row=namedtuple("Row", [str(column.key) for column in statement.selected_columns]),  # noqa: PYI024
    )
