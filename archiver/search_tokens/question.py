"""One value that somebody asks for, and the tokens that it has in each year of cohorts."""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from archiver.search_tokens.cards import parts_of
from archiver.search_tokens.kinds import Kind
from archiver.search_tokens.normalise import BLANKS, normalised
from archiver.tokens import derive_key, one_token

Wanted = tuple[Kind, str]
"""A kind and a value of it as it is compared."""


@dataclass(frozen=True, slots=True)
class SearchKeys:
    """The keys of search tokens, derived from the token key when they are first needed."""

    token_key: bytes = field(repr=False)
    _derived: dict[str, bytes] = field(default_factory=dict, repr=False)

    def key(self, kind: Kind, year: str) -> bytes:
        """Return the key of a kind in a year of cohorts.

        Tokens of different years cannot be joined without it. Whole cards have one key for all
        years: it is that of the card token, which stands in the order.
        """
        purpose = "card" if kind is Kind.CARD else f"search/{year}/{int(kind)}"
        if purpose not in self._derived:
            self._derived[purpose] = derive_key(self.token_key, purpose)
        return self._derived[purpose]


def token_of(keys: SearchKeys, kind: Kind, value: str, year: str) -> int:
    """Return the search token of one value, already as it is compared."""
    return int.from_bytes(one_token(keys.key(kind, year), value.encode())[:8], "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """Something that an order must have: all of one of the alternatives."""

    kind: Kind
    """What was asked for."""
    alternatives: Sequence[tuple[Wanted, ...]]
    keys: SearchKeys = field(repr=False)
    _tokens: dict[str, list[list[int]]] = field(default_factory=dict, repr=False, compare=False)
    _confirmed: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)
    """Values that orders had, and whether they are it: the same ones come again and again."""

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds that must have been indexed for a complete answer."""
        return frozenset(kind for wanted in self.alternatives for kind, _ in wanted)

    def tokens(self, year: str) -> list[list[int]]:
        """Return the tokens of each alternative in a year of cohorts."""
        if year not in self._tokens:
            self._tokens[year] = [
                [token_of(self.keys, kind, value, year) for kind, value in wanted]
                for wanted in self.alternatives
            ]
        return self._tokens[year]

    def confirms(self, values: Iterable[str | None]) -> bool:
        """Return whether one of a decrypted order's own values of this kind is what was asked for.

        A token is 64 bits: a lookup compares once more. Parts of cards are not in what the base
        key opens; whole ones are confirmed by their `card_token`.
        """
        return any(self._is_it(value) for value in values if value is not None)

    def _is_it(self, value: str) -> bool:
        if value not in self._confirmed:
            asked = {one for wanted in self.alternatives for _, one in wanted}
            if value in asked:
                return True  # the shop writes it as it is compared: most are
            (compared,) = normalised(self.kind, pa.array([value], pa.string())).to_pylist()
            self._confirmed[value] = compared in asked
        return self._confirmed[value]


def ask(keys: SearchKeys, kind: Kind, value: str) -> Criterion | None:
    """Return what an order must have to be found by `value`; None for an empty one.

    Order ids are sealed as the shop writes them, so they are asked for as given and without
    blanks in NFC. A card is asked for as a whole, as a part of one, and by its parts.
    """
    spellings = _spellings(value) if kind in (Kind.ORDER_ID, Kind.CARD) else [value]
    alternatives: dict[tuple[Wanted, ...], None] = {}
    for spelling in spellings:
        asked = pa.array([spelling])
        for one in normalised(kind, asked).to_pylist():
            if one:
                alternatives[((kind, one),)] = None
                if kind is Kind.CARD:
                    alternatives[((Kind.CARD_PART, one),)] = None
        if kind is Kind.CARD:
            parts = dict.fromkeys(parts_of(asked)[0].to_pylist())
            if parts:
                alternatives[tuple((Kind.CARD_PART, part) for part in parts)] = None
    if not alternatives:
        return None
    return Criterion(kind=kind, alternatives=tuple(alternatives), keys=keys)


def _spellings(value: str) -> list[str]:
    trimmed = unicodedata.normalize("NFC", value).strip(BLANKS)
    return list(dict.fromkeys((trimmed, value)))
