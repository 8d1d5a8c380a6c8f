"""`archiver schedule`: printed with this host's paths, written only when asked."""

import getpass
import sys
from pathlib import Path

from tests.cli.conftest import Terminal


def test_units_name_this_hosts_program_configuration_and_user(terminal: Terminal) -> None:
    before = terminal.files()
    ran = terminal.json("schedule", "systemd")
    night = ran.document["units"]["archiver-test.service"]
    program = Path(sys.executable).with_name("archiver")
    assert f"{program}" in night
    assert f"nightly -v --config {terminal.config}" in night
    assert f"User={getpass.getuser()}" in night
    assert ran.document["night_at"] == "02:15"
    assert terminal.files() == before


def test_people_see_files_and_steps_in_their_language(terminal: Terminal) -> None:
    shown = terminal.archiver("schedule", "systemd", "--lang", "zh")
    assert shown.exit == 0
    assert "# /etc/systemd/system/archiver-test.timer" in shown.out
    assert "systemctl enable --now archiver-test.timer archiver-test-status.timer" in shown.out
    assert "启用" in shown.out
    assert "ARCHIVER_LANG=zh" in shown.out
    assert f"install -d -m 700 -o {getpass.getuser()} {terminal.folder}/index" in shown.out


def test_units_are_written_where_it_was_asked(terminal: Terminal) -> None:
    folder = terminal.folder / "units"
    ran = terminal.json("schedule", "systemd", "--output", str(folder))
    assert ran.exit == 0
    for name, text in ran.document["units"].items():
        assert (folder / name).read_text("utf-8") == text
        assert (folder / name).stat().st_mode & 0o777 == 0o644
    assert len(list(folder.iterdir())) == 8


def test_a_crontab_is_printed_with_its_steps(terminal: Terminal) -> None:
    terminal.configure(('url = "sqlite:///shop.db"', 'url = "sqlite:///x"\npassword_env = "PW"'))
    shown = terminal.archiver("schedule", "cron")
    assert shown.exit == 0
    assert f"--config {terminal.config}" in shown.out
    assert "PW into /etc/archiver/test.env" in shown.out
    assert f"crontab -u {getpass.getuser()} -e" in shown.out


def test_an_unknown_user_is_a_wrong_request(terminal: Terminal) -> None:
    for how in ("systemd", "cron"):
        ran = terminal.json("schedule", how, "--user", "nobody-of-this-name")
        assert (ran.exit, ran.codes) == (2, ["request"])
        assert "nobody-of-this-name" in ran.document["alarms"][0]["message"]
