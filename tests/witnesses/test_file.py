"""A file elsewhere remembers the head, and whoever sets the ledger back leaves it behind."""

import json
import resource
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver.errors import AnswerRefusedError, NoAnswerError, SplitViewError, WitnessAheadError
from archiver.witnesses import Confirmed, FileWitness, file
from tests.clock import NOON
from tests.witnesses.logs import SmallLog


@pytest.fixture
def witness(tmp_path: Path) -> FileWitness:
    return FileWitness(name="share", path=tmp_path / "heads")


def told(witness: FileWitness, log: SmallLog, confirmed: int = 0) -> Confirmed:
    return witness.confirm(log.head, log, confirmed=confirmed, now=NOON)


def test_each_head_is_a_line_that_stands_alone(witness: FileWitness) -> None:
    log = SmallLog().grow(3)
    assert told(witness, log).knew == 0
    assert told(witness, log.grow(2), 3).knew == 3
    assert told(witness, log, 5).knew == 5  # again: nothing is written
    lines = [json.loads(line) for line in witness.path.read_bytes().splitlines()]
    assert [line["size"] for line in lines] == [3, 5]
    assert lines[1]["checkpoint"].encode() == log.checkpoint()
    assert lines[1]["at"] == "2026-03-05T04:00:00Z"


def test_a_ledger_that_was_set_back_is_found_out(witness: FileWitness) -> None:
    log = SmallLog().grow(7)
    told(witness, log)
    before = witness.path.read_bytes()
    with pytest.raises(WitnessAheadError) as found:
        told(witness, log.at(5))
    assert (found.value.params["held"], found.value.params["size"]) == (7, 5)
    assert witness.path.read_bytes() == before


@pytest.mark.parametrize("more", [0, 3])
def test_another_history_is_found_out(witness: FileWitness, more: int) -> None:
    log = SmallLog().grow(7)
    told(witness, log)
    with pytest.raises(SplitViewError):
        told(witness, log.at(5).grow(2 + more, "another"))


def test_heads_are_told_apart_by_log_and_key(witness: FileWitness) -> None:
    log, other = SmallLog().grow(2), SmallLog(origin="order-archive/other").grow(9)
    forged = SmallLog(key=Ed25519PrivateKey.generate()).grow(20, "forged")
    for one in (other, forged, log):
        told(witness, one)
    assert told(witness, log).knew == 2


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_line_that_a_crash_has_cut_is_ended_and_counts_for_nothing(
    witness: FileWitness, cut: int
) -> None:
    log = SmallLog().grow(2)
    told(witness, log)
    whole = witness.path.read_bytes()
    witness.path.write_bytes(whole + whole.replace(b'"size":2', b'"size":9')[:-cut])
    assert told(witness, log.grow(1)).knew == 2
    assert told(witness, log).knew == 3


def test_an_older_head_at_the_end_hides_nothing(witness: FileWitness) -> None:
    log = SmallLog().grow(2)
    told(witness, log)
    first = witness.path.read_bytes()
    told(witness, log.grow(5))
    with witness.path.open("ab") as replayed:
        replayed.write(first * 3)
    with pytest.raises(WitnessAheadError):
        told(witness, log.at(2))


def test_more_junk_than_is_looked_at_confirms_nothing(
    witness: FileWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = SmallLog().grow(2)
    told(witness, log)
    line = witness.path.read_bytes().replace(b'"size":2', b'"size":9')
    with witness.path.open("ab") as junk:
        junk.write(line * 3)
    monkeypatch.setattr(file, "LOOKED_AT", 3)
    with pytest.raises(AnswerRefusedError, match="3 lines"):
        told(witness, log)
    monkeypatch.setattr(file, "LOOKED_AT", 4)
    assert told(witness, log).knew == 2


def test_a_share_that_is_not_mounted_is_no_fresh_file(witness: FileWitness) -> None:
    with pytest.raises(NoAnswerError, match="mounted") as found:
        told(witness, SmallLog().grow(3), confirmed=2)
    assert "挂载" in found.value.text("zh")
    assert not witness.path.exists()
    witness.path.touch()  # what it tells the operator to do
    assert told(witness, SmallLog().grow(3), confirmed=2).knew == 0


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    witness = FileWitness(name="share", path=tmp_path / "nowhere" / "heads")
    with pytest.raises(NoAnswerError, match=r"there is no .*nowhere"):
        told(witness, SmallLog().grow(1))


def test_a_device_is_no_file(witness: FileWitness) -> None:
    witness.path.symlink_to("/dev/zero")
    with pytest.raises(NoAnswerError, match="Invalid argument"):
        told(witness, SmallLog().grow(1))


def test_a_full_disk_is_said_and_the_torn_line_hides_nothing(witness: FileWitness) -> None:
    log = SmallLog().grow(1)
    told(witness, log)
    size = witness.path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 9, hard))
    try:
        with pytest.raises(NoAnswerError, match="No space left"):
            told(witness, log.grow(1), confirmed=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert told(witness, log, confirmed=1).knew == 1
    assert told(witness, log, confirmed=2).knew == 2
