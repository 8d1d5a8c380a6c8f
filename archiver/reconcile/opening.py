"""A statement's file: found usable, or refused before anything is decrypted.

Responsible for what is signed about the file: digest, encoding, account, period, totals. Reads
it twice, first the bytes, then the rows, and never holds it whole.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from archiver.errors import RequestError, Said, StatementAccountError, StatementError
from archiver.masking import masked
from archiver.statements import (
    Entry,
    StatementMapping,
    StatementReader,
    UnusableError,
    detect_encoding,
)
from archiver.statements.text import Encoding

CHUNK_BYTES: Final = 1 << 20
SHOWN: Final = 5
"""Broken lines, or accounts, that a message names."""
PID_SUFFIX: Final = "0156"
"""Alipay's account number is the merchant's id (PID) with this behind it."""
DEFAULT_CURRENCY: Final = "CNY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be compared."""

    statement: Path
    mapping: StatementMapping | None = None
    sources: Sequence[str] = ()
    """Names; all that are sealed if none is given."""
    first: date | None = None
    """The first day that counts; the statement's if not given."""
    last: date | None = None
    accounts: Sequence[str] = ()
    """The shop's accounts at the provider."""
    methods: Sequence[str] = ()
    """Payment methods, as sealed, that the statement covers; its channel's if not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A usable statement, without its rows."""

    layout: str
    channel: str
    """`alipay`, `wechat`, or empty."""
    sha256: str
    size_bytes: int
    encoding: Encoding
    account: str | None
    """Masked."""
    account_checked: bool
    totals_checked: bool
    currency: str
    methods: Sequence[str]
    start: datetime
    end: datetime
    rows: int
    outside: int


def open_statement(
    request: Request, zone: ZoneInfo, take: Callable[[Iterable[Entry]], None]
) -> Statement:
    """Read a statement and hand its entries inside the period to `take`, which is called once.

    Args:
        request: Which file, and what is expected of it.
        zone: Whose days `first` and `last` are.
        take: Consumes the entries.

    Raises:
        StatementError: The file is no statement that we know, is damaged or cut off.
        StatementAccountError: It is of another account.
        RequestError: The file cannot be opened, or does not cover the days asked for.
    """
    sha256, size_bytes, encoding = _fingerprint(request.statement)
    reader = StatementReader(mapping=request.mapping)
    asked = _Period(
        start=_midnight(request.first, zone) if request.first else None,
        end=_midnight(request.last, zone, 1) if request.last else None,
    )
    _read(reader, request.statement, encoding, lambda entries: take(asked.inside(entries)))
    start, end = asked.settled(reader, request.statement.name, zone)
    account, account_checked = _account(reader, request)
    mapping = request.mapping
    return Statement(
        layout=reader.layout,
        channel=reader.channel,
        sha256=sha256,
        size_bytes=size_bytes,
        encoding=encoding,
        account=account,
        account_checked=account_checked,
        totals_checked=reader.totals_checked,
        currency=mapping.currency if mapping else DEFAULT_CURRENCY,
        methods=request.methods or (mapping.methods if mapping else ()),
        start=start,
        end=end,
        rows=reader.rows,
        outside=asked.outside,
    )


