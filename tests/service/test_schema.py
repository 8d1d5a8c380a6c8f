"""The published description is true: whatever fits it, or does not, is answered as it says."""

from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from archiver.service.table import API, To
from tests.service.world import Browser, World

SOAK = settings.get_current_profile_name() == "soak"
EXAMPLES = 60 if SOAK else 4
"""To each operation and mode: `make soak` tries more."""
LEFT_ALONE = {"/v1/session"}
"""Logging in and out would end the session that asks."""


@pytest.fixture
def carol(world: World) -> Browser:
    return world.operator("carol")


def operations(world: World) -> list[Any]:
    """Return the operations of the description."""
    schema = schemathesis.openapi.from_dict(world.app.openapi())
    found = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    assert len(found) == len(list(schema.get_all_operations()))
    return found


def test_every_route_is_described_and_no_other(world: World) -> None:
    described = {(one.method.upper(), one.path) for one in operations(world)}
    assert described == set(API) - {("GET", "/v1/openapi.json")}


def test_nothing_that_is_asked_is_more_than_the_service_can_bear(
    world: World, carol: Browser
) -> None:
    """No answer of 500, no type or status that is not described, no wrong input that is taken."""
    asked, bearer = 0, f"Bearer {world.site('schema').secret}"
    for operation in operations(world):
        if operation.path in LEFT_ALONE:
            continue
        for mode in GenerationMode:
            cases = operation.as_strategy(generation_mode=mode)
            # Of what takes nothing, nothing can be wrong.
            with suppress(Unsatisfiable):
                asked += _tried(world, carol, bearer, operation, cases)
    assert asked >= len(API)


def _tried(
    world: World,
    carol: Browser,
    bearer: str,
    operation: Any,  # noqa: ANN401  schemathesis' own
    cases: st.SearchStrategy[Any],
) -> int:
    asked = 0

    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: Any) -> None:  # noqa: ANN401
        nonlocal asked
        asked += 1
        world.seconds += 5
        rule = API[case.method.upper(), operation.path]
        answer = _answer(carol, case, {"authorization": bearer} if rule.to is To.SITE else {})
        assert answer.status_code < 500 or answer.json()["title"] == "codes-off", answer.text
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert set(answer.json()) >= {"type", "title", "status", "detail"}
        assert "Traceback" not in answer.text

    ask()
    return asked


def _answer(carol: Browser, case: Any, more_headers: dict[str, str]) -> Any:  # noqa: ANN401
    """Send a case as a browser that is logged in."""
    told = case.as_transport_kwargs(base_url="https://127.0.0.1")
    headers = {k: v for k, v in (told.get("headers") or {}).items() if str(v).isascii()}
    headers |= more_headers
    content = told.get("content") or told.get("data")
    if isinstance(content, dict):
        content = str(content)
    if content is not None:
        return carol.ask(told["method"], told["url"], headers=headers, content=content)
    return carol.ask(
        told["method"],
        told["url"],
        told.get("json"),
        headers=headers,
        params=told.get("params"),
    )
