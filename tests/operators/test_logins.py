"""A login takes both factors, a code works once, and a stranger locks nobody out."""

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.operators import codes
from archiver.operators.logins import Limits, Logins
from archiver.operators.throttle import (
    FREE,
    LONGEST_WAIT,
    OPERATOR_LIMIT,
    PLACE_LIMIT,
    Attempts,
    wait_until,
)
from archiver.refusals import (
    CodeRefusedError,
    LoginDelayedError,
    LoginNeededError,
    LoginRefusedError,
)
from tests.clock import NOON, FrozenClock
from tests.operators.people import PASSWORD, People

DESK = "user:desk"
SECOND = timedelta(seconds=1)


def wrong(people: People, name: str, origin: str) -> type[Exception]:
    try:
        people.logins.login(name, "not this one", people.code("sue"), origin=origin)
    except (LoginRefusedError, LoginDelayedError) as error:
        return type(error)
    raise AssertionError


def test_a_session_is_of_the_operator_who_showed_both_factors(people: People) -> None:
    session = people.login("sue")
    found = people.logins.session(session.token)
    assert (found.name, found.role, found.origin) == ("sue", "support", DESK)
    assert found.confirmed_at == people.clock.now()


def test_whatever_is_wrong_the_refusal_is_the_same(people: People) -> None:
    people.register.disable("kai")
    tries = [
        ("sue", "not this one", people.code("sue")),
        ("sue", PASSWORD, "000000"),
        ("sue", PASSWORD, ""),
        ("sue", PASSWORD, people.code("carol")),
        ("kai", PASSWORD, people.code("kai")),
        ("nobody", PASSWORD, people.code("sue")),
        ("", "", ""),
        ("sue' OR 1=1 --", PASSWORD, people.code("sue")),
    ]
    told = set()
    for place, (name, password, code) in enumerate(tries):
        with pytest.raises(LoginRefusedError) as caught:
            people.logins.login(name, password, code, origin=f"place {place}")
        told.add((caught.value.text("en"), caught.value.text("zh")))
    assert len(told) == 1


def test_a_code_works_once_for_one_step_to_either_side(people: People) -> None:
    people.login("sue")
    with pytest.raises(LoginRefusedError):
        people.logins.login("sue", PASSWORD, people.code("sue"), origin=DESK)

    phone = codes.STEP_SECONDS * SECOND
    for ahead in (1, 2):  # the second one is two steps ahead of this host
        code = pyotp.TOTP(people.enrolled["sue"].secret).at(people.clock.now() + ahead * phone)
        if ahead == 1:
            assert people.logins.login("sue", PASSWORD, code, origin=DESK).name == "sue"
        else:
            with pytest.raises(LoginRefusedError):
                people.logins.login("sue", PASSWORD, code, origin=DESK)


def test_a_wrong_password_does_not_use_the_code_up(people: People) -> None:
    assert wrong(people, "sue", DESK) is LoginRefusedError
    assert people.logins.login("sue", PASSWORD, people.code("sue"), origin=DESK).name == "sue"


def test_a_code_that_was_used_stays_used_when_the_clock_goes_back(people: People) -> None:
    people.clock.advance(timedelta(minutes=10))
    seen = people.code("sue")
    people.login("sue")
    people.clock.advance(timedelta(hours=-1))
    for _ in range(4):
        with pytest.raises(LoginRefusedError):
            people.logins.login("sue", PASSWORD, people.code("sue"), origin=f"at {seen}")
    people.clock.advance(timedelta(hours=1))
    assert people.login("sue").name == "sue"


@given(st.integers(0, 10**6), st.integers(-100, 100), st.integers(-3, 3))
def test_a_step_is_taken_exactly_if_it_is_near_and_later_than_the_last(
    seconds: int, last: int, off: int
) -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    now = NOON + seconds * SECOND
    current = int(now.timestamp()) // 30
    code = pyotp.TOTP(secret).generate_otp(current + off)
    found = codes.matching_step(secret, f" {code[:3]} {code[3:]}", now, current + last)
    near = {
        step
        for step in range(current - 1, current + 2)
        if pyotp.TOTP(secret).generate_otp(step) == code and step > current + last
    }
    assert found == max(near, default=None)


def login_now(folder: Path, secret: str, clock: FrozenClock) -> bool:
    people = People(folder, clock)
    code = pyotp.TOTP(secret).at(clock.now())
    try:
        people.logins.login("sue", PASSWORD, code, origin=DESK)
    except (LoginRefusedError, LoginDelayedError):
        return False
    return True


def test_of_many_processes_one_logs_in_with_a_code(people: People) -> None:
    context = multiprocessing.get_context("fork")
    secret = people.enrolled["sue"].secret
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        tried = [executor.submit(login_now, people.folder, secret, people.clock) for _ in range(4)]
        assert Counter(one.result() for one in tried) == {True: 1, False: 3}


def test_a_recovery_code_stands_in_for_the_phone_once(people: People) -> None:
    first, second, *_ = people.enrolled["sue"].recovery_codes
    typed = first.upper().replace("-", " ")

    assert people.logins.login("sue", PASSWORD, typed, origin=DESK).name == "sue"
    for code in (first, typed):
        with pytest.raises(LoginRefusedError):
            people.logins.login("sue", PASSWORD, code, origin=DESK)
    with pytest.raises(LoginRefusedError):  # of another operator
        people.logins.login("carol", PASSWORD, second, origin=DESK)
    assert people.logins.recovery_codes_left("sue") == 9


