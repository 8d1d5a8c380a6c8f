"""The console through its forms and links, without a window.

What holds for every page is held by `Surfer` wherever a test goes: clean, small, kept nowhere,
nothing that leads elsewhere.
"""

import csv
import io
import re
from datetime import timedelta
from html import unescape
from urllib.parse import quote

import pytest

from archiver.errors import StoreError
from archiver.service.pages.console import TABLE
from archiver.service.table import To
from tests.operators.people import PASSWORD
from tests.service.surfer import surfer
from tests.service.world import HOSTILE, World

CASE = "公调证字〔2026〕12号"


def hostile(world: World) -> str:
    return str(world.rows[-1]["no"])


# --- in and out ---------------------------------------------------------------------------------


def test_whoever_is_not_logged_in_is_sent_to_the_log_in_and_back(world: World) -> None:
    somebody = surfer(world)
    somebody.go("/status")
    assert (somebody.path, somebody.status) == ("/login", 200)
    somebody.send("/login", name="audrey", password=PASSWORD, code=world.code("audrey"))
    assert somebody.path == "/status"


def test_a_wrong_password_is_told_without_saying_which_part_was_wrong(world: World) -> None:
    somebody = surfer(world).go("/login")
    somebody.send("/login", name="sue", password="wrong", code="000000")
    assert (somebody.path, somebody.status) == ("/login", 401)
    assert "名称、密码或动态码有误" in somebody


def test_logging_out_ends_the_session_itself(world: World) -> None:
    sue = surfer(world, "sue")
    cookies = dict(sue.browser.client.cookies)
    sue.send("/logout")
    assert "您已退出登录" in sue
    assert not any("archiver" in name for name in sue.browser.client.cookies)
    sue.browser.client.cookies.update(cookies)
    assert sue.go("/search").path == "/login"


def test_a_page_that_is_left_alone_goes_from_the_screen_when_its_session_has_ended(
    world: World,
) -> None:
    audrey = surfer(world, "audrey").go("/status")
    told = {
        one["http-equiv"]: one["content"]
        for tag, one in audrey.read.tags
        if tag == "meta" and "http-equiv" in one
    }
    seconds, _, target = told["refresh"].partition(";url=")
    assert int(seconds) > 15 * 60
    world.later(timedelta(seconds=int(seconds)))
    assert audrey.go(target).path == "/login"
    audrey.send("/login", name="audrey", password=PASSWORD, code=world.code("audrey"))
    assert audrey.path == "/status"


def test_each_role_begins_where_its_work_is(world: World) -> None:
    for name, path in (
        ("sue", "/search"),
        ("carol", "/search"),
        ("audrey", "/status"),
        ("root", "/status"),
    ):
        assert surfer(world, name).path == path


def test_the_language_is_the_browsers_until_another_is_chosen(world: World) -> None:
    sue = surfer(world, "sue")
    assert '<html lang="zh-CN">' in sue.page.text
    sue.follow("English")
    assert sue.path == "/search"
    assert '<html lang="en">' in sue.page.text
    assert "Purpose" in sue


ELSEWHERE = (
    *("//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"),
    *("/a\r\nX: y", "", "evil", "/\t/evil.example"),
)


def test_no_address_to_come_back_to_leads_elsewhere(world: World) -> None:
    sue = surfer(world, "sue")
    for elsewhere in ELSEWHERE:
        for path in ("/language?to=en&back=", "/confirm?back="):
            sue.go(path + quote(elsewhere, safe=""))
            assert sue.page.url.host == "127.0.0.1"
        form = next(one for one in sue.read.forms if one.action == "/confirm")
        assert form.fields["back"] == "/"
        sue.post("/confirm", {**form.fields, "back": elsewhere, "code": world.code("sue")})
        assert (sue.page.url.host, sue.path) == ("127.0.0.1", "/search")


# --- search -------------------------------------------------------------------------------------


def test_support_finds_an_order_by_its_payment_number_and_reads_its_dossier(world: World) -> None:
    row = next(one for one in world.rows if one["channel"])
    sue = surfer(world, "sue").find(row["trade_no"])
    assert row["no"] in sue
    assert row["contact"] not in sue.page.text
    entry = world.log(1)[0]
    assert (entry.command, entry.purpose) == ("find", "售后")
    assert [one.kind for one in entry.question] == ["payment"]
    sue.follow(row["no"])
    assert sue.path == "/order"
    assert "待支付" in sue
    assert "《电子商务法》第三十一条" in sue
    assert "查看卡密" not in sue  # it is not for support
    assert row["contact"] not in sue.page.text
    entry = world.log(1)[0]
    assert (entry.command, entry.purpose, entry.count) == ("show", "售后", 1)


