"""What a proof proves, on a screen."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

import schemas
from cli.options import Call
from cli.views.dossier import plain_text

SCRIPT = Path(schemas.__file__).with_name("verify_proof.py")


def show_proven(console: Console, call: Call, fields: Mapping[str, Any]) -> None:
    """Print where the proof is, what it leaves out, who has seen it and how it is checked."""
    words, order = call.words, fields["order"]
    name = plain_text(order["order_id"])
    console.print(Text(words("prove.written", order=name, file=fields["output"]), "bold"))
    console.print(Text("  " + words("prove.withheld", parts=", ".join(fields["withheld"]))))
    console.print(Text("  " + words("prove.ledger", **fields["ledger"])))
    for one in fields["witnesses"]:
        console.print(Text("  " + words("prove.witness", **one)))
    for one in fields["timestamps"]:
        console.print(Text("  " + words("prove.timestamp", **one)))
    if not fields["witnesses"] and not fields["timestamps"]:
        console.print(Text("  " + words("prove.unseen"), "yellow"))
    for one in fields["revoked_signers"]:
        about = {"number": one["number"], "at": one["revoked_at"]}
        seen = words("prove.revoked-seen", **about)
        unseen = words("prove.revoked-unseen", **about)
        console.print(Text(f"  {seen if one['seen_before'] else unseen}", "yellow"))
    checked = shlex.join(["python", str(SCRIPT), fields["output"], "--anchor", "archive.json"])
    console.print(Text(words("prove.check")))
    console.print(Text(f"  {checked}"), soft_wrap=True)
    console.print(Text(words("reveal.record", access=fields["access"]), "dim"))
