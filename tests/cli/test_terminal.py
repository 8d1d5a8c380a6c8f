"""What a person types at a terminal is not shown, and the phone's code is tried at once."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable

import pyotp

from tests.cli.conftest import Terminal
from tests.cli.people import PASSWORD

COMMAND = [sys.executable, "-c", "from cli.main import main; main()"]
SECRET = re.compile(r"secret: ((?:[A-Z2-7]{4} ?){8})")


def typed(terminal: Terminal, *words: str, answers: list[Callable[[str], str]]) -> tuple[int, str]:
    """Run a command on a terminal of its own; answer each prompt by what stands there."""
    ours, theirs = pty.openpty()
    environment = {
        **{name: value for name, value in os.environ.items() if name != "COLUMNS"},
        **{name: value for name, value in terminal.environment.items() if value},
        "LANG": "C.UTF-8",
        "TERM": "dumb",
    }
    command = [*COMMAND, *words, "--config", str(terminal.config)]
    waiting, seen = list(answers), ""
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        while True:
            try:
                read = os.read(ours, 4096)
            except OSError:  # Linux's way to say that nobody has the other end any more
                break
            if not read:
                break
            seen += read.decode("utf-8", "replace")
            if waiting and seen.endswith((": ", "？")):
                os.write(ours, waiting.pop(0)(seen).encode() + b"\n")
    os.close(ours)
    return process.returncode, seen


def phone(seen: str) -> str:
    """Return what a phone shows that has scanned what stands on the screen."""
    match = SECRET.search(seen.replace("\r\n", "\n"))
    assert match is not None, seen
    return pyotp.TOTP(match[1].replace(" ", "")).now()


def test_an_operator_types_a_password_twice_scans_and_shows_a_code(founded: Terminal) -> None:
    def password(_: str) -> str:
        return PASSWORD

    code, seen = typed(
        founded,
        *("operator", "add", "root", "--role", "administrator"),
        answers=[password, password, lambda _: "000000", phone],
    )
    assert code == 0, seen
    assert PASSWORD not in seen
    assert "█" in seen
    assert "another code" in seen
    assert "root can log in now" in seen


def test_two_passwords_that_differ_make_no_operator(founded: Terminal) -> None:
    code, seen = typed(
        founded,
        *("operator", "add", "root", "--role", "administrator"),
        answers=[lambda _: PASSWORD, lambda _: f"{PASSWORD}!"],
    )
    assert code == 2, seen
    assert "differ" in seen
    assert founded.json("login", "root", stdin="a\nb\n").codes == ["no-operator"]
