"""Several hosts over one PostgreSQL: the same promises, by the same code."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

from archiver.access_log import AccessLog
from archiver.access_log.entry import decode, digest
from archiver.access_log.verify import verify_access_log
from archiver.judging import Limits
from archiver.operators import Approvals
from archiver.policy import Role
from archiver.refusals import BlockedError, LoginRefusedError, NotAllowedError
from archiver.state import State
from archiver.watch import Watch
from tests.access_log.logs import ARCHIVE, QUESTION, fill, sql
from tests.clock import FrozenClock
from tests.operators.people import PASSWORD, People
from tests.servers.postgres import PostgresDatabase
from tests.state.databases import shared_state


class Shared(People):
    """An office whose state is a server's."""

    hosts: Iterator[State]

    @property
    def state(self) -> State:
        """The state as one of the hosts has opened it, each in its turn."""
        return next(self.hosts)


@pytest.fixture
def shared(postgres_database: PostgresDatabase, tmp_path: Path) -> Iterator[Shared]:
    """Three operators and three hosts."""
    hosts = [shared_state(postgres_database) for _ in range(3)]
    made = Shared(tmp_path)
    made.hosts = cycle(hosts)
    made.add("root", Role.ADMINISTRATOR)
    made.add("carol", Role.COMPLIANCE)
    made.add("chen", Role.COMPLIANCE)
    yield made
    for host in hosts:
        host.close()


def test_hosts_share_operators_and_each_has_its_own_chain(shared: Shared) -> None:
    clock = FrozenClock()

    def log(node: str) -> AccessLog:
        return AccessLog(shared.state, ARCHIVE, node, clock)

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(lambda node: fill(log(node), 10), ["one", "two", "one", "two"]))

    for node in ("one", "two"):
        bodies = [bytes(row["body"]) for row in log("one").stored(node)]
        chained = [decode(body) for body in bodies]
        assert [one.number for one in chained] == list(range(1, 21))
        assert [one.previous for one in chained] == [None, *map(digest, bodies[:-1])]
    found = verify_access_log(log("one"), None)
    assert (found.findings, found.entries) == ([], {"one": 20, "two": 20})
    sql(shared.state, "UPDATE access_entries SET operator = 'eve' WHERE node = 'two'")
    assert {one.code for one in verify_access_log(log("one"), None).findings} == {"access-edited"}


def test_a_code_and_an_approval_are_used_once_whatever_the_host(shared: Shared) -> None:
    code = shared.code("carol")

    def login(_: int) -> str:
        try:
            return shared.logins.login("carol", PASSWORD, code, origin="a@b").name
        except LoginRefusedError:
            return "refused"

    with ThreadPoolExecutor(3) as executor:
        assert Counter(executor.map(login, range(3))) == {"carol": 1, "refused": 2}

    carol, chen = shared.login("carol"), shared.login("chen")
    approvals = Approvals(state=shared.state, clock=shared.clock)
    made = approvals.request("reveal", {"order": "1"}, carol, said="one order")
    approvals.decide(made.number, chen, granted=True)

    def consume(_: int) -> bool:
        try:
            Approvals(state=shared.state, clock=shared.clock).consume(made, carol)
        except NotAllowedError:
            return False
        return True

    with ThreadPoolExecutor(3) as executor:
        assert Counter(executor.map(consume, range(3))) == {True: 1, False: 2}


def test_what_was_asked_on_one_host_counts_on_the_other(shared: Shared) -> None:
    carol = shared.login("carol", "carol@one")

    def asked_on(node: str) -> Watch:
        log = AccessLog(shared.state, ARCHIVE, node, shared.clock)
        for number in range(3):
            entry = replace(QUESTION, operator="carol", orders=(f"{node}{number}",), count=1)
            log.record(entry)
        limits = Limits(orders_per_hour=2)
        return Watch(state=shared.state, log=log, clock=shared.clock, limits=limits)

    assert asked_on("one").require_clear(carol, "find")
    with pytest.raises(BlockedError):
        asked_on("two").require_clear(carol, "find")
