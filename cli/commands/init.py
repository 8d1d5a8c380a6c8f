"""`archiver init`: found the archive, and say loudly what must be backed up where."""

from importlib import resources
from typing import TYPE_CHECKING, Any

import click

from cli.options import Call, command
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.archive import Archive
    from archiver.wiring import Installation


@command(
    "init",
    short="Found the archive and its keys 建立档案库与密钥",
    text=(
        "Found the archive: its keys, its identity, its first lock, and the proof that the lock "
        "holds. If only the proof fails, the archive is founded all the same.\n\n"
        "建立档案库：生成密钥、身份与首批锁定对象，并证明锁有效。即使证明失败，档案库也已建立。"
        "Asks nothing, replaces nothing. 不提问，也不覆盖任何已有文件。"
    ),
    examples=(
        "archiver init --template > archiver.toml   # a commented configuration 带注释的配置模板",
        "archiver init                              # keys, identity, store 生成密钥并检查存储",
        "archiver init --config /etc/archiver/archiver.toml --json",
    ),
)
@click.option(
    "--template",
    is_flag=True,
    help="Print a commented archiver.toml and do nothing. 只打印配置模板。",
)
def init(call: Call, *, template: bool) -> Report:
    """Found the archive."""
    if template:
        return _template()
    from cli.commands.prove_lock import first_proof

    installation = call.installation()
    archive = installation.found()
    call.archive = archive.id
    keys = list(_keys(call, installation))
    # It is founded, and its keys must be backed up, whatever comes of the proof.
    proof = first_proof(call, installation, archive)
    fields = {
        "name": archive.document.name,
        "store": archive.settings.description,
        "lock": lock_word(archive),
        "keys": keys,
        "lock_proof": proof.fields or None,
    }

    def show(console: "Console") -> None:
        from cli.views.founding import show_founding

        show_founding(console, call, archive, keys)
        proof.show(console)

    return Report(exit=proof.exit, alarms=proof.alarms, fields=fields, show=show)


def lock_word(archive: "Archive") -> str:
    """Return `COMPLIANCE` or `advisory`, as every report says it."""
    from archiver.ports import LockMode

    return archive.lock.value if archive.lock is LockMode.COMPLIANCE else "advisory"


def _template() -> Report:
    text = resources.files("cli.templates").joinpath("archiver.toml").read_text("utf-8")

    def show(_console: "Console") -> None:
        click.echo(text, nl=False)

    return Report(fields={"template": text}, show=show)


def _keys(call: Call, installation: "Installation") -> "list[dict[str, Any]]":
    """Return where each key is and what must be done with it."""
    from archiver.roots import FileRoot

    words, places = call.words, installation.places
    keys = []
    for name, spec in places.roots.items():
        kind = str(spec).partition(":")[0]
        keys.append(
            {
                "key": "root" if name == "base" else "reveal_root",
                "place": str(spec.path) if isinstance(spec, FileRoot) else str(spec),
                "opens": words(f"init.opens.{name}"),
                "keep": words(f"init.keep.{kind}"),
            }
        )
    for key, path in (
        ("identity", places.identity),
        ("signer", places.signer),
        ("token", places.token),
        ("anchor", places.anchor),
    ):
        keys.append(
            {
                "key": key,
                "place": str(path),
                "opens": words(f"init.opens.{key}"),
                "keep": words(f"init.keep.{key}"),
            }
        )
    return keys
