"""Lines into entries: finding the header, the table, its end, its totals.

Relies on the layouts for what a row means. Keeps every line that it cannot make sense of, and
refuses at the end what is cut off: half a statement would make every missing payment look well.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from archiver.errors import Said
from archiver.retention import LEGAL_ZONE
from archiver.statements.alipay import AlipayAccount, AlipayBusiness
from archiver.statements.mapped import MappedTable, StatementMapping
from archiver.statements.model import (
    BrokenLine,
    BrokenLineError,
    Entry,
    Layout,
    UnusableError,
    positions,
)
from archiver.statements.text import column_name, parse_time, split_line
from archiver.statements.wechat import WeChatFunds, WeChatTrade

KNOWN: Final = (AlipayBusiness, AlipayAccount, WeChatTrade, WeChatFunds)
HEADER_LINES: Final = 60
"""A header is within the first lines, or this is no statement that we know."""
KEPT_BROKEN: Final = 100
"""Broken lines that are kept; the others are counted."""
JOINED_LINES: Final = 20
"""A quoted cell spans no more lines than that; beyond, its quote was never meant as one."""

_ACCOUNT: Final = re.compile(r"账号[:：]?\s*\[?\s*([^\s\],，]+)")
_START: Final = re.compile(r"起始日期[:：]?\s*\[?\s*([\d年月日/: -]+)")
_END: Final = re.compile(r"终止日期[:：]?\s*\[?\s*([\d年月日/: -]+)")
_LAST_SECOND: Final = (23, 59, 59)


@dataclass(slots=True)
class StatementReader:
    """Reads one statement, once.

    What it says about itself is complete when `entries` is exhausted.

    Attributes:
        mapping: For a CSV of any other origin.
        broken: Lines that are neither entries nor remarks.
        broken_count: How many there are.
        rows: Rows of tables that became entries.
        periods: What headers say about the time they cover.
        accounts: The accounts that header or rows name, each by one or several names.
        totals_checked: Every table ended with totals that fit.
    """

    mapping: StatementMapping | None = None
    broken: list[BrokenLine] = field(default_factory=list)
    broken_count: int = 0
    rows: int = 0
    periods: list[tuple[datetime, datetime]] = field(default_factory=list)
    accounts: set[tuple[str, ...]] = field(default_factory=set)
    totals_checked: bool = True
    _table: Layout | None = None
    _layouts: set[str] = field(default_factory=set)
    _channel: str = ""
    _first_name: str = ""
    _ended: bool = True
    _needs_end: bool = False
    _totals_next: bool = False
    _totals_seen: int = 0
    _start: datetime | None = None

    def entries(self, lines: Iterable[str]) -> Iterator[Entry]:
        """Yield the entries of all tables in the file.

        Args:
            lines: Decoded lines, with or without their ends.

        Raises:
            UnusableError: No known header, cut off, or at odds with its own totals.
        """
        for number, line in _joined(lines, self._splits):
            stripped = line.strip(" \t\r\n\ufeff")
            if not stripped.strip(","):
                continue
            if stripped.startswith("#"):
                self._remark(stripped)
                continue
            try:
                cells = self._cells(stripped)
            except csv.Error:
                self._break(number, Said("its quotes do not match", "引号不成对"))
                continue
            try:
                entry = self._row(number, cells)
            except BrokenLineError as error:
                self._break(number, error.said)
                continue
            if entry is not None:
                self.rows += 1
                yield entry
        if self._table is None:
            raise UnusableError(
                "no header row of a known statement was found", "未找到已知账单的表头行"
            )
        self._close()

    @property
    def layout(self) -> str:
        """The layout's name."""
        return next(iter(self._layouts), "")

    @property
    def channel(self) -> str:
        """Whose export it is; empty for a mapped one."""
        return self._channel

    # --- lines -------------------------------------------------------------------------------

    def _row(self, number: int, cells: Sequence[str]) -> Entry | None:
        if self._totals_next and self._table is not None:
            self._totals_next = False
            self._table.check_totals(cells)
            self._totals_seen += self.mapping is None
            self._ended = True
            return None
        header = self._header(cells)
        if header is not None:
            self._first_name = column_name(cells[0])
            self._begin(header)
            return None
        if self._table is None:
            if number > HEADER_LINES:
                raise UnusableError(
                    f"no header row of a known statement in its first {HEADER_LINES} lines",
                    f"前 {HEADER_LINES} 行中没有已知账单的表头行",
                )
            return None
        if self._ended:
            self._behind(number, cells, self._table)
            return None
        if self._table.begins_totals(cells):
            if self.mapping is None:
                self._totals_next = True
            else:
                self._ended = True
            return None
        return self._table.entry(number, cells)

    def _behind(self, number: int, cells: Sequence[str], table: Layout) -> None:
        """Accept what a mapping's footer may be followed by, unless it is one more row."""
        if self.mapping is not None:
            try:
                table.entry(number, cells)
            except BrokenLineError:
                return
        raise BrokenLineError("it stands behind the table's end", "位于表格结尾之后")

    def _header(self, cells: Sequence[str]) -> Callable[[], Layout] | None:
        if not self._ended and column_name(cells[0]) != self._first_name:
            return None
        names = [column_name(cell) for cell in cells]
        known = frozenset(names)
        if self.mapping is not None:
            mapping = self.mapping
            if mapping.required <= known:
                return lambda: MappedTable(mapping, positions(names))
            return None
        for one in KNOWN:
            if one.required <= known:
                return _maker(one, positions(names))
        return None

    def _begin(self, make: Callable[[], Layout]) -> None:
        self._close()
        self._table = make()
        self._layouts.add(self._table.name)
        self._channel = self._table.channel
        if len(self._layouts) > 1:
            raise UnusableError(
                "it joins statements of different kinds; compare them one by one",
                "它拼接了不同种类的账单；请逐一核对",
            )
        self._ended = False
        self._totals_seen = 0
        if self._channel == "wechat" or (self.mapping is not None and self.mapping.footer):
            self._needs_end = True

    def _close(self) -> None:
        """Refuse a table that should have had an end, and take over what it has learnt."""
        if self._table is None:
            return
        if self._totals_next or (self._needs_end and not self._ended):
            raise UnusableError(
                "it ends in the middle: its closing lines are missing", "中途结束：缺少结尾行"
            )
        self.accounts |= self._table.accounts
        self.totals_checked = self.totals_checked and self._totals_seen > 0

    def _remark(self, remark: str) -> None:
        if match := _ACCOUNT.search(remark):
            self.accounts.add((match[1],))
        if match := _START.search(remark):
            self._start = _instant(match[1])
        if (match := _END.search(remark)) and self._start is not None:
            end = _instant(match[1])
            if (end.hour, end.minute, end.second) == _LAST_SECOND:
                end += timedelta(seconds=1)
            self.periods.append((self._start, end))
            self._start = None
        if "列表" in remark:
            self._needs_end = True
            self._ended = self._ended or "结束" in remark
        if self._table is not None:
            self._totals_seen += self._table.check_remark(remark)

    def _break(self, number: int, reason: Said) -> None:
        self.broken_count += 1
        if len(self.broken) < KEPT_BROKEN:
            self.broken.append(BrokenLine(line=number, reason=reason))

    def _cells(self, line: str) -> Sequence[str]:
        try:
            return split_line(line, self.mapping.delimiter if self.mapping else ",")
        except csv.Error:
            if self.mapping is not None:
                raise
            # A quote in a product's name: providers do not double it, nor break lines.
            return line.split(",")

    def _splits(self, line: str) -> bool:
        try:
            self._cells(line)
        except csv.Error:
            return False
        return True


