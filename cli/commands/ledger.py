"""`archiver ledger`: what the evidence consists of, and the signed head of it."""

import base64
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from cli.commands.nightly import instant
from cli.options import Call, command
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.ledger import Ledger, PlacedPart
    from archiver.wiring import Installation

SHOWN = 10
"""Checkpoints, the latest ones."""


@command(
    "ledger",
    short="Size and head of the ledger 账本的长度与链头",
    text=(
        "Read the ledger and show its size, its signed head and the latest checkpoints. The ledger "
        "is the numbered list of all evidence: manifests, parts of the access log, lock proofs, "
        "reconciliations, retirements and sightings. Keep a head elsewhere, and you will notice "
        "when anything before it is changed. Where the store contradicts what this host has seen "
        "before, it ends with 20.\n\n"
        "读取账本，显示其长度、已签名的链头与最近的检查点。账本是全部证据的编号清单：清单、访问日志封存段、"
        "锁证明、对账记录、退役记录与留痕记录。将链头留存于别处，其前的任何改动都会被发现。"
        "若存储与本机此前所见相矛盾，退出码为 20。"
    ),
    examples=(
        "archiver ledger",
        "archiver ledger --last 100",
        "archiver ledger --json   # size, root, checkpoint, checkpoints[]",
        "archiver ledger --json > head.json   # to be kept elsewhere 供另行留存",
    ),
)
@click.option(
    "--last",
    type=click.IntRange(1, 1_000_000),
    default=SHOWN,
    show_default=True,
    metavar="N",
    help="Show so many checkpoints. 显示最近 N 个检查点。",
)
def ledger(call: Call, *, last: int) -> Report:
    """Read the ledger."""
    from archiver.ledger import read_ledger
    from cli.screen import Bar

    installation = call.installation()
    archive = installation.archive()
    call.archive = archive.id
    catalog = installation.catalog(archive)
    catalog.refresh()
    with Bar(sys.stderr, call.words("ledger.progress")) as bar:
        found = read_ledger(archive, catalog, bar)
    parts = found.parts()
    waiting = len(catalog.entries) - found.taken.manifests

    def show(console: "Console") -> None:
        from cli.views.ledger import show_ledger

        show_ledger(console, call, installation.rules.zone, found, parts[-last:], waiting=waiting)

    return Report(
        fields={
            **ledger_fields(found, installation, waiting),
            "checkpoints": [part_fields(part) for part in parts[-last:]],
        },
        show=show,
    )


def ledger_fields(found: "Ledger", installation: "Installation", waiting: int) -> dict[str, Any]:
    """Return what documents say of the ledger.

    Args:
        found: The ledger, read.
        installation: Whose clock counts.
        waiting: Manifests that are not in it yet.
    """
    from archiver.ledger import verifier_keys

    head, at = found.checkpoint(), found.grown_at
    now = installation.clock.now()
    return {
        "size": found.size,
        "root": base64.b64encode(found.root).decode(),
        "grown_at": instant(at) if at else None,
        "age_s": int((now - at).total_seconds()) if at else None,
        "waiting": waiting,
        "keys": [str(key) for key in verifier_keys(found.archive)],
        "checkpoint": None
        if head is None
        else {
            "key": head.key,
            "version_id": head.version_id,
            "sha256": head.sha256,
            "note": head.note.decode(),
        },
    }


def part_fields(part: "PlacedPart") -> dict[str, Any]:
    """Return one entry of `checkpoints`: by what the ledger grew to that size."""
    return {
        "size": part.size,
        "at": instant(part.created_at),
        "entries": kinds_of(part),
        "part": part.key,
        "version_id": part.version_id,
        "sha256": part.sha256,
    }


def kinds_of(part: "PlacedPart") -> dict[str, int]:
    """Return how many entries of which kind a part has."""
    return dict(sorted(Counter(entry.kind for entry in part.parsed()).items()))
