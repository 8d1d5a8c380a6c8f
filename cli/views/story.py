"""The demonstration as it is told to people."""

import shlex
import shutil
import sys
from datetime import datetime
from pathlib import Path
from typing import assert_never

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from archiver.demo import story
from archiver.lookup.telling import order_fields
from archiver.retention import LEGAL_ZONE
from cli.commands.verify import said_in
from cli.options import Call
from cli.screen import table
from cli.texts import Words
from cli.views.dossier import plain_text, show_dossier
from cli.views.nights import show_days
from cli.views.people import show_log

_SHOWN_LINES = 12
"""Of what the script for strangers says: all of it is in the folder."""


def show_intro(console: Console, call: Call, folder: Path) -> None:
    """Say what is about to happen."""
    console.print(Text(call.words("demo.intro", folder=folder), style="dim"))


def show_step(console: Console, call: Call, step: story.Step) -> None:
    """Tell what has happened."""
    words = call.words
    match step:
        case story.ShopOpened():
            _heading(console, words("demo.shop"))
            _say(
                console,
                words(
                    "demo.shop.text",
                    path=step.path.name,
                    orders=step.orders,
                    first=step.first_day,
                    last=step.last_day,
                ),
            )
        case story.Founded():
            _heading(console, words("demo.init"))
            _say(console, words("demo.init.text", files=", ".join(step.files)))
        case story.NightPassed():
            _night(console, words, step)
        case story.DayPassed():
            _heading(console, words("demo.day", day=step.day))
            change = step.change
            _say(
                console,
                words(
                    "demo.day.text",
                    new=change.new,
                    late=change.late,
                    changed=change.changed,
                    malformed=change.malformed,
                ),
            )
        case story.Searched():
            _searched(console, words, step)
        case story.DeletionTried():
            _heading(console, words("demo.delete"))
            if step.until:
                _say(console, words("demo.delete.refused", until=_local(step.until)))
            else:
                console.print(Text(words("demo.delete.done"), style="bold red"))
        case story.Tampered():
            _tampered(console, call, step)
        case _:
            _people(console, call, step)


def show_ending(console: Console, call: Call, folder: Path, *, kept: bool) -> None:
    """Say what to try next."""
    words = call.words
    if not kept:
        console.print(Text(words("demo.removed", folder=folder), style="dim"))
        return
    _heading(console, words("demo.try"))
    place = shlex.quote(str(folder.absolute()))
    # `make demo` runs a program that is on nobody's PATH.
    program = (
        "archiver" if shutil.which("archiver") else shlex.quote(str(Path(sys.argv[0]).absolute()))
    )
    for name, line in (
        ("status", "status"),
        ("check", "source check"),
        ("again", "nightly --json"),
        ("serve", "serve"),
        ("template", "init --template"),
    ):
        first = f"cd {place}" if name == "status" else None
        _command(console, words, name, f"{program} {line}", first=first)
    _command(console, words, "remove", f"rm -rf {place}")


def _tampered(console: Console, call: Call, step: story.Tampered) -> None:
    words = call.words
    _heading(console, words("demo.tamper"))
    _say(console, words("demo.tamper.text", key=step.key))
    for one in step.findings:
        console.print(Text(f"  {one.code}  {said_in(call, one)}", style="bold red"))
    if step.before or step.after:
        console.print(Text(words("demo.tamper.odd"), style="bold red"))
    else:
        _say(console, words("demo.tamper.mended", objects=step.objects))


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Rule(Text(text, style="bold"), align="left", style="dim"))


def _say(console: Console, text: str) -> None:
    console.print(Text(text))


def _command(
    console: Console, words: Words, name: str, line: str, *, first: str | None = None
) -> None:
    if first:
        console.print(Text(f"  {first}", style="bold"), soft_wrap=True)
    said = Text.assemble("  ", (f"{line:<26}", "bold"), (f"  # {words(f'demo.try.{name}')}", "dim"))
    console.print(said, soft_wrap=True)


