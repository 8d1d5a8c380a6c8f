"""Somebody at a screen: a browser window, a keyboard, a phone that shows codes."""

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.operators.people import PASSWORD
from tests.servers.chromium import screenshots
from tests.service.world import World

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 800}
HAS_FOCUS = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const row = one.closest("tr") ? getComputedStyle(one.closest("tr")) : style;
  return style.outlineStyle !== "none" || row.outlineStyle !== "none";
}"""
"""Whether somebody can see where the keyboard is."""


@dataclass(slots=True)
class Office:
    """The service, and a browser."""

    world: World
    browser: Browser
    address: str
    complaints: list[str] = field(default_factory=list)
    """What pages have written to the console: of the security policy, of scripts."""
    _contexts: list[BrowserContext] = field(default_factory=list)

    def person(self, name: str, lang: str = "zh-CN", **options: Any) -> "Person":  # noqa: ANN401
        """Give somebody a window of his own: cookies, a language, a size."""
        context = self.browser.new_context(
            locale=lang, base_url=self.address, **{"viewport": DESKTOP, **options}
        )
        context.set_default_timeout(20_000)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda told: self._note(told.type, told.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return Person(office=self, name=name, page=page)

    def close(self) -> None:
        """Close all windows."""
        for context in self._contexts:
            context.close()
        self._contexts.clear()

    def _note(self, kind: str, text: str) -> None:
        # That an answer was a refusal is for the test to expect.
        if kind in ("error", "warning") and "the server responded with a status of" not in text:
            self.complaints.append(text)


@dataclass(slots=True)
class Person:
    """An operator."""

    office: Office
    name: str
    page: Page

    def login(self) -> "Person":
        """Log in, by the keyboard alone."""
        self.page.goto("/login")
        expect(self.page.locator("#name")).to_be_focused()
        keys = self.page.keyboard
        for text in (self.name, PASSWORD):
            keys.type(text)
            keys.press("Tab")
        keys.type(self.office.world.code(self.name))
        keys.press("Enter")
        self.page.wait_for_url(lambda url: "/login" not in url)
        return self

    def ask(self, typed: str, purpose: str = "") -> None:
        """Type something into the box and press Enter."""
        self.page.goto("/search")
        if purpose:
            self.page.locator("#purpose").fill(purpose)
        self.page.locator("#q").fill(typed)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url("**/found?**")

    def code(self) -> str:
        """Return what his phone shows now."""
        return self.office.world.code(self.name)

    def sees(self, text: str) -> Locator:
        """Wait until a text is there."""
        found = self.page.get_by_text(text).first
        found.wait_for()
        return found

    def fits(self) -> bool:
        """Tell whether nothing of the page lies beyond the window's edge."""
        found: bool = self.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        return found

    def keep(self, name: str) -> None:
        """Keep a picture of the page."""
        self.page.screenshot(path=screenshots() / f"{name}.png", full_page=True)
