"""Programs get all orders of a question as a file: begun, watched, taken once, each on record."""

import csv
import io
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus

import httpx
import pytest

from archiver.access_log import Outcome
from archiver.errors import Said
from archiver.refusals import BlockedError
from archiver.service import jobs
from tests.service.world import Browser, World

PLAIN = {"case": "公调证字12号", "first": "2026-03-02", "last": "2026-03-03"}
"""What is shown within a case is no harvest (README, "Watch")."""


def begun(browser: Browser, **asked: str | int | None) -> httpx.Response:
    return browser.post("/v1/exports", {**PLAIN, **asked})


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_all_orders_of_a_question_come_as_one_file_once(world: World) -> None:
    carol = world.operator("carol")
    answer = begun(carol)
    assert answer.status_code == HTTPStatus.ACCEPTED, answer.text
    export = answer.json()["export"]
    told = carol.get(f"/v1/exports/{export}").json()
    assert (told["state"], told["percent"], told["error"]) == ("ready", 100, None)
    assert told["count"] == len(world.rows)
    assert carol.get("/v1/exports").json() == {"exports": [told]}

    file = carol.post(f"/v1/exports/{export}/file")
    assert file.headers["content-type"].startswith("text/csv")
    assert file.headers["archiver-access"] == told["access"]
    name = f"orders-{told['access'].replace('/', '-')}.csv"
    assert file.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert {row["order_id"] for row in rows_of(file)} == {row["no"] for row in world.rows}
    entry = world.log(1)[0]
    assert (entry.command, entry.outcome, entry.count) == (
        *("export", Outcome.ANSWERED),
        len(world.rows),
    )
    again = carol.post(f"/v1/exports/{export}/file")
    assert (again.status_code, again.json()["title"]) == (409, "export-taken")
    assert carol.get(f"/v1/exports/{export}").json()["state"] == "taken"
    world.later(jobs.KEPT)
    assert carol.get(f"/v1/exports/{export}").json()["title"] == "not-found"


def test_an_export_is_its_sessions_alone(world: World) -> None:
    carol, dora = world.operator("carol"), world.operator("dora")
    export = begun(carol).json()["export"]
    for browser in (dora, world.operator("carol")):
        assert browser.get("/v1/exports").json() == {"exports": []}
        assert browser.get(f"/v1/exports/{export}").status_code == HTTPStatus.NOT_FOUND
        taken = browser.post(f"/v1/exports/{export}/file")
        assert taken.status_code == HTTPStatus.NOT_FOUND
    assert carol.post(f"/v1/exports/{export}/file").status_code == HTTPStatus.OK


def test_an_export_takes_a_fresh_code_and_what_can_be_meant(world: World) -> None:
    carol = world.operator("carol")
    before = world.desk.access_log.head()
    wrong: list[dict[str, str | int]] = [
        {"format": "pdf"},
        {"limit": 5},
        {"first": "2026-03-09"},
        {"source": "no-such-shop"},
    ]
    for one in wrong:
        assert begun(carol, **one).status_code in (400, 422), one
    for body, title in (({"purpose": "x"}, "request"), ({"order": "D000001"}, "purpose-missing")):
        nothing = carol.post("/v1/exports", body).json()
        assert (nothing["state"], nothing["access"]) == ("failed", None)
        assert nothing["error"]["title"] == title
    assert world.desk.access_log.head() != before  # it failed, and that is on record
    world.later(timedelta(minutes=6))
    stale = begun(carol)
    assert (stale.status_code, stale.json()["title"]) == (403, "code-needed")
    assert carol.get("/v1/exports").json()["exports"][0]["state"] == "failed"


def test_support_exports_by_the_api_after_somebody_else_has_agreed(world: World) -> None:
    sue, row = world.operator("sue"), world.rows[5]
    asked = {"purpose": "售后", "order": row["no"], "format": "jsonl"}
    waits = sue.post("/v1/exports", asked)
    assert (waits.status_code, waits.json()["title"]) == (403, "approval-needed")
    dora = world.operator("dora")
    granted = dora.post(f"/v1/approvals/{waits.json()['number']}", {"granted": True})
    assert granted.status_code == HTTPStatus.OK
    other = sue.post("/v1/exports", {**asked, "order": world.rows[6]["no"]})
    assert other.json()["title"] == "approval-needed"
    export = sue.post("/v1/exports", asked).json()
    file = sue.post(f"/v1/exports/{export['export']}/file")
    (order,) = [json.loads(line) for line in file.text.splitlines()]
    assert order["order_id"] == row["no"]
    assert row["contact"] not in file.text
    assert world.log(1)[0].approval == waits.json()["number"]
    assert sue.post("/v1/exports", asked).json()["title"] == "approval-needed"  # it is used up


def test_a_repeated_beginning_begins_nothing_and_files_do_not_pile_up(world: World) -> None:
    carol = world.operator("carol")
    once = {"idempotency-key": "export-1"}
    first = carol.post("/v1/exports", PLAIN, headers=once)
    again = carol.post("/v1/exports", PLAIN, headers=once)
    assert first.json()["export"] == again.json()["export"]
    assert len(carol.get("/v1/exports").json()["exports"]) == 1
    assert begun(carol).status_code == HTTPStatus.ACCEPTED
    full = begun(carol)
    assert (full.status_code, full.json()["title"]) == (429, "exports-busy")
    assert full.headers["retry-after"] == "5"
    carol.post(f"/v1/exports/{first.json()['export']}/file")
    assert begun(carol).status_code == HTTPStatus.ACCEPTED


def test_how_far_an_export_is_is_told_while_it_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    carol = world.operator("carol")
    begins: list[Callable[[], None]] = []
    monkeypatch.setattr(world.service.jobs, "begin", begins.append)
    export = begun(carol).json()
    assert (export["state"], export["percent"], export["count"]) == ("running", None, None)
    early = carol.post(f"/v1/exports/{export['export']}/file")
    assert (early.status_code, early.json()["title"]) == (409, "export-running")
    assert early.headers["retry-after"] == "1"
    assert begun(carol).json()["title"] == "exports-busy"
    begins[0]()
    assert carol.get(f"/v1/exports/{export['export']}").json()["state"] == "ready"


def test_an_export_that_cannot_begin_takes_nobodys_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    carol = world.operator("carol")

    def no_thread(_: Callable[[], None]) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(world.service.jobs, "begin", no_thread)
        with suppress(MemoryError):
            assert begun(carol).status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert carol.get("/v1/exports").json() == {"exports": []}
    assert begun(carol).status_code == HTTPStatus.ACCEPTED


def test_compliance_hears_of_a_block_that_an_export_runs_into(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        "archiver.service.telling.Teller.refused", lambda _, error: told.append(error.code)
    )

    def blocked(*_: object, **__: object) -> None:
        raise BlockedError(release="archiver operator release carol", detail=Said("much", "多"))

    monkeypatch.setattr("archiver.lookup.answering.Answering.export", blocked)
    failed = begun(world.operator("carol")).json()
    assert (failed["state"], failed["error"]["title"]) == ("failed", "blocked")
    assert told == ["blocked"]
