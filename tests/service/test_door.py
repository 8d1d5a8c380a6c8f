"""Nobody gets past the door, and nothing gets out of it that does not belong outside."""

import asyncio
import base64
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from archiver.access_log.chain import AccessLog
from archiver.errors import LocalDiskError
from archiver.service.library import Library
from archiver.service.shell import HEADERS
from tests.operators.people import PASSWORD
from tests.service.world import HOME, World

SESSION = "/v1/session"


# --- sessions -------------------------------------------------------------------------------------


def test_a_session_is_in_a_cookie_that_scripts_and_other_sites_cannot_use(world: World) -> None:
    answer = world.browser().login("sue")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-archiver=")
    for rule in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
        assert rule in cookie
    assert "Domain" not in cookie
    assert cookie.partition("=")[2].partition(";")[0] not in answer.text


def test_a_request_without_its_csrf_token_is_refused_and_so_is_anothers_token(world: World) -> None:
    sue, carol = world.operator("sue"), world.operator("carol")
    for token in ("", "0" * 64, carol.csrf):
        sue.csrf, mine = token, sue.csrf
        assert sue.find(order="D000001").json()["title"] == "csrf"
        sue.csrf = mine
    assert sue.find(order="D000001").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_what_another_site_sends_is_refused_a_log_in_included(
    world: World, headers: dict[str, str]
) -> None:
    body = {"name": "sue", "password": PASSWORD, "code": world.code("sue")}
    refused = world.browser().post(SESSION, body, headers=headers)
    assert (refused.status_code, refused.json()["title"]) == (403, "cross-origin")
    own = {"origin": "https://127.0.0.1", "sec-fetch-site": "same-origin"}
    assert world.browser().post(SESSION, body, headers=own).status_code == 201


def test_a_session_that_somebody_has_planted_is_never_the_one_that_begins(world: World) -> None:
    browser = world.browser()
    browser.client.cookies.set("__Host-archiver", "planted", domain="127.0.0.1", path="/")
    first = browser.login("sue").headers["set-cookie"]
    assert "planted" not in first
    old = httpx.Cookies({"__Host-archiver": browser.client.cookies["__Host-archiver"]})
    second = browser.login("sue").headers["set-cookie"]
    assert first != second
    stranger = world.browser()
    stranger.client.cookies = old
    assert stranger.get(SESSION).status_code == 401  # the first one ended with the second


def test_a_session_ends_by_itself_by_its_operator_and_with_him(world: World) -> None:
    sue = world.operator("sue")
    world.later(timedelta(minutes=16))
    assert sue.get(SESSION).status_code == 401
    sue = world.operator("sue")
    cookies = httpx.Cookies({"__Host-archiver": sue.client.cookies["__Host-archiver"]})
    assert sue.ask("DELETE", SESSION).status_code == 204
    sue.client.cookies = cookies
    assert sue.get(SESSION).json()["title"] == "login-needed"

    root = world.operator("root")
    made = root.post(
        "/v1/operators", {"name": "leaver", "role": "support", "password": PASSWORD}
    ).json()
    world.enrolled = {**world.enrolled, "leaver": _Enrolled(made["totp_secret"])}  # type: ignore[dict-item]
    leaver = world.operator("leaver")
    assert leaver.get(SESSION).status_code == 200
    assert root.post("/v1/operators/leaver/disable").status_code == 200
    assert leaver.get(SESSION).status_code == 401


