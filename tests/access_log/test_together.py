"""Entries that are recorded at once share a wait for the disk, and nothing else."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from archiver.access_log import AccessLog, AccessRecord, Entry, Guard
from archiver.access_log.entry import decode
from archiver.access_log.verify import verify_access_log
from archiver.errors import LocalDiskError
from archiver.refusals import AccessLogUnwritableError, NotAllowedError, OvertakenError
from tests.access_log.logs import QUESTION, log_in

GROUP = 6


def recorded_at_once(
    log: AccessLog, guards: Sequence[Guard | None] = (None,) * GROUP
) -> list[Future[AccessRecord]]:
    """Record one entry alone and, while it is being taken, the others behind it in their order."""
    begun, line_is_full = threading.Event(), threading.Event()

    def hold(_before: Sequence[Entry]) -> None:
        begun.set()
        assert line_is_full.wait(30)

    with ThreadPoolExecutor(1 + len(guards)) as threads:
        first = threads.submit(log.record, replace(QUESTION, count=0), hold)
        assert begun.wait(30)
        others = []
        for number, guard in enumerate(guards, 1):
            others.append(threads.submit(log.record, replace(QUESTION, count=number), guard))
            while len(log.together._line) < number:
                assert not others[-1].done()
        line_is_full.set()
    return [first, *others]


def test_who_waits_while_another_records_is_recorded_with_one_commit_and_in_order(
    tmp_path: Path,
) -> None:
    log = log_in(tmp_path)
    log.record(QUESTION)
    commits: list[object] = []
    event.listen(log.state.engine, "commit", commits.append)

    records = [one.result() for one in recorded_at_once(log)]

    written = [one for one in commits if one.get_execution_options().get("immediate")]  # type: ignore[attr-defined]
    assert len(written) == 2  # the first one's, and that of all others
    assert [one.number for one in records] == list(range(2, 3 + GROUP))
    chained = [decode(row["body"]) for row in log.stored(log.node)]
    assert [one.entry.count for one in chained[1:]] == list(range(1 + GROUP))
    assert [one.previous for one in chained[2:]] == [one.digest for one in records[:-1]]
    log.publish_head()
    assert verify_access_log(log, None).findings == []


def test_a_commit_that_fails_fails_for_all_who_share_it_and_leaves_no_gap(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    left = [1]

    def fail_the_second(connection: object) -> None:
        if connection.get_execution_options().get("immediate"):  # type: ignore[attr-defined]
            left[0] -= 1
            if left[0] == -1:
                raise LocalDiskError(detail="no space left on device")

    log.record(QUESTION)
    event.listen(log.state.engine, "commit", fail_the_second)
    first, *others = recorded_at_once(log)

    assert first.result().number == 2
    for one in others:
        with pytest.raises(AccessLogUnwritableError):
            one.result()
    assert log.record(QUESTION).number == 3
    log.publish_head()
    assert verify_access_log(log, None).findings == []


def test_a_guard_refuses_its_own_entry_alone_and_knows_those_before_it(tmp_path: Path) -> None:
    log, seen = log_in(tmp_path), list[list[int]]()

    def look(before: Sequence[Entry]) -> None:
        seen.append([one.count for one in before])

    def refuse(_before: Sequence[Entry]) -> None:
        raise OvertakenError

    def forbid(_before: Sequence[Entry]) -> None:
        raise NotAllowedError(detail="")

    futures = recorded_at_once(log, [look, refuse, look, forbid, None])

    assert isinstance(futures[2].exception(), OvertakenError)
    assert isinstance(futures[4].exception(), NotAllowedError)
    records = [one.result() for one in futures if not one.exception()]
    assert [one.number for one in records] == [1, 2, 3, 4]
    assert seen == [[], [1]]
    assert [decode(row["body"]).entry.count for row in log.stored(log.node)] == [0, 1, 3, 5]