def _maker(
    layout: type[AlipayBusiness | AlipayAccount | WeChatTrade | WeChatFunds],
    places: Mapping[str, int],
) -> Callable[[], Layout]:
    return lambda: layout(places)


def _instant(text: str) -> datetime:
    try:
        return parse_time(text if ":" in text else f"{text.strip()} 00:00:00", LEGAL_ZONE)
    except BrokenLineError:
        raise UnusableError(
            "the period in its header cannot be read", "表头中的起止日期无法读取"
        ) from None


def _joined(lines: Iterable[str], splits: Callable[[str], bool]) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers; where a quoted cell spans several, as one.

    Where no later line closes the quote, the first is yielded alone, so that it is reported,
    and the others are read for themselves.
    """
    waiting: list[tuple[int, str]] = []
    source = enumerate(lines, 1)
    while True:
        number, line = waiting.pop(0) if waiting else next(source, (0, None))
        if line is None:
            return
        if '"' not in line or splits(line.strip("\r\n")):
            yield number, line
            continue
        whole, used = line, 0
        closed = False
        while not closed and used < JOINED_LINES:
            if used == len(waiting):
                following = next(source, None)
                if following is None:
                    break
                waiting.append(following)
            whole += waiting[used][1]
            used += 1
            closed = splits(whole.strip("\r\n"))
        if closed:
            del waiting[:used]
            yield number, whole
        else:
            yield number, line
