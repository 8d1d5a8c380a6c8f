"""A card secret is shown once, to compliance, in a case, after two people and a fresh code."""

import json
import shutil
import subprocess
import sys
from io import BufferedReader, BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from archiver.errors import RequestError, Said
from cli.people import secret_line
from tests.cli.conftest import Ran
from tests.cli.library import Library, library
from tests.servers.receiver import Receiver

__all__ = ["library"]

CASE = ("--case", "公调证字12号")
DONE = "SELECT * FROM orders WHERE status = 4 AND type = 1 ORDER BY id LIMIT 1 OFFSET {}"


def test_a_secret_is_shown_once_after_approval_and_a_fresh_code(library: Library) -> None:
    (row,) = library.rows(DONE.format(6))
    asked = ("reveal", row["order_sn"], *CASE)

    first = library.ask("carol", *asked)
    assert (first.exit, first.codes) == (11, ["approval-needed"])
    assert library.ask("carol", *asked).codes == ["approval-needed"]  # the same request
    (request,) = library.ask("carol", "approvals").document["approvals"]

    own = library.ask("carol", "approve", str(request["number"]))
    assert own.codes == ["not-allowed"]
    assert library.ask("sue", "approve", str(request["number"])).codes == ["not-allowed"]
    assert library.ask("dora", "approve", str(request["number"])).exit == 0

    assert library.ask("carol", *asked, stdin="000000\n").codes == ["code-refused"]
    shown = library.ask("carol", *asked, stdin=library.office.code("carol") + "\n")
    assert (shown.exit, shown.codes) == (0, ["revealed"]), shown.out
    secrets = [one["secret"] for one in shown.document["order"]["deliveries"]]
    assert secrets == row["info"].splitlines()

    again = library.ask("carol", *asked, stdin=library.office.code("carol") + "\n")
    assert again.codes == ["approval-needed"]

    mine = [one for one in library.log() if one["command"] == "reveal"]
    assert [(one["outcome"], one["detail"]) for one in mine] == [
        ("denied", "approval-needed"),
        ("denied", "approval-needed"),
        ("failed", "code-refused"),
        ("revealed", None),
        ("denied", "approval-needed"),
    ]
    assert mine[3]["approval"] == request["number"]
    assert mine[3]["case"] == CASE[1]
    assert shown.document["access"] == f"{mine[3]['node']}/{mine[3]['number']}"


def test_support_reveals_nothing_and_nobody_without_a_case(library: Library) -> None:
    (row,) = library.rows(DONE.format(1))
    assert library.ask("sue", "reveal", row["order_sn"], *CASE).codes == ["not-allowed"]
    assert library.ask("carol", "reveal", row["order_sn"], "--purpose", "x").codes == [
        "not-allowed"
    ]
    assert library.log()[-1]["detail"] == "case"
    assert library.ask("carol", "reveal", "NEVER-WAS", *CASE).codes == ["request"]


def test_the_cap_of_a_day_is_kept_and_compliance_hears_of_what_was_shown(
    library: Library, receiver: Receiver
) -> None:
    library.terminal.environment["HOOK_URL"] = receiver.url
    sections = '[reveal]\ndaily_cap = 1\napproval = false\n[alarms]\nwebhook_url_env = "HOOK_URL"\n'
    library.terminal.configure(("[store]", f"{sections}[store]"))
    first, second = (library.rows(DONE.format(n))[0] for n in (2, 3))

    code = library.office.code("dora") + "\n"
    shown = library.ask("dora", "reveal", first["order_sn"], *CASE, stdin=code)
    assert shown.exit == 0, shown.out
    (told,) = receiver.requests
    (alarm,) = json.loads(told.body)["alarms"]
    assert alarm["code"] == "revealed"
    assert f"dora, access record {shown.document['access']}" in alarm["message"]
    assert first["order_sn"] not in told.body.decode()
    refused = library.ask("dora", "reveal", second["order_sn"], *CASE)

    assert refused.codes == ["not-allowed"]
    assert library.log()[-1]["detail"] == "cap"
    library.terminal.configure()


