"""Who is there, and what is kept of how they show it."""

from pathlib import Path

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.errors import KeyUnavailableError, RequestError
from archiver.operators.passwords import LONGEST, SHORTEST, Passwords, require_sound
from archiver.policy import Role
from archiver.refusals import (
    LoginNeededError,
    LoginRefusedError,
    NotAllowedError,
    PasswordRefusedError,
)
from tests.operators.people import CHEAP, PASSWORD, People


def test_the_first_operator_is_an_administrator_whom_the_host_makes(tmp_path: Path) -> None:
    people = People(tmp_path)
    assert people.register.is_empty()
    with pytest.raises(RequestError):
        people.add("sue", Role.SUPPORT)

    made = people.add("root", Role.ADMINISTRATOR)
    assert made.operator.created_by is None
    with pytest.raises(NotAllowedError):
        people.register.add("eve", Role.ADMINISTRATOR, PASSWORD, by=None)
    assert [one.name for one in people.register.all()] == ["root"]


def test_an_operator_is_listed_with_role_and_maker(people: People) -> None:
    found = {one.name: (one.role, one.created_by) for one in people.register.all()}
    assert found == {
        "root": (Role.ADMINISTRATOR, None),
        "sue": (Role.SUPPORT, "root"),
        "carol": (Role.COMPLIANCE, "root"),
        "chen": (Role.COMPLIANCE, "root"),
        "kai": (Role.CUSTODIAN, "root"),
    }
    assert people.register.find("sue").role is Role.SUPPORT


def test_a_name_is_given_once_even_after_its_operator_has_left(people: People) -> None:
    people.register.disable("sue")
    for role in (Role.SUPPORT, Role.COMPLIANCE):
        with pytest.raises(RequestError):
            people.register.add("sue", role, PASSWORD, by="root")


@pytest.mark.parametrize("name", ["", "Sue", "张三", "a b", "a" * 65, "-a", "ѕue", "a\n", "a/b"])
def test_names_that_could_be_mistaken_for_others_are_refused(people: People, name: str) -> None:
    with pytest.raises(RequestError):
        people.register.add(name, Role.SUPPORT, PASSWORD, by="root")


def test_neither_password_nor_secret_nor_recovery_code_stands_in_the_state(
    people: People,
) -> None:
    people.login("sue")
    session = people.login("carol")
    content = b"".join(path.read_bytes() for path in people.folder.glob("state.db*"))

    assert b"carol" in content
    assert content.count(b"$argon2id$") >= len(people.enrolled)
    planted = [PASSWORD, session.token]
    for made in people.enrolled.values():
        planted += [made.secret, *made.recovery_codes]
        planted += [code.replace("-", "") for code in made.recovery_codes]
    assert [one for one in planted if one.encode() in content] == []


def test_what_is_shown_once_does_not_stand_in_a_representation(people: People) -> None:
    made, session = people.enrolled["sue"], people.login("sue")
    for secret in (made.secret, made.recovery_codes[0], session.token):
        assert secret not in repr(made) + repr(session) + repr(people.register)


def test_an_authenticator_app_understands_the_uri(people: People) -> None:
    made = people.enrolled["sue"]
    parsed = pyotp.parse_uri(made.uri)
    assert isinstance(parsed, pyotp.TOTP)
    assert (parsed.secret, parsed.name, parsed.issuer) == (made.secret, "sue", "archiver shop-1")
    assert len(set(made.recovery_codes)) == 10


def test_a_state_without_its_key_lets_nobody_in(people: People) -> None:
    people.key = b"x" * 32
    with pytest.raises(LoginRefusedError):  # the password is keyed, too
        people.login("sue")
    with people.state.engine.connect() as connection:
        row = connection.exec_driver_sql("SELECT * FROM operators WHERE name = 'sue'").one()
    with pytest.raises(KeyUnavailableError):
        people.register.secret_of(row)


