"""Thieves are caught within 25 orders or 10 misses, slow ones within a day; honest people are not.

Time passes by a frozen clock. A thief is caught when he is not answered any more: blocked, or asked
for a code that he has not got.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from archiver.access_log import AccessLog, Asked, Entry, Outcome
from archiver.access_log.question import neighbours, question_tokens
from archiver.judging import Counts, Level, Limits, judge
from archiver.policy import Role
from archiver.reading_room import decoys_of
from archiver.refusals import BlockedError, SecondFactorNeededError
from archiver.watch import Watch
from tests.access_log.logs import log_in
from tests.clock import NOON, FrozenClock
from tests.service.world import Browser, World, hasten

NAMES = count(1)
KEY: Final = b"k" * 32
CAUGHT: Final = frozenset({"blocked", "second-factor-needed"})
MOST_ORDERS: Final = 25
MOST_MISSES: Final = 10


# --- through the service --------------------------------------------------------------------------


def walk(world: World, browser: Browser, numbers: Iterator[str], pause: timedelta) -> int:
    """Ask for one number after the other; return how many were answered before it ended."""
    for answered, number in enumerate(numbers):
        told = browser.find(order=number)
        if told.status_code != 200:
            assert told.json()["title"] in CAUGHT, told.text
            return answered
        world.later(pause)
    pytest.fail("never caught")


def released(world: World) -> None:
    """Let compliance lift all blocks, for the next test."""
    for block in world.desk.watch.blocks():
        world.desk.watch.release(
            block.subject,
            world.service.desk.logins.session(
                world.operator("dora", "192.0.2.200").client.cookies["__Host-archiver"]
            ),
        )


def test_one_who_counts_through_numbers_is_caught_and_compliance_hears_of_it(world: World) -> None:
    sue = world.operator("sue")
    answered = walk(world, sue, (f"D{n:06d}" for n in count(1)), timedelta(seconds=4))
    assert answered <= MOST_ORDERS
    world.settle()
    assert 'code="watch"' in world.service.gauges.text().decode()


def test_one_who_tries_numbers_at_random_is_caught_by_his_misses(world: World) -> None:
    random_ = random.Random(5)
    sue = world.operator("sue")
    numbers = (f"D{random_.randrange(10**9):09d}" for _ in count())
    assert walk(world, sue, numbers, timedelta(seconds=6)) <= MOST_MISSES
    released(world)


def test_one_who_has_real_numbers_is_caught_at_the_25th(world: World) -> None:
    carol = world.operator("carol")
    random_ = random.Random(6)
    numbers = [row["no"] for row in world.rows]
    random_.shuffle(numbers)
    answered = walk(world, carol, iter(numbers), timedelta(seconds=5))
    assert 20 <= answered <= MOST_ORDERS
    released(world)


def test_a_decoy_is_answered_like_any_other_no_and_counted(world: World) -> None:
    keys = world.service.library.holdings.keys
    (token,) = question_tokens(keys.search.token_key, "order", ["D777777"])
    decoys = decoys_of(world.installation, keys)
    decoys.plant("order", {token: "D777777"}, "carol")
    world.service.library.refresh()
    sue = world.operator("sue")
    decoy, absent = sue.find(order="D777777").json(), sue.find(order="D999999").json()
    for answer in (decoy, absent):
        del answer["access"]
    assert decoy == absent
    assert world.log(2)[0].outcome is Outcome.DECOYED
    told = world.service.gauges.registry.get_sample_value
    assert (
        told("archiver_service_told_total", {"code": "decoy"}) == 1
    )  # at once, not when he next asks
    sue.find(order="D777777")
    world.later(timedelta(minutes=11))
    assert sue.find(order="D000003").json()["title"] == "second-factor-needed"
    confirmed = sue.post("/v1/session/confirm", {"code": world.code("sue")})
    assert confirmed.status_code == 200
    assert sue.find(order="D000003").status_code == 200


def test_a_stolen_token_is_caught_whatever_addresses_it_makes_up(world: World) -> None:
    site, row = world.site("stolen"), world.rows[40]
    for number in range(MOST_MISSES):
        told = site.ask(
            "/v1/buyer/orders",
            order=f"D{number:06d}",
            contact="thief@example.com",
            address=f"2001:db8:{number:x}::1",
        )
        assert told.json()["answer"] == "none"
    caught = site.ask(
        "/v1/buyer/orders", order=row["no"], contact=row["contact"], address="2001:db8:ff::1"
    )
    assert (caught.status_code, caught.json()["title"]) == (403, "blocked")
    assert row["no"] not in caught.text
    assert [one.subject for one in world.desk.watch.blocks()] == ["token:stolen"]
    released(world)


def test_a_buyers_address_is_caught_and_the_shops_other_buyers_are_not(world: World) -> None:
    site, row = world.site("shared"), world.rows[41]
    own = {"order": row["no"], "contact": row["contact"]}
    for number in range(MOST_MISSES):
        for part in range(2):  # other buyers ask meanwhile, and find
            site.ask("/v1/buyer/orders", **own, address=f"198.51.100.{number * 2 + part}")
        site.ask(
            "/v1/buyer/orders",
            order=f"D{number:06d}",
            contact="thief@example.com",
            address=f"2001:db8:7:7::{number + 1:x}",  # one /64, ever new addresses
        )
    thief = site.ask("/v1/buyer/orders", **own, address="2001:db8:7:7:ffff::1")
    assert thief.json()["title"] == "blocked"
    assert site.ask("/v1/buyer/orders", **own, address="198.51.100.200").status_code == 200
    assert [one.subject for one in world.desk.watch.blocks()] == ["place:ip:2001:db8:7:7::/64"]
    released(world)


# --- through the watch alone: days and thousands of sessions --------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who is watched."""

    name: str
    origin: str
    role: Role = Role.SUPPORT
    confirmed_at: datetime = NOON - timedelta(days=1)


