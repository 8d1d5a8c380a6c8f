"""A shop's database or files as a source: MySQL, MariaDB, PostgreSQL, SQLite; only ever read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pyarrow as pa

from archiver.errors import (
    ArchiverError,
    ConfigurationError,
    MappingError,
    Said,
    SourceAccessError,
    SourceUnavailableError,
)
from archiver.mapping import OrderMapping
from archiver.mapping.parts import EPOCHS, Time, TimeName
from archiver.mapping.zones import EARLIEST, LATEST
from archiver.ports import RawPage, Window
from archiver.sources.failures import Failure
from archiver.sources.plan import ChildPlan, LookupPlan, ReadPlan, Request, Span, Unit
from archiver.sources.process import BrokenReadError, reading
from archiver.sources.sentences import said

PAGE_ROWS: Final = 25_000
PAGE_BYTES: Final = 32 * 1024 * 1024
"""Pages of wide rows get fewer of them."""
CENSUS_ROWS: Final = 200_000
"""Three short columns: some 10 MB."""
READ_TIMEOUT: Final = timedelta(seconds=300)
"""For one page. A full scan for a narrow window over a large table is one page."""
MARGIN: Final = timedelta(days=1)
"""Read around a window: a zone declared wrongly by hours must not lose orders at its edges."""
_UNITS: Final[dict[str, Unit]] = {"epoch_s": "epoch_s", "epoch_ms": "epoch_ms"}
SCHEMES: Final = ("mysql", "mariadb", "postgresql", "postgres", "sqlite", "file")


class DatabaseSource:
    """Orders of one shop, read by a process of its own in keyset pages.

    Implements `ports.Source`. Every call starts its own reading process and ends it.
    """

    def __init__(
        self,
        name: str,
        url: str,
        password: str | None,
        mapping: OrderMapping,
        *,
        timezone: str = "UTC",
        page_rows: int = PAGE_ROWS,
        page_bytes: int = PAGE_BYTES,
        timeout: timedelta = READ_TIMEOUT,
    ) -> None:
        """Check what can be checked without connecting.

        Args:
            name: In the configuration.
            url: `mysql://user@host:port/database`, `postgresql://…`, `sqlite:///path`. Never
                with a password. Or `file:` and a folder or pattern (`archiver.sources.files`).
                Paths count from the working directory.
            password: From the environment or a file.
            mapping: How rows become orders.
            timezone: The shop's: the calendar of `days`, and the zone of `session` times in
                SQLite and files, which have no session zone.
            page_rows: At most so many rows a page.
            page_bytes: At about so many bytes a page.
            timeout: For one page.

        Raises:
            ConfigurationError: The URL cannot be used, or holds a password.
        """
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            detail = Said(
                f"[[source]] {name}: url must begin with one of {', '.join(SCHEMES)}",
                f"[[source]] {name}：url 须以下列之一开头：{'、'.join(SCHEMES)}",
            )
            raise ConfigurationError(detail=detail)
        if parts.password is not None:
            detail = Said(
                f"[[source]] {name}: url holds a password; name it in password_env instead",
                f"[[source]] {name}：url 中含有密码；请改由 password_env 指明",
            )
            raise ConfigurationError(detail=detail)
        self._name = name
        self._url = url
        self._password = password
        self._timezone = timezone
        self._page_rows = page_rows
        self._page_bytes = page_bytes
        self._timeout = timeout
        self.mapping = mapping
        self.session_zone = timezone if parts.scheme in ("sqlite", "file") else "UTC"
        """For `MapContext`."""

    @property
    def name(self) -> str:
        """The source's name in the configuration."""
        return self._name

    def pages(
        self,
        ended: Window,
        changed: Window | None = None,
        *,
        beyond: datetime | None = None,
        limit: int | None = None,
        exact: bool = False,
    ) -> Iterator[RawPage]:
        """Yield archivable rows in key order (`ports.Source.pages`).

        While the caller works on a page, the next one is read, and no more than that. Closing
        the iterator ends the reading process.
        """
        margin = timedelta() if exact else MARGIN
        plan = self._plan(ended, changed, limit, margin=margin)
        if beyond is not None:
            future = Window(start=beyond, end=LATEST)
            names = self.mapping.completion.names
            spans = tuple(self._span(name, future, timedelta()) for name in names)
            plan = replace(plan, future=spans)
        for tables in self._ask("pages", plan):
            yield RawPage(rows=tables.pop(""), children=tables)

    def days(self, ended: Window) -> Mapping[date, int]:
        """Return how many archivable rows end on which day (`ports.Source.days`)."""
        counted: dict[date, int] = {}
        for tables in self._ask("days", self._plan(ended, None, None, margin=timedelta())):
            for row in tables[""].to_pylist():
                if row["day"] is not None:
                    counted[date.fromisoformat(row["day"].decode())] = int(row["orders"])
        return dict(sorted(counted.items()))

    def census(self, created: Window, ended: Window) -> Iterator[pa.Table]:
        """Yield who is there (`ports.Source.census`)."""
        yield from self._counted(self._census_plan(created, ended))

    def roll_call(self, created: Window | None = None) -> Iterator[pa.Table]:
        """Yield who is there, in whatever state (`ports.Source.roll_call`)."""
        yield from self._counted(self._roll_plan(created))

    def rows(self, keys: Sequence[bytes]) -> Iterator[RawPage]:
        """Yield the rows with these paging keys (`ports.Source.rows`)."""
        if not keys:
            return
        chosen = tuple(key.hex() for key in dict.fromkeys(keys))
        plan = replace(self._plan(None, None, None), newest=False, keys=chosen)
        for tables in self._ask("pages", plan):
            yield RawPage(rows=tables.pop(""), children=tables)

    def sample(self, rows: int) -> Iterator[RawPage]:
        """Yield the last rows by key, whatever their state and times, for a look at them."""
        plan = self._plan(None, None, rows)
        for tables in self._ask("pages", plan):
            yield RawPage(rows=tables.pop(""), children=tables)

    def columns(self) -> list[str]:
        """Return all columns that the mapping's query gives; empty if the server cannot say."""
        plan = self._plan(None, None, None)
        with reading(self._request("columns", plan), self._timeout) as process:
            try:
                for message, _ in process.messages():
                    return [str(name) for name in message["columns"]]
            except BrokenReadError as broken:
                raise self._error(broken.failure) from None
        return []

    # ---------------------------------------------------------------------- asking

    def _counted(self, plan: ReadPlan) -> Iterator[pa.Table]:
        """Yield paging key, order id and state of the rows of a plan."""
        names = (self.mapping.key, self.mapping.order_id, self.mapping.status.column)
        for tables in self._ask("pages", plan):
            columns = [tables[""][name] for name in names]
            yield pa.table(dict(zip(("key", "order_id", "state"), columns, strict=True)))

    def _ask(self, task: Literal["pages", "days"], plan: ReadPlan) -> Iterator[dict[str, pa.Table]]:
        with reading(self._request(task, plan), self._timeout) as process:
            try:
                for _, tables in process.messages():
                    yield tables
            except BrokenReadError as broken:
                raise self._error(broken.failure) from None

    def _error(self, failure: Failure) -> ArchiverError:
        kinds: dict[str, type[ArchiverError]] = {
            "access": SourceAccessError,
            "column": MappingError,
            "mapping": MappingError,
        }
        kind = kinds.get(failure.kind, SourceUnavailableError)
        return kind(source=self._name, detail=said(failure.detail))

    def _request(self, task: Literal["pages", "days", "columns"], plan: ReadPlan) -> Request:
        return Request(task=task, url=self._url, password=self._password, plan=plan)

    def _plan(
        self,
        ended: Window | None,
        changed: Window | None,
        limit: int | None,
        *,
        margin: timedelta = MARGIN,
    ) -> ReadPlan:
        mapping = self.mapping
        told = mapping.changed_at
        own = dict.fromkeys((mapping.key, *mapping.own_columns))
        return ReadPlan(
            query=mapping.query,
            key=mapping.key,
            key_is_integer=mapping.key_kind == "integer",
            columns=tuple(own),
            text_columns=(mapping.order_id,),
            forbidden=tuple(sorted(mapping.forbidden)),
            status_column=mapping.status.column,
            skipped_states=(*mapping.status.open, *mapping.status.ignored) if ended else (),
            ended=tuple(self._span(name, ended, margin) for name in mapping.completion.names)
            if ended
            else (),
            changed=self._span(told, changed, margin) if told and changed else None,
            lookups=tuple(
                LookupPlan(query=part.query, key=part.key, on=part.on, columns=part.columns)
                for part in mapping.lookups
            ),
            children=tuple(
                ChildPlan(
                    field=part.field,
                    query=part.query,
                    key=part.key,
                    on=part.on or mapping.key,
                    order=part.order,
                    columns=mapping.child_columns(part),
                    optional=part.optional,
                )
                for part in mapping.children
            ),
            page_rows=self._page_rows,
            page_bytes=self._page_bytes,
            limit=limit,
            newest=ended is None,
        )

    def _roll_plan(self, created: Window | None) -> ReadPlan:
        mapping = self.mapping
        told = "created" in mapping.times
        return replace(
            self._plan(None, None, None),
            columns=tuple(dict.fromkeys((mapping.key, mapping.order_id, mapping.status.column))),
            created=self._span("created", created, MARGIN) if created and told else None,
            lookups=(),
            children=(),
            page_rows=CENSUS_ROWS,
            newest=False,
        )

    def _census_plan(self, created: Window, ended: Window) -> ReadPlan:
        mapping, status = self.mapping, self.mapping.status
        ends = [name for name in mapping.completion.latest_of if name != mapping.changed_at]
        return replace(
            self._roll_plan(created),
            skipped_states=status.ignored,
            open_states=status.open,
            not_after=tuple(self._span(name, ended, MARGIN) for name in ends),
            not_before=tuple(self._span(name, ended, MARGIN) for name in mapping.completion.names),
            begun=self._span("created", ended, MARGIN) if "created" in mapping.times else None,
        )

    def _span(self, name: TimeName, window: Window, margin: timedelta) -> Span:
        time = self.mapping.times[name]
        low = max(window.start, EARLIEST + margin) - margin
        high = min(window.end, LATEST - margin) + margin
        return Span(
            column=time.column,
            low=self._literal(low, time),
            high=self._literal(high, time),
            oldest=self._literal(EARLIEST, time),
            newest=self._literal(LATEST, time),
            unit=_UNITS.get(time.zone, ""),
            day_shift_seconds=self._shift(low, time),
        )

    def _zone(self, time: Time) -> ZoneInfo:
        """Return the zone in which the database gives and compares a time column."""
        if time.zone in EPOCHS:
            return ZoneInfo("UTC")
        return ZoneInfo(self.session_zone if time.zone == "session" else time.zone)

    def _literal(self, instant: datetime, time: Time) -> str:
        if time.zone in EPOCHS:
            return str(int(instant.timestamp()) * (1000 if time.zone == "epoch_ms" else 1))
        return instant.astimezone(self._zone(time)).strftime("%Y-%m-%d %H:%M:%S")

    def _shift(self, instant: datetime, time: Time) -> int:
        """Return the seconds from a column's own clock to the shop's calendar."""
        shop = instant.astimezone(ZoneInfo(self._timezone)).utcoffset() or timedelta()
        own = instant.astimezone(self._zone(time)).utcoffset() or timedelta()
        return int((shop - own).total_seconds())
