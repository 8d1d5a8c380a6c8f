"""Who may see and ask what: roles, questions, fields, commands and approvals as tables.

Pure. Every rule about roles stands here and nowhere else; `matrix()` spells all of it out, and a
test asserts each cell. What is not in a table is refused or hidden: a new field is hidden from
everybody until somebody decides about it. No role sees a card secret: that takes the reveal
key, which no role holds.

Source: DESIGN 3.13; PIPL Art. 51 (permissions, de-identification); Minors Online Protection
Regulations Art. 36 (access is approved and recorded).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from archiver.errors import Said


class Role(StrEnum):
    """What an operator is here for."""

    SUPPORT = "support"
    """Looks an old order up for a buyer."""
    COMPLIANCE = "compliance"
    """Answers regulators and police; reveals."""
    AUDITOR = "auditor"
    """Checks all of it and sees no buyer."""
    CUSTODIAN = "custodian"
    """Keeps keys, holds and disposals."""
    ADMINISTRATOR = "administrator"
    """Keeps the register of operators and sees no order."""
    BUYER = "buyer"
    """No operator: the shop's own site, asking for the buyer of an order."""


ROLES: Final[Mapping[Role, Said]] = {
    Role.SUPPORT: Said("support", "客服"),
    Role.COMPLIANCE: Said("compliance", "合规"),
    Role.AUDITOR: Said("auditor", "审计"),
    Role.CUSTODIAN: Said("custodian", "保管"),
    Role.ADMINISTRATOR: Said("administrator", "管理员"),
    Role.BUYER: Said("buyer", "买家"),
}
"""What roles are called."""
OPERATORS: Final = tuple(role for role in Role if role is not Role.BUYER)
"""Roles that a person can have here."""


# --- questions ----------------------------------------------------------------------------------


class Question(StrEnum):
    """By what an order is looked for. All but `SCAN` are kinds of search tokens."""

    ORDER = "order"
    PAYMENT = "payment"
    ACCOUNT = "account"
    CONTACT = "contact"
    IP = "ip"
    MERCHANT = "merchant"
    TARGET = "target"
    CARD = "card"
    SCAN = "scan"
    """No token at all: time, status, product, amount."""


class Need(StrEnum):
    """What a question has to bring besides a purpose or a case, which all need."""

    NOTHING = "nothing"
    SECOND_FACT = "second-fact"
    """Amount, time or product: what the buyer knows and a harvester does not."""
    CASE = "case"
    OWN = "own"
    """A number of the order, and whose it is: nobody looks at what he cannot name."""


_ASKS: Final[Mapping[Role, Mapping[Question, Need]]] = {
    Role.SUPPORT: {
        Question.ORDER: Need.NOTHING,
        Question.PAYMENT: Need.NOTHING,
        Question.ACCOUNT: Need.NOTHING,
        Question.CONTACT: Need.SECOND_FACT,
        Question.IP: Need.SECOND_FACT,
        Question.MERCHANT: Need.SECOND_FACT,
        Question.TARGET: Need.SECOND_FACT,
        Question.SCAN: Need.NOTHING,
    },
    Role.COMPLIANCE: dict.fromkeys(Question, Need.NOTHING) | {Question.CARD: Need.CASE},
    Role.BUYER: {
        Question.ORDER: Need.OWN,
        Question.PAYMENT: Need.OWN,
        Question.ACCOUNT: Need.OWN,
        Question.CONTACT: Need.OWN,
    },
}
"""Roles that are missing ask nothing about orders."""


@dataclass(frozen=True, slots=True)
class MayAsk:
    """The question may be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MustNotAsk:
    """The question is refused."""

    code: str
    """`role`, `purpose`, `case`, `second-fact` or `own`: what is missing."""
    said: Said


def may_ask(
    role: Role,
    question: Question,
    *,
    purpose: bool,
    case: bool,
    second_fact: bool,
    own: bool = False,
) -> MayAsk | MustNotAsk:
    """Decide about one question.

    Args:
        role: Of whoever asks.
        question: By what.
        purpose: He says why.
        case: He names an authority's case.
        second_fact: The question also gives an amount, a time or a product.
        own: The question gives a number of the order together with its contact or account.
    """
    need = _ASKS.get(role, {}).get(question)
    if need is None:
        return MustNotAsk(
            code="role",
            said=Said(
                f"the role {role} does not look for orders by {question}",
                f"{ROLES[role].zh}角色不能按 {question} 查询订单",
            ),
        )
    if not purpose and not case:
        return MustNotAsk(
            code="purpose", said=Said("a purpose or a case is missing", "缺少事由或案号")
        )
    if need is Need.CASE and not case:
        return MustNotAsk(
            code="case",
            said=Said(
                f"by {question} only within a case (--case)",
                f"仅可在案件中按 {question} 查询（--case）",
            ),
        )
    if need is Need.OWN and not own:
        return MustNotAsk(
            code="own",
            said=Said(
                "a buyer asks by a number of his order together with its contact or account",
                "买家查询须同时给出订单号（或交易号）与其联系方式（或账号）",
            ),
        )
    if need is Need.SECOND_FACT and not second_fact:
        return MustNotAsk(
            code="second-fact",
            said=Said(
                f"the role {role} asks by {question} together with an amount, a time or a product",
                f"{ROLES[role].zh}角色按 {question} 查询时须同时给出金额、时间或商品",
            ),
        )
    return MayAsk()


# --- fields -------------------------------------------------------------------------------------


class Kind(StrEnum):
    """What a field tells. The names of `archiver.masking.Personal` are those of masked kinds."""

    FACT = "fact"
    """The transaction's own: numbers, amounts, times, product."""
    TRADE = "trade"
    """The shop's business around it: seller, payment numbers, fees, costs, suppliers, mappings."""
    CONTACT = "contact"
    ACCOUNT = "account"
    ADDRESS = "address"
    """An IP address."""
    TEXT = "text"
    """Free text that may name somebody."""
    TRACE = "trace"
    """What narrows a person down beside an address: port, card token."""
    HINT = "hint"
    """The end of a card secret, as sealed."""
    SECRET = "secret"  # noqa: S105  a kind of field
    """Opens with the reveal key only."""
    MATTER = "matter"
    """A hold or a case that concerns the order."""