@dataclass(slots=True)
class Street:
    """A log and its watch."""

    clock: FrozenClock
    log: AccessLog

    @property
    def watch(self) -> Watch:
        return Watch(state=self.log.state, log=self.log, clock=self.clock)

    def ask(self, who: Asker, number: int, *, found: bool) -> str:
        """Ask for an order; return the title of a refusal, or nothing."""
        try:
            self.watch.require_clear(who, "find")
        except (BlockedError, SecondFactorNeededError) as error:
            return error.code
        text = f"D{number:09d}"
        token = question_tokens(KEY, "order", [text])[0]
        beside = self.watch.stepped(who, question_tokens(KEY, "order", neighbours(text)))
        self.log.record(
            Entry(
                command="find",
                outcome=Outcome.ANSWERED if found else Outcome.MISSED,
                operator=who.name,
                origin=who.origin,
                question=(Asked(kind="order", token=token, beside=beside),),
                orders=(token,) if found else (),
                count=int(found),
            )
        )
        return ""


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    """A log in which nothing was asked yet."""
    clock = FrozenClock()
    log = replace(log_in(tmp_path, clock), head_file=None)
    hasten(log.state)
    yield Street(clock, log)
    log.state.close()


RANDOM: Final = random.Random(9)
SLOW: Final[Mapping[str, tuple[Callable[[int], int], bool]]] = {
    "counts": (lambda n: n, True),
    "misses": (lambda _: RANDOM.randrange(10**9), False),
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_slow_thief_is_caught_within_a_day(street: Street, kind: str) -> None:
    number, found = SLOW[kind]
    thief = Asker(name="sue", origin="ip:203.0.113.7")
    pause = timedelta(minutes=10)
    for step in range(timedelta(days=1) // pause):
        if street.ask(thief, number(step), found=found):
            return
        street.clock.advance(pause)
    pytest.fail("not within a day")


def test_one_who_takes_turns_with_addresses_of_a_network_is_caught(street: Street) -> None:
    """Sixteen stolen sessions, each from its own address of one /24, each slow by itself."""
    for step in count():
        name = f"stolen-{step % 4}"
        who = Asker(name=name, origin=f"ip:203.0.113.{step % 16}")
        if told := street.ask(who, RANDOM.randrange(10**9), found=False):
            assert told in CAUGHT
            break
        street.clock.advance(timedelta(seconds=5))
    assert step <= 8 * MOST_MISSES


def test_fifty_honest_agents_behind_one_address_are_left_alone(street: Street) -> None:
    agents = [Asker(name=f"agent-{n}", origin="ip:203.0.113.7") for n in range(50)]
    random_ = random.Random(11)
    for step in range(120):  # a busy office: a question every minute each, one in ten finds nothing
        found = random_.random() > MISSING
        assert street.ask(agents[step % 50], random_.randrange(10**9), found=found) == ""
        street.clock.advance(timedelta(seconds=1.2))


MISSING: Final = 0.1
"""Of an honest agent's questions: numbers that were read out wrong."""
PACE: Final = (1 / 600, 1 / 180)
"""Questions a second of an honest agent, from a quiet desk to a busy one: 48 to 160 a day."""


def test_of_ten_thousand_honest_sessions_at_most_one_gives_a_false_alarm() -> None:
    """Eight hours each, five a week; orders differ, and no number follows another."""
    random_ = random.Random(12)
    alarms = 0
    for _ in range(2_000):
        pace = random_.uniform(*PACE)
        week = [_fullest_windows(random_, pace) for _ in range(5)]
        missed = sum(one.misses_per_day for one in week)
        judged = [judge(replace(one, misses_per_week=missed), Limits()) for one in week]
        alarms += sum(one.level is not Level.CALM for one in judged)
    assert alarms <= 1


def _fullest_windows(random_: random.Random, pace: float) -> Counts:
    at = 0.0
    shown: list[float] = []
    missed: list[float] = []
    while (at := at + random_.expovariate(pace)) < 8 * 3_600:
        (missed if random_.random() < MISSING else shown).append(at)
    return Counts(
        orders_per_5m=_fullest(shown, 300),
        misses_per_5m=_fullest(missed, 300),
        orders_per_hour=_fullest(shown, 3_600),
        misses_per_hour=_fullest(missed, 3_600),
        orders_per_day=len(shown),
        misses_per_day=len(missed),
    )


def _fullest(times: list[float], window: float) -> int:
    """Return how many lie in the fullest window of this length."""
    first = most = 0
    for last, at in enumerate(times):
        while times[first] <= at - window:
            first += 1
        most = max(most, last - first + 1)
    return most
