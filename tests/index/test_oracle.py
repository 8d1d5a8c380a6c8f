"""The index against brute force: random orders of random nights, merged and rebuilt any way."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.index import Index
from archiver.search_tokens import Kind, ask
from tests import search_oracle
from tests.index.shelf import START, Shelf, order, places, questions, shelf
from tests.order_rows import Row

CONTACTS = st.sampled_from(["a@qq.com", "B@QQ.com", "+86 138 0013 8000", "点卡买家", "", None])
NUMBERS = st.sampled_from(["20260304001", "20260304002", "X-1", "", None])
SECRETS = st.sampled_from(["AAAA----BBBB", "CCCC 1111", "卡号：AAAA 密码：DDDD", "E-E-E-E", None])
ORDERS = st.builds(
    lambda name, revision, minutes, contact, no, other, ip, secrets: order(
        name,
        revision=revision,
        completed_at=START + timedelta(minutes=minutes),
        buyer={"contact": contact, "client_ip": ip},
        payments=[{"provider_no": no, "merchant_no": other}],
        deliveries=[{"secret": one} for one in secrets],
    ),
    st.sampled_from(["N1", "N2", "N3", "N4"]),
    st.integers(1, 3),
    st.integers(0, 9),
    CONTACTS,
    NUMBERS,
    NUMBERS,
    st.sampled_from(["1.2.3.4", "2001:DB8::1", None]),
    st.lists(SECRETS, max_size=2),
)
NIGHTS = st.lists(
    st.lists(st.lists(ORDERS, min_size=1, max_size=6), max_size=2), min_size=1, max_size=4
)


@pytest.fixture(scope="module")
def founding(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return shelf(tmp_path_factory.mktemp("archive"))


def require_all(index: Index, shelf: Shelf) -> None:
    """Ask for everything at once, and for some of it by itself."""
    wanted = shelf.wanted()
    asked = list(questions(shelf))
    criteria = [one for one in (ask(shelf.keys.search, k, value) for k, value, _ in asked) if one]
    each = index.find_each(criteria)
    for (kind, value, where), hits in zip(asked, each, strict=True):
        expected = set(where)
        if kind is Kind.CARD:
            # A card is found by what is a part of another, and by all of its own parts.
            expected |= wanted.get((9, value), set())
            parts = [wanted.get((9, part), set()) for part in search_oracle.parts(value)]
            expected |= set.intersection(*parts) if parts else set()
        assert Counter(places(hits)) == Counter(expected), (kind, value)
    for criterion, hits in list(zip(criteria, each, strict=True))[:: max(1, len(each) // 4)]:
        assert index.find([criterion]) == hits


@given(
    nights=NIGHTS,
    group_rows=st.integers(1, 4),
    growth=st.sampled_from([0, 2]),
    run=st.sampled_from([1, 9, 99]),
)
@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow])
def test_every_value_finds_the_orders_that_have_it_before_and_after_merging_and_rebuilding(
    founding: Shelf, nights: Sequence[Sequence[list[Row]]], group_rows: int, growth: int, run: int
) -> None:
    here = Shelf(founding.desk, founding.archive)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr("archiver.partition.ROW_GROUP_ROWS", group_rows)
        patch.setattr("archiver.index.building.GROWTH", growth)
        patch.setattr("archiver.index.files.PORTION", 40)
        patch.setattr("archiver.index.looking.BULK", run)
        patch.setattr("archiver.index.runs.RUN_TOKENS", run)
        index = None
        for number, night in enumerate(nights):
            # Every other year has search tokens of its own.
            here.seal(*night, later=timedelta(days=-400 * (number % 2)))
            here.builder(Path(folder) / "one").update(here.entries)
            index = index.renewed() if index else here.index(Path(folder) / "one")
            require_all(index, here)
        here.builder(Path(folder) / "two").rebuild(here.entries)
        rebuilt = here.index(Path(folder) / "two")
        require_all(rebuilt, here)
        assert index is not None
        assert index.covered().days == rebuilt.covered().days
        assert len(index.pointer.segments) <= 4
