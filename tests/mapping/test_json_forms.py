"""Forms that shops keep as JSON: the same promise about passwords."""

import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archiver.mapping import MapContext, MappedPage, apply, forms
from tests.mapping.pages import context, mapping, page

SECRET = "CanaryGamePwd77"
FORM = {
    "column": "race",
    "format": "json",
    "when": [{"column": "race", "present": True}],
    "kind": "form",
    "target": ["账号", "UID"],
    "extra": ["大区"],
}


def mapped(text: str | bytes, **row: str | bytes | None) -> MappedPage:
    """Map one order whose form is this text."""
    at: MapContext = context()
    return apply(page({"race": text, **row}), mapping(forms=[FORM], extra={}), at)


def delivered(form: object, *, escaped: bool = False) -> list[dict[str, Any]]:
    """Return the form's delivery, and its extras as one more entry."""
    result = mapped(json.dumps(form, ensure_ascii=escaped))
    [order] = result.orders.to_pylist()
    assert SECRET not in repr(order) + repr(result.content.to_pylist())
    filled = [one for one in order["deliveries"] if one["kind"] == "form"]
    return [*filled, {one["name"]: one["value"] for one in order["extra"]}]


@pytest.mark.parametrize("escaped", [True, False])
def test_a_json_form_is_parsed_by_field_and_its_passwords_are_dropped(escaped: bool) -> None:
    flat = {"账号": "玩家1", "密码": SECRET, "大区": "微信区", "备注2": "晚上"}
    titled = {
        "f1": {"value": "玩家1", "cn": "账号"},
        "f2": {"value": SECRET, "cn": "登录密码"},
        "f3": {"value": "微信区", "cn": "大区"},
        "password": {"value": SECRET, "cn": "请输入"},
        "备注2": {"value": "晚上", "cn": ""},
    }
    for form in (flat, titled):
        delivery, extra = delivered(form, escaped=escaped)
        assert (delivery["target"], delivery["secret"]) == ("玩家1", "备注2:晚上")
        assert extra == {"大区": "微信区"}


@pytest.mark.parametrize(
    "form",
    [
        {"密码\n提示": SECRET},
        {"账号": f"玩家\n密码\n{SECRET}"},
        {"账号": f"玩家 密码:{SECRET}"},
        {"x": {"密码": SECRET}},
        {"x": [f"密码 {SECRET}"]},
        {"a" * 80 + "密码": SECRET},
        {"a:密码": SECRET},
        {"ｐｗｄ": SECRET},
        {"x": {"cn": "密码", "value": {"deep": SECRET}}},
    ],
)
def test_a_password_finds_no_way_through_json(form: object) -> None:
    delivered(form)


@pytest.mark.parametrize(
    "text", [f'{{"x":{{"value":"{SECRET}","cn":"密', f'["{SECRET}"]', f'"{SECRET}"', "[" * 9999]
)
def test_what_is_no_json_object_is_not_kept_at_all(text: str) -> None:
    result = mapped(text)

    assert result.orders.num_rows == 1
    assert SECRET not in repr(result.orders.to_pylist()) + repr(result.content.to_pylist())


@pytest.mark.parametrize("escaped", [True, False])
def test_a_rejected_row_keeps_no_password_of_a_json_form(escaped: bool) -> None:
    text = json.dumps({"账号": "a", "密码": SECRET}, ensure_ascii=escaped)
    broken = text.encode() + b" \xff"

    for row, form in (({"amount": "-1"}, text), ({}, broken)):
        result = mapped(form, **row)
        assert result.rejects.num_rows == 1
        assert SECRET not in repr(result.rejects.to_pylist())
        assert SECRET.encode() not in result.reject_content[0].as_py()


def test_letters_that_no_text_may_hold_spoil_no_order() -> None:
    result = mapped(r'{"账号": "a\u0000b", "大区": "\ud800x"}')

    [order] = result.orders.to_pylist()
    assert [d["target"] for d in order["deliveries"] if d["kind"] == "form"] == ["ab"]
    assert order["extra"] == [{"name": "大区", "value": "?x"}]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: (
    st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
), max_leaves=8))  # fmt: skip
def test_any_json_becomes_lines_that_are_clean_once_cleaned(form: object) -> None:
    texts = forms.lines_of_json(pa.array([json.dumps(form), None], pa.string()))

    once = forms.clean(forms.read(texts), 2)

    assert once.equals(forms.clean(forms.read(once), 2))
