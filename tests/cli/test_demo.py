"""The demonstration does what it tells, and leaves nothing behind if asked to."""

import stat
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from archiver.demo.office import LOGINS
from archiver.desk import Desk
from archiver.masking import MASK
from archiver.policy import Role
from archiver.wiring import Installation
from cli.options import Call
from cli.views.story import show_ending
from tests.cli.conftest import Terminal
from tests.operators.people import CHEAP


@pytest.fixture(autouse=True)
def _guesses_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Desk, "costs", CHEAP)


def test_the_demonstration_tells_a_true_story(terminal: Terminal) -> None:
    folder = terminal.folder / "demo"
    ran = terminal.run("demo", "--folder", str(folder), "--orders", "1500", "--json")
    assert (ran.exit, ran.codes, ran.err) == (0, [], "")
    steps = ran.document["steps"]
    assert [step["step"] for step in steps] == [
        *("shop", "init", "nightly", "day", "nightly", "nightly", "office", "find"),
        *("refused", "refused", "reveal", "prove", "log", "search", "delete", "tamper"),
    ]
    first, second, third = (step for step in steps if step["step"] == "nightly")
    assert len(first["days"]) == 59
    assert sum(day["rejects"] for day in first["days"]) == 3
    (day,) = second["days"]
    change = next(step for step in steps if step["step"] == "day")
    assert day["revisions"] == change["changed"]
    assert day["orders"] > change["late"]
    assert day["rejects"] == change["malformed"]
    assert third["days"][0]["partitions"] == []
    (found,) = (step for step in steps if step["step"] == "find")
    assert [one["revision"] for one in found["revisions"]] == [1, 2]
    one, two = (one["deliveries"][0] for one in found["revisions"])
    assert one["hint"] != two["hint"]
    assert "secret" not in one
    assert MASK in found["revisions"][0]["buyer"]["contact"]
    refused = [(s["operator"], s["code"]) for s in steps if s["step"] == "refused"]
    assert refused == [("sue", "not-allowed"), ("carol", "approval-needed")]
    (revealed,) = (step for step in steps if step["step"] == "reveal")
    assert two["hint"] in "".join(revealed["secrets"])
    (proven,) = (step for step in steps if step["step"] == "prove")
    assert proven["said"][0].startswith("PROVEN 证明有效")
    assert any(line.startswith("buyer — withheld") for line in proven["said"])
    assert proven["refusal"] == (
        "REFUSED 证明无效: the order is not the sealed one · 订单与封存的不符"
    )
    (log,) = (step for step in steps if step["step"] == "log")
    told = [(one["operator"], one["command"], one["outcome"]) for one in log["entries"]]
    assert ("sue", "find", "answered") in told
    assert ("sue", "reveal", "denied") in told
    assert told[-2:] == [("carol", "reveal", "revealed"), ("carol", "prove", "answered")]
    (search,) = (step for step in steps if step["step"] == "search")
    assert all(hit["in_shop"] and not hit["in_archive"] for hit in search["hits"])
    deletion, tampering = steps[-2:]
    assert (tampering["before"], tampering["after"]) == (0, 0)
    assert tampering["findings"] == [{"code": "altered", "key": tampering["key"]}]
    assert deletion["key"] == found["revisions"][-1]["sealed"]["partition"]
    assert deletion["refused_until"] > found["revisions"][-1]["completed_at"]

    shown = StringIO()
    console = Console(file=shown, width=80)
    show_ending(console, Call(language="en"), folder, kept=True)
    for said in (f"cd {folder}", "status", "nightly --json", "serve", LOGINS, f"rm -rf {folder}"):
        assert said in shown.getvalue()
    require_login(folder)

    archive = ("--config", str(folder / "archiver.toml"))
    assert terminal.run("nightly", *archive).exit == 0
    assert len(terminal.run("status", "--json", *archive).document["days_sealed"]["main"]) == 60


def require_login(folder: Path) -> None:
    """Hold that its owner, and nobody else, can go on in the demonstration's console."""
    logins = folder / LOGINS
    assert stat.S_IMODE(logins.stat().st_mode) == 0o600
    carol = logins.read_text("utf-8").partition("carol · compliance\n")[2].split()
    password, recovery = carol[2], carol[5]
    desk = Desk.at(Installation.load(folder / "archiver.toml"))
    assert desk.logins.login("carol", password, recovery, origin="test").role is Role.COMPLIANCE


def test_people_read_it_in_their_language_and_nothing_is_left(terminal: Terminal) -> None:
    folder = terminal.folder / "demo"
    asked = ("demo", "--no-keep", "--folder", str(folder), "--orders", "1000", "--lang", "zh")
    ran = terminal.run(*asked)
    assert (ran.exit, ran.err) == (0, "")
    assert not folder.exists()
    for said in ("不会重复封存", "锁定至", "待支付", "•••", "获批", "已删除"):
        assert said in ran.out
    for said in ("PROVEN 证明有效", "REFUSED 证明无效"):
        assert said in ran.out


def test_a_folder_with_something_in_it_is_left_alone(terminal: Terminal) -> None:
    ran = terminal.run("demo", "--no-keep", "--folder", str(terminal.folder), "--json")
    assert (ran.exit, ran.codes) == (2, ["request"])
    assert list(terminal.folder.iterdir()) == [Path(terminal.config)]
