"""Hints."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from archiver.masking import MASK, hints, masked


@given(st.lists(st.one_of(st.none(), st.text(max_size=30)), max_size=20))
def test_a_hint_shows_the_end_at_most_a_quarter_and_at_most_four(
    secrets: list[str | None],
) -> None:
    found = hints(pa.array(secrets, pa.string())).to_pylist()

    for secret, hint in zip(secrets, found, strict=True):
        shown = min(len(secret or "") // 4, 4)
        assert hint == ((secret or "")[-shown:] if shown else None)
        assert masked(secret) == (None if secret is None else MASK + (hint or ""))