def test_what_was_asked_for_stands_in_no_address(world: World) -> None:
    row = next(one for one in world.rows if one["contact"].startswith("138"))
    carol = surfer(world, "carol").find(row["contact"])
    told = [str(one.url) for one in (*carol.page.history, carol.page)]
    carol.follow(row["no"])
    told += [str(carol.page.url), *(href for _, href in carol.read.links)]
    told.append(carol.page.text.partition("<title>")[2].partition("</title>")[0])
    assert not any(row["contact"] in one or row["no"] in one for one in told)


def test_a_value_is_asked_for_as_what_some_order_has_it_as(world: World) -> None:
    row = next(one for one in world.rows if one["account"] and one["account"].startswith("user"))
    carol = surfer(world, "carol").find(row["account"])
    assert "按账号查询" in carol
    assert [one.kind for one in world.log(1)[0].question] == ["account"]
    assert world.log(1)[0].outcome == "answered"


def test_a_phone_number_alone_is_refused_to_support_and_says_what_is_missing(world: World) -> None:
    row = next(one for one in world.rows if one["contact"].startswith("138"))
    sue = surfer(world, "sue").find(row["contact"])
    assert sue.status == 403
    assert "金额、时间或商品" in sue
    assert "--" not in sue.text
    assert [one.kind for one in world.log(1)[0].question] == ["contact"]
    sue.send("/search", q=row["contact"], purpose="售后", product=row["product"])
    assert row["no"] in sue


def test_without_a_purpose_nothing_is_looked_for(world: World) -> None:
    sue = surfer(world, "sue").find(world.rows[0]["no"], purpose="")
    assert sue.status == 400
    assert "请填写事由或案号" in sue
    assert world.rows[0]["product"] not in sue


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"from": "2026-02-30"}, "起始日"),
        ({"from": "2026-03-05", "to": "2026-03-01"}, "晚于"),
        ({"amount": "12.345"}, "实付金额"),
        ({"kind": "card"}, "没有该类别"),
        ({"product": "x" * 101}, "100"),
    ],
)
def test_what_cannot_be_meant_is_told_beside_the_form(
    world: World, more: dict[str, str], said: str
) -> None:
    sue = surfer(world, "sue").find("D000001", **more)
    assert sue.status == 400
    assert said in sue


def test_days_alone_are_listed_in_pages_and_by_standing(world: World) -> None:
    carol = surfer(world, "carol")
    carol.find("", **{"from": "2026-03-03", "to": "2026-03-03", "case": CASE})
    seen: list[str] = []
    while True:
        page = [said for said, href in carol.read.links if href.startswith("/order?")]
        assert 0 < len(page) <= 10
        seen += page
        if "更早" not in carol:
            break
        carol.follow("更早")
    third = [row for row in world.rows if row["done_at"].startswith("2026-03-03")]
    assert sorted(seen) == sorted(row["no"] for row in third)
    for state, tab in (("refunded", "退款售后"), ("failed", "异常")):
        carol.follow(tab)
        shown = {said for said, href in carol.read.links if href.startswith("/order?")}
        assert shown == {row["no"] for row in third if row["state"] == state}
    assert {row["state"] for row in third} == {"done", "failed"}  # one is empty, one is not


def test_a_no_says_what_it_covers_and_offers_what_else_was_perhaps_meant(world: World) -> None:
    sue = surfer(world, "sue").find("NEVER-WAS-2026")
    assert "尚未归档" in sue
    assert "main：已归档 2026-03-02 至 2026-03-03" in sue
    sue.follow("支付单号")
    assert [one.kind for one in world.log(1)[0].question] == ["payment"]


def test_a_link_works_in_its_own_session_only(world: World) -> None:
    carol = surfer(world, "carol").find(world.rows[3]["no"], case=CASE)
    href = next(href for said, href in carol.read.links if said == world.rows[3]["no"])
    for other in (surfer(world, "dora"), surfer(world, "sue")):
        other.go(href)
        assert other.status == 400
        assert "请重新查询" in other
        assert world.rows[3]["product"] not in other
    carol.go(href[:-3] + "AAA")
    assert carol.status == 400


# --- hostile orders -----------------------------------------------------------------------------


