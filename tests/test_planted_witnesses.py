"""The tests of witnesses and time stamps notice, too: faults as in `test_planted_bugs`."""

from pathlib import Path
from typing import Final

import pytest

from tests.planting import Fault, of_today, require_noticed

FILE, ENDPOINT = "tests/witnesses/test_file.py::test_", "tests/witnesses/test_endpoint.py::test_"
TOLD, STAMPS = "tests/spreading/test_tellings.py::test_", "tests/spreading/test_stamps.py::test_"
TOKENS: Final = "tests/test_timestamps.py::test_"
LIE: Final = f"{TOKENS}an_authority_that_lies_stamps_nothing"

FAULTS: Final = (
    Fault(
        "a token that answers another question is taken",
        "archiver/timestamps.py",
        ", nonce=nonce\n    ).build()",
        "\n    ).build()",
        f"{LIE}[an old token]",
    ),
    Fault(
        "a token over other bytes is taken",
        "archiver/timestamps.py",
        " or imprint.message != hashlib.sha256(content).digest()",
        "",
        f"{LIE}[other bytes]",
    ),
    Fault(
        "an authority's clock is believed",
        "archiver/timestamps.py",
        "if off > TOLERANCE:",
        "if False:",
        f"{TOKENS}an_authority_whose_clock_differs_stamps_nothing",
    ),
    Fault(
        "redirections are followed",
        "archiver/bounded_post.py",
        "build_opener(_Stay)",
        "build_opener()",
        f"{LIE}[a redirection]",
    ),
    Fault(
        "an answer may be as long as it likes",
        "archiver/bounded_post.py",
        "if len(content) > self.limits.size_bytes:",
        "if False:",
        f"{LIE}[too much]",
    ),
    Fault(
        "a witness that knows more is taken for one that knows less",
        "archiver/witnesses/endpoint.py",
        "if knows > head.size:",
        "if False:",
        f"{ENDPOINT}a_ledger_that_was_set_back_is_found_out",
    ),
    Fault(
        "a proof that is refused is a hiccup",
        "archiver/witnesses/endpoint.py",
        "if answered.status == HTTPStatus.UNPROCESSABLE_ENTITY:",
        "if False:",
        f"{ENDPOINT}another_history_is_found_out",
    ),
    Fault(
        "a signature from the future is taken",
        "archiver/witnesses/endpoint.py",
        "if at > now + TOLERANCE:",
        "if False:",
        f"{ENDPOINT}a_witness_that_lies_confirms_nothing",
    ),
    Fault(
        "what a witness knows is not compared with the head",
        "archiver/witnesses/history.py",
        "    if known.size > head.size:\n",
        "    return\n    if known.size > head.size:\n",
        f"{FILE}another_history_is_found_out",
    ),
    Fault(
        "a share that is not mounted is a fresh file",
        "archiver/witnesses/file.py",
        "self._open(new=not confirmed)",
        "self._open(new=True)",
        f"{FILE}a_share_that_is_not_mounted_is_no_fresh_file",
    ),
    Fault(
        "the last line is the latest head",
        "archiver/witnesses/file.py",
        "heapq.nlargest(LOOKED_AT + 1, lines)",
        "list(lines)[::-1]",
        f"{FILE}an_older_head_at_the_end_hides_nothing",
    ),
    Fault(
        "a witness may be down for ever",
        "archiver/spreading/tellings.py",
        "if since is None or now - since < LATE:",
        "if True:",
        f"{TOLD}a_witness_that_is_down_for_a_day_is_an_alarm_and_one_that_comes_back_catches_up",
    ),
    Fault(
        "what this host saw confirmed is forgotten",
        "archiver/spreading/tellings.py",
        "    if record.size > head.size:",
        "    if False:",
        f"{TOLD}what_this_host_saw_confirmed_counts_also_while_the_witness_is_down",
    ),
    Fault(
        "a witness that has forgotten is told in silence",
        "archiver/spreading/tellings.py",
        "if confirmed.knew < record.size:",
        "if False:",
        f"{TOLD}a_witness_that_has_forgotten_is_an_alarm_once",
    ),
    Fault(
        "with the newest stamp the outbox is emptied",
        "archiver/spreading/stamps.py",
        "if each.size != one.size",
        "if each.size > one.size",
        f"{STAMPS}a_long_outbox_is_worked_off_over_runs_the_newest_first",
    ),
)


@pytest.mark.planted
@pytest.mark.parametrize("fault", of_today(FAULTS), ids=str)
def test_a_planted_fault_is_noticed(fault: Fault, tmp_path: Path) -> None:
    require_noticed(fault, tmp_path)
