"""An entry is on the disk before its answer, in one chain, or there is no answer."""

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.access_log import AccessLog, Asked, Entry, Outcome
from archiver.access_log.entry import Chained, decode, digest, encode
from archiver.access_log.heads import Garbled, Head, last_head, read_heads
from archiver.access_log.question import FEW, REACH, neighbours, question_tokens
from archiver.access_log.verify import verify_access_log
from archiver.errors import Exit, TamperedError
from archiver.refusals import AccessLogBrokenError, AccessLogUnwritableError, HeadFileError
from tests.access_log.logs import ARCHIVE, QUESTION, fill, log_in, sql
from tests.clock import NOON, FrozenClock


def bodies(log: AccessLog) -> list[bytes]:
    return [row["body"] for row in log.stored(log.node)]


def test_entries_are_numbered_without_gaps_and_each_names_the_one_before(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    records = [log.record(replace(QUESTION, count=number)) for number in range(5)]

    assert [str(record) for record in records] == [f"main/{number}" for number in range(1, 6)]
    chained = [decode(body) for body in bodies(log)]
    assert [one.previous for one in chained] == [None, *(one.digest for one in records[:-1])]
    assert [digest(body) for body in bodies(log)] == [one.digest for one in records]
    assert [one.entry.count for one in chained] == list(range(5))
    assert {one.archive for one in chained} == {ARCHIVE}


@given(
    st.builds(
        Entry,
        command=st.text(max_size=20),
        outcome=st.sampled_from(Outcome),
        operator=st.none() | st.text(max_size=20),
        purpose=st.none() | st.text(st.characters(codec="utf-8"), max_size=100),
        question=st.lists(st.builds(Asked, kind=st.text(max_size=9), token=st.text(max_size=16))),
        filters=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
        count=st.integers(0, 1 << 40),
    )
)
def test_an_entry_comes_back_from_its_bytes_as_it_was(entry: Entry) -> None:
    chained = Chained(
        archive=ARCHIVE, node="main", number=7, at=NOON, previous="00" * 32, entry=entry
    )
    entry = replace(entry, question=tuple(entry.question))

    try:
        body = encode(chained)
    except UnicodeEncodeError:
        return  # a lone surrogate: no terminal and no file gives one
    found = decode(body)
    assert replace(found.entry, objects=(), orders=()) == replace(entry, objects=(), orders=())
    assert (found.number, found.at, found.previous) == (7, NOON, "00" * 32)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"format": 2}', b"\xff", b"null"])
def test_what_is_no_entry_is_named_so(body: bytes) -> None:
    with pytest.raises(TamperedError):
        decode(body)


def record_some(folder: Path, number: int) -> None:
    fill(log_in(folder), number)


