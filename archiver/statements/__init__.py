"""Statements: what payment providers say about a shop's payments, as rows of one kind.

Responsible for the bill exports of Alipay and WeChat Pay and for any CSV by a mapping. Pure:
lines in, entries out. A row is an entry or it is reported as broken, never dropped, and a
statement that is cut off or contradicts its own totals is refused.

Column names and layouts are the providers' public documentation of their exports: Alipay
账务明细 and 业务明细, WeChat Pay 交易账单 and 资金账单.
"""

from archiver.statements.mapped import StatementMapping, parse_statement_mapping
from archiver.statements.model import BrokenLine, Entry, Kind, UnusableError
from archiver.statements.reading import StatementReader
from archiver.statements.text import detect_encoding

__all__ = [
    "BrokenLine",
    "Entry",
    "Kind",
    "StatementMapping",
    "StatementReader",
    "UnusableError",
    "detect_encoding",
    "parse_statement_mapping",
]