class Visibility(StrEnum):
    """How a field is shown."""

    WHOLE = "whole"
    MASKED = "masked"
    HIDDEN = "hidden"
    """Not even that it is there."""


_ELEMENT: Final = ".list.element."


def _below(parent: str, names: str) -> list[str]:
    return [parent + name for name in names.split()]


_FACTS: Final = (
    *_below("", "source order_id revision outcome quantity"),
    *_below("", "created_at paid_at delivered_at completed_at closed_at"),
    *_below("", "created_basis paid_basis delivered_basis completed_basis closed_basis"),
    *_below("product.", "name category kind sku"),
    *_below("money.", "unit_price discount coupon_discount total paid currency"),
    *_below(f"payments{_ELEMENT}", "method channel amount callback_at state"),
    *_below(f"deliveries{_ELEMENT}", "kind reusable placeholder"),
    *_below(f"after_sales{_ELEMENT}", "requested_at decided_at paid_at amount route"),
    *_below(f"events{_ELEMENT}", "at kind"),
)
_TRADE: Final = (
    *_below("", "archive first_seen_at source_status"),
    *_below("seller.", "merchant_id name sub_site promoter own"),
    *_below("buyer.", "guest minor"),
    *_below("product.", "id description"),
    *_below("money.", "coupon fees cost_price shares"),
    *_below(f"payments{_ELEMENT}", "provider_no aggregator_no merchant_no"),
    *_below(f"deliveries{_ELEMENT}", "card_id supplier_ref downstream_ref mail_state"),
    f"after_sales{_ELEMENT}number",
    f"extra{_ELEMENT}name",
    *_below("", "mapping_digest completion_rule secret_commitment"),
)

FIELDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(_FACTS, Kind.FACT),
    **dict.fromkeys(_TRADE, Kind.TRADE),
    "buyer.contact": Kind.CONTACT,
    "buyer.account": Kind.ACCOUNT,
    "buyer.client_ip": Kind.ADDRESS,
    "buyer.client_port": Kind.TRACE,
    "buyer.device": Kind.TEXT,
    f"deliveries{_ELEMENT}target": Kind.CONTACT,  # a telephone number, most often
    f"deliveries{_ELEMENT}hint": Kind.HINT,
    f"deliveries{_ELEMENT}card_token": Kind.TRACE,
    f"deliveries{_ELEMENT}secret": Kind.SECRET,
    f"after_sales{_ELEMENT}operator": Kind.ACCOUNT,
    f"after_sales{_ELEMENT}note": Kind.SECRET,
    f"events{_ELEMENT}actor": Kind.ACCOUNT,
    f"events{_ELEMENT}note": Kind.SECRET,
    f"extra{_ELEMENT}value": Kind.TEXT,
    "holds": Kind.MATTER,
    "cases": Kind.MATTER,
}
"""Every leaf of ORDER_V1 by its Parquet path, and what the archive knows about an order."""

_W, _M, _H = Visibility.WHOLE, Visibility.MASKED, Visibility.HIDDEN

_SEES: Final[Mapping[Kind, Mapping[Role, Visibility]]] = {
    # Roles that are missing see nothing of it.
    Kind.FACT: {
        Role.SUPPORT: _W,
        Role.COMPLIANCE: _W,
        Role.AUDITOR: _W,
        Role.CUSTODIAN: _W,
        Role.BUYER: _W,
    },
    Kind.TRADE: {Role.SUPPORT: _W, Role.COMPLIANCE: _W, Role.AUDITOR: _W, Role.CUSTODIAN: _W},
    Kind.CONTACT: {Role.SUPPORT: _M, Role.COMPLIANCE: _W, Role.BUYER: _M},
    Kind.ACCOUNT: {Role.SUPPORT: _M, Role.COMPLIANCE: _W},
    Kind.ADDRESS: {Role.SUPPORT: _M, Role.COMPLIANCE: _W},
    Kind.TEXT: {Role.SUPPORT: _M, Role.COMPLIANCE: _W},
    Kind.TRACE: {Role.COMPLIANCE: _W},
    Kind.HINT: {Role.SUPPORT: _W, Role.COMPLIANCE: _W},
    Kind.SECRET: {},
    Kind.MATTER: {Role.COMPLIANCE: _W, Role.AUDITOR: _W, Role.CUSTODIAN: _W},
}


