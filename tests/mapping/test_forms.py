"""Passwords of buyers' game accounts: nowhere, whatever the form looks like."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.mapping import forms
from tests.mapping.pages import mapped, order

SECRET = "CanaryGamePwd77"


def delivered(info: str | bytes) -> dict[str, Any]:
    found: dict[str, Any] = order(kind="manual", info=info)
    return found


def test_a_form_is_parsed_by_field() -> None:
    found = delivered(f"账号:player@example.com\n密码:{SECRET}\n大区:微信区\n")

    (delivery,) = found["deliveries"]
    assert (delivery["kind"], delivery["target"]) == ("manual", "player@example.com")
    assert delivery["secret"] is None
    assert found["extra"] == [{"name": "大区", "value": "微信区"}]


def test_what_an_administrator_added_is_kept_under_the_reveal_key() -> None:
    found = delivered(f"uid：10086\n密码={SECRET}\n已发货\n兑换码:AAAA-BBBB-CCCC")

    (delivery,) = found["deliveries"]
    assert delivery["target"] == "10086"
    assert delivery["secret"] == "已发货\n兑换码:AAAA-BBBB-CCCC"
    assert delivery["hint"] == "CCCC"


@pytest.mark.parametrize(
    "info",
    [
        f"密码:{SECRET}",
        f"密 码：{SECRET}",
        f"游戏密码 : {SECRET}",
        f"登录口令={SECRET}",
        f"Password: {SECRET}",
        f"PASSWD={SECRET}",
        f"pwd:{SECRET}",
        f"pass:{SECRET}",
        f"ｐａｓｓｗｏｒｄ：{SECRET}",
        f"密码(区分大小写):{SECRET}",
        f"密码:\n{SECRET}",
        f"密码 {SECRET}",
        f"密码\n{SECRET}",
        f"账号:player 密码:{SECRET}",
        f"账号:player {SECRET}(密码)",
        f"账号:player/pwd:{SECRET}",
        f"账号 player 密码 {SECRET}",
        f"  密码:{SECRET}\r",
    ],
)
@pytest.mark.parametrize("state", ["done", "unheard-of"])
@pytest.mark.parametrize("before", ["", "大区:微信区\n"])
def test_a_password_is_in_no_order_no_reject_and_no_digest(
    info: str, state: str, before: str
) -> None:
    result = mapped({"kind": "manual", "info": before + info, "state": state})

    for told in (result.orders.to_pylist(), result.rejects.to_pylist()):
        assert SECRET not in repr(told)
    assert SECRET.encode() not in b"".join(result.content.to_pylist())
    assert SECRET.encode() not in b"".join(result.reject_content.to_pylist())
    assert result.orders.num_rows + result.rejects.num_rows == 1


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
@pytest.mark.parametrize("kind", ["manual", None])
def test_a_form_in_broken_text_loses_its_password_lines_too(
    encoding: str, kind: str | None
) -> None:
    raw = f"账号:玩家\n密码:{SECRET}\n口令：\n{SECRET}".encode(encoding) + b"\n\xff\0rest"
    result = mapped({"kind": kind, "info": raw})

    (found,) = result.rejects.to_pylist()
    assert SECRET not in repr(found)
    assert SECRET.encode() not in result.reject_content[0].as_py()
    kept = next(entry["value"] for entry in found["values"] if entry["name"] == "info")
    assert "账号:玩家".encode(encoding) in kept
    assert b"rest" in kept


def test_a_password_that_changes_is_no_change_of_the_order() -> None:
    one, two = (
        mapped({"kind": "manual", "info": f"账号:a\n密码:{word}"}) for word in ("one", "two")
    )
    assert one.content.equals(two.content)


def test_an_account_that_contains_a_password_word_survives() -> None:
    assert delivered("账号:bypass@example.com")["deliveries"][0]["target"] == "bypass@example.com"


def test_cards_of_automatic_orders_keep_their_passwords_for_they_are_the_goods() -> None:
    found = order(kind="auto", info="卡号：1234 密码：5678")

    assert found["deliveries"][0]["secret"] == "卡号：1234 密码：5678"


@given(st.lists(st.one_of(st.none(), st.text(max_size=60)), max_size=10))
def test_cleaning_clean_text_changes_nothing(values: list[str | None]) -> None:
    texts = pa.array(values, pa.string())
    once = forms.clean(forms.read(texts), len(texts))
    twice = forms.clean(forms.read(once), len(texts))

    assert once.equals(twice)