# --- sessions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("passes", "times", "lasts"),
    [
        (timedelta(minutes=14), 30, True),
        (timedelta(minutes=15), 1, False),
        (timedelta(minutes=14), 35, False),  # busy all the time, and eight hours are over
        (timedelta(minutes=-4), 1, True),
        (timedelta(minutes=-6), 1, False),  # the clock was set back: who knows how old it is
    ],
)
def test_a_session_ends_when_idle_and_after_a_day_of_work(
    people: People, passes: timedelta, times: int, lasts: bool
) -> None:
    session = people.login("sue")

    def use() -> bool:
        for _ in range(times):
            people.clock.advance(passes)
            try:
                people.logins.session(session.token)
            except LoginNeededError:
                return False
        return True

    assert use() is lasts


def test_a_session_lasts_as_long_as_configured(people: People) -> None:
    logins = Logins(register=people.register, limits=Limits(idle=SECOND, whole=2 * SECOND))
    session = people.login("sue")
    people.clock.advance(SECOND)
    with pytest.raises(LoginNeededError):
        logins.session(session.token)


def test_a_session_that_was_left_is_over(people: People) -> None:
    session = people.login("sue")
    people.logins.logout(session.token)
    people.logins.logout(session.token)
    for token in (session.token, "", "é"):
        with pytest.raises(LoginNeededError):
            people.logins.session(token)


def test_a_confirmation_takes_a_fresh_code_of_the_phone(people: People) -> None:
    session = people.login("sue")
    for code in (people.code("sue"), "000000", people.enrolled["sue"].recovery_codes[0]):
        with pytest.raises(CodeRefusedError):
            people.logins.confirm(session, code)
    people.clock.advance(timedelta(minutes=2))

    confirmed = people.logins.confirm(session, people.code("sue"))
    assert confirmed.confirmed_at == people.clock.now()
    with pytest.raises(CodeRefusedError):
        people.logins.confirm(session, people.code("sue"))


# --- guessing -------------------------------------------------------------------------------------


def test_guessing_from_one_place_slows_down_and_a_login_forgives(people: People) -> None:
    for _ in range(FREE):
        assert wrong(people, "sue", DESK) is LoginRefusedError
    assert wrong(people, "sue", DESK) is LoginRefusedError  # costs the first wait
    assert wrong(people, "sue", DESK) is LoginDelayedError
    with pytest.raises(LoginDelayedError):
        people.logins.login("sue", PASSWORD, people.code("sue"), origin=DESK)

    people.clock.advance(timedelta(seconds=31))
    assert people.login("sue").name == "sue"
    for _ in range(FREE):
        assert wrong(people, "sue", DESK) is LoginRefusedError


def test_a_stranger_elsewhere_locks_out_neither_the_session_nor_the_place(people: People) -> None:
    session = people.login("sue")
    refused = Counter(wrong(people, "sue", f"203.0.113.{n}") for n in range(OPERATOR_LIMIT + 9))

    assert refused == {LoginRefusedError: OPERATOR_LIMIT, LoginDelayedError: 9}
    assert people.logins.session(session.token).name == "sue"
    assert people.login("sue", DESK).name == "sue"
    with pytest.raises(LoginDelayedError):  # a place he never came from
        people.login("sue", "198.51.100.7")
    people.clock.advance(timedelta(hours=1))
    assert people.login("sue", "198.51.100.7").name == "sue"


def test_a_place_that_tries_many_names_waits(people: People) -> None:
    tried = Counter(wrong(people, f"name-{n}", DESK) for n in range(PLACE_LIMIT + 5))
    assert tried == {LoginRefusedError: PLACE_LIMIT, LoginDelayedError: 5}
    assert people.login("sue", "another desk").name == "sue"


def test_names_that_nobody_has_are_slowed_down_like_others(people: People) -> None:
    known = [wrong(people, "sue", "a") for _ in range(FREE + 3)]
    unknown = [wrong(people, "nobody", "b") for _ in range(FREE + 3)]
    assert known == unknown


def test_what_was_typed_as_a_name_is_not_kept(people: People) -> None:
    wrong(people, "my secret password", DESK)
    content = b"".join(path.read_bytes() for path in people.folder.glob("state.db*"))
    assert b"my secret password" not in content


def test_wrong_codes_in_a_session_are_limited_as_well(people: People) -> None:
    session = people.login("sue")
    for _ in range(FREE + 1):
        with pytest.raises(CodeRefusedError):
            people.logins.confirm(session, "000000")
    people.clock.advance(timedelta(seconds=29))
    with pytest.raises(LoginDelayedError):
        people.logins.confirm(session, people.code("sue"))


@given(st.lists(st.integers(-1000, 3000), max_size=60), st.booleans())
def test_a_wait_is_never_longer_than_the_windows(ago: list[int], own: bool) -> None:
    times = sorted(NOON - n * SECOND for n in ago)
    attempts = Attempts(here=times, place=times, operator=times, own_place=own)
    until = wait_until(attempts, NOON)
    assert until is None or NOON < until <= NOON + (LONGEST_WAIT if own else timedelta(hours=1))
    if len(times) <= FREE:
        assert until is None