def test_what_a_buyer_wrote_is_text_on_every_page(world: World) -> None:
    carol = surfer(world, "carol").find(hostile(world), case=CASE)
    assert "<img" not in carol.page.text
    assert HOSTILE["product"] in unescape(carol.page.text)
    carol.follow(hostile(world))
    for name in ("contact", "account", "product", "merchant_name", "channel", "target"):
        assert HOSTILE[name] in unescape(carol.page.text), name
    assert "<script src=//evil" not in carol.page.text
    carol.find('"><script>alert(1)</script>', purpose="'\"><img src=x>")
    assert "<img" not in carol.page.text


def test_a_password_is_masked_and_may_be_pasted(world: World) -> None:
    for page in (world.browser().get("/login"), surfer(world, "root").go("/operators").page):
        fields = re.findall(r"<input[^>]*name=\"password\"[^>]*>", page.text)
        assert fields
        for one in fields:
            assert 'type="password"' in one
            assert re.search(r'autocomplete="(current|new)-password"', one)
            assert "onpaste" not in one


def test_an_export_has_no_formulas_and_is_taken_once(world: World) -> None:
    carol = surfer(world, "carol").find(hostile(world), case=CASE)
    carol.send("/exports").send("/exports/start", format="csv")
    assert "已就绪" in carol
    assert "text/csv" in carol.send("/exports/take").page.headers["content-type"]
    rows = list(csv.DictReader(io.StringIO(carol.page.content.decode("utf-8-sig"))))
    assert [one["order_id"] for one in rows] == [hostile(world)]
    assert rows[0]["buyer.account"] == "'" + HOSTILE["account"]
    assert not any(value.startswith(("=", "+", "@")) for one in rows for value in one.values())
    assert rows[0]["access"] in carol.page.headers["content-disposition"].replace("-", "/")
    entry = world.log(1)[0]
    assert (entry.command, entry.count) == ("export", 1)
    carol.go("/exports")
    assert "已下载" in carol
    assert not any(form.action == "/exports/take" for form in carol.read.forms)


def test_support_exports_after_somebody_else_has_agreed(world: World) -> None:
    row = world.rows[5]
    sue = surfer(world, "sue").find(row["no"])
    sue.send("/exports").send("/exports/start", format="jsonl")
    assert "等待批准" in sue
    dora = surfer(world, "dora").go("/approvals")
    assert "导出" in dora
    assert row["no"] not in dora
    dora.send("/approvals", decision="grant")
    sue.send("/exports/start", format="jsonl")
    assert "已就绪" in sue
    entry = world.log(1)[0]
    assert (entry.command, entry.count, entry.shown) == ("export", 1, 0)  # somebody knows of it
    assert entry.approval is not None
    sue.send("/exports/take")
    assert row["no"] in sue.page.text
    assert row["contact"] not in sue.page.text


# --- what takes two -----------------------------------------------------------------------------


def test_nobody_decides_on_his_own_request_and_everybody_sees_what_became_of_it(
    world: World,
) -> None:
    carol = surfer(world, "carol").find(world.rows[7]["no"], case=CASE)
    carol.follow(world.rows[7]["no"]).follow("查看卡密")
    carol.send("/reveal", case=CASE)
    assert "等待他人批准" in carol
    carol.go("/approvals")
    assert "本人的请求" in carol
    assert not any(form.action == "/approvals" for form in carol.read.forms)
    kai = surfer(world, "kai").go("/approvals")
    kai.send("/approvals", decision="refuse")
    assert "已拒绝" in kai
    carol.follow("审批")
    assert "已拒绝" in carol


def test_a_page_that_looks_by_itself_keeps_no_deserted_session_alive(world: World) -> None:
    carol = surfer(world, "carol").find(world.rows[9]["no"], case=CASE)
    carol.follow(world.rows[9]["no"]).follow("查看卡密").send("/reveal", case=CASE)

    def looks() -> bool:
        return any(tag == "meta" and told.get("content") == "20" for tag, told in carol.read.tags)

    assert (looks(), "自动刷新" in carol) == (True, True)
    for _ in range(2):  # each within the quarter of an hour that a session lasts unused
        world.later(timedelta(minutes=10))
        carol.go(str(carol.page.url))
    assert (carol.path, looks()) == ("/reveal", False)
    carol.follow("刷新")
    assert looks()


