"""Operators, signers, enrolments, approvals and the access log for people."""

import io
from collections.abc import Collection, Sequence
from zoneinfo import ZoneInfo

import segno
from rich.console import Console

from archiver.access_log.entry import Chained
from archiver.decoys import Decoy
from archiver.operators import Approval, Enrolment, Operator
from archiver.paperwork import state_of
from archiver.service_tokens import ServiceToken
from archiver.signer_keys import Standing
from cli.options import Call
from cli.screen import plain, table

TOKENS_SHOWN = 2
"""Of a question; the document has all."""


def show_operators(
    console: Console, call: Call, operators: Sequence[Operator], zone: ZoneInfo
) -> None:
    """Print the register."""
    words = call.words
    columns = [words(f"column.{name}") for name in ("operator", "role", "since", "by", "state")]
    shown = table(*columns, whole=(0,))
    for one in operators:
        shown.add_row(
            one.name,
            words(f"role.{one.role}"),
            f"{one.created_at.astimezone(zone):%Y-%m-%d}",
            one.created_by or words("operator.host"),
            words("operator.active" if one.disabled_at is None else "operator.inactive"),
            style="dim" if one.disabled_at else "",
        )
    console.print(shown)


def show_enrolment(console: Console, call: Call, made: Enrolment) -> None:
    """Print what a new operator takes with him: once."""
    words = call.words
    drawn = io.StringIO()
    segno.make(made.uri, error="m", micro=False).terminal(drawn, compact=True)
    console.print(words("operator.scan"), style="bold")
    # As it is: a phone reads it only if no line is wrapped or styled.
    console.file.write(drawn.getvalue())
    console.print(words("operator.type", secret=_grouped(made.secret)), soft_wrap=True)
    console.print(made.uri, style="dim", soft_wrap=True, markup=False)
    console.print()
    console.print(words("operator.codes"), style="bold")
    half = len(made.recovery_codes) // 2
    for left, right in zip(made.recovery_codes[:half], made.recovery_codes[half:], strict=True):
        console.print(f"  {left}   {right}", soft_wrap=True)
    console.print()


def show_tokens(
    console: Console, call: Call, tokens: Sequence[ServiceToken], zone: ZoneInfo
) -> None:
    """Print the tokens of the shop's site."""
    words = call.words
    columns = [words(f"column.{name}") for name in ("token", "budget", "since", "by", "state")]
    shown = table(*columns, whole=(0,))
    for one in tokens:
        shown.add_row(
            one.name,
            f"{one.daily_budget:,}",
            f"{one.created_at.astimezone(zone):%Y-%m-%d}",
            one.created_by,
            words("operator.inactive" if one.revoked_at else "operator.active"),
        )
    console.print(shown)


def show_signers(console: Console, call: Call, standing: Standing, zone: ZoneInfo) -> None:
    """Print who may sign."""
    words = call.words
    columns = [words(f"column.{name}") for name in ("signer", "public-key", "since", "state")]
    shown = table(*columns, numbers=(0,))
    for number, one in standing.signers.items():
        state = words("signer.here" if number == standing.here else "operator.active")
        if one.revocation is not None:
            at = f"{one.revocation.revoked_at.astimezone(zone):%Y-%m-%d %H:%M}"
            reason = plain(one.revocation.reason) or "–"
            state = words("signer.gone", at=at, reason=reason)
        shown.add_row(
            f"{number:04d}",
            f"{one.document.public_key[:16]}…",
            f"{one.document.created_at.astimezone(zone):%Y-%m-%d}",
            state,
            style="dim" if one.revocation else "",
        )
    console.print(shown)


def show_decoys(
    console: Console, call: Call, decoys: Sequence[Decoy], taken: Collection[int], zone: ZoneInfo
) -> None:
    """Print decoys, those marked that a buyer has by now."""
    words = call.words
    if not decoys:
        console.print(words("decoy.none"))
        return
    names = ("number", "kind", "value", "since", "by", "state")
    shown = table(*(words(f"column.{name}") for name in names), numbers=(0,), whole=(2,))
    for place, one in enumerate(decoys, 1):
        shown.add_row(
            str(one.number),
            words(f"decoy.kind.{one.kind}"),
            plain(one.value),
            f"{one.planted_at.astimezone(zone):%Y-%m-%d}",
            one.planted_by,
            words("decoy.taken" if place in taken else "decoy.stands"),
        )
    console.print(shown)


def show_approvals(
    console: Console, call: Call, approvals: Sequence[Approval], zone: ZoneInfo
) -> None:
    """Print requests, newest first."""
    words = call.words
    if not approvals:
        console.print(words("approvals.none"))
        return
    names = ("number", "kind", "by", "text", "until", "state")
    shown = table(*(words(f"column.{name}") for name in names), numbers=(0,))
    for one in approvals:
        state = words(f"approval.{state_of(one)}")
        shown.add_row(
            str(one.number),
            one.kind,
            one.asked_by,
            plain(one.text),
            f"{one.until.astimezone(zone):%m-%d %H:%M}",
            f"{state} ({one.decided_by})" if one.decided_by else state,
        )
    console.print(shown)


def show_log(console: Console, call: Call, entries: Sequence[Chained], zone: ZoneInfo) -> None:
    """Print entries of the access log, oldest first."""
    words = call.words
    if not entries:
        console.print(words("access.none"))
        return
    names = ("number", "at", "operator", "command", "question", "why", "count", "outcome")
    shown = table(*(words(f"column.{name}") for name in names), numbers=(0, 6))
    for one in entries:
        entry = one.entry
        outcome = words(f"access.{entry.outcome}")
        why = entry.case or entry.purpose or ""
        shown.add_row(
            f"{one.node}/{one.number}",
            f"{one.at.astimezone(zone):%m-%d %H:%M:%S}",
            plain(entry.operator or entry.origin),
            plain(entry.command),
            plain(_question(one)),
            plain(why),
            str(entry.count) if entry.count else "",
            plain(f"{outcome}: {entry.detail}" if entry.detail else outcome),
        )
    console.print(shown)


def _question(one: Chained) -> str:
    asked = one.entry.question
    shown = [f"{value.kind} {value.token[:8]}" for value in asked[:TOKENS_SHOWN]]
    if len(asked) > TOKENS_SHOWN:
        shown.append(f"+{len(asked) - TOKENS_SHOWN}")
    return ", ".join(shown)


def _grouped(secret: str) -> str:
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
