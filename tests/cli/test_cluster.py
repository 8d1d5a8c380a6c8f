"""`archiver backfill --cluster`: the same work on the workers of a Dask cluster of this machine."""

from collections.abc import Iterator

import pytest
from distributed import LocalCluster

from tests.cli.conftest import Terminal
from tests.cli.test_backfill import DAYS, RANGE, audited

pytestmark = [pytest.mark.server, pytest.mark.allow_hosts(["127.0.0.1"])]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """A scheduler, and two processes that do one thing at a time."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        yield cluster


def test_a_cluster_seals_what_processes_would_have(
    founded: Terminal, cluster: LocalCluster
) -> None:
    founded.shop(orders=120, days=DAYS)

    ran = founded.json("backfill", *RANGE, "--cluster", cluster.scheduler_address)

    assert ran.exit == 3  # three rows of this shop are broken
    assert ran.document["workers"] == 2
    assert [one["manifest"] for one in ran.document["days"]] == list(range(1, DAYS + 1))
    found = audited(founded)
    assert len(found.orders) == sum(one["orders"] for one in ran.document["days"]) > 60
    assert len(found.rejects) == 3


def test_a_cluster_that_is_not_there_is_tried_again_later(
    founded: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    founded.shop(orders=10, days=1)
    monkeypatch.setattr("archiver.executors.CONNECT_SECONDS", 0.2)
    ran = founded.json("backfill", *RANGE, "--cluster", "tcp://127.0.0.1:1")
    assert (ran.exit, ran.document["alarms"][0]["code"]) == (10, "cluster-unavailable")
    assert "tcp://127.0.0.1:1" in ran.document["alarms"][0]["message"]


def test_workers_that_do_several_things_at_once_are_refused(founded: Terminal) -> None:
    founded.shop(orders=10, days=1)
    with LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as shared:
        ran = founded.json("backfill", *RANGE, "--cluster", shared.scheduler_address)
    assert (ran.exit, ran.document["alarms"][0]["code"]) == (2, "request")
    assert "--nthreads 1" in ran.document["alarms"][0]["message"]


def test_processes_and_a_cluster_at_once_are_refused(founded: Terminal) -> None:
    ran = founded.json("backfill", *RANGE, "--cluster", "tcp://127.0.0.1:1", "--workers", "2")
    assert ran.exit == 2
