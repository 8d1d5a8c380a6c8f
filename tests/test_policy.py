"""Who may see and ask what: each cell of the tables, written down a second time by hand."""

from typing import Final

import pytest

from archiver import policy
from archiver.masking import Personal
from archiver.policy import (
    APPROVALS,
    COMMANDS,
    FIELDS,
    Kind,
    MayAsk,
    MustNotAsk,
    Need,
    Question,
    Role,
    Visibility,
    may_ask,
    may_grant,
    may_request,
    may_run,
    visibility,
)
from schemas.orders import ORDER_V1, leaf_paths

ASKS: Final = """
              order payment account contact ip merchant target card scan
support       yes   yes     yes     fact    fact fact   fact   no   yes
compliance    yes   yes     yes     yes     yes  yes    yes    case yes
auditor       no    no      no      no      no   no     no     no   no
custodian     no    no      no      no      no   no     no     no   no
administrator no    no      no      no      no   no     no     no   no
buyer         own   own     own     own     no   no     no     no   no
"""
NEEDS: Final = {
    "yes": Need.NOTHING,
    "fact": Need.SECOND_FACT,
    "case": Need.CASE,
    "own": Need.OWN,
    "no": None,
}

SEES: Final = """
                            support compliance buyer
order_id                    whole   whole     whole
money.paid                  whole   whole     whole
seller.name                 whole   whole     hidden
payments.provider_no        whole   whole     hidden
buyer.contact               masked  whole     masked
buyer.account               masked  whole     hidden
buyer.client_ip             masked  whole     hidden
buyer.client_port           hidden  whole     hidden
buyer.device                masked  whole     hidden
deliveries.target           masked  whole     masked
deliveries.hint             whole   whole     hidden
deliveries.card_token       hidden  whole     hidden
deliveries.secret           hidden  hidden    hidden
after_sales.operator        masked  whole     hidden
after_sales.note            hidden  hidden    hidden
events.actor                masked  whole     hidden
events.note                 hidden  hidden    hidden
extra.value                 masked  whole     hidden
holds                       hidden  whole     hidden
cases                       hidden  whole     hidden
a_field_of_tomorrow         hidden  hidden    hidden
"""
"""All fields that are not plain facts, and some of those that are."""

SEEN_BY_A_BUYER: Final = """
source order_id revision outcome quantity
created_at paid_at delivered_at completed_at closed_at
created_basis paid_basis delivered_basis completed_basis closed_basis
product.name product.category product.kind product.sku
money.unit_price money.discount money.coupon_discount money.total money.paid money.currency
payments.method payments.channel payments.amount payments.callback_at payments.state
deliveries.kind deliveries.reusable deliveries.placeholder deliveries.target
after_sales.requested_at after_sales.decided_at after_sales.paid_at after_sales.amount
after_sales.route events.at events.kind buyer.contact
"""

RUNS: Final = """
                 support compliance auditor custodian administrator buyer
find             yes     yes        no      no        no      yes
show             yes     yes        no      no        no      no
why              yes     yes        no      no        no      no
diagnose         yes     yes        no      no        no      no
export           yes     yes        no      no        no      no
prove            no      yes        no      no        no      no
reveal           no      yes        no      no        no      no
report           no      yes        yes     no        no      no
case             no      yes        no      no        no      no
hold             no      yes        no      yes       no      no
dispose          no      no         no      yes       no      no
keys             no      no         no      yes       no      no
operator-add     no      no         no      no        yes     no
operator-disable no      no         no      no        yes     no
operator-reset   no      no         no      no        yes     no
operator-list    no      yes        yes     no        yes     no
operator-release no      yes        no      no        no      no
approvals        no      yes        yes     yes       yes     no
approve          no      yes        no      yes       no      no
access-log       no      yes        yes     no        no      no
decoy-add        no      yes        no      no        no            no
decoy-list       no      yes        no      no        no            no
decoy-remove     no      yes        no      no        no            no
buyer-code       no      no         no      no        no            yes
buyer-reveal     no      no         no      no        no            yes
token-add        no      no         no      no        yes           no
token-revoke     no      yes        no      no        yes           no
token-list       no      yes        yes     no        yes           no
nightly          no      no         no      no        no      no
"""


def table(text: str) -> dict[tuple[str, str], str]:
    """Return the cells of a table by row and column."""
    head, *rows = text.strip("\n").splitlines()
    columns = head.split()
    return {
        (row.split()[0], column): cell
        for row in rows
        for column, cell in zip(columns, row.split()[1:], strict=True)
    }


def short(path: str) -> str:
    return path.replace(".list.element.", ".")