def test_compliance_hears_of_factors_that_an_administrator_gives(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Who makes operators, or resets them, could be two of them."""
    root = world.operator("root")
    body = {"name": "second", "role": "compliance", "password": PASSWORD}
    with caplog.at_level(logging.WARNING, "archiver"):
        assert root.post("/v1/operators", body).status_code == 201
        reset = root.post("/v1/operators/second/reset", {"password": PASSWORD})
    assert reset.status_code == 200
    told = [vars(one) for one in caplog.records if one.getMessage() == "told"]
    assert [(one["code"], one["what"]) for one in told] == [
        ("access-given", "second (compliance) was given password and phone secret by root")
    ] * 2
    assert reset.json()["totp_secret"] not in caplog.text


class _Enrolled:
    def __init__(self, secret: str) -> None:
        self.secret = secret


def test_a_code_works_once_and_never_instead_of_a_password(world: World) -> None:
    code = world.code("sue")
    body = {"name": "sue", "password": PASSWORD, "code": code}
    assert world.browser().post(SESSION, body).status_code == 201
    replayed = world.browser().post(SESSION, body)
    assert (replayed.status_code, replayed.json()["title"]) == (401, "login-refused")
    without = world.browser().post(SESSION, {"name": "sue", "password": PASSWORD, "code": " "})
    assert without.status_code == 401
    missing = world.browser().post(SESSION, {"name": "sue", "password": PASSWORD})
    assert missing.status_code == 422


def test_guessing_is_slowed_down_and_says_for_how_long(world: World) -> None:
    place = "203.0.113.99"
    body = {"name": "audrey", "password": "wrong wrong wrong", "code": "000000"}
    told = [world.browser(place).post(SESSION, body) for _ in range(6)]
    assert [one.status_code for one in told] == [401] * 5 + [429]
    assert int(told[-1].headers["retry-after"]) >= 29
    assert world.operator("audrey").get(SESSION).status_code == 200  # from his own place


def test_what_is_sensitive_takes_a_code_of_the_last_minutes(world: World) -> None:
    root = world.operator("root")
    world.later(timedelta(minutes=6))
    body = {"name": "fresh-token"}
    assert root.post("/v1/tokens", body).json()["title"] == "code-needed"
    confirmed = root.post("/v1/session/confirm", {"code": world.code("root")})
    assert confirmed.status_code == 200
    assert root.post("/v1/tokens", body).status_code == 201


# --- who asks -------------------------------------------------------------------------------------


def test_a_forwarded_address_counts_from_nobody_who_is_not_listed(world: World) -> None:
    sue = world.operator("sue")
    forged = {"x-forwarded-for": "8.8.8.8", "forwarded": "for=8.8.8.8", "x-real-ip": "8.8.8.8"}
    sue.post("/v1/orders/find", {"order": "D000001", "purpose": "x"}, headers=forged)
    assert world.log(1)[0].origin == f"ip:{HOME}"


def test_a_flood_is_answered_with_when_to_come_again(world: World) -> None:
    browser = world.browser("203.0.113.200")
    world.service.flood._buckets["ip:203.0.113.200"] = (2.5, world.seconds)
    told = [browser.get("/v1/health") for _ in range(3)]
    assert [one.status_code for one in told[:2]] == [200] * 2
    assert (told[-1].status_code, told[-1].json()["title"]) == (429, "too-many-requests")
    world.later(timedelta(seconds=int(told[-1].headers["retry-after"])))
    assert browser.get("/v1/health").status_code == 200


def test_metrics_are_for_listed_addresses(world: World) -> None:
    assert world.browser().get("/v1/metrics").status_code == 403
    told = world.browser("127.0.0.1").get("/v1/metrics")
    assert told.status_code == 200
    assert 'archiver_service_requests_total{method="GET",route="/v1/' in told.text
    assert "archiver_service_days_missing" in told.text


def test_methods_that_somebody_invents_do_not_fill_the_metrics(world: World) -> None:
    for method in ("CANARY-5", "CANARY-6"):
        assert world.browser().ask(method, "/v1/health").status_code == 405
    told = world.service.gauges.text().decode()
    assert "CANARY" not in told
    assert 'method="-",route="/v1/health",status="405"' in told


# --- what comes in --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", "/v1/../../etc/passwd", 404, "not-found"),
        ("GET", "/v1/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404, "not-found"),
        ("GET", "//evil.example/%2f..", 404, "not-found"),
        ("GET", "/v1/session/", 404, "not-found"),
        ("GET", "/docs", 404, "not-found"),
        ("GET", "/static/", 404, "not-found"),
        ("PUT", "/v1/session", 405, "method-not-allowed"),
        ("TRACE", "/v1/health", 405, "method-not-allowed"),
        ("GET", "/v1/health?" + "x" * 5_000, 414, "too-long"),
    ],
)
def test_what_is_no_route_is_a_problem_and_never_a_redirect(
    world: World, method: str, path: str, status: int, title: str
) -> None:
    answer = world.browser().ask(method, path)
    assert (answer.status_code, answer.json()["title"]) == (status, title)
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_answer_has_the_headers_that_keep_browsers_in_check(world: World) -> None:
    wanted = {name.decode(): value.decode() for name, value in HEADERS}
    for path in ("/v1/health", "/nowhere", "/v1/session", "/v1/openapi.json"):
        answer = world.browser().get(path)
        assert {name: answer.headers.get(name) for name in wanted} == wanted
        assert "server" not in answer.headers
        assert not any(name.startswith("access-control-") for name in answer.headers)
        assert answer.headers["x-request-id"]


def test_a_body_that_is_too_large_is_not_read(world: World) -> None:
    large = world.browser().ask("POST", SESSION, content=b"x" * (257 << 10))
    assert (large.status_code, large.json()["title"]) == (413, "too-large")

    async def chunks() -> Any:  # noqa: ANN401  an asynchronous generator
        for _ in range(300):
            yield b"x" * 1024

    unsized = world.browser().ask("POST", SESSION, content=chunks())
    assert unsized.status_code == 413


def test_a_client_that_sends_slowly_is_let_go(world: World) -> None:
    """The application itself is asked: its body never comes, and its patience is nought."""
    sent: list[Any] = []

    async def receive() -> Any:  # noqa: ANN401  ASGI's
        await asyncio.sleep(3_600)

    async def send(message: Any) -> None:  # noqa: ANN401
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": SESSION,
        "raw_path": SESSION.encode(),
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
    }
    with _impatient(world):
        world.loop.run(world.app(scope, receive, send))
    assert sent[0]["status"] == 408


@contextmanager
def _impatient(world: World) -> Iterator[None]:
    section = world.installation.configuration.service
    before = section.body_seconds
    object.__setattr__(section, "body_seconds", 0.001)
    try:
        yield
    finally:
        object.__setattr__(section, "body_seconds", before)


def test_a_request_under_another_name_is_refused(world: World) -> None:
    told = world.browser().get("/v1/health", headers={"host": "evil.example"})
    assert (told.status_code, told.json()["title"]) == (421, "not-here")
    assert world.browser().get("/v1/health", headers={"host": "localhost:8080"}).status_code == 200


@pytest.mark.parametrize(
    "asked",
    [
        {"order": "' OR 1=1 --"},
        {"order": "%"},
        {"order": "D00000_"},
        {"contact": "<script>alert(1)</script>", "amount": "1"},
        {"order": "=cmd|' /C calc'!A0"},
        {"order": "../../../etc/passwd"},
    ],
)
def test_what_looks_like_an_attack_is_a_value_like_any_other(
    world: World, asked: dict[str, str]
) -> None:
    told = world.operator("sue").find(**asked)
    assert told.status_code == 200
    assert told.json()["orders"] == []
    assert "script" not in told.text


def test_what_is_wrong_is_named_by_its_place_and_never_quoted(world: World) -> None:
    sue = world.operator("sue")
    told = sue.post("/v1/orders/find", {"purpose": "x", "limit": "CANARY-1", "CANARY-2": 1})
    assert told.status_code == 422
    assert "CANARY-1" not in told.text
    assert {one["problem"] for one in told.json()["errors"]} == {"int_parsing", "extra_forbidden"}


# --- what gets out --------------------------------------------------------------------------------


def test_a_mistake_of_ours_says_nothing_and_logs_where_but_not_what(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sue = world.operator("sue")

    def broken(*_: object) -> None:
        message = "order CANARY-3 of buyer@example.com"
        raise ValueError(message)

    monkeypatch.setattr(Library, "reading", broken)
    with caplog.at_level(logging.INFO, "archiver"):
        told = sue.find(order="CANARY-4")
    assert (told.status_code, told.json()["title"]) == (500, "bug")
    lines = [json.dumps(vars(one), default=str) for one in caplog.records]
    assert any("ValueError" in one and "archiver.service" in one for one in lines)
    assert not any("CANARY" in one or "buyer@" in one for one in [told.text, *lines])


def test_an_access_log_that_cannot_be_written_stops_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sue, carol = world.operator("sue"), world.operator("carol")
    site, row = world.site("log-full"), world.rows[1]

    @contextmanager
    def full(_self: AccessLog) -> Iterator[None]:
        from archiver.access_log.chain import _fail_closed

        with _fail_closed():
            raise LocalDiskError(detail="/var/lib/CANARY-5")
        yield

    monkeypatch.setattr(AccessLog, "_writing", full)
    answers = [
        sue.find(order=row["no"]),
        carol.post("/v1/orders/show", {"order": row["no"], "purpose": "x"}),
        carol.get("/v1/approvals"),
        carol.get("/v1/access"),
        site.ask("/v1/buyer/orders", order=row["no"], contact=row["contact"]),
        world.browser().login("kai"),
    ]
    for one in answers:
        assert (one.status_code, one.json()["title"]) == (503, "access-log-unwritable")
        assert one.headers["retry-after"] == "5"
        assert row["no"] not in one.text
        assert "CANARY" not in one.text


def test_the_log_says_how_a_request_went_and_not_what_it_was_about(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    sue, row = world.operator("sue"), world.rows[7]
    with caplog.at_level(logging.INFO, "archiver"):
        sue.find(order=row["no"], contact=row["contact"])
        sue.get("/v1/nowhere?contact=CANARY-6")
    told = [vars(one) for one in caplog.records if one.getMessage() == "answered"]
    assert [(one["route"], one["status"]) for one in told] == [("/v1/orders/find", 200), ("-", 404)]
    text = json.dumps(told, default=str)
    assert not any(one in text for one in (row["no"], row["contact"], "CANARY"))


def test_an_invented_cursor_is_no_way_to_read_the_access_log_unseen(world: World) -> None:
    audrey, head = world.operator("audrey"), world.desk.access_log.head()
    assert head is not None
    known = json.dumps([head.node, head.number]).encode()
    cursor = base64.urlsafe_b64encode(known).decode().rstrip("=")
    assert audrey.get(f"/v1/access?cursor={cursor}&limit=1").json()["entries"]
    assert world.log(1)[0].command == "access log"


def test_the_access_log_is_read_newest_first_by_pages_and_the_look_is_on_it(world: World) -> None:
    audrey, cursor, seen = world.operator("audrey"), None, []
    while True:
        more = f"&cursor={cursor}" if cursor else ""
        told = audrey.get(f"/v1/access?limit=7&operator=audrey{more}").json()
        seen += [one["number"] for one in told["entries"]]
        cursor = told["next"]
        if cursor is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen)) > 1
    assert audrey.get("/v1/access?cursor=x").json()["title"] == "cursor"
    assert audrey.get("/v1/access").json()["entries"][0]["command"] == "access log"


def test_whom_the_watch_has_blocked_is_for_roles_that_list_operators(world: World) -> None:
    told = {name: world.operator(name).get("/v1/status").json() for name in ("sue", "audrey")}
    assert told["sue"]["blocks"] == told["audrey"]["blocks"]
    assert ["blocked" in told[name] for name in ("sue", "audrey")] == [False, True]


def test_log_ins_attempts_and_refusals_are_on_record(world: World) -> None:
    wrong = {"name": "sue", "password": "wrong wrong wrong", "code": "000000"}
    world.browser().post(SESSION, wrong)
    sue = world.operator("sue")
    sue.get("/v1/access")
    told = [(one.command, one.outcome.value, one.detail) for one in world.log(3)]
    assert told == [
        ("login", "failed", "sue: login-refused"),
        ("login", "done", None),
        ("access log", "denied", "role"),
    ]


def test_status_and_verification_say_how_the_archive_is(world: World) -> None:
    told = world.operator("kai").get("/v1/status").json()
    assert told["days_sealed"]["main"] == ["2026-03-02", "2026-03-03"]
    assert "missing-days" in told["alarms"]
    proven = world.operator("audrey").get("/v1/verification").json()
    assert (proven["lock"], proven["manifests"]) == ("advisory", 2)
    assert proven["access_log"]["number"] > 0
