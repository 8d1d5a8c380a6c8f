"""After a run somebody is told, and nothing that goes wrong there touches the run."""

import hmac
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from archiver import webhook
from archiver.wiring import SystemClock
from cli import announce
from tests.cli.conftest import Terminal, last_closed_day
from tests.servers.receiver import Receiver

SECRET = "CanaryWebhookSecret"


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait milliseconds between attempts, where an operator's server gets seconds."""
    brief = webhook.Patience(attempts=2, first_wait=timedelta(milliseconds=1))
    monkeypatch.setattr(webhook.deliver, "__defaults__", (brief,))


def listened(terminal: Terminal, receiver: Receiver, extra: str = "") -> Terminal:
    """A founded archive whose alarms go to the receiver."""
    terminal.environment |= {"HOOK_URL": receiver.url, "HOOK_SECRET": SECRET}
    section = f'webhook_url_env = "HOOK_URL"\nwebhook_secret_env = "HOOK_SECRET"\n{extra}'
    terminal.configure(("[store]", f"[alarms]\n{section}\n[store]"))
    assert terminal.archiver("init").exit == 0
    return terminal


def told(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in receiver.requests]


def days_later(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    def now(_: SystemClock) -> datetime:
        return datetime.now(UTC) + timedelta(days=days)

    monkeypatch.setattr(SystemClock, "now", now)


def canaries(shop: Path) -> set[str]:
    with sqlite3.connect(shop) as connection:
        rows = connection.execute("SELECT order_sn, email, info, search_pwd FROM orders").fetchall()
    connection.close()
    lines = {line for row in rows for text in row for line in str(text or "").splitlines()}
    return {line for line in lines if len(line) > 5}


def test_a_nights_alarms_are_sent_signed_and_without_contents(
    terminal: Terminal, receiver: Receiver
) -> None:
    shop = listened(terminal, receiver).shop()
    night = terminal.json("nightly")
    assert night.exit == 3
    (sent,) = told(receiver)
    assert (sent["exit"], sent["outcome"], sent["command"]) == (3, "rejects", "nightly")
    assert (sent["name"], sent["archive"]) == ("test", night.document["archive"])
    assert sent["alarms"] == night.document["alarms"]
    assert set(sent) == {
        *("format", "id", "at", "name", "archive", "command", "exit", "outcome", "alarms")
    }
    (request,) = receiver.requests
    signed = request.headers["Archiver-Timestamp"].encode() + b"." + request.body
    digest = hmac.new(SECRET.encode(), signed, "sha256").hexdigest()
    assert request.headers["Archiver-Signature"] == f"sha256={digest}"
    text = request.body.decode() + str(request.headers)
    assert not [one for one in canaries(shop.path) if one in text]


def test_who_watches_hears_of_an_access_log_that_was_altered(
    terminal: Terminal, receiver: Receiver
) -> None:
    listened(terminal, receiver)
    terminal.json("login", "root", stdin="x\nx\n")
    assert told(receiver) == []
    add = ("operator", "add", "root", "--role", "administrator")
    assert terminal.json(*add, stdin="correct horse battery staple\n").exit == 0
    with sqlite3.connect(terminal.folder / "state.db") as connection:
        connection.execute("UPDATE access_entries SET operator = 'eve'")
    connection.close()
    assert terminal.json("access", "verify").exit == 20
    [body] = told(receiver)
    assert (body["command"], body["exit"]) == ("access verify", 20)
    assert [alarm["code"] for alarm in body["alarms"]] == ["access-edited"]


def test_a_night_without_alarms_sends_nothing(terminal: Terminal, receiver: Receiver) -> None:
    listened(terminal, receiver).shop()
    terminal.archiver("nightly")
    assert terminal.json("nightly").exit == 0
    assert len(receiver.requests) == 1


def test_a_webhook_that_is_down_changes_nothing_but_is_told(
    terminal: Terminal, receiver: Receiver
) -> None:
    listened(terminal, receiver).shop()
    receiver.close()
    night = terminal.json("nightly")
    assert night.exit == 3
    assert len(night.document["days"]) == 5
    assert night.codes[-1] == "webhook-down"
    shown = terminal.archiver("nightly", "--lang", "zh")
    assert shown.exit == 0
    everything = night.out + shown.out + shown.err
    assert "Canary" not in everything
    assert "webhook" in shown.err  # what was kept was tried again


def test_what_did_not_arrive_is_sent_by_the_next_run(
    terminal: Terminal, receiver: Receiver
) -> None:
    listened(terminal, receiver).shop()
    receiver.answers = [500, 500]
    assert "webhook-down" in terminal.json("nightly").codes
    assert (terminal.json("nightly").exit, terminal.json("status").exit) == (0, 0)
    first, again, late = told(receiver)
    assert first == again == late
    assert late["exit"] == 3
    assert not list((terminal.folder / "index" / announce.UNSENT).iterdir())


def test_no_more_is_kept_than_is_sent_again(
    terminal: Terminal, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announce, "KEPT", 2)
    listened(terminal, receiver)
    receiver.close()
    for _ in range(4):
        assert terminal.json("status").codes == ["missing-days", "webhook-down"]
    assert len(list((terminal.folder / "index" / announce.UNSENT).iterdir())) == 2


def test_a_missing_secret_is_told_and_the_night_goes_on(
    terminal: Terminal, receiver: Receiver
) -> None:
    listened(terminal, receiver).shop()
    del terminal.environment["HOOK_SECRET"]
    night = terminal.json("nightly")
    assert night.exit == 3
    assert night.codes[-1] == "configuration"
    assert "HOOK_SECRET" in night.document["alarms"][-1]["message"]


def test_a_night_that_fails_is_told_too(terminal: Terminal, receiver: Receiver) -> None:
    listened(terminal, receiver)
    (terminal.folder / "signer.key").unlink()
    night = terminal.json("nightly")
    assert night.exit not in (0, 3)
    assert told(receiver)[0]["alarms"] == night.document["alarms"]


def test_a_mistake_of_ours_in_telling_does_not_hide_the_report(
    terminal: Terminal, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError(SECRET)

    listened(terminal, receiver).shop()
    monkeypatch.setattr(announce, "announced", broken)
    night = terminal.json("nightly")
    assert night.exit == 3
    assert len(night.document["days"]) == 5
    assert night.codes[-1] == "bug"
    assert SECRET not in night.out


def test_a_day_that_is_not_sealed_by_the_hour_is_an_alarm(
    terminal: Terminal, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    listened(terminal, receiver, 'sealed_by = "00:01"').shop(days=3)
    assert terminal.json("status").codes == ["missing-days"]  # founded a moment ago
    terminal.archiver("nightly")
    assert terminal.json("status").exit == 0
    receiver.requests.clear()
    days_later(monkeypatch, 3)
    late = terminal.json("status")
    assert (late.exit, late.codes) == (20, ["day-not-sealed"])
    (alarm,) = late.document["alarms"]
    assert str(last_closed_day() + timedelta(days=1)) in alarm["message"]
    assert alarm["next"].startswith("archiver nightly")
    assert told(receiver)[0]["alarms"] == [alarm]
    assert "超过规定时刻" in terminal.archiver("status", "--lang", "zh").err


def test_metrics_follow_nights_and_status(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.configure(("[store]", '[alarms]\nprometheus_textfile = "archiver.prom"\n[store]'))
    assert terminal.archiver("init").exit == 0
    shop = terminal.shop(days=3)
    file = terminal.folder / "archiver.prom"
    night = terminal.json("nightly").document
    text = file.read_text("utf-8")
    orders = sum(day["orders"] for day in night["days"])
    assert f'archiver_orders_sealed{{archive="test",source="main"}} {orders}' in text
    assert 'archiver_lock_info{archive="test",lock="advisory"} 1' in text
    assert 'archiver_last_run_exit_code{archive="test",command="nightly"} 3' in text
    assert file.stat().st_mode & 0o777 == 0o644
    days_later(monkeypatch, 2)
    terminal.archiver("status")
    text = file.read_text("utf-8")
    assert 'archiver_last_run_alarms{archive="test",command="status",code="missing-days"} 1' in text
    assert 'archiver_days_missing{archive="test",source="main"} 2' in text
    assert 'command="nightly"' in text
    assert not [one for one in canaries(shop.path) if one in text]
    assert not list(terminal.folder.glob("archiver.prom.*"))


def test_metrics_that_cannot_be_written_are_told_and_the_night_goes_on(terminal: Terminal) -> None:
    terminal.configure(("[store]", '[alarms]\nprometheus_textfile = "none/x.prom"\n[store]'))
    assert terminal.archiver("init").exit == 0
    terminal.shop(days=2)
    night = terminal.json("nightly")
    assert (night.exit, night.codes[-1]) == (3, "local-disk")


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ('webhook_url = "ftp://x"', "webhook_url"),
        ('webhook_url = "http://a"\nwebhook_url_env = "B"', "not both"),
        ('webhook_secret_env = "B"', "webhook_secret_env"),
        ('sealed_by = "noon"', "sealed_by"),
        ('sealed_by = "06:00Z"', "without a zone"),
    ],
)
def test_alarms_that_cannot_be_are_refused(terminal: Terminal, section: str, named: str) -> None:
    terminal.configure(("[store]", f"[alarms]\n{section}\n[store]"))
    ran = terminal.json("status")
    assert (ran.exit, ran.codes) == (2, ["configuration"])
    assert named in ran.document["alarms"][0]["message"]
