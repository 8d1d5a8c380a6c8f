"""Money, numbers and times, against a row-by-row reading of the same text."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.mapping import columns, zones
from archiver.mapping.faults import Faults
from archiver.mapping.parts import Time

# Local times have no zone yet: that is what is tested.
LOCAL = st.datetimes(datetime(1990, 1, 3), datetime(2199, 12, 28))  # noqa: DTZ001
LARGEST = Decimal("9999999999999999.99")


@given(
    st.lists(
        st.one_of(
            st.decimals(allow_nan=False, allow_infinity=False, places=2).map(str),
            st.decimals(-5, 5, places=4).map(str),
            st.text("0123456789.-+e ", max_size=8),
            st.none(),
        ),
        max_size=20,
    )
)
def test_an_amount_is_exact_or_a_fault(values: list[str | None]) -> None:
    faults = Faults(len(values))
    found = columns.money(pa.array(values, pa.string()), "amount", faults)

    for value, amount, bad in zip(values, found.to_pylist(), faults.bad, strict=True):
        if value is None or not value:
            assert (amount, bad) == (None, False)
        elif not bad:
            assert amount == Decimal(value)
            assert 0 <= amount <= LARGEST
        elif "." in value and "e" not in value and value.replace(".", "", 1).isdigit():
            assert Decimal(value) > LARGEST or Decimal(value) % Decimal("0.01") != 0


@given(st.lists(st.integers(0, 10**17), max_size=10), st.integers(0, 2))
def test_minor_units_keep_every_cent(values: list[int], scale: int) -> None:
    faults = Faults(len(values))
    texts = pa.array([str(value) for value in values], pa.string())
    found = columns.money(texts, "amount", faults, scale)

    for value, amount, bad in zip(values, found.to_pylist(), faults.bad, strict=True):
        exact = Decimal(value).scaleb(-scale)
        assert bad == (exact > LARGEST)
        assert bad or amount == exact


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "Europe/Lisbon", "UTC"])
@given(st.lists(LOCAL, min_size=1, max_size=20))
def test_a_local_time_is_its_latest_instant(zone: str, values: list[datetime]) -> None:
    place = ZoneInfo(zone)
    local = np.array([zones.micros(value.replace(tzinfo=UTC)) for value in values])

    found = zones.to_utc(local, zone)

    for value, micros in zip(values, found.tolist(), strict=True):
        readings = [value.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1)]
        assert micros == zones.micros(max(readings))


def test_a_time_that_happened_twice_or_never_is_the_later_one() -> None:
    spec = Time(column="t", zone="America/New_York")
    values = pa.array(["2025-11-02 01:30:00", "2025-03-09 02:30:00"], pa.string())

    twice, never = columns.instants(values, spec, "UTC", Faults(2)).to_pylist()

    assert twice == datetime(2025, 11, 2, 6, 30, tzinfo=UTC)
    assert never == datetime(2025, 3, 9, 7, 30, tzinfo=UTC)


@given(LOCAL, st.integers(-14, 14))
def test_a_time_with_its_offset_ignores_the_declared_zone(value: datetime, hours: int) -> None:
    text = f"{value:%Y-%m-%d %H:%M:%S.%f}{hours:+03d}"
    spec = Time(column="t", zone="Asia/Shanghai")

    (found,) = columns.instants(pa.array([text]), spec, "UTC", Faults(1)).to_pylist()

    assert found == (value - timedelta(hours=hours)).replace(tzinfo=UTC)


@given(st.lists(st.one_of(st.none(), st.text(max_size=20)), max_size=20))
def test_any_text_is_a_time_of_sane_years_or_a_fault(values: list[str | None]) -> None:
    faults = Faults(len(values))
    spec = Time(column="t", zone="Asia/Shanghai")

    found = columns.instants(pa.array(values, pa.string()), spec, "UTC", faults).to_pylist()

    for value, instant, bad in zip(values, found, faults.bad, strict=True):
        assert bad == (bool(value) and instant is None)
        assert instant is None or zones.EARLIEST <= instant < zones.LATEST


def test_epochs_count_in_their_unit() -> None:
    moment = datetime(2026, 11, 1, 12, 5, tzinfo=UTC)
    seconds = str(int(moment.timestamp()))

    for zone, text in (("epoch_s", seconds), ("epoch_ms", seconds + "000")):
        spec = Time(column="t", zone=zone)
        assert columns.instants(pa.array([text]), spec, "UTC", Faults(1)).to_pylist() == [moment]


def test_text_does_not_keep_the_page_in_memory_that_it_came_in() -> None:
    page = pa.record_batch({"a": pa.array([b"1", None, b"3"], pa.large_binary())})
    message = pa.ipc.read_record_batch(page.serialize(), page.schema)
    raw = message["a"]
    text = columns.text(raw, "a", Faults(3))
    assert text.to_pylist() == ["1", None, "3"]
    theirs = {one.address for one in raw.buffers() if one}
    assert not theirs & {one.address for one in text.buffers() if one}
