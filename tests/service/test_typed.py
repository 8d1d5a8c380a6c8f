import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.service.pages.typed import KINDS, readings


def first(typed: str) -> tuple[str, str]:
    reading = readings(typed)[0]
    return reading.kind, reading.value


@pytest.mark.parametrize(
    ("typed", "kind", "value"),
    [
        # order numbers of the shops that we have presets for
        ("QX7KD02MZP4LA9TE", "order", "QX7KD02MZP4LA9TE"),
        ("D2026030512000001", "order", "D2026030512000001"),
        ("1772683200123456789", "order", "1772683200123456789"),
        ("ORD-2026-000123", "order", "ORD-2026-000123"),
        ("2026-0305-000123", "order", "2026-0305-000123"),
        # payment numbers: Alipay, WeChat Pay
        ("2026030522001412345678901234", "payment", "2026030522001412345678901234"),
        ("4200002026 0305 1234 5678 9012 34", "payment", "4200002026030512345678901234"),
        # who
        ("Wang.Fang@QQ.com", "contact", "Wang.Fang@QQ.com"),
        ("１３８００１３８０００", "contact", "13800138000"),
        ("+86 138-0013-8000", "contact", "13800138000"),
        ("0086 13800138000", "contact", "13800138000"),
        ("+1 (415) 555-0100", "contact", "+14155550100"),
        ("010-62345678", "contact", "01062345678"),
        ("王小明", "account", "王小明"),
        # from where
        ("203.0.113.7", "ip", "203.0.113.7"),
        ("203.0.113.7:51820", "ip", "203.0.113.7"),
        ("2001:DB8:0::1", "ip", "2001:db8::1"),
        ("[2001:db8::1]:443", "ip", "2001:db8::1"),
        # as people copy them
        ("订单号：QX7KD02MZP4LA9TE", "order", "QX7KD02MZP4LA9TE"),
        ("支付宝交易号: 2026030522001412345678901234", "payment", "2026030522001412345678901234"),
        ("trade_no:ABC123", "payment", "ABC123"),
        ("Order No: 12345", "order", "12345"),
        ("充值账号：123 456 789", "target", "123456789"),
        ("  “wang@qq.com”，", "contact", "wang@qq.com"),
    ],
)
def test_what_was_typed_is_understood(typed: str, kind: str, value: str) -> None:
    assert first(typed) == (kind, value)


def test_a_label_decides_and_leaves_no_other_reading() -> None:
    assert [one.kind for one in readings("商户：13800138000")] == ["merchant"]


def test_a_label_that_nobody_knows_is_part_of_the_value() -> None:
    assert first("hello: world") == ("account", "hello: world")


def test_a_number_can_be_several_things() -> None:
    assert [one.kind for one in readings("123456789")] == ["order", "account", "contact", "target"]


@pytest.mark.parametrize("typed", ["", "   ", "\u3000", "“”", "'"])
def test_nothing_means_nothing(typed: str) -> None:
    assert readings(typed) == ()


@given(st.text(max_size=60))
def test_whatever_is_typed_is_understood_somehow_and_without_an_empty_value(typed: str) -> None:
    found = readings(typed)
    assert len({one.kind for one in found}) == len(found)
    assert all(one.kind in KINDS and one.value for one in found)


@given(st.from_regex(r"[A-Z0-9]{16,19}", fullmatch=True))
def test_an_order_number_is_never_changed(number: str) -> None:
    assert number in {one.value for one in readings(number) if one.kind == "order"}