def visibility(role: Role, field: str) -> Visibility:
    """Return how a field is shown to a role.

    Args:
        role: Of whoever looks.
        field: A key of `FIELDS`; with or without Parquet's `list.element` between.
    """
    kind = FIELDS.get(field) or _SHORT.get(field)
    return _H if kind is None else _SEES[kind].get(role, _H)


_SHORT: Final = {path.replace(_ELEMENT, "."): kind for path, kind in FIELDS.items()}


def kind_of(field: str) -> Kind | None:
    """Return what a field tells, None for one that nobody has decided about."""
    return FIELDS.get(field) or _SHORT.get(field)


# --- commands -----------------------------------------------------------------------------------

_LOOKERS: Final = frozenset({Role.SUPPORT, Role.COMPLIANCE})
_C, _A = Role.COMPLIANCE, Role.AUDITOR
_K, _R = Role.CUSTODIAN, Role.ADMINISTRATOR

COMMANDS: Final[Mapping[str, frozenset[Role]]] = {
    "find": _LOOKERS | {Role.BUYER},
    "show": _LOOKERS,
    "why": _LOOKERS,
    "diagnose": _LOOKERS,
    "export": _LOOKERS,
    "prove": frozenset({_C}),  # whoever shows an order to a stranger sees all of it himself
    "reveal": frozenset({_C}),
    "report": frozenset({_C, _A}),
    "case": frozenset({_C}),
    "hold": frozenset({_C, _K}),
    "dispose": frozenset({_K}),
    "keys": frozenset({_K}),
    "operator add": frozenset({_R}),
    "operator disable": frozenset({_R}),
    "operator reset": frozenset({_R}),
    "operator list": frozenset({_R, _A, _C}),
    "operator release": frozenset({_C}),
    "approvals": frozenset({_C, _A, _K, _R}),
    "approve": frozenset({_C, _K}),
    "access log": frozenset({_C, _A}),
    "decoy add": frozenset({_C}),
    "decoy list": frozenset({_C}),
    "decoy remove": frozenset({_C}),
    "buyer code": frozenset({Role.BUYER}),
    "buyer reveal": frozenset({Role.BUYER}),
    "token add": frozenset({_R}),
    "token revoke": frozenset({_R, _C}),
    "token list": frozenset({_R, _A, _C}),
}
"""Commands that need a person. What only checks or seals (`nightly`, `status`, `verify`, `access
verify`) shows nobody's data and needs none."""


FRESH: Final = frozenset(
    {
        "approve",
        "export",
        "operator add",
        "operator disable",
        "operator release",
        "operator reset",
        "token add",
        "token revoke",
        "decoy add",
        "decoy list",
        "decoy remove",
    }
)
"""Commands that a session alone does not do: they take a code of the last minutes, wherever they
are given. `reveal` takes one of its own each time."""


def may_run(role: Role, command: str) -> bool:
    """Tell whether a role may use a command at all."""
    return role in COMMANDS.get(command, frozenset())


# --- approvals ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """Who may ask for a thing that takes two, and who may grant it."""

    asks: frozenset[Role]
    grants: frozenset[Role]
    single_use: bool
    """It is used up by the first act that rests on it."""


APPROVALS: Final[Mapping[str, ApprovalRule]] = {
    "reveal": ApprovalRule(asks=frozenset({_C}), grants=frozenset({_C, _K}), single_use=True),
    "export": ApprovalRule(asks=_LOOKERS, grants=frozenset({_C}), single_use=True),
    "hold-release": ApprovalRule(
        asks=frozenset({_C, _K}), grants=frozenset({_C, _K}), single_use=True
    ),
    "dispose": ApprovalRule(asks=frozenset({_K}), grants=frozenset({_C}), single_use=True),
}
"""Administrators grant nothing about orders: whoever makes operators could make his second."""


def may_request(role: Role, kind: str) -> bool:
    """Tell whether a role may ask for an approval of this kind."""
    return kind in APPROVALS and role in APPROVALS[kind].asks


def may_grant(role: Role, kind: str, *, own: bool) -> bool:
    """Tell whether a role may grant a request of this kind; never one's own."""
    return not own and kind in APPROVALS and role in APPROVALS[kind].grants


# --- all of it ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell of role x question x field."""

    role: Role
    question: Question
    field: str
    need: Need | None
    """None: the role does not ask this."""
    visibility: Visibility
    """Of the field in the answer; hidden where there is none."""


def matrix() -> Iterator[Cell]:
    """Yield every cell of role x question x field."""
    for role in Role:
        for question in Question:
            need = _ASKS.get(role, {}).get(question)
            for field in FIELDS:
                seen = _H if need is None else visibility(role, field)
                yield Cell(role=role, question=question, field=field, need=need, visibility=seen)