@dataclass(slots=True)
class _Period:
    """What was asked for, and what the rows show."""

    start: datetime | None
    end: datetime | None
    outside: int = 0
    times: list[datetime] = field(default_factory=list)
    """The earliest and the latest one inside."""

    def inside(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Pass on what lies in the period, count the rest."""
        for entry in entries:
            if (self.start and entry.at < self.start) or (self.end and entry.at >= self.end):
                self.outside += 1
                continue
            if not self.times:
                self.times = [entry.at, entry.at]
            elif entry.at < self.times[0]:
                self.times[0] = entry.at
            elif entry.at > self.times[1]:
                self.times[1] = entry.at
            yield entry

    def settled(
        self, reader: StatementReader, name: str, zone: ZoneInfo
    ) -> tuple[datetime, datetime]:
        """Return the instants between which the statement says everything."""
        if self.start and self.end and self.start >= self.end:
            raise RequestError(detail=Said("--from lies behind --to", "--from 晚于 --to"))
        if reader.periods:
            start = min(period[0] for period in reader.periods)
            end = max(period[1] for period in reader.periods)
            if (self.start and self.start < start) or (self.end and self.end > end):
                raise RequestError(
                    detail=Said(
                        f"{name} covers {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} only",
                        f"{name} 仅涵盖 {start:%Y-%m-%d %H:%M} 至 {end:%Y-%m-%d %H:%M}",
                    )
                )
            if self.times and not start <= self.times[0] <= self.times[1] < end:
                raise StatementError(
                    file=name,
                    detail=Said(
                        "it has rows outside the period that it states", "有的行在其载明的期间之外"
                    ),
                )
        elif self.times:
            # Exports without a header are of whole days.
            start = _midnight(self.times[0].astimezone(zone).date(), zone)
            end = _midnight(self.times[1].astimezone(zone).date(), zone, 1)
        elif self.start and self.end:
            start, end = self.start, self.end
        else:
            raise StatementError(
                file=name,
                detail=Said(
                    "it has no rows to tell its days by; use --from and --to",
                    "没有可据以判断日期的行；请使用 --from 和 --to",
                ),
            )
        return self.start or start, self.end or end


def _fingerprint(path: Path) -> tuple[str, int, Encoding]:
    digest = hashlib.sha256()
    size = 0

    def chunks() -> Iterator[bytes]:
        nonlocal size
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                yield chunk

    try:
        encoding = detect_encoding(chunks())
    except OSError as error:
        raise RequestError(detail=f"{path}: {error.strerror}") from None
    except UnusableError as error:
        raise StatementError(file=path.name, detail=error.said) from None
    if not size:
        raise StatementError(file=path.name, detail=Said("it is empty", "文件为空"))
    return digest.hexdigest(), size, encoding


def _read(
    reader: StatementReader,
    path: Path,
    encoding: Encoding,
    take: Callable[[Iterable[Entry]], None],
) -> None:
    problem: Said | None = None
    try:
        with path.open(encoding=encoding) as lines:
            take(reader.entries(lines))
    except UnusableError as error:
        problem = error.said
    except OSError as error:
        raise RequestError(detail=f"{path}: {error.strerror}") from None
    if reader.broken_count:
        # A total that does not fit is mostly the consequence of these.
        shown = reader.broken[:SHOWN]
        en = [f"line {one.line}: {one.reason}" for one in shown]
        zh = [f"第 {one.line} 行：{one.reason.zh}" for one in shown]
        if more := reader.broken_count - len(shown):
            en.append(f"and {more} more broken lines")
            zh.append(f"另有 {more} 行损坏")
        problem = Said("; ".join(en), "；".join(zh))
    if problem:
        raise StatementError(file=path.name, detail=problem)


def _account(reader: StatementReader, request: Request) -> tuple[str | None, bool]:
    """Return the account, masked, and whether it was compared.

    Raises:
        StatementAccountError: It is none of the shop's.
    """
    found = sorted(names for names in reader.accounts if names)
    if not found:
        return None, False
    shown = ", ".join(str(masked(names[0])) for names in found[:SHOWN])
    if not request.accounts:
        return shown, False
    ours = {*request.accounts, *(f"{one}{PID_SUFFIX}" for one in request.accounts)}
    for names in found:
        if not ours.intersection(names):
            raise StatementAccountError(
                file=request.statement.name,
                detail=Said(
                    f"{masked(names[0])} is none of the accounts that are named",
                    f"{masked(names[0])} 不在指明的账户之中",
                ),
            )
    return shown, True


def _midnight(day: date, zone: ZoneInfo, plus_days: int = 0) -> datetime:
    after = day + timedelta(days=plus_days)
    return datetime(after.year, after.month, after.day, tzinfo=zone)