def test_a_secret_moved_to_another_operator_does_not_open(people: People) -> None:
    with people.state.engine.connect() as connection:
        connection.exec_driver_sql(
            "UPDATE operators SET totp = (SELECT totp FROM operators WHERE name = 'sue'), "
            "password = (SELECT password FROM operators WHERE name = 'sue') WHERE name = 'root'"
        )
        connection.commit()
    with pytest.raises(KeyUnavailableError):
        people.logins.login("root", PASSWORD, people.code("sue"), origin="user:desk")


def test_a_disabled_operators_sessions_end_at_once(people: People) -> None:
    session, other = people.login("sue"), people.login("carol")
    people.register.disable("sue")

    with pytest.raises(LoginNeededError):
        people.logins.session(session.token)
    with pytest.raises(LoginRefusedError):
        people.login("sue")
    assert people.logins.session(other.token).name == "carol"
    disabled = people.register.disable("sue").disabled_at
    assert disabled == people.register.find("sue").disabled_at is not None


def test_the_last_administrator_stays(people: People) -> None:
    with pytest.raises(NotAllowedError):
        people.register.disable("root")
    people.add("second", Role.ADMINISTRATOR)
    people.register.disable("root")
    with pytest.raises(NotAllowedError):
        people.register.disable("second")


def test_a_reset_replaces_all_factors_and_ends_sessions(people: People) -> None:
    session, old = people.login("sue"), people.enrolled["sue"]
    made = people.register.reset("sue", "another sentence of mine")

    with pytest.raises(LoginNeededError):
        people.logins.session(session.token)
    for password, code in [
        (PASSWORD, people.code("sue")),
        ("another sentence of mine", old.recovery_codes[0]),
        ("another sentence of mine", people.code("sue")),
    ]:
        with pytest.raises(LoginRefusedError):
            people.logins.login("sue", password, code, origin="user:desk")
    people.enrolled["sue"] = made
    entered = people.logins.login(
        "sue", "another sentence of mine", people.code("sue"), origin="user:desk"
    )
    assert entered.name == "sue"


def test_who_is_not_there_can_be_neither_reset_nor_disabled(people: People) -> None:
    people.register.disable("sue")
    for act in (
        lambda: people.register.reset("nobody", PASSWORD),
        lambda: people.register.reset("sue", PASSWORD),
        lambda: people.register.disable("nobody"),
        lambda: people.register.find("nobody"),
    ):
        with pytest.raises(RequestError):
            act()


# --- passwords ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password",
    [
        "",
        "short",
        "elevenchars",
        "aaaaaaaaaaaaaaaa",
        "abababababababab",
        "password12345",
        "Sue-Sue-Sue-1",
        "passwordpassword1",
        "1" * (LONGEST + 1),
    ],
)
def test_a_password_that_is_guessed_early_is_refused(password: str) -> None:
    with pytest.raises(PasswordRefusedError) as caught:
        require_sound(password, "sue")
    assert password not in caught.value.text("en") or len(password) < SHORTEST


@pytest.mark.parametrize(
    "password", [PASSWORD, "我家的猫叫做小白喜欢晒太阳", "tr0ub4dor&3 xkcd", PASSWORD * 4]
)
def test_a_sentence_in_any_language_is_taken(password: str) -> None:
    require_sound(password, "sue")


def test_a_password_typed_on_another_keyboard_is_the_same(people: People) -> None:
    full_width = "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in PASSWORD)
    assert full_width != PASSWORD
    entered = people.logins.login("sue", full_width, people.code("sue"), origin="user:desk")
    assert entered.name == "sue"


@given(st.text(max_size=40))
def test_no_other_password_matches(password: str) -> None:
    passwords = Passwords(key=b"k" * 32, costs=CHEAP)
    kept = passwords.hashed(PASSWORD)

    assert passwords.matches(kept, PASSWORD)
    assert not passwords.matches(kept, password + "x")
    assert not passwords.matches(None, password)
    assert not Passwords(key=b"x" * 32, costs=CHEAP).matches(kept, PASSWORD)
