"""From the first operator to the log of what he did, on the command line."""

import json
import shutil
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from archiver.access_log import Asked, Entry, Outcome
from archiver.access_log.entry import place_of
from archiver.access_log.heads import Head, read_heads
from archiver.desk import Desk
from archiver.errors import Said
from archiver.policy import OPERATORS
from archiver.wiring import Installation
from cli.commands.operator import ROLES
from tests.cli.conftest import Terminal
from tests.cli.people import PASSWORD, Office
from tests.operators.people import CHEAP


@pytest.fixture(autouse=True)
def _guesses_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Desk, "costs", CHEAP)


@pytest.fixture(scope="session")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An archive with an administrator, made once and copied for each test."""
    environment: dict[str, str | None] = {"XDG_STATE_HOME": str(tmp_path_factory.mktemp("home"))}
    terminal = Terminal(folder=tmp_path_factory.mktemp("staffed"), environment=environment)
    terminal.configure()
    assert terminal.archiver("init").exit == 0
    made = Office(terminal)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Desk, "costs", CHEAP)
        assert made.add("root", "administrator").exit == 0
    return made


@pytest.fixture
def office(staffed: Office, terminal: Terminal) -> Office:
    """An archive with an administrator, who is logged in."""
    shutil.copytree(staffed.terminal.folder, terminal.folder, dirs_exist_ok=True)
    made = Office(terminal, dict(staffed.secrets))
    assert made.login("root").exit == 0
    return made


def log_of(office: Office) -> list[tuple[str, str | None, str, str | None]]:
    """Return the log's lines as an auditor sees them."""
    assert office.add("audrey", "auditor").exit == 0
    assert office.login("audrey").exit == 0
    entries = office.terminal.json("access", "log").document["entries"]
    return [(one["command"], one["operator"], one["outcome"], one["detail"]) for one in entries]


def test_the_first_operator_is_made_by_the_host_and_the_others_by_him(founded: Terminal) -> None:
    office = Office(founded)
    assert founded.json("login", "root", stdin="a\nb\n").codes == ["no-operator"]
    refused = office.add("sue", "support")
    assert (refused.exit, refused.codes) == (2, ["request"])

    first = office.add("root", "administrator")
    assert first.document["created_by"] is None
    assert len(first.document["recovery_codes"]) == 10
    assert office.add("sue", "support").codes == ["login-needed"]

    assert office.login("root").exit == 0
    assert office.add("sue", "support").document["created_by"] == "root"
    listed = founded.json("operator", "list").document["operators"]
    assert [(one["operator"], one["role"]) for one in listed] == [
        ("root", "administrator"),
        ("sue", "support"),
    ]
    assert set(ROLES) == set(OPERATORS)


def test_what_a_role_may_not_do_is_refused_and_recorded(office: Office) -> None:
    office.add("sue", "support")
    office.login("sue")
    for words in (
        ("operator", "add", "eve", "--role", "administrator"),
        ("operator", "disable", "root"),
        ("operator", "reset", "root"),
        ("operator", "list"),
        ("approvals",),
        ("approve", "1"),
        ("access", "log"),
    ):
        ran = office.terminal.json(*words, stdin=f"{PASSWORD}\n")
        assert (ran.exit, ran.codes) == (11, ["not-allowed"]), words

    office.login("root")
    denied = [line for line in log_of(office) if line[2] == "denied"]
    assert [line[0] for line in denied] == [
        *("operator add", "operator disable", "operator reset", "operator list"),
        *("approvals", "approve", "access log"),
    ]
    assert {line[1] for line in denied} == {"sue"}


def test_each_act_stands_in_the_log_with_who_and_from_where(office: Office) -> None:
    office.add("sue", "support")
    office.terminal.json("login", "sue", stdin="wrong\n000000\n")
    office.terminal.json("login", "my password", stdin="wrong\n000000\n")
    office.terminal.json("operator", "disable", "sue")

    lines = log_of(office)
    assert lines == [
        ("operator add", None, "done", "root (administrator)"),
        ("login", "root", "done", None),
        ("operator add", "root", "done", "sue (support)"),
        ("login", None, "failed", "sue: login-refused"),
        ("login", None, "failed", "login-refused"),
        ("operator disable", "root", "done", "sue"),
        ("operator add", "root", "done", "audrey (auditor)"),
        ("login", "audrey", "done", None),
        ("access log", "audrey", "done", None),
    ]
    first = office.terminal.json("access", "log", "--limit", "1").document["entries"][0]
    assert (first["node"], first["number"]) == ("main", 10)
    assert "@" in first["origin"]