def test_every_cell_of_role_question_and_field_is_as_written_down() -> None:
    asks, sees = table(ASKS), table(SEES)
    cells = list(policy.matrix())

    for cell in cells:
        need = NEEDS[asks[cell.role, cell.question]]
        plain = {Kind.FACT: "whole", Kind.TRADE: "whole"}.get(FIELDS[cell.field])
        if cell.role is Role.BUYER and FIELDS[cell.field] is Kind.TRADE:
            plain = "hidden"
        expected = sees.get((short(cell.field), cell.role), plain)
        assert cell.need == need, cell
        assert cell.visibility == ("hidden" if need is None else expected), cell
    assert len(cells) == len(Role) * len(Question) * len(FIELDS) > 2_000


def test_each_field_of_an_order_is_decided_and_none_that_is_not_there() -> None:
    assert set(FIELDS) == {*leaf_paths(ORDER_V1), "holds", "cases"}


def test_what_the_reveal_key_opens_is_a_secret_to_every_role() -> None:
    revealed = {path for path, key in leaf_paths(ORDER_V1).items() if key == "reveal"}

    assert {path for path, kind in FIELDS.items() if kind is Kind.SECRET} == revealed
    assert all(visibility(role, path) is Visibility.HIDDEN for role in Role for path in revealed)


@pytest.mark.parametrize(("cell", "expected"), table(SEES).items())
def test_a_field_is_shown_as_written_down(cell: tuple[str, str], expected: str) -> None:
    assert visibility(Role(cell[1]), cell[0]) == expected


def test_every_masked_kind_has_its_mask() -> None:
    masked = {
        policy.kind_of(path)
        for path in FIELDS
        if any(visibility(role, path) is Visibility.MASKED for role in Role)
    }

    assert masked == set(map(Kind, Personal))


@pytest.mark.parametrize("question", Question)
@pytest.mark.parametrize("role", Role)
def test_a_question_is_refused_for_exactly_what_is_missing(role: Role, question: Question) -> None:
    need = table(ASKS)[role, question]

    def code(
        *, purpose: bool = True, case: bool = False, fact: bool = False, own: bool = False
    ) -> str:
        found = may_ask(role, question, purpose=purpose, case=case, second_fact=fact, own=own)
        return found.code if isinstance(found, MustNotAsk) else "may"

    expected = {"no": "role", "yes": "may", "fact": "second-fact", "case": "case", "own": "own"}
    assert code() == expected[need]
    assert code(fact=True) == ("may" if need == "fact" else expected[need])
    assert code(case=True) == ("may" if need == "case" else expected[need])
    assert code(own=True) == ("may" if need == "own" else expected[need])
    assert code(purpose=False, fact=True) == ("role" if need == "no" else "purpose")
    if need != "no":
        assert (
            may_ask(role, question, purpose=False, case=True, second_fact=True, own=True)
            == MayAsk()
        )


def test_what_a_buyer_sees_is_his_transaction_and_nothing_of_the_shops_business() -> None:
    seen = {short(path) for path in FIELDS if visibility(Role.BUYER, path) is not Visibility.HIDDEN}

    assert seen == set(SEEN_BY_A_BUYER.split())


def test_a_refusal_speaks_both_languages() -> None:
    for role in Role:
        for question in Question:
            found = may_ask(role, question, purpose=False, case=False, second_fact=False)
            assert isinstance(found, MustNotAsk)
            assert found.said.en.isascii()
            assert found.said.zh != found.said.en


@pytest.mark.parametrize(("cell", "expected"), table(RUNS).items())
def test_a_command_is_for_these_roles(cell: tuple[str, str], expected: str) -> None:
    command, role = cell
    assert may_run(Role(role), command.replace("-", " ")) is (expected == "yes")


def test_whoever_proves_an_order_sees_all_of_it_himself_but_card_secrets() -> None:
    """A proof shows the leaves as they were sealed: nobody gets a whole field by proving it."""
    provers = [role for role in Role if may_run(role, "prove")]
    assert provers
    for role in provers:
        for field, kind in FIELDS.items():
            if kind not in (Kind.SECRET, Kind.MATTER):
                assert visibility(role, field) is Visibility.WHOLE


def test_every_command_is_written_down() -> None:
    assert {name.replace(" ", "-") for name in COMMANDS} | {"nightly"} == {
        row for row, _ in table(RUNS)
    }


@pytest.mark.parametrize("kind", APPROVALS)
def test_nobody_grants_his_own_request_and_administrators_grant_nothing(kind: str) -> None:
    assert not any(may_grant(role, kind, own=True) for role in Role)
    assert not may_grant(Role.ADMINISTRATOR, kind, own=False)
    assert not may_grant(Role.SUPPORT, kind, own=False)
    assert any(may_grant(role, kind, own=False) for role in Role)
    assert any(may_request(role, kind) for role in Role)


def test_what_no_table_names_cannot_be_asked_for_or_granted() -> None:
    assert not any(may_request(role, "format-the-disk") for role in Role)
    assert not any(may_grant(role, "format-the-disk", own=False) for role in Role)
