"""The log tells an operator what happened, and nothing of what is in an order."""

import io
import json
import logging
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from cli.logs import OURS, show_log
from tests.cli.conftest import Terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _quiet_afterwards() -> Iterator[None]:
    yield
    show_log(shown=False)


def lines(text: str) -> list[dict[str, Any]]:
    """The JSON lines of a command's stderr; alarms for people stand below them."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_a_night_tells_its_events_with_numbers(founded: Terminal) -> None:
    founded.shop(orders=60, days=3)
    ran = founded.archiver("nightly", "--json", "-v")
    told = lines(ran.err)
    days = json.loads(ran.out)["days"]
    events = [one["event"] for one in told]
    assert events[0] == "night started"
    assert events[-1] == "night finished"
    assert events.count("pass over days") == 1
    cohorts = [one["cohort"] for one in told if one["event"] == "cohort made"]
    assert sorted(set(cohorts)) == sorted(cohorts) != []
    manifests = [one for one in told if one["event"] == "manifest written"]
    assert [one["number"] for one in manifests] == [day["manifest"] for day in days]
    assert [one["orders"] for one in manifests] == [day["orders"] for day in days]
    sealed = [one for one in told if one["event"] == "partition sealed"]
    assert {one["key"]: one["rows"] for one in sealed} == {
        part["key"]: part["rows"] for day in days for part in day["partitions"]
    }
    assert all(one["seconds"] >= 0 and one["bytes"] > 0 for one in sealed)
    assert told[-1]["exit"] == 3
    assert {one["level"] for one in told} == {"info"}


def test_the_log_holds_no_content(founded: Terminal) -> None:
    shop = founded.shop(orders=60, days=3)
    ran = founded.archiver("nightly", "-v")
    with sqlite3.connect(shop.path) as connection:
        found = connection.execute("SELECT order_sn, email, info, search_pwd FROM orders")
        values = {line for row in found for text in row for line in str(text or "").splitlines()}
    connection.close()
    canaries = {value for value in values if len(value) > 5}
    assert len(canaries) > 100
    assert [value for value in canaries if value in ran.err] == []
    keys = [path.read_text("utf-8") for path in founded.folder.glob("*.key")]
    assert not any(key.strip() in ran.err for key in keys)


def test_a_source_that_fails_is_in_the_log(founded: Terminal) -> None:
    with sqlite3.connect(founded.folder / "shop.db") as shop:
        shop.execute("CREATE TABLE other (id)")
    shop.close()
    (failed,) = [
        one
        for one in lines(founded.archiver("nightly", "--json", "-v").err)
        if one["event"] == "source failed"
    ]
    assert (failed["level"], failed["source"]) == ("error", "main")
    assert failed["code"]


def test_a_lost_index_is_told_when_it_is_caught_up(founded: Terminal) -> None:
    founded.shop(days=2)
    founded.archiver("nightly")
    (founded.folder / "index" / "known" / "current.json").unlink()
    told = lines(founded.archiver("nightly", "--json", "-v").err)
    assert [one["manifest"] for one in told if one["event"] == "known caught up"] == [1, 2]


def test_without_the_option_nothing_is_logged(founded: Terminal) -> None:
    founded.shop(days=2)
    founded.archiver("nightly", "--json", "-v")
    assert founded.archiver("nightly", "--json").err == ""


def test_people_get_lines_that_they_can_read() -> None:
    screen = Screen()
    show_log(screen, shown=True)
    logging.getLogger(f"{OURS}.sealing").info("partition sealed", extra={"rows": 5, "key": "a/b"})
    (line,) = screen.getvalue().splitlines()
    assert line[8:] == " INFO sealing: partition sealed rows=5 key=a/b"


def test_other_libraries_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()
    show_log(screen, shown=True)
    logging.getLogger("botocore").warning("Authorization: CanaryHeader")
    assert "Canary" not in screen.getvalue() + capsys.readouterr().err


def test_a_log_that_cannot_be_written_does_not_end_the_command() -> None:
    closed = io.StringIO()
    closed.close()
    show_log(Screen(), shown=True)
    (handler,) = logging.getLogger(OURS).handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.stream = closed
    logging.getLogger(OURS).info("night started")
