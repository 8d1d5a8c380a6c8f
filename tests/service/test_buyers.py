"""A buyer sees his own orders, and his cards by a code that goes where the archive says."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from typing import Any

from archiver.access_log import Outcome
from archiver.service.buyers import Counter
from archiver.service.codes import GUESSES, LASTS, PER_ORDER, TRIES, Codes
from archiver.service.questions import Mine
from tests.archives import Row
from tests.service.world import Site, World

NAMES = count(1)


def site_of(world: World, budget: int = 2_000) -> Site:
    return world.site(f"site-{next(NAMES)}", budget)


def own(row: Row) -> Mapping[str, str]:
    return {"order": row["no"], "contact": row["contact"]}


def code_for(world: World, site: Site, row: Row) -> tuple[str, str]:
    answer = site.ask("/v1/buyer/codes", **own(row))
    assert answer.status_code == 202, answer.text
    world.settle()
    return answer.json()["challenge"], world.mail.sent[-1][1]


def test_a_buyer_sees_what_he_bought_and_nothing_of_the_shops_business(world: World) -> None:
    site, row = site_of(world), world.rows[3]
    answer = site.ask("/v1/buyer/orders", **own(row))

    (order,) = answer.json()["orders"]
    assert (order["order_id"], answer.json()["as_of"]) == (row["no"], "2026-03-03")
    assert "seller" not in order or order["seller"] == {}
    assert not any("provider_no" in one for one in order["payments"] or ())
    assert row["contact"] not in answer.text
    assert row["secret"].splitlines()[0][-4:] not in answer.text
    entry = world.log(1)[0]
    assert (entry.operator, entry.role) == (f"token:{site.name}", "buyer")
    assert entry.origin == "ip:198.51.100.9 via:192.0.2.80"


def test_not_there_and_somebody_elses_look_alike_and_leave_at_the_same_time(world: World) -> None:
    site, row = site_of(world), world.rows[5]
    other = next(one for one in world.rows if one["contact"] != row["contact"])
    world.pauses.clear()
    absent = site.ask("/v1/buyer/orders", order="NEVER-WAS", contact=row["contact"])
    foreign = site.ask("/v1/buyer/orders", order=row["no"], contact=other["contact"])

    assert absent.content == foreign.content
    same = ("content-type", "content-length", "cache-control")
    assert [absent.headers[n] for n in same] == [foreign.headers[n] for n in same]
    assert world.pauses == [0.15, 0.15]
    entries = world.log(2)
    assert {one.outcome for one in entries} == {Outcome.MISSED}
    assert not any(one.objects for one in entries)  # neither has opened a partition


def test_a_code_goes_to_the_archived_contact_and_shows_the_cards_once(world: World) -> None:
    site, row = site_of(world), world.rows[8]
    challenge, code = code_for(world, site, row)
    assert world.mail.sent[-1][0] == row["contact"]

    wrong = site.ask("/v1/buyer/reveal", challenge=challenge, code=f"{int(code) ^ 1:08d}")
    assert (wrong.status_code, wrong.json()["title"]) == (403, "code-refused")
    shown = site.ask("/v1/buyer/reveal", challenge=challenge, code=code)
    assert shown.status_code == 200, shown.text
    assert [one["secret"] for one in shown.json()["deliveries"]] == row["secret"].splitlines()
    assert site.ask("/v1/buyer/reveal", challenge=challenge, code=code).status_code == 403
    entry = world.log(2)[0]
    assert (entry.command, entry.outcome, entry.count) == ("buyer reveal", Outcome.REVEALED, 1)
    assert b'archiver_service_told_total{code="revealed"}' in world.service.gauges.text()


def test_of_two_that_redeem_a_code_at_once_one_is_shown_the_cards(world: World) -> None:
    site = site_of(world)
    challenge, code = code_for(world, site, world.rows[9])
    with ThreadPoolExecutor(2) as both:
        given = [
            both.submit(world.service.codes.redeem, site.name, challenge, code) for _ in range(2)
        ]
    assert sorted(one.result() is None for one in given) == [False, True]


def test_a_code_ends_and_cannot_be_guessed_and_is_of_one_site(world: World) -> None:
    site, other, codes = site_of(world), site_of(world), world.service.codes
    challenge, code = code_for(world, site, world.rows[10])
    assert codes.redeem(other.name, challenge, code) is None
    for _ in range(TRIES):
        assert codes.redeem(site.name, challenge, "00000000") is None
    assert codes.redeem(site.name, challenge, code) is None

    challenge, code = code_for(world, site, world.rows[11])
    world.later(LASTS)
    assert codes.redeem(site.name, challenge, code) is None


def test_for_somebody_elses_order_nothing_is_sent_and_nothing_looks_different(world: World) -> None:
    site, row = site_of(world), world.rows[12]
    sent = len(world.mail.sent)
    answers = [
        site.ask("/v1/buyer/codes", order=row["no"], contact="thief@example.com"),
        site.ask("/v1/buyer/codes", order="NEVER-WAS", contact=row["contact"]),
    ]
    world.settle()
    assert [one.status_code for one in answers] == [202, 202]
    assert {frozenset(one.json()) for one in answers} == {frozenset({"challenge", "expires_in"})}
    assert len(world.mail.sent) == sent
    refused = site.ask("/v1/buyer/reveal", challenge=answers[0].json()["challenge"], code="1" * 8)
    assert refused.json()["title"] == "code-refused"


def test_a_contact_is_not_rung_up_all_day(world: World) -> None:
    site, row, sent = site_of(world), world.rows[13], len(world.mail.sent)
    for _ in range(PER_ORDER + 2):
        assert site.ask("/v1/buyer/codes", **own(row)).status_code == 202
    world.settle()
    assert len(world.mail.sent) == sent + PER_ORDER


def test_an_order_by_another_of_its_numbers_is_the_same_order_to_its_contact(
    world: World,
) -> None:
    site, sent = site_of(world), len(world.mail.sent)
    row = next(one for one in world.rows[20:] if one["channel"] and one["contact"])
    for number in ({"order": row["no"]}, {"payment_no": row["trade_no"]}):
        for _ in range(PER_ORDER):
            told = site.ask("/v1/buyer/codes", **number, contact=row["contact"])
            assert told.status_code == 202
        world.settle()
        assert len(world.mail.sent) == sent + PER_ORDER


def test_guessing_at_a_masked_contact_ends_after_a_few_whatever_address_is_told(
    world: World,
) -> None:
    site, row = site_of(world), world.rows[14]
    for number in range(GUESSES):
        told = site.ask(
            "/v1/buyer/orders",
            order=row["no"],
            contact=f"138000{number:05d}",
            address=f"198.51.{number}.7",
        )
        assert told.json()["answer"] == "none"
    right = site.ask("/v1/buyer/orders", **own(row), address="198.51.77.7")
    assert right.json()["answer"] == "none"  # the right one is not told from the wrong ones
    world.later(timedelta(hours=1, seconds=1))
    assert site.ask("/v1/buyer/orders", **own(row)).json()["answer"] == "found"


class Rushed(Codes):
    """Codes to which, while a question is looked for, others about the same number come."""

    def guarded(self, target: str) -> bool:
        told = super().guarded(target)
        for _ in range(GUESSES):
            self.guessed(target)
        return told


def test_many_guesses_at_once_are_no_more_than_one_after_the_other(world: World) -> None:
    service, codes, row = world.service, world.service.codes, world.rows[17]
    token = service.tokens.held(site_of(world).secret)
    counter = Counter(
        library=service.library,
        desk=service.desk.seen_from("ip:192.0.2.80"),
        token=token,  # type: ignore[arg-type]
        codes=Rushed(state=codes.state, clock=codes.clock, token_key=codes.token_key),
        unusual=service.told_of,
        blocked=service.teller.refused,
    )
    told = counter.mine(Mine(**own(row), address="198.51.100.9"))
    assert (told["answer"], told["orders"]) == ("none", [])
    assert world.log(1)[0].detail == "guarded"


def test_a_token_has_a_budget_and_ends_when_it_is_revoked(world: World) -> None:
    site, row = site_of(world, budget=2), world.rows[15]
    for _ in range(2):
        assert site.ask("/v1/buyer/orders", **own(row)).status_code == 200
    spent = site.ask("/v1/buyer/orders", **own(row))
    assert (spent.status_code, spent.headers["retry-after"]) == (429, "3600")
    world.service.tokens.revoke(site.name)
    ended = site.ask("/v1/buyer/orders", **own(row))
    assert (ended.status_code, ended.json()["title"]) == (401, "login-needed")


def test_a_request_names_one_number_and_one_owner(world: World) -> None:
    site, row = site_of(world), world.rows[16]
    bad: list[dict[str, Any]] = [
        {"order": row["no"]},
        {"contact": row["contact"]},
        {**own(row), "payment_no": "1"},
        {**own(row), "account": "x"},
        {**own(row), "address": "not an address"},
        {**own(row), "more": 1},
    ]
    for body in bad:
        assert site.ask("/v1/buyer/orders", **body).status_code == 422
