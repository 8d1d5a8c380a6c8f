"""What a decrypted order has of each kind by which it is found, and whether a hit holds. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa

from archiver.lookup.question import Fact
from archiver.search_tokens import Criterion, Kind, SearchKeys, ask, normalised
from archiver.tokens import derive_key, tokens

KINDS: Final[Mapping[str, Kind]] = {
    "order": Kind.ORDER_ID,
    "payment": Kind.PAYMENT_NO,
    "account": Kind.ACCOUNT,
    "contact": Kind.CONTACT,
    "ip": Kind.CLIENT_IP,
    "merchant": Kind.MERCHANT,
    "target": Kind.TARGET,
    "card": Kind.CARD,
}
"""Kinds of facts as kinds of tokens."""

LEAVES: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.ORDER_ID: ("order_id",),
    Kind.PAYMENT_NO: tuple(
        f"payments.list.element.{name}" for name in ("provider_no", "aggregator_no", "merchant_no")
    ),
    Kind.ACCOUNT: ("buyer.account",),
    Kind.CONTACT: ("buyer.contact",),
    Kind.CLIENT_IP: ("buyer.client_ip",),
    Kind.MERCHANT: ("seller.merchant_id", "seller.name"),
    Kind.TARGET: ("deliveries.list.element.target",),
    Kind.CARD: ("deliveries.list.element.card_token",),
}
"""What confirms a hit."""

Order = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """A fact, ready to be looked for."""

    fact: Fact
    criterion: Criterion
    card_tokens: frozenset[bytes] = field(default=frozenset(), repr=False)
    """128 bits each, of the spellings of a whole card."""

    def confirms(self, order: Order) -> bool:
        """Tell whether a decrypted order has the value: a hit is 64 bits only.

        A card that was found by its parts is not confirmed here: see `in_parts`.
        """
        if self.criterion.kind is Kind.CARD:
            held = {one["card_token"] for one in order["deliveries"] or ()}
            return bool(held & self.card_tokens)
        return self.criterion.confirms(values_of(self.criterion.kind, order))

    @property
    def in_parts(self) -> bool:
        """It is also looked for as a part of a card, whose 64 bits nothing here confirms."""
        return Kind.CARD_PART in self.criterion.kinds

    @property
    def token(self) -> str:
        """What stands for it in a cursor: keyed, of no year."""
        return f"{self.criterion.kind}:{self.criterion.tokens('')}"

    @property
    def compared(self) -> str:
        """The value as it is compared: what the access log makes its token of."""
        return self.criterion.alternatives[0][0][1]


def sought(keys: SearchKeys, fact: Fact) -> Sought | None:
    """Return what is looked for; None where nothing is left of the value to compare."""
    kind = KINDS[fact.kind]
    criterion = ask(keys, kind, fact.value)
    if criterion is None:
        return None
    made: frozenset[bytes] = frozenset()
    if kind is Kind.CARD:
        whole = normalised(kind, pa.array([fact.value]))
        made = frozenset(row.tobytes() for row in tokens(derive_key(keys.token_key, "card"), whole))
    return Sought(fact=fact, criterion=criterion, card_tokens=made)


def values_of(kind: Kind, order: Order) -> Sequence[str | None]:
    """Return an order's own values of a kind, as they are sealed; none of cards."""
    buyer, seller = order.get("buyer") or {}, order.get("seller") or {}
    match kind:
        case Kind.ORDER_ID:
            return [order["order_id"]]
        case Kind.PAYMENT_NO:
            names = ("provider_no", "aggregator_no", "merchant_no")
            return [one[name] for one in order["payments"] or () for name in names]
        case Kind.ACCOUNT | Kind.CONTACT | Kind.CLIENT_IP:
            return [buyer.get(_OF_BUYER[kind])]
        case Kind.MERCHANT:
            return [seller.get("merchant_id"), seller.get("name")]
        case Kind.TARGET:
            return [one["target"] for one in order["deliveries"] or ()]
        case Kind.CARD | Kind.CARD_PART:
            return []  # under the reveal key


_OF_BUYER: Final = {Kind.ACCOUNT: "account", Kind.CONTACT: "contact", Kind.CLIENT_IP: "client_ip"}
