"""The watch tells looking up from harvesting, and what it finds has consequences."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.access_log import AccessLog, Asked, Entry, Outcome
from archiver.access_log.entry import place_of
from archiver.access_log.question import neighbours, question_tokens
from archiver.errors import RequestError
from archiver.judging import Counts, Level, Limits, different_orders, judge
from archiver.policy import Role
from archiver.refusals import BlockedError, NotAllowedError, SecondFactorNeededError
from archiver.watch import CONFIRMED_FOR, Watch
from tests.access_log.logs import QUESTION, log_in
from tests.clock import NOON, FrozenClock

LIMITS: Final = Limits(
    orders_per_5m=1_000,
    misses_per_5m=1_000,
    misses_per_day=1_000,
    steps_per_day=1_000,
    decoys_per_day=2,
    orders_per_hour=10,
    orders_per_day=30,
    misses_per_hour=4,
    misses_per_week=8,
    steps_per_hour=2,
    place_factor=3,
)
MINUTE: Final = timedelta(minutes=1)
MEASURES: Final = [one.name for one in fields(Counts)]
SHOWING: Final = (Outcome.ANSWERED, Outcome.REVEALED)
PLACE: Final = "clerk@desk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clerk:
    """Who is watched."""

    name: str = "alice"
    role: Role = Role.SUPPORT
    origin: str = PLACE
    confirmed_at: datetime = NOON - timedelta(hours=2)


@dataclass(slots=True)
class Site:
    """A watch over one log; questions pass in no time."""

    clock: FrozenClock
    log: AccessLog

    @property
    def watch(self) -> Watch:
        """The watch, opened anew as by another process."""
        return Watch(state=self.log.state, log=self.log, clock=self.clock, limits=LIMITS)

    def ask(self, clerk: Clerk, **changes: Any) -> None:  # noqa: ANN401  as `replace` takes them
        """Record a question without looking at the watch."""
        entry = replace(QUESTION, operator=clerk.name, origin=clerk.origin, orders=(), count=0)
        self.log.record(replace(entry, **changes))

    def look_at(self, clerk: Clerk, count: int, first: int = 0, case: str | None = None) -> None:
        """Show so many different orders."""
        for number in range(first, first + count):
            self.ask(clerk, orders=(f"{number:016x}",), count=1, case=case)

    def miss(self, clerk: Clerk, count: int) -> None:
        """Ask so many questions that find nothing."""
        for _ in range(count):
            self.ask(clerk, outcome=Outcome.MISSED)

    def level(self, clerk: Clerk) -> str:
        """Return what becomes of the next question."""
        try:
            alarms = self.watch.require_clear(clerk, "find")
        except (SecondFactorNeededError, BlockedError) as error:
            return error.code
        return "alarm" if alarms else "calm"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A log in which nothing was asked yet."""
    clock = FrozenClock()
    log = replace(log_in(tmp_path, clock), head_file=None)
    yield Site(clock, log)
    log.state.close()


def test_more_and_more_orders_lead_to_alarm_code_and_block(site: Site) -> None:
    alice, told = Clerk(), []
    for number in range(31):
        told.append(site.level(alice))
        site.look_at(alice, 1, first=number)
    assert told == ["calm"] * 10 + ["alarm"] * 10 + ["second-factor-needed"] * 10 + ["blocked"]


def test_the_same_order_again_is_no_other_order(site: Site) -> None:
    for _ in range(40):
        site.look_at(Clerk(), 1)
    assert site.level(Clerk()) == "calm"


def test_orders_that_an_entry_does_not_list_count(site: Site) -> None:
    site.ask(Clerk(), orders=("ab" * 8,), count=40)
    assert site.level(Clerk()) == "blocked"


def test_orders_of_a_case_and_what_was_denied_do_not_count(site: Site) -> None:
    site.look_at(Clerk(), 40, case="京公〔2026〕7号")
    for _ in range(40):
        site.ask(Clerk(), outcome=Outcome.DENIED)
    assert site.level(Clerk()) == "calm"


def test_windows_slide(site: Site) -> None:
    site.look_at(Clerk(), 10)
    assert site.level(Clerk()) == "alarm"
    site.clock.advance(60 * MINUTE)
    assert site.level(Clerk()) == "calm"
    site.look_at(Clerk(), 9, first=10)
    site.clock.advance(60 * MINUTE)
    site.look_at(Clerk(), 9, first=19)
    site.clock.advance(60 * MINUTE)
    assert site.level(Clerk()) == "calm"
    site.look_at(Clerk(), 2, first=28)
    assert site.level(Clerk()) == "alarm"  # thirty in a day