def test_processes_of_one_node_make_one_chain(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    fill(log, 1)
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(3, mp_context=context) as executor:
        for done in [executor.submit(record_some, tmp_path, 20) for _ in range(3)]:
            done.result()

    chained = [decode(body) for body in bodies(log)]
    assert [one.number for one in chained] == list(range(1, 62))
    assert [one.previous for one in chained][1:] == [digest(body) for body in bodies(log)][:-1]


def answer_until_killed(folder: Path, answers: int) -> None:
    """Record and answer without end; what goes into the pipe has left the process."""
    log = log_in(folder)
    while True:
        os.write(answers, log.record(QUESTION).number.to_bytes(8, "big"))


KILLS: Final = int(os.environ.get("SOAK_EXAMPLES", "12"))


@settings(max_examples=KILLS, database=None)
@given(kill_after=st.integers(0, 9))
def test_no_answer_left_a_killed_process_without_its_entry(
    killed_folder: Path, kill_after: int
) -> None:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer_until_killed(killed_folder, theirs)
        finally:
            os._exit(1)
    os.close(theirs)
    with os.fdopen(ours, "rb") as answers:
        told = [answers.read(8) for _ in range(kill_after)]
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        told += iter(lambda: answers.read(8), b"")
    log = log_in(killed_folder)
    head = log.head()
    count = 0 if head is None else head.number
    if told:
        assert count >= int.from_bytes(told[-1], "big")
    assert verify_access_log(replace(log, head_file=None), None).findings == []
    assert log.record(QUESTION).number == count + 1  # and it goes on
    log.state.close()


@pytest.fixture(scope="session")
def killed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One log for all kills: it must stay whole through all of them."""
    return tmp_path_factory.mktemp("killed")


def test_a_state_that_cannot_be_written_gives_no_answer(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    fill(log, 1)
    log.state.close()
    (tmp_path / "state.db").unlink()
    (tmp_path / "state.db").mkdir()

    with pytest.raises(AccessLogUnwritableError) as caught:
        log.record(QUESTION)
    assert caught.value.exit is Exit.TRY_LATER


def test_a_chain_whose_end_is_gone_takes_no_further_entry(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    fill(log, 3)
    sql(log.state, "DELETE FROM access_entries WHERE number = 3")

    with pytest.raises(AccessLogBrokenError):
        log.record(QUESTION)
    assert len(bodies(log)) == 2


# --- the head elsewhere ---------------------------------------------------------------------------


def heads(log: AccessLog) -> list[int]:
    assert log.head_file is not None
    return [one.number for one in read_heads(log.head_file) if isinstance(one, Head)]


def test_the_head_file_lags_ten_minutes_at_most_and_not_at_all_before_a_reveal(
    tmp_path: Path,
) -> None:
    clock = FrozenClock()
    log = log_in(tmp_path, clock)
    fill(log, 3)
    assert heads(log) == [1]

    clock.advance(timedelta(minutes=9, seconds=59))
    fill(log, 1)
    assert heads(log) == [1]

    clock.advance(timedelta(seconds=1))
    fill(log, 2)
    assert heads(log) == [1, 5]

    log.publish_head()
    log.publish_head()
    assert heads(log) == [1, 5, 6]
    assert log.alarms == []


def test_a_clock_that_went_back_does_not_silence_the_head_file(tmp_path: Path) -> None:
    clock = FrozenClock()
    log = log_in(tmp_path, clock)
    fill(log, 1)
    clock.advance(timedelta(hours=-3))
    fill(log, 1)
    assert heads(log) == [1, 2]


def test_a_head_file_that_cannot_be_written_stops_reveals_and_alarms_elsewhere(
    tmp_path: Path,
) -> None:
    log = replace(log_in(tmp_path), head_file=tmp_path / "gone" / "heads.jsonl")

    log.record(QUESTION)
    assert [type(error) for error in log.alarms] == [HeadFileError]
    with pytest.raises(HeadFileError):
        log.publish_head()


def test_a_state_restored_from_an_old_copy_is_noticed_before_a_reveal(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    fill(log, 2)
    log.state.close()
    old = (tmp_path / "state.db").read_bytes()
    fill(log, 2)
    log.publish_head()
    log.state.close()
    for path in tmp_path.glob("state.db*"):
        path.unlink()
    (tmp_path / "state.db").write_bytes(old)
    fill(log, 1)
    assert [type(error) for error in log.alarms] == [AccessLogBrokenError]

    with pytest.raises(AccessLogBrokenError) as caught:
        log.publish_head()
    assert caught.value.exit is Exit.ALARM
    fill(log, 3)  # longer than what was lost: the digests differ still
    with pytest.raises(AccessLogBrokenError):
        log.publish_head()


def test_half_a_line_in_the_head_file_does_not_swallow_the_next_one(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    fill(log, 1)
    assert log.head_file is not None
    with log.head_file.open("ab") as file:
        file.write(b'{"format": 1, "archi')
    fill(log, 1)
    log.publish_head()

    assert heads(log) == [1, 2]
    assert Garbled(line=2, torn=True) in read_heads(log.head_file)
    assert last_head(log.head_file, ARCHIVE, "another") is None
    assert last_head(log.head_file, "f" * 32, "main") is None


# --- what was asked -------------------------------------------------------------------------------


def test_a_question_leaves_a_token_that_tells_kinds_and_keys_apart() -> None:
    made = question_tokens(b"k" * 32, "order", ["1001", "1002", "1001", ""])

    assert made[0] == made[2]
    assert len({*made}) == 3
    assert all(len(token) == 16 for token in made)
    assert question_tokens(b"k" * 32, "payment", ["1001"]) != made[:1]
    assert question_tokens(b"K" * 32, "order", ["1001"]) != made[:1]
    assert question_tokens(b"k" * 32, "order", []) == []
    several = ["", "1", "单号" * 40, "x" * 15, "x" * 16, "x" * 5_000] * (FEW // 6 + 1)
    each = [question_tokens(b"k" * 32, "order", [one])[0] for one in several]
    assert question_tokens(b"k" * 32, "order", several) == each


@given(st.text("abc-", max_size=4), st.integers(0, 10**12), st.text("xyz", max_size=3))
def test_neighbours_are_what_somebody_asks_who_counts(before: str, number: int, after: str) -> None:
    found = neighbours(f"{before}{number}{after}")

    assert f"{before}{number + 1}{after}" in found
    assert f"{before}{number}{after}" not in found
    assert len(found) == REACH + (min(REACH, number) if number else 0)
    assert all(f"{before}{number}{after}" in neighbours(one) for one in found if number > REACH)


def test_a_number_with_zeros_before_it_keeps_its_width() -> None:
    assert {"A0099", "A0101"} < set(neighbours("A0100"))


@pytest.mark.parametrize("value", ["", "abc", "单号"])
def test_what_has_no_digits_has_no_neighbours(value: str) -> None:
    assert neighbours(value) == []
