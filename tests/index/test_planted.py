"""Decoys stand in the local index, where nobody tells which they are; a lost one is noticed."""

from pathlib import Path

import pytest

from archiver.decoys import Decoys
from archiver.errors import IndexUnusableError, StateDamagedError
from archiver.index.planted import NAME, Planted
from archiver.state import State, open_state
from tests.clock import NOON, FrozenClock

KEY = b"k" * 32
ASKED = [digit * 16 for digit in "9ab"]


@pytest.fixture
def state(tmp_path: Path) -> State:
    return open_state("sqlite:///state.db", tmp_path)


def decoys_in(state: State) -> Decoys:
    return Decoys(state=state, clock=FrozenClock(NOON), token_key=KEY)


def test_what_was_published_is_among_them_and_nothing_else(tmp_path: Path) -> None:
    here = Planted(tmp_path, KEY)
    assert here.publish(ASKED[:2])
    assert not here.publish([*ASKED[1::-1], ASKED[0]])  # the same ones: nothing is written
    assert here.among(["f" * 16, ASKED[1]])
    assert not here.among([ASKED[2]])
    assert not here.among([])
    content = (tmp_path / NAME).read_bytes()
    assert not any(bytes.fromhex(one) in content for one in ASKED)
    assert here.publish(ASKED[2:])  # seen by whoever has the old ones open
    assert (here.among(ASKED[:2]), here.among(ASKED[2:])) == (False, True)


def test_a_file_that_is_gone_or_another_one_is_no_answer(tmp_path: Path) -> None:
    here = Planted(tmp_path, KEY)
    with pytest.raises(IndexUnusableError, match=NAME):
        here.among(ASKED)
    here.publish(ASKED)
    path = tmp_path / NAME
    whole = path.read_bytes()
    flipped = bytes([whole[0] ^ 1]) + whole[1:]
    for damaged in (whole[:16] + whole[32:], whole[:-1], flipped, b""):
        path.write_bytes(damaged)
        with pytest.raises(IndexUnusableError, match="not what was written"):
            Planted(tmp_path, KEY).among(ASKED)
    with pytest.raises(IndexUnusableError):
        Planted(tmp_path, b"j" * 32).among(ASKED)
    assert here.publish(ASKED)  # the next refresh mends it
    assert here.among(ASKED)


def test_the_register_gives_every_host_its_decoys_and_numbers_are_used_once(
    state: State, tmp_path: Path
) -> None:
    decoys = decoys_in(state)
    hosts = [Planted(tmp_path / name, KEY) for name in ("a", "b")]
    assert decoys.plant("order", {ASKED[0]: "D1", ASKED[1]: "D2"}, "carol") == 2
    assert decoys.plant("order", {ASKED[1]: "D2"}, "dora") == 0
    for one in hosts:
        decoys.publish(one.folder)
        assert one.among([ASKED[0]])
    assert decoys.withdraw([2], [ASKED[0]]) == 2
    assert decoys.plant("contact", {ASKED[2]: "a@qq.com"}, "carol") == 1
    (left,) = decoys.all()
    assert (left.number, left.kind, left.value, left.planted_at) == (3, "contact", "a@qq.com", NOON)
    decoys.publish(hosts[0].folder)
    assert not hosts[0].among(ASKED[:2])
    assert hosts[0].among(ASKED[2:])


def test_the_state_tells_no_decoy_and_one_that_was_altered_is_an_alarm(
    state: State, tmp_path: Path
) -> None:
    decoys = decoys_in(state)
    decoys.plant("contact", {ASKED[0]: "canary@qq.com", ASKED[1]: "b@qq.com"}, "carol")
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*"))
    for told in (b"canary", ASKED[0].encode(), bytes.fromhex(ASKED[0])):
        assert told not in kept
    with state.engine.begin() as connection:  # one's value under the other's mark
        connection.exec_driver_sql(
            "UPDATE planted_decoys SET sealed = "
            "(SELECT sealed FROM planted_decoys WHERE number = 2) WHERE number = 1"
        )
    with pytest.raises(StateDamagedError):
        decoys.publish(tmp_path / "index")