def test_a_budget_of_misses_lasts_a_week(site: Site) -> None:
    for _ in range(4):
        site.miss(Clerk(), 2)
        site.clock.advance(timedelta(days=1))
    assert site.level(Clerk()) == "alarm"
    site.clock.advance(timedelta(days=3))
    assert site.level(Clerk()) == "calm"
    site.miss(Clerk(), 4)
    assert site.level(Clerk()) == "alarm"  # four in an hour


def test_a_fresh_code_lets_him_go_on_for_a_while_and_not_past_the_block(site: Site) -> None:
    site.look_at(Clerk(), 20)
    assert site.level(Clerk()) == "second-factor-needed"
    confirmed = Clerk(confirmed_at=site.clock.now())
    assert site.level(confirmed) == "alarm"
    site.clock.advance(CONFIRMED_FOR)
    assert site.level(confirmed) == "second-factor-needed"
    assert site.level(replace(confirmed, confirmed_at=NOON + timedelta(days=1))) != "alarm"
    site.look_at(Clerk(), 10, first=20)
    assert site.level(Clerk(confirmed_at=site.clock.now())) == "blocked"


def test_a_block_stays_until_somebody_else_releases_it(site: Site) -> None:
    alice, carol = Clerk(), Clerk(name="carol", role=Role.COMPLIANCE, origin="carol@office")
    site.miss(alice, 12)
    assert site.level(alice) == "blocked"
    site.clock.advance(timedelta(days=30))
    assert site.level(alice) == "blocked"
    assert [one.subject for one in site.watch.blocks()] == ["operator:alice"]
    with pytest.raises(NotAllowedError):
        site.watch.release("operator:alice", alice)

    site.watch.release("operator:alice", carol)
    assert site.level(alice) == "calm"
    with pytest.raises(RequestError):
        site.watch.release("operator:alice", carol)
    assert site.watch.blocks() == ()


def test_after_a_release_counting_begins_anew_and_can_block_again(site: Site) -> None:
    carol = Clerk(name="carol", origin="carol@office")
    for _ in range(2):
        site.miss(Clerk(), 12)
        assert site.level(Clerk()) == "blocked"
        site.clock.advance(MINUTE)
        site.watch.release("operator:alice", carol)
        assert site.level(Clerk(origin="another@desk")) == "calm"
        site.clock.advance(MINUTE)


def test_another_operator_elsewhere_is_not_concerned(site: Site) -> None:
    site.miss(Clerk(), 12)
    assert site.level(Clerk()) == "blocked"
    assert site.level(Clerk(name="bob", origin="bob@office")) == "calm"
    assert site.level(Clerk(name="bob")) == "alarm"  # the same place: 12 of 3 times 4


def test_people_who_together_ask_too_much_block_the_place_that_they_share(site: Site) -> None:
    for number in range(3):
        site.miss(Clerk(name=f"name-{number}"), 12)
    assert site.level(Clerk(name="new")) == "blocked"
    assert [one.subject for one in site.watch.blocks()] == [f"place:{PLACE}"]
    assert site.level(Clerk(name="new", origin="elsewhere@host")) == "calm"
    site.watch.release(f"place:{PLACE}", Clerk(name="carol"))
    assert site.level(Clerk(name="new")) == "calm"


def test_a_refusal_is_recorded_with_its_reason(site: Site) -> None:
    site.miss(Clerk(), 12)
    site.level(Clerk())
    entry = site.log.entries(operator="alice")[-1].entry
    assert (entry.command, entry.outcome) == ("find", Outcome.DENIED)
    assert entry.detail == "blocked operator:alice"
    with pytest.raises(BlockedError) as caught:
        site.watch.require_clear(Clerk(), "show")
    assert caught.value.next_command == "archiver operator release alice"
    assert "12" in caught.value.text("zh")


def test_counting_through_order_numbers_is_noticed_by_tokens_alone(site: Site) -> None:
    def token(value: str) -> str:
        return question_tokens(b"k" * 32, "order", [value])[0]

    told = []
    for number in range(1000, 1008):
        beside = question_tokens(b"k" * 32, "order", neighbours(f"D{number}"))
        stepped = site.watch.stepped(Clerk(), beside)
        told.append(site.level(Clerk()))
        asked = Asked(kind="order", token=token(f"D{number}"), beside=stepped)
        site.ask(Clerk(), question=(asked,), outcome=Outcome.ANSWERED)
    assert told[:3] == ["calm"] * 3
    assert told[3:] == ["alarm", "alarm", "second-factor-needed", "second-factor-needed", "blocked"]
    site.clock.advance(61 * MINUTE)
    assert site.watch.stepped(Clerk(), [token("D1007")])  # a slow walk is one, too
    assert not site.watch.stepped(Clerk(name="bob"), [token("D1007")])
    site.clock.advance(timedelta(days=1))
    assert not site.watch.stepped(Clerk(), [token("D1007")])


