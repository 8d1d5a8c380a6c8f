"""Search tokens: what is searched for, how it is written, and what it becomes (FORMAT.md 6).

Responsible for the kinds of values by which an order is found, for the one way in which each
is written before it is compared, for the tokens of all rows of a partition and for those of
one question. Pure; keys are arguments. Sealing and asking use the same functions, so that
what was sealed is found.
"""

from archiver.search_tokens.kinds import ALL_KINDS, SECRET_KINDS, Kind
from archiver.search_tokens.names import NAME_FIELDS, NamesFound, folded, names_of
from archiver.search_tokens.normalise import normalised
from archiver.search_tokens.question import Criterion, SearchKeys, ask, token_of
from archiver.search_tokens.rows import COLUMNS, SearchRows, search_rows

__all__ = [
    "ALL_KINDS",
    "COLUMNS",
    "NAME_FIELDS",
    "SECRET_KINDS",
    "Criterion",
    "Kind",
    "NamesFound",
    "SearchKeys",
    "SearchRows",
    "ask",
    "folded",
    "names_of",
    "normalised",
    "search_rows",
    "token_of",
]