def test_a_decision_takes_a_fresh_code(world: World) -> None:
    carol, dora = surfer(world, "carol"), surfer(world, "dora")
    carol.find(world.rows[8]["no"], case=CASE).follow(world.rows[8]["no"])
    carol.follow("查看卡密").send("/reveal", case=CASE)
    world.later(timedelta(minutes=6))
    dora.go("/approvals")
    dora.send("/approvals", decision="grant", code="000000")
    assert dora.status == 403
    assert "动态码有误" in dora
    dora.send("/approvals", decision="grant", code=world.code("dora"))
    assert dora.status == 200
    assert "已批准" in dora


# --- everything else ----------------------------------------------------------------------------


def test_the_status_page_shows_days_lock_and_bills(world: World) -> None:
    audrey = surfer(world, "audrey").go("/status")
    assert "封存日历" in audrey
    assert "2026-03" in audrey
    assert "个已结束日尚未封存" in audrey
    for word in ("锁证明", "总账", "复核", "见证方与时间戳", "支付渠道对账"):
        assert word in audrey
    assert any(told.get("class") == "gap" for _, told in audrey.read.tags)


def test_the_access_log_shows_tokens_and_its_own_reading(world: World) -> None:
    surfer(world, "sue").find(world.rows[0]["no"])
    audrey = surfer(world, "audrey").go("/access?operator=sue")
    assert "查询" in audrey
    assert world.rows[0]["no"] not in audrey
    assert (world.log(1)[0].command, world.log(1)[0].detail) == ("access log", "sue")


def test_an_administrator_adds_somebody_who_is_shown_his_factors_once(world: World) -> None:
    root = surfer(world, "root").go("/operators")
    root.send("/operators/add", name="new-one", role="support", password="a long enough pass")
    assert "仅显示一次" in root
    assert sum(tag == "svg" for tag, _ in root.read.tags) == 2  # the archive's sign and the QR code
    root.go("/operators")
    assert "new-one" in root
    root.send("/operators/disable", name="new-one")
    assert "new-one 已停用" in root


def test_every_page_refuses_a_form_that_it_did_not_give(world: World) -> None:
    carol = surfer(world, "carol")
    for (method, path), rule in TABLE.items():
        if method == "POST" and rule.to is To.PERSON:
            who = surfer(world, "root") if path.startswith("/operators") else carol
            who = surfer(world, "dora") if path == "/operators/release" else who
            number = {"number": "1"} if path == "/approvals" else {}
            assert who.post(path, number | {"csrf": "0" * 64}).status == 403, path


def test_a_page_that_is_none_is_told_as_one(world: World) -> None:
    sue = surfer(world, "sue")
    sue.go("/nowhere", headers={"accept": "text/html"})
    assert (sue.status, "此处没有内容" in sue) == (404, True)


def test_trouble_of_this_host_is_told_without_saying_what(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sue = surfer(world, "sue")

    def down(*_: object, **__: object) -> None:
        raise StoreError(key="k", detail="bucket secret-name at 10.0.0.9")

    monkeypatch.setattr("archiver.lookup.finding.Finder.find", down)
    sue.find(world.rows[0]["no"])
    assert sue.status == 503
    assert "secret-name" not in sue.page.text
    assert "稍后重试" in sue


def test_our_own_files_are_kept_for_a_year_and_there_are_no_others(world: World) -> None:
    sue = surfer(world)
    sue.go("/login")
    for tag, told in sue.read.tags:
        if tag in ("link", "script"):
            answer = sue.browser.get(told.get("href") or told["src"])
            assert "immutable" in answer.headers["cache-control"]
    assert sue.browser.get("/static/../console.py").status_code == 404
    assert sue.browser.get("/static/texts.toml").status_code == 404


def test_who_counts_through_numbers_sees_a_banner_then_a_code_then_a_block(world: World) -> None:
    sue = surfer(world, "sue")
    world.later(timedelta(minutes=11))  # the code of the log-in is not a fresh one any more
    seen = []
    for row in world.rows[:24]:
        world.later(timedelta(seconds=31))
        sue.find(row["no"])
        if sue.path == "/confirm":
            sue.send("/confirm", code=world.code("sue"))
            seen.append("code")
        elif sue.status == 403:
            seen.append("block")
            break
        elif "查询异常频繁" in sue:
            seen.append("banner")
    assert list(dict.fromkeys(seen)) == ["banner", "code", "block"]
    assert "须由合规人员解除" in sue
    assert "archiver operator" not in sue
    dora = surfer(world, "dora").go("/operators")
    assert "sue" in dora.text.partition("起被阻止")[0]
    dora.send("/operators/release")
    assert "重新开始计数" in dora
    assert surfer(world, "sue").find(world.rows[0]["no"]).status == 200
