"""The officer's day, support's lookup, both languages, a phone, a keyboard: in a real browser.

Pictures of the pages are kept in build/screenshots. A page that has a script or a style refused,
or writes an error anywhere, fails whichever test has opened it (`office`).
"""

from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Error, expect

from archiver.access_log import Outcome
from tests.browser.person import HAS_FOCUS, PHONE, Office, Person

CASE = "公调证字〔2026〕12号"


def an_order(office: Office, number: int = 0) -> dict[str, Any]:
    """Return an order that somebody has paid for, with one card."""
    rows = [row for row in office.world.rows if row["channel"] and "\n" not in row["secret"]]
    return dict(rows[number])


def test_the_officers_day_from_log_in_to_a_revealed_card(office: Office) -> None:
    row = an_order(office)
    carol = office.person("carol").login()
    carol.ask(row["trade_no"], "协助调查")
    carol.keep("found-zh")
    carol.page.get_by_role("link", name=row["no"]).click()
    carol.sees("该订单未见异常")
    expect(carol.page.get_by_text(row["secret"])).to_have_count(0)
    carol.keep("order-zh")
    carol.page.get_by_role("link", name="查看卡密").click()
    carol.page.get_by_label("案号").fill(CASE)
    carol.page.keyboard.press("Enter")
    carol.sees("等待他人批准")
    carol.keep("reveal-waits-zh")

    dora = office.person("dora", "en-GB").login()
    dora.page.get_by_role("link", name="Approvals").click()
    dora.sees("Reveal of card secrets")
    dora.keep("approvals-en")
    dora.page.get_by_role("button", name="Grant").click()
    dora.sees("is granted")

    carol.page.clock.install()
    carol.page.get_by_role("link", name="刷新").click()
    carol.sees("dora 已批准")
    carol.page.locator("#code").fill("000000")
    carol.page.keyboard.press("Enter")
    carol.sees("动态码有误")
    carol.page.locator("#code").fill(carol.code())
    carol.page.keyboard.press("Enter")
    shown = carol.page.get_by_text(row["secret"])
    expect(shown).to_be_visible()
    left = carol.page.locator("[data-left]")
    expect(left).to_have_text("60")
    carol.keep("secret-zh")
    carol.page.clock.run_for(45_000)
    expect(left).to_have_text("15")
    carol.page.clock.run_for(16_000)
    expect(shown).to_have_count(0)
    refresh = carol.page.locator('meta[http-equiv="refresh"]').get_attribute("content")
    assert (refresh or "").startswith("60;url=/order?")
    carol.page.get_by_role("link", name="立即隐藏").click()
    carol.page.wait_for_url("**/order?**")
    with suppress(Error):  # the browser has not kept it, and does not send the form again
        carol.page.go_back()
    expect(carol.page.get_by_text(row["secret"])).to_have_count(0)
    carol.page.goto("/search")

    kept = carol.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
    assert kept == [0, 0, ""]  # cookies are there, and no script reads them

    (entry,) = [one for one in office.world.log() if one.outcome is Outcome.REVEALED]
    assert (entry.operator, entry.case, entry.origin) == ("carol", CASE, "ip:127.0.0.1")


@pytest.mark.parametrize(("lang", "masked"), [("zh-CN", "归档截至"), ("en-US", "archived as of")])
def test_support_looks_an_order_up_by_its_payment_number_without_any_script(
    office: Office, lang: str, masked: str
) -> None:
    row = an_order(office, 1)
    sue = office.person("sue", lang, java_script_enabled=False).login()
    sue.ask(row["trade_no"], "售后")
    sue.sees(masked)
    sue.keep(f"support-found-{lang[:2]}")
    sue.page.get_by_role("link", name=row["no"]).click()
    expect(sue.page.get_by_role("heading", name=row["no"])).to_be_visible()
    expect(sue.page.get_by_text("•••@").or_(sue.page.get_by_text("138•••")).first).to_be_visible()
    assert row["contact"] not in sue.page.content()
    sue.page.locator("summary").last.click()
    expect(sue.page.locator(".articles")).to_be_visible()
    sue.keep(f"support-order-{lang[:2]}")