def test_no_secret_stands_in_a_file_of_this_host(library: Library) -> None:
    """Whatever was looked up and revealed before: index, state, logs, sessions."""
    cards = [
        line
        for row in library.rows("SELECT info FROM orders WHERE status = 4 AND type = 1")
        for line in row["info"].splitlines()
    ]
    assert cards
    files = [p for p in library.terminal.folder.rglob("*") if p.is_file() and p != library.path]
    assert any("search" in str(path) for path in files)
    for path in files:
        content = path.read_bytes()
        assert not [card for card in cards if card.encode() in content], path


def test_only_the_child_can_reach_the_reveal_root() -> None:
    """What answers questions imports nothing that opens the reveal root."""
    code = (
        "import sys, archiver.reading_room, archiver.reveal, cli.commands.reveal; "
        "print('archiver.reveal.child' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_a_lookup_host_needs_no_reveal_root(library: Library) -> None:
    (row,) = library.rows(DONE.format(5))
    root = library.terminal.folder / "reveal-root.key"
    hidden = root.rename(root.with_suffix(".away"))
    try:
        shown = library.ask("carol", "show", row["order_sn"], "--purpose", "售后")
        assert shown.document["answer"] == "found"
    finally:
        Path(hidden).rename(root)
    assert row["info"] not in json.dumps(shown.document, ensure_ascii=False)


def test_a_token_is_shown_once_listed_without_it_and_ended(library: Library) -> None:
    made = library.ask("root", "token", "add", "shop", "--daily-budget", "7")
    assert made.exit == 0, made.out
    secret = made.document["secret"]
    assert secret.startswith("archiver_")
    assert library.ask("root", "token", "add", "shop").codes == ["request"]
    assert library.ask("carol", "token", "add", "mine").codes == ["not-allowed"]

    (listed,) = library.ask("audrey", "token", "list").document["tokens"]
    assert (listed["token"], listed["daily_budget"], listed["revoked_at"]) == ("shop", 7, None)
    assert "7" in library.see("audrey", "token", "list", lang="zh_CN.UTF-8").out
    ended = library.ask("carol", "token", "revoke", "shop")
    assert ended.document["revoked_at"] is not None
    assert library.ask("carol", "token", "revoke", "never-was").codes == ["request"]
    assert not any(secret.encode() in path.read_bytes() for path in library.terminal.files())


def test_a_file_of_orders_takes_a_fresh_code(library: Library, tmp_path: Path) -> None:
    (row,) = library.rows(DONE.format(8))
    file = tmp_path / "orders.csv"
    asked = ("find", "--order", row["order_sn"], *CASE, "--output", str(file))
    library.office.grow_stale()
    assert library.ask("carol", *asked).codes == ["code-needed"]
    assert library.ask("carol", *asked, stdin="000000\n").codes == ["code-refused"]
    assert not file.exists()
    library.office.grow_stale(by=-360)
    assert library.ask("carol", *asked).document["count"] == 1
    assert row["order_sn"] in file.read_text("utf-8")


def test_a_decoy_is_in_the_index_alone_and_compliance_hears_of_who_asks(
    library: Library, receiver: Receiver
) -> None:
    terminal, asked = library.terminal, ("--purpose", "x")
    planted = library.ask("carol", "decoy", "add", "--kind", "order", stdin="DECOY-1\nDECOY-2\n")
    assert (planted.exit, planted.document["count"]) == (0, 2)
    assert library.ask("carol", "decoy", "add", "--kind", "order").codes == ["request"]
    (row,) = library.rows(DONE.format(7))
    taken = f"DECOY-3\n{row['order_sn']}\n"
    refused = library.ask("carol", "decoy", "add", "--kind", "order", stdin=taken)
    assert "lines 2" in refused.document["alarms"][0]["message"]
    for words in (("decoy", "add", "--kind", "order"), ("decoy", "list"), ("decoy", "remove", "1")):
        assert library.ask("sue", *words).codes == ["not-allowed"]
    listed = library.ask("carol", "decoy", "list").document["decoys"]
    assert [(one["value"], one["planted_by"], one["taken"]) for one in listed] == [
        ("DECOY-1", "carol", False),
        ("DECOY-2", "carol", False),
    ]
    assert "DECOY-2" in library.see("carol", "decoy", "list", lang="zh_CN.UTF-8").out
    assert not any(b"DECOY-1" in path.read_bytes() for path in terminal.files())

    shutil.rmtree(terminal.folder / "index" / "search")  # the index is lost
    assert terminal.json("rebuild-index").exit == 0
    before = terminal.config.read_text("utf-8")
    hook = f'[alarms]\nwebhook_url = "{receiver.url}"\n'
    terminal.config.write_text(before + hook, "utf-8")
    decoy = library.ask("sue", "find", "--order", "DECOY-1", *asked)
    absent = library.ask("sue", "find", "--order", "ABSENT-1", *asked)
    shown = library.ask("sue", "show", "DECOY-2", *asked)
    terminal.config.write_text(before, "utf-8")
    assert decoy.document | {"access": None} == absent.document | {"access": None}
    assert shown.document["answer"] == "never_archived"
    told = [json.loads(request.body)["alarms"] for request in receiver.requests]
    assert [[alarm["code"] for alarm in alarms] for alarms in told] == [["decoy"], ["decoy"]]
    assert decoy.document["access"] in told[0][0]["message"]
    assert "DECOY" not in str(told)
    assert list((terminal.folder / "index" / "unsent").iterdir()) == []
    for one in (decoy, shown):
        assert not any("decoy" in alarm["code"] + alarm["message"] for alarm in alarms_of(one))
    outcomes = [one["outcome"] for one in library.log() if one["command"] in ("find", "show")]
    assert outcomes[-3:] == ["decoyed", "missed", "decoyed"]
    receiver.close()  # nobody listens: it waits, and he who asks is not told of that either
    terminal.config.write_text(before + hook, "utf-8")
    third = library.ask("sue", "show", "DECOY-2", *asked)
    terminal.config.write_text(before, "utf-8")
    (waiting,) = (terminal.folder / "index" / "unsent").iterdir()
    assert [alarm["code"] for alarm in json.loads(waiting.read_bytes())["alarms"]] == ["decoy"]
    waiting.unlink()
    blocked = library.ask("sue", "show", "DECOY-2", *asked, lang="zh_CN.UTF-8")
    assert blocked.codes == ["blocked"]
    for one in (third, blocked):
        assert not any("decoy" in alarm["message"] for alarm in alarms_of(one))
        assert not any("诱饵" in alarm["message"] for alarm in alarms_of(one))

    gone = library.ask("carol", "decoy", "remove", str(listed[0]["number"]))
    assert (gone.document["count"], gone.document["decoys"]) == (1, 1)
    gone = library.ask("carol", "decoy", "remove", "--kind", "order", stdin="DECOY-2\n")
    assert (gone.document["count"], gone.document["decoys"]) == (1, 0)
    assert library.ask("carol", "decoy", "remove").codes == ["request"]
    assert "no decoys" in library.see("carol", "decoy", "list").out
    release_everybody(library)


def release_everybody(library: Library) -> None:
    for one in library.ask("root", "operator", "list").document["blocked"]:
        gone = library.ask("dora", "operator", "release", "--subject", one["subject"])
        assert gone.document["released"] == one["subject"]


def alarms_of(ran: Ran) -> list[dict[str, str]]:
    found: list[dict[str, str]] = ran.document["alarms"]
    return found


def test_a_line_of_standard_input_takes_none_of_what_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = b"".join(b"DECOY-%d\n" % number for number in range(2_000))
    piped = TextIOWrapper(BufferedReader(BytesIO(b"123456\r\n" + values)))
    monkeypatch.setattr("sys.stdin", piped)
    missing = Said("there is none", "没有")

    assert secret_line("code", missing) == "123456"
    assert piped.buffer.read() == values
    with pytest.raises(RequestError):
        secret_line("code", missing)