def test_an_act_that_fails_after_it_was_recorded_is_recorded_as_failed(office: Office) -> None:
    ran = office.terminal.json("operator", "disable", "root")
    assert (ran.exit, ran.codes) == (11, ["not-allowed"])
    assert ("operator disable", "root", "failed", "root: not-allowed") in log_of(office)


def test_a_session_is_held_for_this_account_alone_and_logging_out_ends_it(office: Office) -> None:
    home = Path(str(office.terminal.environment["XDG_STATE_HOME"]))
    tokens = list(home.rglob("*.session"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in tokens] == [0o600]
    assert office.terminal.json("logout").document["operator"] == "root"
    assert office.terminal.json("logout").document["operator"] is None
    assert office.terminal.json("operator", "list").codes == ["login-needed"]


def test_a_token_that_others_can_read_is_not_used(office: Office) -> None:
    home = Path(str(office.terminal.environment["XDG_STATE_HOME"]))
    (token,) = home.rglob("*.session")
    token.chmod(0o644)
    assert office.terminal.json("operator", "list").codes == ["login-needed"]
    token.unlink()
    token.symlink_to("/etc/hostname")
    assert office.terminal.json("operator", "list").codes == ["login-needed"]


def test_two_people_at_one_account_are_told_apart_by_the_environment(office: Office) -> None:
    office.add("audrey", "auditor")
    office.login("audrey")
    office.terminal.environment["ARCHIVER_OPERATOR"] = "root"
    assert office.add("sue", "support").document["created_by"] == "root"
    office.terminal.environment["ARCHIVER_OPERATOR"] = "../audrey"
    assert office.terminal.json("operator", "list").codes == ["login-needed"]


def test_passwords_and_codes_come_from_standard_input_or_the_command_ends(office: Office) -> None:
    for words, lines in [
        (("login", "root"), ""),
        (("login", "root"), f"{PASSWORD}\n"),
        (("operator", "add", "sue", "--role", "support"), ""),
    ]:
        ran = office.terminal.json(*words, stdin=lines)
        assert (ran.exit, ran.codes) == (2, ["request"])
    ran = office.terminal.json("operator", "add", "sue", "--role", "support", stdin="short\n")
    assert ran.codes == ["password-refused"]


def test_nothing_that_opens_the_archive_stands_in_a_file_in_plain(office: Office) -> None:
    secret = office.secrets["root"]
    folders = (office.terminal.folder, Path(str(office.terminal.environment["XDG_STATE_HOME"])))
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                assert PASSWORD.encode() not in content, path
                assert secret.encode() not in content, path


def test_a_new_operator_sees_a_code_to_scan_and_what_to_keep(founded: Terminal) -> None:
    ran = founded.archiver(
        "operator", "add", "root", "--role", "administrator", stdin=f"{PASSWORD}\n"
    )
    assert ran.exit == 0
    assert "█" in ran.out
    assert "otpauth://totp/" in ran.out
    assert len([line for line in ran.out.splitlines() if line.count("-") == 6]) == 5


@pytest.mark.parametrize("lang", ["en_US.UTF-8", "zh_CN.UTF-8"])
def test_people_are_told_in_their_language(office: Office, lang: str) -> None:
    for words in (("operator", "list"), ("approvals",), ("logout",)):
        ran = office.terminal.archiver(*words, lang=lang)
        assert ran.exit == 0
        assert any("\u4e00" <= letter <= "\u9fff" for letter in ran.out) == lang.startswith("zh")


def test_the_head_of_the_log_is_told_elsewhere(
    founded: Terminal, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert founded.json("access", "head").codes == ["configuration"]
    path = tmp_path_factory.mktemp("elsewhere") / "heads.jsonl"
    founded.config.write_text(
        founded.config.read_text("utf-8") + f'[access]\nhead_file = "{path}"\n', "utf-8"
    )
    office = Office(founded)
    assert founded.json("access", "head").document["number"] is None
    office.add("root", "administrator")
    office.login("root")
    assert founded.json("access", "head").document["number"] == 2
    assert [one.number for one in read_heads(path) if isinstance(one, Head)] == [1, 2]
    assert json.loads(path.read_text().splitlines()[0])["node"] == "main"


def test_without_a_record_there_is_no_session_and_no_answer(office: Office) -> None:
    state = office.terminal.folder / "state.db"
    with sqlite3.connect(state) as connection:
        connection.execute("DELETE FROM access_entries WHERE number = 2")
    connection.close()
    for ran in (office.terminal.json("operator", "list"), office.login("root")):
        assert (ran.exit, ran.codes) == (20, ["access-log-broken"])
        assert "operators" not in ran.document
    with sqlite3.connect(state) as connection:
        sessions = connection.execute("SELECT count(*) FROM operator_sessions").fetchone()
    connection.close()
    assert sessions == (1,)


def test_a_night_seals_the_log_and_verify_compares_it(office: Office) -> None:
    terminal = office.terminal
    terminal.shop(orders=5, days=2)
    assert terminal.json("nightly").exit == 3
    found = terminal.json("access", "verify")
    assert (found.exit, found.document["findings"]) == (0, [])
    assert (found.document["entries"], found.document["parts"]) == ({"main": 2}, 1)
    assert found.document["opened"]

    office.login("root")
    assert terminal.json("access", "seal").document["entries"] == 1
    assert terminal.json("access", "seal").document["parts"] == []
    (terminal.folder / "root.key").rename(terminal.folder.parent / "root.key")
    with sqlite3.connect(terminal.folder / "state.db") as connection:
        connection.execute("UPDATE access_entries SET operator = 'eve' WHERE number = 2")
    connection.close()
    found = terminal.json("access", "verify")
    assert (found.exit, found.codes, found.document["opened"]) == (20, ["access-edited"], False)
    assert terminal.json("access", "verify", "--local").codes == ["access-edited"]
    told = terminal.archiver("access", "verify", lang="zh_CN.UTF-8")
    assert "第 2 条：列与内容不一致" in told.err
    assert "本机没有根密钥" in told.out


def test_a_night_without_operators_makes_no_state(founded: Terminal) -> None:
    founded.shop(orders=5, days=2)
    assert founded.json("nightly").exit == 3
    assert not (founded.folder / "state.db").exists()


def test_a_night_seals_orders_although_the_log_was_cut_and_says_so(office: Office) -> None:
    terminal = office.terminal
    assert terminal.json("access", "seal").exit == 0
    for name in ("access_entries", "access_heads"):
        with sqlite3.connect(terminal.folder / "state.db") as connection:
            connection.execute(f"DELETE FROM {name}")
        connection.close()
    terminal.shop(orders=5, days=2)
    ran = terminal.json("nightly")
    assert ran.exit == 20
    assert "access-log-broken" in ran.codes
    assert sum(day["orders"] for day in ran.document["days"]) > 0


def test_compliance_lifts_a_block_and_nobody_his_own(office: Office) -> None:
    office.add("carol", "compliance")
    desk = Desk.at(Installation.load(office.terminal.config))
    watch = desk.watch
    for name in ("sue", "carol"):
        watch._block(f"operator:{name}", Said("60 misses", "60 次"), desk.installation.clock.now())
    listed = office.terminal.json("operator", "list")
    assert (listed.exit, listed.codes) == (0, ["block-stands", "block-stands"])
    assert {one["subject"] for one in listed.document["blocked"]} == {
        "operator:sue",
        "operator:carol",
    }
    assert office.terminal.json("operator", "release", "sue").codes == ["not-allowed"]

    office.login("carol")
    assert office.terminal.json("operator", "release", "carol").codes == ["not-allowed"]
    assert office.terminal.json("operator", "release").codes == ["request"]
    assert office.terminal.json("operator", "release", "sue").document["released"] == "operator:sue"
    assert office.terminal.json("operator", "release", "--place", "x@y").codes == ["request"]
    assert [one.subject for one in watch.blocks()] == ["operator:carol"]


def test_the_owner_gets_an_administrator_back_in_and_everybody_hears_of_it(office: Office) -> None:
    office.add("sue", "support")
    (office.terminal.folder / "operators.key").unlink()
    assert office.login("root").codes == ["key-unavailable"]
    by_owner = ("operator", "reset", "sue", "--by-owner")
    assert office.terminal.json(*by_owner, stdin=f"{PASSWORD}\n").codes == ["request"]

    ran = office.terminal.json("operator", "reset", "root", "--by-owner", stdin=f"{PASSWORD}\n")
    assert (ran.exit, ran.codes) == (0, ["access-by-owner"])
    office.secrets["root"] = ran.document["totp_secret"]
    office.steps.clear()
    assert office.login("root").exit == 0
    assert office.login("sue").codes == ["login-refused"]
    assert ("operator reset", None, "done", "root") in log_of(office)


def test_whoever_uses_a_restored_state_hears_of_it_with_an_alarm(
    founded: Terminal, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("elsewhere") / "heads.jsonl"
    text = founded.config.read_text("utf-8")
    founded.config.write_text(f'{text}[access]\nhead_file = "{path}"\n', "utf-8")
    office = Office(founded)
    office.add("root", "administrator")
    office.login("root")
    with sqlite3.connect(founded.folder / "state.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    old = (founded.folder / "state.db").read_bytes()
    assert founded.json("operator", "list").exit == 0
    assert founded.json("access", "head").exit == 0

    for one in founded.folder.glob("state.db*"):
        one.unlink()
    (founded.folder / "state.db").write_bytes(old)
    (founded.folder / "state.db").chmod(0o600)
    ran = founded.json("operator", "list")
    assert (ran.exit, ran.codes) == (20, ["access-log-broken"])
    assert founded.json("access", "head").codes == ["access-log-broken"]
    assert founded.json("access", "verify").codes == ["access-forked"]


def request_of(office: Office, name: str, order: str) -> int:
    """Ask for a reveal as the command will, and return the request's number."""
    office.login(name)
    installation = Installation.load(office.terminal.config)
    environment = {"XDG_STATE_HOME": str(office.terminal.environment["XDG_STATE_HOME"])}
    desk = Desk.at(replace(installation, environment=environment))
    asked = desk.approvals.request("reveal", {"order": order}, desk.session(), said=f"[b]{order}")
    return asked.number


def test_somebody_else_grants_or_refuses_a_request(office: Office) -> None:
    for name, role in (("carol", "compliance"), ("kai", "custodian")):
        office.add(name, role)
    first, second = (request_of(office, "carol", order) for order in ("D1", "D2"))
    own = office.terminal.json("approve", str(first))
    assert (own.exit, own.codes) == (11, ["not-allowed"])
    office.login("kai")

    granted = office.terminal.json("approve", str(first)).document
    assert (granted["state"], granted["decided_by"], granted["asked_by"]) == (
        *("granted", "kai"),
        "carol",
    )
    told = office.terminal.archiver("approvals", lang="zh_CN.UTF-8")
    assert "[b]D2" in told.out
    assert "待批准" in told.out
    refused = office.terminal.archiver("approve", str(second), "--refuse")
    assert f"Request {second} is refused." in refused.out
    assert office.terminal.json("approve", str(second)).codes == ["request"]
    assert office.terminal.json("approve", "99").codes == ["request"]
    listed = office.terminal.json("approvals", "--all").document["approvals"]
    assert [one["state"] for one in listed] == ["refused", "granted"]
    office.login("root")
    assert ("approve", "carol", "failed", "granted reveal: not-allowed") in log_of(office)


def test_the_log_is_shown_to_people_with_whom_why_and_what_became_of_it(office: Office) -> None:
    desk = Desk.at(Installation.load(office.terminal.config))
    desk.access_log.record(
        Entry(
            command="find",
            outcome=Outcome.ANSWERED,
            operator="sue",
            origin="sue@desk",
            purpose="[red]退款核对",
            question=[Asked(kind="order", token=f"{n:016x}") for n in range(4)],
            count=3,
        )
    )
    log_of(office)
    shown = office.terminal.archiver("access", "log", "--operator", "sue", lang="zh_CN.UTF-8")
    assert "[red]退款核对" in shown.out
    assert "已答复" in shown.out
    assert "+2" in shown.out
    since = office.terminal.archiver("access", "log", "--since", "2999-01-01")
    assert "The access log is empty." in since.out


def test_an_administrator_gives_new_factors(office: Office) -> None:
    office.add("sue", "support")
    assert office.login("sue").exit == 0
    assert office.login("root").exit == 0
    ran = office.terminal.json("operator", "reset", "sue", stdin=f"{PASSWORD}\n")
    assert ran.codes == ["access-given"]  # compliance hears of it: root could be sue now
    office.terminal.environment["ARCHIVER_OPERATOR"] = "sue"
    assert office.terminal.json("operator", "list").codes == ["login-needed"]
    office.secrets["sue"] = ran.document["totp_secret"]
    office.steps.pop("sue")
    assert office.login("sue").exit == 0


def test_few_recovery_codes_are_told(office: Office) -> None:
    made = office.add("sue", "support").document["recovery_codes"]
    left = [
        office.terminal.json("login", "sue", stdin=f"{PASSWORD}\n{code}\n") for code in made[:7]
    ]
    assert [ran.document["recovery_codes"] for ran in left] == [9, 8, 7, 6, 5, 4, 3]
    assert [ran.codes for ran in left] == [[]] * 6 + [["few-recovery-codes"]]


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"XDG_STATE_HOME": "/a", "HOME": "/h"}, Path("/a/archiver")),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, Path("/h/.local/state/archiver")),
        ({}, None),
    ],
)
def test_a_session_is_held_where_the_account_keeps_its_state(
    office: Office, environment: dict[str, str], folder: Path | None
) -> None:
    installation = Installation.load(office.terminal.config)
    desk = Desk.at(replace(installation, environment=environment))
    assert desk.held.folder == (folder or office.terminal.folder / "sessions")


