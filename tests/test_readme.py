"""The README names what there is: commands, exit codes, modules."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from archiver.errors import Exit
from cli.main import program
from cli.report import OUTCOMES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def section(title: str) -> str:
    """Return what stands under a heading."""
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands(group: click.Group, name: str) -> Iterator[str]:
    """Yield the commands that do something, in full."""
    for child in group.commands.values():
        if isinstance(child, click.Group):
            yield from commands(child, f"{name} {child.name}")
        else:
            yield f"{name} {child.name}"


def modules() -> set[str]:
    """Return the modules and packages of `archiver`, packages with a slash."""
    folder = ROOT / "archiver"
    packages = {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    return packages | {path.stem for path in folder.glob("[!_]*.py")}


@pytest.mark.parametrize("command", sorted(commands(program, "archiver")))
def test_each_command_is_in_the_table(command: str) -> None:
    first, _, last = command.rpartition(" ")
    rows = [row.partition("` |")[0] for row in section("Commands").splitlines()]
    # Commands that differ in their last word share a row: `schedule systemd|cron`.
    assert any(
        row.startswith(f"| `{first} ") and last in row.replace("\\|", " ").split() for row in rows
    )


@pytest.mark.parametrize("code", Exit)
def test_each_exit_code_stands_there_with_its_word(code: Exit) -> None:
    assert f"\n| {int(code)} | `{OUTCOMES[code]}` | " in section("Exit codes")


def test_the_map_of_the_code_names_each_module_once_and_none_that_is_not() -> None:
    rows = section("The code").partition("    archiver/")[2].partition("    cli/")[0].splitlines()
    # A row is names with dots between them, then, behind two spaces or more, what they are for.
    names = [row.strip().partition("  ")[0].split(" · ") for row in rows[1:]]
    named = [name for row in names for name in row]
    assert sorted(named) == sorted(modules())
