"""Whoever asks many times at once is answered as often as if he had asked in turn."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from archiver.service.once import LEASE, Answer
from archiver.service.problems import ProblemError
from tests.service.test_thieves import released
from tests.service.world import Browser, World

AT_ONCE = 40


def posted_at_once(
    browser: Browser, path: str, bodies: Sequence[Mapping[str, Any]], headers: Mapping[str, str]
) -> list[httpx.Response]:
    """Send all of these, none waiting for another."""

    async def post() -> list[httpx.Response]:
        sent = (browser.client.post(path, json=body, headers=headers) for body in bodies)
        return await asyncio.gather(*sent)

    return browser.world.loop.run(post())


def test_a_tokens_budget_is_not_overdrawn_by_questions_that_come_at_once(world: World) -> None:
    site = world.site("at-once", budget=7)
    body = {"order": world.rows[4]["no"], "contact": world.rows[4]["contact"]}
    bodies = [{**body, "address": f"198.51.{n}.1"} for n in range(AT_ONCE)]
    headers = {"authorization": f"Bearer {site.secret}"}

    answers = posted_at_once(site.browser, "/v1/buyer/orders", bodies, headers)

    assert Counter(one.status_code for one in answers) == {200: 7, 429: AT_ONCE - 7}
    assert all("orders" in one.json() for one in answers if one.status_code == 200)
    entries = world.desk.access_log.entries(operator="token:at-once")
    assert len(entries) == 7


def test_no_more_orders_are_shown_at_once_than_one_after_the_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = world.desk.watch
    few = replace(watch, limits=replace(watch.limits, orders_per_5m=7))
    monkeypatch.setitem(world.desk.__dict__, "watch", few)
    carol = world.operator("carol")
    bodies = [{"order": row["no"], "purpose": "x"} for row in world.rows[:60:4]]  # no neighbours

    answers = posted_at_once(carol, "/v1/orders/find", bodies, {"x-csrf-token": carol.csrf})

    told = Counter(one.json().get("title", "shown") for one in answers)
    assert told == {"shown": 7, "blocked": len(bodies) - 7}
    assert [block.subject for block in watch.blocks()] == ["operator:carol"]
    entries = world.desk.access_log.entries(operator="carol", since=world.clock.now())
    assert sum(one.entry.shown for one in entries) == 7
    released(world)


def test_a_write_whose_node_died_may_be_sent_again_after_a_minute(world: World) -> None:
    writes, asked = world.service.writes, {"name": "x"}

    def twice() -> Answer:
        pytest.fail("it is done already")

    def act() -> Answer:
        return 201, {"done": True}

    began = world.clock.now()
    name, request = writes._digest("sue\0add\0k"), writes._digest('{"name": "x"}')
    assert writes._begun(name, request, began) is None  # and there it dies
    with pytest.raises(ProblemError, match="in-progress"):
        writes.once("sue", "add", "k", asked, act)
    world.clock.advance(LEASE - timedelta(seconds=1))
    with pytest.raises(ProblemError, match="in-progress"):
        writes.once("sue", "add", "k", asked, act)
    world.clock.advance(timedelta(seconds=1))
    assert writes.once("sue", "add", "k", asked, act) == (201, {"done": True})
    assert writes.once("sue", "add", "k", asked, twice) == (201, {"done": True})