def test_an_ssh_connection_is_told_and_does_not_change_the_place(office: Office) -> None:
    installation = Installation.load(office.terminal.config)
    environment = {"SSH_CLIENT": "203.0.113.7 51234 22"}
    desk = Desk.at(replace(installation, environment=environment))
    assert desk.origin == f"{desk.place} ssh:203.0.113.7"
    assert place_of(desk.origin) == desk.place


def test_what_is_sensitive_takes_a_fresh_code_behind_any_password(office: Office) -> None:
    office.add("sue", "support")
    office.terminal.json("token", "add", "shop")
    before = office.terminal.json("operator", "list").document["operators"]
    office.grow_stale()
    cases = [
        ("operator", "add", "eve", "--role", "support"),
        ("operator", "reset", "sue"),
        ("operator", "disable", "sue"),
        ("token", "add", "shop-2"),
        ("token", "revoke", "shop"),
    ]
    for words in cases:
        password = f"{PASSWORD}\n" if words[1] in ("add", "reset") and words[0] != "token" else ""
        ran = office.terminal.json(*words, stdin=password)
        assert (ran.exit, ran.codes) == (2, ["code-needed"]), words
        assert ran.document["alarms"][0]["next"].startswith("archiver login NAME")
    told = office.terminal.archiver("operator", "disable", "sue", lang="zh_CN.UTF-8")
    assert "需要新的手机动态码" in told.err
    assert "archiver login NAME" in told.err
    wrong = office.terminal.json(*cases[0], stdin=f"{PASSWORD}\n000000\n")
    assert (wrong.exit, wrong.codes) == (11, ["code-refused"])
    assert office.terminal.json("operator", "list").document["operators"] == before
    (token,) = office.terminal.json("token", "list").document["tokens"]
    assert (token["token"], token["revoked_at"]) == ("shop", None)

    code = office.code("root")
    assert office.terminal.json(*cases[0], stdin=f"{PASSWORD}\n{code}\n").exit == 0
    assert office.terminal.json(*cases[2]).exit == 0  # for five minutes no other is asked for
    office.grow_stale()
    again = office.terminal.json(*cases[4], stdin=f"{code}\n")
    assert again.codes == ["code-refused"]
    office.grow_stale(by=-360)
    failed = [line for line in log_of(office) if line[2] == "failed"]
    assert [line[0] for line in failed] == [
        *("operator add", "operator reset", "operator disable", "token add", "token revoke"),
        *("operator disable", "operator add", "token revoke"),
    ]
    assert [line[3] for line in failed] == ["code-needed"] * 6 + ["code-refused"] * 2


def test_an_approver_whose_last_code_is_old_is_asked_for_one(office: Office) -> None:
    office.add("kai", "custodian")
    office.add("carol", "compliance")
    number = request_of(office, "carol", "D1")
    office.login("kai")
    office.grow_stale()
    assert office.terminal.json("approve", str(number)).codes == ["code-needed"]
    assert office.terminal.json("approvals").document["approvals"][0]["state"] == "waiting"
    granted = office.terminal.json("approve", str(number), stdin=f"{office.code('kai')}\n")
    assert granted.document["state"] == "granted"
