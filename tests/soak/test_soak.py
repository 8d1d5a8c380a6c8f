"""A share of the soak: some histories full of bad luck, and a few system calls of a real night."""

from pathlib import Path

import pytest

from tests.soak import traced
from tests.soak.history import live, nights_of
from tests.tally import FAULT, HISTORY, NIGHT, tally

SEED, HISTORIES, PARTS = 1, 8, 2
CALLS = 1


@pytest.mark.parametrize("part", range(PARTS))
def test_bad_luck_loses_nothing_and_one_rerun_repairs_it(part: int) -> None:
    for seed in range(SEED + part, SEED + HISTORIES, PARTS):
        lived = live(seed)
        for kind, count in lived.faults.items():
            tally(FAULT, kind, count)
        tally(HISTORY, "with bad luck")
        tally(NIGHT, "", nights_of(lived))


@pytest.mark.skipif(not traced.works(), reason="strace is missing, or may not trace here")
def test_a_night_whose_system_call_fails_is_finished_by_the_next(tmp_path: Path) -> None:
    for night in traced.nights_on_folders(tmp_path, CALLS, SEED, 1):
        assert not night.finding, night
        tally(FAULT, "system call broken", night.injected)
