"""`archiver signer`: who may sign for the archive."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.commands.nightly import instant
from cli.options import Call, command
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.signers import Certified

IDENTITY = click.option(
    "--identity",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The identity key; default: [keys] identity. 身份密钥文件，默认取自 [keys] identity。",
)


@click.group("signer", short_help="Who may sign 签名密钥")
def signer() -> None:
    """Who may sign for the archive. 谁可以为档案库签名。"""  # noqa: D415


@command(
    "list",
    short="List signers 列出签名者",
    text=(
        "List the signing keys that the identity key has certified, revoked ones included. Needs "
        "no key.\n\n列出身份密钥认证过的签名密钥，包括已吊销的。无需任何密钥。"
    ),
    examples=("archiver signer list", "archiver signer list --json"),
)
def list_signers(call: Call) -> Report:
    """List signers."""
    from archiver.signer_keys import signers_of

    installation = call.installation()
    archive = installation.archive()
    call.archive = archive.id
    found = signers_of(archive, installation.places.signer)

    def show(console: "Console") -> None:
        from cli.views.people import show_signers

        show_signers(console, call, found, installation.rules.zone)

    return Report(
        fields={"signers": [_fields(one, found.here) for one in found.signers.values()]},
        show=show,
    )


@command(
    "add",
    short="Certify a new signing key 认证新的签名密钥",
    text=(
        "Make a signing key, for this host or another one, and certify it with the identity key: "
        "bring identity.key for this, and take it away again. The key that stood in its place is "
        "kept under another name. Running it again after an interruption goes on.\n\n"
        "为本机或另一主机创建签名密钥并用身份密钥认证：请为此临时取来 identity.key，用毕移走。"
        "原有密钥改名保留。中断后再次运行即可继续。"
    ),
    examples=(
        "archiver signer add --replace                   # this host's own 本机换用新密钥",
        "archiver signer add --output other-host.key     # for another host 供另一主机使用",
        "archiver signer add --replace --identity /media/usb/identity.key",
    ),
)
@IDENTITY
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the new key is put; default: [keys] signer. 新密钥的位置，默认取自 [keys] signer。",
)
@click.option(
    "--replace", is_flag=True, help="Move a key that stands there aside. 将该处原有的密钥移开保留。"
)
def add(call: Call, *, identity: Path | None, output: Path | None, replace: bool) -> Report:
    """Make and certify a signing key."""
    from archiver.signer_keys import add_signer

    installation = call.installation()
    archive = installation.archive()
    call.archive = archive.id
    places = installation.places
    path = output or places.signer
    added = add_signer(archive, identity or places.identity, path, replace=replace)
    number = added.signer.number

    def show(console: "Console") -> None:
        console.print(call.words("signer.added", number=number, path=added.path), markup=False)
        if added.kept:
            console.print(call.words("signer.kept", path=added.kept), markup=False)
        console.print(call.words("signer.away"), markup=False, soft_wrap=True)
        after = "archiver nightly" if path == places.signer else "archiver signer list"
        console.print(f"→ {call.words('next')} {call.next(after)}", markup=False, soft_wrap=True)

    return Report(
        fields={
            "number": number,
            "public_key": added.signer.public_key,
            "certified_at": instant(added.signer.created_at),
            "file": str(added.path),
            "kept": str(added.kept) if added.kept else None,
        },
        show=show,
    )


@command(
    "revoke",
    short="Let a signer count no longer 吊销签名者",
    text=(
        "Revoke a signing key, for good: what the store dates from now on does not count if it "
        "is signed with it; what it signed before does. For a key that may have been stolen, or a "
        "host that is gone. A host that signs with it seals nothing any more: certify its new key "
        "first where both can wait, and let no night run meanwhile. Takes the identity key.\n\n"
        "永久吊销签名密钥：存储所记时间在此之后的签名不再有效，此前的仍然有效。用于可能失窃的密钥或"
        "已停用的主机。使用该密钥的主机将不再封存；条件允许时请先认证新密钥，期间勿运行夜间任务。"
        "需要身份密钥。"
    ),
    examples=(
        "archiver signer revoke 1 --reason stolen        # 主机失窃",
        "archiver signer revoke 1 --reason gone --identity /media/usb/identity.key --json",
    ),
)
@click.argument("number", type=click.IntRange(1, 9999))
@click.option(
    "--reason",
    required=True,
    metavar="TEXT",
    help="Why; it is stored, in plain. 原因，以明文存档。",
)
@IDENTITY
def revoke(call: Call, *, number: int, reason: str, identity: Path | None) -> Report:
    """Revoke a signing key."""
    from archiver.signer_keys import revoke_signer, signers_of

    installation = call.installation()
    archive = installation.archive()
    call.archive = archive.id
    places = installation.places
    revocation = revoke_signer(archive, identity or places.identity, number, reason)
    own = signers_of(archive, places.signer).here == number

    def show(console: "Console") -> None:
        at = revocation.revoked_at.astimezone(installation.rules.zone)
        said = call.words("signer.revoked", number=number, at=f"{at:%Y-%m-%d %H:%M}")
        console.print(said, markup=False)
        after = "archiver signer add --replace" if own else "archiver verify"
        console.print(f"→ {call.words('next')} {call.next(after)}", markup=False, soft_wrap=True)

    return Report(
        fields={
            "number": number,
            "revoked_at": instant(revocation.revoked_at),
            "reason": revocation.reason,
            "here": own,
        },
        show=show,
    )


def _fields(one: "Certified", here: int | None) -> dict[str, Any]:
    gone = one.revocation
    return {
        "number": one.document.number,
        "public_key": one.document.public_key,
        "certified_at": instant(one.document.created_at),
        "revoked_at": instant(gone.revoked_at) if gone else None,
        "reason": gone.reason if gone else None,
        "here": one.document.number == here,
    }


for _command in (list_signers, add, revoke):
    signer.add_command(_command)
