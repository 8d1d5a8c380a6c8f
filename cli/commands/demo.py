"""`archiver demo`: a shop, an archive, some nights, an order read back. It all happens."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.commands.init import lock_word
from cli.commands.nightly import day_fields, instant
from cli.options import Call, command
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.demo.story import OrderFound, PeoplesStep, Step


@command(
    "demo",
    short="A look around, in a folder of its own 演示",
    text=(
        "Build a small shop in a folder of its own, seal its orders, change some, seal again, "
        "read one back, and show what happened. Takes less than a minute, touches nothing else.\n\n"
        "在独立文件夹中建立一家小店，封存订单、变更、再封存、读回，并展示全过程。不触及其他任何内容。"
    ),
    examples=(
        "archiver demo",
        "archiver demo --folder ./try-archiver --lang zh",
        "archiver demo --no-keep --json   # leaves nothing behind 不留下任何文件",
    ),
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="A new or empty folder; default: a fresh temporary one. 新建或空的文件夹。",
)
@click.option(
    "--keep/--no-keep",
    default=True,
    show_default=True,
    help="Keep the folder to go on trying. 保留文件夹以便继续试用。",
)
@click.option("--orders", type=click.IntRange(min=1_000), default=20_000, hidden=True)
def demo(call: Call, *, folder: Path | None, keep: bool, orders: int) -> Report:
    """Run the demonstration."""
    from tempfile import mkdtemp

    from archiver.demo.story import Founded, Story
    from cli.screen import Bar, console_on
    from cli.views.story import show_ending, show_intro, show_step

    place = folder or Path(mkdtemp(prefix="archiver-demo-"))
    console = None if call.as_json else console_on(sys.stdout)
    if console:
        show_intro(console, call, place)
    steps = []
    with Bar(sys.stderr, call.words("nightly.progress")) as bar:
        for step in Story(folder=place, progress=bar, orders=orders).run():
            bar.finish()
            if isinstance(step, Founded):
                call.archive = step.archive.id
            steps.append(step_fields(step))
            if console:
                show_step(console, call, step)
    if not keep:
        _remove(place)

    def show(console: "Console") -> None:
        show_ending(console, call, place, kept=keep)

    return Report(fields={"folder": str(place), "kept": keep, "steps": steps}, show=show)


def step_fields(step: "Step") -> dict[str, Any]:
    """Return a step for the document."""
    from archiver.demo import story

    fields: dict[str, Any]
    match step:
        case story.ShopOpened():
            span = {"first_day": str(step.first_day), "last_day": str(step.last_day)}
            fields = {"step": "shop", "orders": step.orders, **span}
        case story.Founded():
            lock = lock_word(step.archive)
            fields = {"step": "init", "lock": lock, "files": list(step.files)}
        case story.NightPassed():
            days = [day_fields(day) for day in step.report.days]
            code = int(step.report.exit)
            told = {"as_of": str(step.as_of), "exit": code, "seconds": step.seconds}
            fields = {"step": "nightly", **told, "days": days}
        case story.DayPassed():
            change = step.change
            told = {"late": change.late, "changed": change.changed, "malformed": change.malformed}
            fields = {"step": "day", "day": str(step.day), "new": change.new, **told}
        case story.Searched():
            hits = [
                {"what": hit.what, "in_shop": hit.in_shop, "in_archive": hit.in_archive}
                for hit in step.hits
            ]
            fields = {"step": "search", "files": step.files, "hits": hits}
        case story.DeletionTried():
            until = instant(step.until) if step.until else None
            fields = {"step": "delete", "key": step.key, "refused_until": until}
        case story.Tampered():
            told = {"before": len(step.before), "after": len(step.after)}
            named = [{"code": one.code, "key": one.key} for one in step.findings]
            fields = {"step": "tamper", "key": step.key, "findings": named, **told}
        case _:
            fields = _of_people(step)
    return fields


def _of_people(step: "PeoplesStep") -> dict[str, Any]:
    from archiver.demo import story

    fields: dict[str, Any]
    match step:
        case story.OfficeOpened():
            people = {name: role.value for name, role in step.operators.items()}
            fields = {"step": "office", "operators": people, "orders": step.orders}
            fields |= {"tokens": step.tokens, "seconds": step.seconds}
        case story.OrderFound():
            fields = {"step": "find", **_found(step)}
        case story.SecretRefused():
            fields = {"step": "refused", "operator": step.operator, "code": step.refusal.code}
        case story.SecretShown():
            # The demonstration's own card: nobody ever bought it.
            secrets = [one["secret"] for one in step.revealed.secrets]
            fields = {"step": "reveal", "operator": step.operator, "secrets": secrets}
            fields |= {"approval": step.approval, "access": str(step.revealed.record)}
        case story.LogRead():
            entries = [
                {
                    "number": one.number,
                    "operator": one.entry.operator,
                    "command": one.entry.command,
                    "outcome": one.entry.outcome.value,
                }
                for one in step.entries
            ]
            fields = {"step": "log", "entries": entries}
        case story.OrderProven():
            told = {"said": list(step.said), "changed": step.changed, "refusal": step.refusal}
            fields = {"step": "prove", "operator": step.operator, "order": step.order, **told}
            fields |= {"output": str(step.path)}
    return fields


def _found(step: "OrderFound") -> dict[str, Any]:
    from archiver.lookup.telling import order_fields

    revisions = [order_fields(one.orders[0], step.role) for one in step.revisions]
    return {
        "operator": step.operator,
        "payment_no": step.payment_no,
        "access": str(step.found.record),
        "order": step.found.orders[0].order["order_id"],
        "seconds": step.seconds,
        "revisions": revisions,
    }


def _remove(folder: Path) -> None:
    """Remove what the demonstration made: its locks are metadata in a folder."""
    from shutil import rmtree

    for path in folder.rglob("*"):
        if path.is_dir():
            path.chmod(0o700)
    rmtree(folder)
