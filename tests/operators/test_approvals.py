"""What takes two people takes two people, once."""

from datetime import timedelta

import pytest

from archiver.errors import RequestError
from archiver.operators import Approval, Approvals
from archiver.policy import APPROVALS, ROLES
from archiver.refusals import ApprovalNeededError, NotAllowedError
from tests.operators.people import People

ORDER = {"order": "ab" * 8, "case": "京公〔2026〕7号"}


def approvals(people: People) -> Approvals:
    return Approvals(state=people.state, clock=people.clock)


def ask(people: People, name: str = "carol") -> Approval:
    return approvals(people).request("reveal", ORDER, people.login(name), said="one order")


def test_the_first_call_asks_and_after_somebody_elses_grant_it_returns(people: People) -> None:
    carol, chen = people.login("carol"), people.login("chen")
    with pytest.raises(ApprovalNeededError) as caught:
        approvals(people).require_granted("reveal", ORDER, carol, said="one order")
    assert caught.value.next_command == "archiver approve 1"
    assert caught.value.text("zh") == "请求 1 需由他人（合规、保管）批准"

    approvals(people).decide(1, chen, granted=True)
    approvals(people).decide(1, chen, granted=True)
    found = approvals(people).require_granted("reveal", ORDER, carol, said="one order")
    assert (found.number, found.decided_by, found.asked_by) == (1, "chen", "carol")


def test_nobody_grants_his_own_request(people: People) -> None:
    ask(people)
    with pytest.raises(NotAllowedError):
        approvals(people).decide(1, people.login("carol"), granted=True)
    assert approvals(people).find(1).granted is None


@pytest.mark.parametrize("name", ["sue", "root"])
def test_only_roles_that_may_grant_do(people: People, name: str) -> None:
    ask(people)
    with pytest.raises(NotAllowedError):
        approvals(people).decide(1, people.login(name), granted=True)


@pytest.mark.parametrize("name", ["sue", "root", "kai"])
def test_only_roles_that_may_ask_do(people: People, name: str) -> None:
    with pytest.raises(NotAllowedError):
        ask(people, name)


def test_an_approval_is_used_once(people: People) -> None:
    carol = people.login("carol")
    made = ask(people)
    approvals(people).decide(made.number, people.login("kai"), granted=True)

    assert approvals(people).consume(made, carol).used_at == people.clock.now()
    with pytest.raises(NotAllowedError):
        approvals(people).consume(made, carol)
    with pytest.raises(ApprovalNeededError) as caught:
        approvals(people).require_granted("reveal", ORDER, carol, said="again")
    assert caught.value.params["number"] == 2


def test_an_approval_holds_for_exactly_what_was_asked_and_for_who_asked(people: People) -> None:
    made = ask(people)
    approvals(people).decide(made.number, people.login("kai"), granted=True)
    for parameters, name in [({**ORDER, "order": "cd" * 8}, "carol"), (ORDER, "chen")]:
        with pytest.raises(ApprovalNeededError):
            approvals(people).require_granted(
                "reveal", parameters, people.login(name), said="another"
            )
    with pytest.raises(NotAllowedError):
        approvals(people).consume(made, people.login("chen"))


def test_what_waits_or_was_granted_expires(people: People) -> None:
    carol, made = people.login("carol"), ask(people)
    people.clock.advance(timedelta(hours=24))
    with pytest.raises(RequestError):
        approvals(people).decide(made.number, people.login("kai"), granted=True)
    again = ask(people)
    assert again.number == 2
    approvals(people).decide(again.number, people.login("kai"), granted=True)
    people.clock.advance(timedelta(hours=24))
    with pytest.raises(NotAllowedError):
        approvals(people).consume(again, carol)


def test_what_was_refused_stays_refused(people: People) -> None:
    made, kai = ask(people), people.login("kai")
    approvals(people).decide(made.number, kai, granted=False)
    with pytest.raises(RequestError):
        approvals(people).decide(made.number, kai, granted=True)
    with pytest.raises(NotAllowedError):
        approvals(people).require_granted("reveal", ORDER, people.login("carol"), said="x")
    with pytest.raises(NotAllowedError):
        approvals(people).consume(made, people.login("carol"))


def test_what_somebody_granted_ends_when_he_is_disabled(people: People) -> None:
    carol, made = people.login("carol"), ask(people)
    approvals(people).decide(made.number, people.login("kai"), granted=True)
    people.register.disable("kai")
    with pytest.raises(ApprovalNeededError):
        approvals(people).require_granted("reveal", ORDER, carol, said="x")
    with pytest.raises(NotAllowedError):
        approvals(people).consume(made, carol)


def test_what_waits_is_listed_for_whoever_decides(people: People) -> None:
    first, _ = ask(people), ask(people, "chen")
    assert [one.asked_by for one in approvals(people).all()] == ["chen", "carol"]
    approvals(people).decide(first.number, people.login("kai"), granted=False)
    assert [one.asked_by for one in approvals(people).all()] == ["chen"]
    assert len(approvals(people).all(waiting=False)) == 2


def test_a_request_that_is_not_there_is_a_wrong_request(people: People) -> None:
    with pytest.raises(RequestError):
        approvals(people).decide(7, people.login("kai"), granted=True)


def test_roles_have_names_in_both_languages() -> None:
    for rule in APPROVALS.values():
        assert {*rule.asks, *rule.grants} <= set(ROLES)