def _night(console: Console, words: Words, step: story.NightPassed) -> None:
    _heading(console, words("demo.night", number=step.number, as_of=step.as_of))
    seconds = words("demo.seconds", seconds=step.seconds)
    console.print(Text.assemble(words(f"demo.night.{step.number}"), (f" {seconds}", "dim")))
    if step.report.days:
        show_days(console, words, step.report.days[0].source, step.report.days)
    for day in step.report.days:
        if day.reject_reasons:
            reasons = ", ".join(f"{name} {n}" for name, n in sorted(day.reject_reasons.items()))
            said = words(
                "nightly.rejects",
                source=day.source,
                day=day.day,
                count=day.counts["rejects"],
                reasons=reasons,
            )
            console.print(Text.assemble(("! ", "yellow"), said))
    for failure in step.report.failures:
        console.print(Text(failure.text(words.language), style="bold red"))


def _people(console: Console, call: Call, step: story.PeoplesStep) -> None:
    words = call.words
    match step:
        case story.OfficeOpened():
            _heading(console, words("demo.office"))
            people = ", ".join(
                f"{name} ({words(f'role.{role}')})" for name, role in step.operators.items()
            )
            _say(
                console,
                words(
                    "demo.office.text",
                    orders=f"{step.orders:,}",
                    tokens=f"{step.tokens:,}",
                    people=people,
                    seconds=step.seconds,
                ),
            )
        case story.OrderFound():
            _order(console, call, step)
        case story.SecretRefused():
            _heading(console, words("demo.refused", operator=step.operator))
            _say(console, step.refusal.text(words.language))
        case story.SecretShown():
            _heading(console, words("demo.reveal"))
            _say(
                console,
                words(
                    "demo.reveal.text",
                    operator=step.operator,
                    other=step.approved_by,
                    number=step.approval,
                    seconds=step.seconds,
                ),
            )
            for one in step.revealed.secrets:
                console.print(Text(f"  {plain_text(one['secret'] or '')}", "bold"))
        case story.LogRead():
            _heading(console, words("demo.log"))
            show_log(console, call, step.entries, LEGAL_ZONE)
        case story.OrderProven():
            _proven(console, words, step)
        case _:
            assert_never(step)


def _order(console: Console, call: Call, step: story.OrderFound) -> None:
    words = call.words
    _heading(console, words("demo.find"))
    _say(
        console,
        words(
            "demo.find.text",
            operator=step.operator,
            payment=step.payment_no,
            seconds=step.seconds,
            access=step.found.record,
            count=len(step.revisions),
        ),
    )
    show_dossier(console, call, order_fields(step.revisions[-1].orders[0], step.role))


def _proven(console: Console, words: Words, step: story.OrderProven) -> None:
    _heading(console, words("demo.prove"))
    order = plain_text(step.order)
    _say(
        console, words("demo.prove.text", operator=step.operator, order=order, file=step.path.name)
    )
    console.print(
        Text(f"  $ python verify_proof.py {step.path.name} --anchor archive.json", "bold")
    )
    for line in step.said[:_SHOWN_LINES]:
        console.print(Text(f"  {line}", "dim"), overflow="ellipsis", no_wrap=True)
    console.print(Text("  …", "dim"))
    if step.refusal:
        _say(console, words("demo.prove.refused", changed=step.changed))
        console.print(Text(f"  {step.refusal}"))
    else:
        console.print(Text(words("demo.prove.believed", changed=step.changed), style="bold red"))


def _local(when: datetime) -> str:
    """Return an instant as the shop's clock shows it."""
    return f"{when.astimezone(LEGAL_ZONE):%Y-%m-%d %H:%M:%S %Z}"


def _searched(console: Console, words: Words, step: story.Searched) -> None:
    _heading(console, words("demo.search"))
    hit, none = words("demo.search.hit"), words("demo.search.none")
    listing = table("", words("demo.search.in"), words("demo.search.archive", files=step.files))
    for one in step.hits:
        listing.add_row(
            words(f"demo.search.{one.what}"),
            hit if one.in_shop else none,
            f"[bold red]{hit}[/]" if one.in_archive else f"[bold green]{none}[/]",
        )
    console.print(Padding(listing, (0, 0, 0, 2)))
