"""The panel that nobody may overlook: which keys exist now, and where their copies belong."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from archiver.archive import Archive
from archiver.ports import LockMode
from cli.options import Call

URGENT = ("root", "reveal_root")


def show_founding(
    console: Console, call: Call, archive: Archive, keys: Sequence[Mapping[str, str]]
) -> None:
    """Print what was founded and what must be backed up."""
    words = call.words
    console.print(
        Text.assemble(
            ("✓ ", "green"),
            words("init.founded", name=archive.document.name, archive=archive.id),
        )
    )
    console.print(Text(words("init.store", store=archive.settings.description)))
    if archive.lock is not LockMode.COMPLIANCE:
        console.print(Text(words("lock.advisory"), style="yellow"))
    listing = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    listing.add_column(no_wrap=True)
    listing.add_column()
    for key in keys:
        loud = key["key"] in URGENT
        listing.add_row(
            Text(_name(key["place"]), style="bold red" if loud else "bold"),
            Text.assemble(key["opens"], "\n", (key["keep"], "bold" if loud else "dim")),
        )
    folder = Path(call.config).absolute().parent
    console.print(
        Panel(
            Group(
                Text(words("init.loss", root=_name(keys[0]["place"])), style="bold red"),
                Text(words("init.folder", folder=str(folder)), style="dim"),
                Text(),
                listing,
            ),
            title=f"[bold]{words('init.backup')}[/]",
            border_style="red",
        )
    )
    console.print(Text.assemble(("→ ", "bold"), (words("next"), "dim"), " "), end="")
    console.print(
        Text(call.next("archiver source check"), style="bold"),
        Text(words("then"), style="dim"),
        Text(call.next("archiver nightly"), style="bold"),
        soft_wrap=True,
    )


def _name(place: str) -> str:
    """Return a key file's name, or a passphrase's or KMS key's whole specification."""
    return place if place.startswith(("passphrase:", "aws-kms:")) else Path(place).name