def test_numbers_far_apart_are_no_walk(site: Site) -> None:
    for number in (1000, 5000, 9000):
        beside = question_tokens(b"k" * 32, "order", neighbours(f"D{number}"))
        assert not site.watch.stepped(Clerk(), beside)
        token = question_tokens(b"k" * 32, "order", [f"D{number}"])[0]
        site.ask(Clerk(), question=(Asked(kind="order", token=token),))


@pytest.mark.parametrize(
    ("origin", "place"),
    [
        ("clerk@desk ssh:203.0.113.7", "clerk@desk"),
        ("ip:203.0.113.7", "ip:203.0.113.7"),
        ("ip:2001:db8:1:2:3:4:5:6", "ip:2001:db8:1:2::/64"),
        ("ip:::ffff:203.0.113.7", "ip:203.0.113.7"),
        ("ip:not an address", "ip:not"),
        ("", ""),
    ],
)
def test_a_place_is_an_account_an_address_or_a_network(origin: str, place: str) -> None:
    assert place_of(origin) == place


few = st.integers(0, 60)


@given(st.builds(Counts, **dict.fromkeys(MEASURES, few)), st.sampled_from(MEASURES))
def test_the_level_is_that_of_the_measure_that_is_over_most(counts: Counts, more: str) -> None:
    found = judge(counts, LIMITS)

    ratios = [getattr(counts, name) / getattr(LIMITS, name) for name in MEASURES]  # none is short
    assert found.level == min(int(max(ratios)), 3)
    assert (found.level is Level.CALM) == (found.measure == "")
    worse = judge(replace(counts, **{more: getattr(counts, more) + 1}), LIMITS)
    assert worse.level >= found.level


@given(
    st.lists(
        st.builds(
            replace,
            st.just(QUESTION),
            outcome=st.sampled_from(Outcome),
            orders=st.frozensets(st.sampled_from("abcdefgh"), max_size=3).map(tuple),
            count=st.integers(0, 5),
            case=st.none() | st.just("7"),
            approval=st.none() | st.just(7),
        ),
        max_size=20,
    )
)
def test_what_the_columns_count_is_never_less_than_what_differs(entries: list[Entry]) -> None:
    entries = [replace(one, count=max(one.count, len(one.orders))) for one in entries]
    unknown = [one for one in entries if one.case is None and one.approval is None]
    shown = [one for one in unknown if one.outcome in SHOWING]
    assert different_orders(entries) <= sum(one.shown for one in entries)
    assert different_orders(entries) >= len({order for one in shown for order in one.orders})


@pytest.mark.parametrize(
    ("count", "level"),
    [
        *((0, Level.CALM), (19, Level.CALM), (20, Level.ALARM), (22, Level.ALARM)),
        *((23, Level.CODE), (24, Level.CODE), (25, Level.BLOCK), (90, Level.BLOCK)),
    ],
)
def test_over_five_minutes_the_limit_is_the_block(count: int, level: Level) -> None:
    assert judge(Counts(orders_per_5m=count), Limits()).level is level


def test_a_wide_range_is_a_step_and_a_decoy_counts_at_once(site: Site) -> None:
    site.ask(Clerk(), filters={"wide": "yes"}, question=())
    site.ask(Clerk(), filters={"wide": "yes"}, question=())
    assert site.level(Clerk()) == "alarm"
    bob = Clerk(name="bob", origin="ip:203.0.113.9")
    site.ask(bob, outcome=Outcome.DECOYED)
    assert site.level(bob) == "calm"
    site.ask(bob, outcome=Outcome.DECOYED)
    assert site.level(bob) == "alarm"


def test_an_office_of_many_may_do_what_its_many_may(site: Site) -> None:
    for number in range(50):
        site.look_at(Clerk(name=f"agent-{number}"), 2, first=number * 2)
    assert site.level(Clerk(name="agent-7")) == "calm"


def test_a_network_is_watched_whose_addresses_take_turns(site: Site) -> None:
    for number in range(84):
        site.miss(Clerk(name=f"n{number % 7}", origin=f"ip:203.0.113.{number}"), 1)
    assert site.level(Clerk(name="new", origin="ip:203.0.113.200")) == "blocked"
    assert [one.subject for one in site.watch.blocks()] == ["net:203.0.113.0/24"]
    assert site.level(Clerk(name="new", origin="ip:203.0.114.1")) == "calm"


def test_an_entry_of_an_act_tells_the_watch_nothing(site: Site) -> None:
    for _ in range(40):
        site.log.record(
            Entry(command="login", outcome=Outcome.DONE, operator="alice", origin=PLACE)
        )
    assert site.level(Clerk()) == "calm"
