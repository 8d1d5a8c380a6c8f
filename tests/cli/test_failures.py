"""Every way a command can fail: its exit code, one document on stdout, no secret anywhere."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from archiver.wiring import Installation
from cli.views import founding
from tests.cli.conftest import Terminal

PASSWORD = "CanaryDbPassword"

# what is replaced in the configuration, what the message must name
WRONG_FOR_ALL = {
    "unknown-key": (("[store]", "[store]\nlocked = true"), "locked"),
    "unknown-section": (("[store]", "[stores]\nx = 1\n[store]"), "stores"),
    "two-years": (("[store]", "[retention]\nyears = 2\n[store]"), "years = 2"),
    "no-legal-basis": (('legal_basis = "电子商务法第三十一条"', ""), "legal_basis"),
    "empty-legal-basis": (("电子商务法第三十一条", " "), "legal_basis"),
    "unknown-zone": (("[store]", 'timezone = "Asia/Atlantis"\n[store]'), "Atlantis"),
    "no-toml": (("[store]", "[store"), "archiver.toml"),
}
WRONG_SOURCES = {
    "password-in-url": (
        ("sqlite:///shop.db", f"mysql://reader:{PASSWORD}@127.0.0.1/shop"),
        "password",
    ),
    "unknown-preset": (('"dujiaoka"', '"nosuchshop"'), "nosuchshop"),
}


def test_a_missing_configuration_names_the_template(terminal: Terminal) -> None:
    ran = terminal.run("nightly", "--json", "--config", str(terminal.folder / "none.toml"))
    assert ran.exit == 2
    assert ran.document["outcome"] == "invalid"
    assert ran.document["archive"] is None
    assert ran.codes == ["configuration"]
    assert ran.document["alarms"][0]["next"] == "archiver init --template"


@pytest.mark.parametrize("command", ["init", "nightly", "status", "source check"])
@pytest.mark.parametrize("case", WRONG_FOR_ALL)
def test_a_wrong_configuration_is_named_and_nothing_is_made(
    terminal: Terminal, case: str, command: str
) -> None:
    replacement, named = WRONG_FOR_ALL[case]
    terminal.configure(replacement)
    ran = terminal.json(*command.split())
    assert (ran.exit, ran.codes) == (2, ["configuration"])
    assert ran.document["command"] == command
    assert named in ran.document["alarms"][0]["message"]
    assert list(terminal.folder.iterdir()) == [terminal.config]


@pytest.mark.parametrize("command", ["nightly", "source check"])
@pytest.mark.parametrize("case", WRONG_SOURCES)
def test_a_source_that_cannot_be_used_is_named_without_its_password(
    founded: Terminal, case: str, command: str
) -> None:
    replacement, named = WRONG_SOURCES[case]
    founded.configure(replacement)
    ran = founded.json(*command.split())
    assert ran.exit == 2
    assert ran.codes[0] in ("configuration", "mapping")
    assert named in ran.document["alarms"][0]["message"]
    assert PASSWORD not in ran.out


def test_equal_roots_are_refused_before_any_key_is_made(terminal: Terminal) -> None:
    terminal.configure(("[[source]]", '[keys]\nreveal_root = "file:root.key"\n[[source]]'))
    ran = terminal.json("init")
    assert (ran.exit, ran.codes) == (2, ["configuration"])
    assert not list(terminal.folder.glob("*.key"))


def test_people_get_the_message_and_the_next_command_on_stderr(terminal: Terminal) -> None:
    ran = terminal.archiver("nightly")
    assert (ran.exit, ran.out) == (2, "")
    assert "No archive here" in ran.err
    assert f"→ next: archiver init --config {terminal.config}" in ran.err


def test_chinese_is_spoken_where_the_locale_says_so(terminal: Terminal) -> None:
    assert "此处没有档案库" in terminal.archiver("nightly", lang="zh_CN.UTF-8").err
    assert "此处没有档案库" in terminal.archiver("nightly", "--lang", "zh").err
    assert "No archive" in terminal.archiver("nightly", "--lang", "en", lang="zh_TW").err
    terminal.environment["LC_ALL"] = "zh_CN.UTF-8"
    assert "此处没有档案库" in terminal.archiver("nightly", lang="fr_FR.UTF-8").err


def test_usage_errors_speak_the_language_too(terminal: Terminal) -> None:
    assert "命令用法有误" in terminal.run("nightly", "--nope", "--lang", "zh").err
    assert "命令用法有误" in terminal.run("nightly", "--nope", lang="zh_CN.UTF-8").err
    assert "命令用法有误" in terminal.run("nightly", "--lang=zh", "--nope").err


@pytest.mark.parametrize("command", ["nightly", "status"])
def test_nothing_can_be_done_before_init(terminal: Terminal, command: str) -> None:
    ran = terminal.json(command)
    assert ran.exit == 2
    assert ran.codes == ["not-initialised"]
    assert ran.document["alarms"][0]["next"] == f"archiver init --config {terminal.config}"


def test_init_twice_changes_nothing(founded: Terminal) -> None:
    before = {path: path.read_bytes() for path in founded.files()}
    ran = founded.json("init")
    assert ran.exit == 2
    assert ran.codes == ["already-initialised"]
    assert {path: path.read_bytes() for path in founded.files()} == before


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (("nightly", "--as-of", "2026-02-30"), "nightly"),
        (("nightly", "--as-of", "yesterday"), "nightly"),
        (("nightly", "--nope"), "nightly"),
        (("nightly", "--lang", "fr"), "nightly"),
        (("nightly", "surplus"), "nightly"),
        (("source", "check", "--rows", "0"), "source check"),
        (("source", "chek"), "source"),
        (("nihgtly",), None),
    ],
)
def test_a_wrong_command_line_is_a_wrong_request(
    terminal: Terminal, arguments: tuple[str, ...], command: str | None
) -> None:
    ran = terminal.run(*arguments, "--json")
    assert ran.exit == 2
    assert ran.err == ""
    assert ran.codes == ["usage"]
    assert ran.document["outcome"] == "invalid"
    assert ran.document["command"] == command
    assert ran.document["alarms"][0]["next"].endswith(" --help")


def test_a_day_that_is_not_closed_cannot_be_sealed(founded: Terminal) -> None:
    ran = founded.json("nightly", "--as-of", "2999-01-01")
    assert (ran.exit, ran.codes) == (2, ["request"])
    assert "2999-01-01" in ran.document["alarms"][0]["message"]


def test_an_unknown_source_is_a_wrong_request(founded: Terminal) -> None:
    ran = founded.json("source", "check", "--source", "other")
    assert (ran.exit, ran.codes) == (2, ["request"])
    assert "main" in ran.document["alarms"][0]["message"]


def test_a_source_that_fails_is_an_alarm_of_the_night(founded: Terminal) -> None:
    with sqlite3.connect(founded.folder / "shop.db") as shop:
        shop.execute("CREATE TABLE other (id)")
    shop.close()
    ran = founded.json("nightly")
    assert ran.exit in (2, 10)
    assert ran.document["days"] == []
    assert ran.document["archive"]
    assert "main" in ran.document["alarms"][0]["message"]
    assert founded.json("source", "check").exit == ran.exit


def test_a_bug_shows_its_place_and_never_what_it_quotes(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_path: Path) -> Installation:
        raise ZeroDivisionError(PASSWORD)

    monkeypatch.setattr(Installation, "load", broken)
    ran = terminal.json("nightly")
    assert (ran.exit, ran.codes) == (1, ["bug"])
    assert ran.document["outcome"] == "bug"
    assert "ZeroDivisionError at cli." in ran.document["alarms"][0]["message"]
    assert "-v" in ran.document["alarms"][0]["next"]
    told = terminal.archiver("nightly", "-v")
    assert "test_failures.py" in told.err
    assert PASSWORD not in ran.out + told.out + told.err


def test_a_panic_of_a_foreign_library_is_a_bug_too(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PanicException(BaseException):
        pass

    def panics(_path: Path) -> Installation:
        raise PanicException(PASSWORD)

    monkeypatch.setattr(Installation, "load", panics)
    ran = terminal.json("nightly")
    assert (ran.exit, ran.codes) == (1, ["bug"])
    assert PASSWORD not in ran.out


def test_an_interrupted_night_says_that_it_can_be_repeated(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_path: Path) -> Installation:
        raise KeyboardInterrupt

    monkeypatch.setattr(Installation, "load", interrupted)
    ran = terminal.archiver("nightly", "--json")
    assert (ran.exit, ran.codes) == (130, ["interrupted"])
    assert ran.document["outcome"] == "interrupted"
    assert ran.document["alarms"][0]["next"] == f"archiver nightly --config {terminal.config}"


def test_a_reader_that_leaves_is_no_failure(founded: Terminal) -> None:
    for arguments in ("init --template", f"status --json --config {founded.config}"):
        command = f"{sys.executable} -m cli {arguments} | true; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 10)
        assert done.stderr == ""


def test_a_report_that_cannot_be_written_is_said(founded: Terminal) -> None:
    for option in ("--json", "--lang=en"):
        command = f"{sys.executable} -m cli status {option} --config {founded.config} >/dev/full"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == 10
        assert "No space left" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_mistake_in_a_table_is_a_bug_that_quotes_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError(PASSWORD)

    monkeypatch.setattr(founding, "show_founding", broken)
    ran = terminal.archiver("init")
    assert ran.exit == 1
    assert "ValueError at" in ran.err
    assert PASSWORD not in ran.out + ran.err