def test_everything_fits_on_a_phone_and_can_be_touched(office: Office) -> None:
    row = an_order(office, 2)
    carol = office.person("carol", viewport=PHONE, has_touch=True, color_scheme="dark").login()
    look(carol, "start")
    carol.ask(row["contact"], "协助调查")
    look(carol, "found")
    carol.page.locator(".whole").first.click()
    look(carol, "order")
    carol.page.get_by_role("link", name="查看卡密").click()
    look(carol, "reveal")
    for name in ("approvals", "exports", "status", "access", "operators"):
        carol.page.goto(f"/{name}")
        look(carol, name)
    root = office.person("root", viewport=PHONE, has_touch=True).login()
    root.page.goto("/operators")
    look(root, "operators-root")


def look(person: Person, name: str) -> None:
    """Hold what holds for every page on a phone."""
    assert person.fits(), name
    small = person.page.evaluate(
        """() => [...document.querySelectorAll("button, .button, .nav a, select, summary")]
          .filter(one => one.offsetParent && one.getBoundingClientRect().height < 24)
          .map(one => one.outerHTML.slice(0, 80))"""
    )
    assert small == [], name
    person.keep(f"phone-{name}")


def test_the_keyboard_alone_is_enough_and_always_shows_where_it_is(office: Office) -> None:
    row = an_order(office, 3)
    carol = office.person("carol", "en-US").login()
    keys, page = carol.page.keyboard, carol.page
    page.goto("/status")
    keys.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    seen = set()
    while not page.evaluate("document.activeElement === document.body"):
        assert page.evaluate(HAS_FOCUS)
        keys.press("Tab")
        seen.add(page.evaluate("document.activeElement.textContent.trim()"))
    assert {"Search", "Approvals", "Status", "Access log", "Operators", "Log out"} <= seen
    page.goto("/search")
    page.get_by_label("Purpose").focus()
    keys.type("complaint")
    page.locator("body").evaluate("() => document.activeElement.blur()")
    keys.press("/")
    expect(page.locator("#q")).to_be_focused()
    keys.type(row["no"])
    keys.press("Enter")
    page.wait_for_url("**/found?**")
    for _ in range(40):
        keys.press("Tab")
        if page.evaluate("document.activeElement.matches('.whole')"):
            break
    assert page.evaluate(HAS_FOCUS)
    carol.keep("focus-en")
    keys.press("Enter")
    expect(page.get_by_role("heading", name=row["no"])).to_be_visible()


def test_each_page_has_its_picture_in_both_languages(office: Office) -> None:
    for lang, days in (("zh-CN", "更多条件"), ("en-US", "Narrow down")):
        carol = office.person("carol", lang).login()
        short = lang[:2]
        carol.keep(f"start-{short}")
        carol.page.locator("#case").fill(CASE)
        carol.page.get_by_text(days, exact=True).click()
        carol.page.locator("#from").fill("2026-03-02")
        carol.page.locator("#to").fill("2026-03-03")
        carol.page.keyboard.press("Enter")
        carol.page.wait_for_url("**/found?**")
        carol.keep(f"days-{short}")
        expect(carol.page.locator(".whole")).to_have_count(10)
        carol.page.locator("form[action='/exports'] button").click()
        carol.page.locator("form[action='/exports/start'] button").click()
        carol.page.locator("form[action='/exports/take'] button").wait_for()
        carol.keep(f"exports-{short}")
        with carol.page.expect_download() as download:
            carol.page.locator("form[action='/exports/take'] button").click()
        assert download.value.suggested_filename.startswith("orders-main-")
        for name in ("status", "access", "operators"):
            carol.page.goto(f"/{name}")
            carol.keep(f"{name}-{short}")
        carol.ask("NEVER-WAS-2026", "投诉")
        carol.keep(f"none-{short}")
