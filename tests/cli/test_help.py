"""Help appears at once, in both languages, with examples that can be copied."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from cli.main import program
from cli.options import Command
from tests.cli.conftest import Terminal

HEAVY = (
    "rich",
    "pyarrow",
    "pydantic",
    "boto3",
    "cryptography",
    "duckdb",
    "numpy",
    "archiver.wiring",
)


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    for name, one in group.commands.items():
        if isinstance(one, click.Group):
            yield from commands(one, *path, name)
        else:
            yield (*path, name)


ALL = sorted(commands(program))


def chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_a_command_is_explained_in_both_languages_with_examples(
    terminal: Terminal, path: tuple[str, ...]
) -> None:
    shown = terminal.run(*path, "--help")
    assert shown.exit == 0
    about, _, examples = shown.out.partition("Examples 示例")
    assert chinese(about)
    assert f"archiver {' '.join(path)}" in examples
    for option in ("--config FILE", "--json", "--lang [zh|en]", "-v"):
        assert option in about


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_option_is_explained_in_both_languages(path: tuple[str, ...]) -> None:
    command: click.Command = program
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    assert isinstance(command, Command)
    for option in command.params:
        if isinstance(option, click.Argument):  # explained by the text
            continue
        assert isinstance(option, click.Option)
        if not option.hidden:
            assert chinese(option.help or ""), option.name
            assert any(letter.isascii() and letter.isalpha() for letter in option.help or "")


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_examples_are_commands_that_exist(path: tuple[str, ...]) -> None:
    command: click.Command = program
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    assert isinstance(command, Command)
    for example in command.examples:
        words = example.partition("#")[0].partition(">")[0].partition("<")[0].split()
        assert words[: 1 + len(path)] == ["archiver", *path]
        with command.make_context("archiver", words[1 + len(path) :], resilient_parsing=False):
            pass


def test_the_exit_codes_are_explained(terminal: Terminal) -> None:
    shown = terminal.run("--help").out
    assert all(f"{code} " in shown for code in (0, 1, 2, 3, 10, 11, 20, 130))
    assert "archiver demo" in shown


def test_help_imports_nothing_heavy() -> None:
    check = (
        "import sys; sys.argv = ['archiver', '--help']; from cli.main import program; "
        "code = program.main(['--help'], standalone_mode=False); "
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]; "
        "sys.exit(f'{code} {loaded}' if code or loaded else 0)"
    )
    subprocess.run([sys.executable, "-c", check], check=True, stdout=subprocess.DEVNULL)


def test_status_waits_for_neither_pyarrow_nor_boto3_nor_a_database() -> None:
    check = (
        "import sys, archiver.wiring, archiver.metrics, archiver.lockproof, cli.views.calendar; "
        "loaded = {'pyarrow', 'boto3', 'duckdb', 'numpy', 'connectorx'} & set(sys.modules); "
        "sys.exit(str(loaded) if loaded else 0)"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


def test_without_a_command_help_is_shown_and_the_request_is_wrong(terminal: Terminal) -> None:
    shown = terminal.run()
    assert shown.exit == 2
    assert shown.out == ""
    assert "nightly" in shown.err
