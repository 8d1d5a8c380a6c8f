"""A lock proof as a table: what was tried, what became of it, what the server answered."""

from typing import Final

from rich.console import Console
from rich.text import Text

from archiver.archive import Archive
from archiver.lockproof import Trial
from cli.options import Call
from cli.screen import plain, table

STYLES: Final = {
    "allowed": "bold red",
    "refused-by-permission": "yellow",
    "repaired": "yellow",
}
SEVERITIES: Final = {"alarm": "bold red", "warning": "yellow", "note": "dim"}
VERDICTS: Final = {
    "proven": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "inconclusive": ("?", "yellow"),
    "advisory": ("!", "yellow"),
}


def show_trial(console: Console, call: Call, archive: Archive, trial: Trial) -> None:
    """Print what was tried and what it says."""
    words = call.words
    console.print(Text(words("init.store", store=archive.settings.description)))
    if trial.attacks:
        listing = table(words("column.attack"), words("column.result"), words("column.answer"))
        for one in trial.attacks:
            listing.add_row(
                words(f"attack.{one.attack}"),
                Text(words(f"outcome.{one.outcome}"), style=STYLES.get(one.outcome, "green")),
                f"[dim]{plain(' '.join(part for part in (one.code, one.detail) if part))}[/]",
            )
        console.print(listing)
    for finding in trial.findings:
        said = words(f"finding.{finding.code}", detail=finding.detail)
        console.print(Text.assemble(("· ", SEVERITIES[finding.severity]), said))
    show_verdict(console, call, trial)
    if trial.proof:
        number = trial.proof.document.number
        console.print(Text(words("proof.stored", key=f"proofs/{number:08d}.json"), style="dim"))


def show_verdict(console: Console, call: Call, trial: Trial) -> None:
    """Print the one line that counts."""
    mark, style = VERDICTS[trial.verdict]
    console.print(Text.assemble((f"{mark} ", style), call.words(f"verdict.{trial.verdict}")))
