"""Sealing: nothing in plain, keys for one object only, refused where a lock would be wrong."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver import retention, sealing
from archiver.archive import Archive
from archiver.batch import Batch, paid_by_channel
from archiver.errors import RetentionRefusedError
from archiver.recognition import known_rows
from archiver.stores.memory import MemoryStore
from schemas.orders import ORDER_V1
from tests import cards
from tests.archives import RULES
from tests.desk import at, founded, march
from tests.faults import Count
from tests.order_rows import Row, rows, table

T = TypeVar("T")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    return founded(tmp_path_factory.mktemp("archive")).open()


def batch_of(orders: pa.Table, **changes: Any) -> Batch:  # noqa: ANN401
    count = len(orders)
    known = known_rows(
        np.zeros((count, 16), np.uint8),
        np.zeros((count, 16), np.uint8),
        revision=np.ones(count, np.int32),
        first_seen=np.zeros(count, np.int64),
        completed=np.zeros(count, np.int64),
        orders=orders,
    )
    until = retention.retain_until(at(4), RULES.retention)
    whole = Batch(
        kind="orders",
        source="main",
        day=march(4),
        rows=orders,
        known=known,
        retain_until=until,
        cohort=retention.cohort_of(until, "orders"),
    )
    return replace(whole, **changes)


CANARIES = ("CANARYSECRET", "CANARYBUYER", "CANARYNUMBER", "CANARYREJECT", "CANARYCATEGORY", "点卡")


def test_no_object_holds_anything_in_plain(tmp_path: Path) -> None:
    canary = {"secret": "CANARYSECRET-1", "contact": "CANARYBUYER@x.cn", "category": CANARIES[4]}
    orders = [cards.order(n, at(4), no=f"CANARYNUMBER{n}", **canary) for n in range(1, 40)]
    broken = [cards.order(n, at(4), paid="CANARYREJECT", **canary) for n in (50, 51)]
    desk = founded(tmp_path, [*orders, *broken])
    desk.night()
    versions = list(desk.store.list_versions(""))
    assert {version.key.partition("/")[0] for version in versions} >= {
        *("orders", "rejects", "segments", "known", "manifests", "cohorts"),
    }
    for version in versions:
        content = desk.store.get(version.key, version.version_id)
        for word in CANARIES:
            assert word.encode() not in content, version.key
            assert word.encode("utf-16-le") not in content, version.key
    assert len(desk.audit().orders) == 39


def test_every_object_has_keys_of_its_own(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(n, at(n)) for n in (2, 3, 4)])
    desk.night()
    found = desk.audit()
    sealed = [key for one in found.objects for key in one.about["keys"].values()]
    assert len(sealed) == len(set(sealed)) == 9
    assert {one.about["kind"]: set(one.about["keys"]) for one in found.objects} == {
        "orders": {"base", "reveal"},
        "segments": {"index"},
        "known": set(),
    }


def test_the_same_rows_sealed_twice_share_no_bytes_and_no_name(archive: Archive) -> None:
    orders = table(ORDER_V1, [ORDER, ORDER])
    one, two = (sealing.seal(archive, batch_of(orders)) for _ in range(2))
    assert not {o.key for o in one.objects} & {o.key for o in two.objects}
    assert not {o.sha256 for o in one.objects} & {o.sha256 for o in two.objects}
    roots = [sealed.objects[0].merkle_root for sealed in (one, two)]
    assert roots[0] != roots[1]


def test_everything_is_written_and_read_back_before_the_manifest(tmp_path: Path) -> None:
    class Watching(Count):
        """Notes what is asked for, in order."""

        seen: list[tuple[str, str]]

        def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
            self.seen.append((method, key.partition("/")[0]))
            return super()._call(method, key, act)

    desk = founded(tmp_path, [cards.order(1, at(4)), cards.order(2, at(4), paid="x")])
    watching = Watching(desk.store)
    watching.seen = []
    desk.night(store=watching)
    puts = [kind for method, kind in watching.seen if method == "put"]
    assert puts[0] != "manifests"
    assert puts[-3:] == ["manifests", "ledger", "checkpoints"]
    manifest = watching.seen.index(("put", "manifests"))
    for kind in ("orders", "segments", "rejects"):
        put = watching.seen.index(("put", kind))
        assert ("get", kind) in watching.seen[put:manifest]
    known = [one for one in watching.seen[:manifest] if one == ("get", "known")]
    assert len(known) == 2


@pytest.mark.parametrize(("days", "refused"), [(0, False), (30, False), (31, True), (400, True)])
def test_a_lock_that_would_be_a_month_too_long_is_refused_before_anything_is_written(
    tmp_path: Path, days: int, refused: bool
) -> None:
    desk = founded(tmp_path)
    counting = Count(desk.store)
    archive = desk.open(counting)
    lawful = retention.retain_until(desk.clock.now(), RULES.retention)
    until = lawful + timedelta(days=days)
    batch = batch_of(
        table(ORDER_V1, [ORDER]),
        retain_until=until,
        cohort=retention.cohort_of(until, "orders"),
    )
    if refused:
        with pytest.raises(RetentionRefusedError, match=f"main 2026-03-04.*{days} days"):
            sealing.seal(archive, batch)
        assert not counting.puts
    else:
        sealing.seal(archive, batch)
        assert counting.puts["orders"] == 1


@pytest.mark.parametrize("same", ["AbC-123 456", "abc123456", " A B C 1 2 3 4 5 6 ", "ABC-123-456"])
def test_a_card_is_recognised_however_it_is_written(tmp_path: Path, same: str) -> None:
    rows_ = [cards.order(1, at(4), secret="ABC123456"), cards.order(2, at(4), secret=same)]
    desk = founded(tmp_path, rows_)
    desk.night()
    one, two = desk.audit().orders
    assert one["deliveries"][0]["card_token"] == two["deliveries"][0]["card_token"]
    assert two["deliveries"][0]["secret"] == same


# --- any row -------------------------------------------------------------------------------------

ENDED = datetime(2026, 3, 4, 4, tzinfo=UTC)
ORDER: Row = {
    **{field.name: None for field in ORDER_V1},
    "archive": "0" * 32,
    "source": "main",
    "order_id": "A",
    "revision": 1,
    "first_seen_at": ENDED,
    "outcome": "completed",
    "completed_at": ENDED,
    "payments": [],
    "deliveries": [{"secret": "x"}],
    "mapping_digest": "0" * 64,
    "completion_rule": "paid",
    "secret_commitment": bytes(32),
}


def sealable(content: list[Row]) -> list[Row]:
    """Rows as the mapping gives them: lists are never null, times in range, ids sane."""
    fixed: list[Row] = []
    for number, row in enumerate(content):
        lists = {
            name: [item or {} for item in row[name] or []]
            for name in ("payments", "deliveries", "after_sales", "events", "extra")
        }
        fixed.append({**row, **lists, "completed_at": ENDED, "order_id": f"N{number}"})
    return fixed


@given(rows(ORDER_V1, min_size=1, max_size=5), st.integers(1, 3))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
def test_any_order_is_sealed_and_comes_back_as_it_was(
    archive: Archive, content: list[Row], group_rows: int
) -> None:
    orders = table(ORDER_V1, sealable(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archiver.partition.ROW_GROUP_ROWS", group_rows)
        sealed = sealing.seal(archive, batch_of(orders))  # compares what it reads back
    rows_of = {one.kind: one.rows for one in sealed.objects}
    assert rows_of["orders"] == rows_of["known"] == len(orders)
    assert rows_of["segments"] >= len(orders)
    assert sealed.paid == paid_by_channel(orders, march(4))
    assert isinstance(archive.store, MemoryStore)
