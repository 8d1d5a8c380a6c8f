"""Hints and masks: what may be seen, and that nothing else can."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.masking import MASK, Personal, hints, mask, masked


@given(st.lists(st.one_of(st.none(), st.text(max_size=30)), max_size=20))
def test_a_hint_shows_the_end_at_most_a_quarter_and_at_most_four(
    secrets: list[str | None],
) -> None:
    found = hints(pa.array(secrets, pa.string())).to_pylist()

    for secret, hint in zip(secrets, found, strict=True):
        shown = min(len(secret or "") // 4, 4)
        assert hint == ((secret or "")[-shown:] if shown else None)
        assert masked(secret) == (None if secret is None else MASK + (hint or ""))


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (Personal.CONTACT, "zhangsan@qq.com", f"z{MASK}@qq.com"),
        (Personal.CONTACT, "ab@qq.com", f"{MASK}@qq.com"),
        (Personal.CONTACT, "Zhang@Zhang-San.cn", f"Z{MASK}@{MASK}"),
        (Personal.CONTACT, "ｚｈａｎｇ＠ｑｑ．ｃｏｍ", f"z{MASK}@qq.com"),
        (Personal.CONTACT, '"a@b"@gmail.com', f'"{MASK}@gmail.com'),
        (Personal.CONTACT, "13812345678", f"138{MASK}78"),
        (Personal.CONTACT, " 138 1234-5678 ", f"138{MASK}78"),
        (Personal.CONTACT, "+86 138 1234 5678", f"+861{MASK}78"),
        (Personal.CONTACT, "66688899", f"{MASK}99"),
        (Personal.CONTACT, "wx_zhangsan", f"w{MASK}n"),
        (Personal.ACCOUNT, "10086", f"1{MASK}"),
        (Personal.ACCOUNT, "张三丰", MASK),
        (Personal.ACCOUNT, "", MASK),
        (Personal.ADDRESS, "203.0.113.77", f"203.0.{MASK}"),
        (Personal.ADDRESS, "2001:db8::1", f"2001:0db8:{MASK}"),
        (Personal.ADDRESS, "::ffff:203.0.113.77", f"203.0.{MASK}"),
        (Personal.ADDRESS, "203.0.113.77, 10.0.0.1", MASK),
        (Personal.TEXT, "Mozilla/5.0 …", MASK),
    ],
)
def test_enough_stays_to_say_that_is_mine(kind: Personal, value: str, shown: str) -> None:
    assert mask(kind, value) == shown
    assert mask(kind, None) is None


@given(st.sampled_from(Personal), st.text(max_size=60))
def test_a_mask_hides_most_of_a_value_and_all_of_its_length(kind: Personal, value: str) -> None:
    shown = mask(kind, value)

    assert shown is not None
    kept = sum(len(part) for part in shown.split(MASK)) - shown.count("@")
    domain = shown.rpartition("@")[2] if "@" in shown and not shown.endswith(MASK) else ""
    assert MASK in shown
    assert kept - len(domain) <= (10 if kind is Personal.ADDRESS else 6)


@given(st.text("abcdefgh0123", min_size=8, max_size=60), st.integers(1, 30))
def test_values_that_differ_in_the_middle_only_look_the_same(value: str, more: int) -> None:
    longer = value[:-1] + "x" * more + value[-1]
    assert mask(Personal.ACCOUNT, longer) == mask(Personal.ACCOUNT, value)
