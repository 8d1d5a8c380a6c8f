"""Object keys: one place makes them, and every store takes them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver import layout
from archiver.stores.preconditions import require_key

NAME = "0123456789abcdef" * 2


def test_keys_are_what_the_format_says() -> None:
    assert layout.ARCHIVE == "archive.json"
    assert layout.signer_key(1) == "signers/0001.json"
    assert layout.cohort_key("orders-2029-03") == "cohorts/orders-2029-03.json"
    assert layout.manifest_key(1) == "manifests/00000001.json"
    key = layout.data_key("orders", "main", date(2026, 3, 5), NAME)
    assert key == f"orders/main/2026/03/05/{NAME}.parquet"


@pytest.mark.parametrize("kind", ["orders", "rejects", "segments", "known"])
def test_every_store_takes_every_key(kind: str) -> None:
    for key in (
        layout.ARCHIVE,
        layout.signer_key(9999),
        layout.cohort_key("rejects-2029-12"),
        layout.manifest_key(99_999_999),
        layout.data_key(kind, "s" * 64, date(9999, 12, 31), NAME),
    ):
        require_key(key)


@given(st.integers(1, 99_999_999))
def test_a_manifest_s_number_is_read_from_its_key(number: int) -> None:
    assert layout.manifest_number(layout.manifest_key(number)) == number


@given(st.lists(st.integers(1, 99_999_999), min_size=2, max_size=5))
def test_manifests_list_in_the_order_of_their_numbers(numbers: list[int]) -> None:
    keys = [layout.manifest_key(number) for number in sorted(numbers)]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    "key",
    [
        "archive.json",
        "manifests/1.json",
        "manifests/000000001.json",
        "manifests/00000001.json.bak",
        "x/manifests/00000001.json",
        "manifests/00000001.json\n",
        "manifests/0000000a.json",
        "manifests/",
        "",
    ],
)
def test_other_keys_have_no_number(key: str) -> None:
    assert layout.manifest_number(key) is None


def test_digits_of_other_scripts_are_no_number() -> None:
    assert layout.manifest_number("manifests/٠٠٠٠٠٠٠١.json") is None


def test_a_data_objects_key_says_what_it_holds_of_which_source_and_day() -> None:
    for kind in ("orders", "rejects", "segments", "known"):
        key = layout.data_key(kind, "main", date(2026, 3, 5), NAME)
        assert any(key.startswith(prefix) for prefix in layout.DATA)
        place = layout.data_place(key)
        assert place == layout.DataPlace(holds=kind, source="main", day=date(2026, 3, 5))
    for other in ("manifests/00000001.json", f"orders/main/2026/3/5/{NAME}.parquet", "orders/"):
        assert layout.data_place(other) is None


@given(st.integers(1, 99_999_999), st.sampled_from(["", "0123abcd"]))
def test_what_lies_beside_a_checkpoint_says_whose_it_is(size: int, aside: str) -> None:
    for name in ("tsa", "a-0123abcd", "x" * 64):
        assert layout.cosignature_place(layout.cosignature_key(size, name, aside)) == (size, name)
        assert layout.timestamp_place(layout.timestamp_key(size, name, aside)) == (size, name)
        require_key(layout.timestamp_key(size, name, aside))


@given(st.lists(st.integers(1, 9_999_999_998), min_size=2, max_size=5, unique=True))
def test_of_checkpoints_in_a_second_store_the_latest_is_listed_first(sizes: list[int]) -> None:
    keys = sorted(layout.witness_key(NAME, size) for size in sizes)
    assert [layout.witnessed_size(key) for key in keys] == sorted(sizes, reverse=True)
