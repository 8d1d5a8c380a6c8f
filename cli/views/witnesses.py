"""Who holds which checkpoint of the ledger, as tables for people."""

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.text import Text

from cli.screen import plain, table
from cli.texts import Words

if TYPE_CHECKING:
    from archiver.errors import Said
    from archiver.spreading import Holding, Spread, Stamps


def show_news(console: Console, words: Words, found: "Spread", zone: ZoneInfo) -> None:
    """Print one line where everybody holds the latest checkpoint, else who does not."""
    if not (found.holdings or found.stamps):
        return
    if is_whole(found):
        names = [one.witness for one in found.holdings] + [one.authority for one in found.stamps]
        told = words("witnesses.all", size=found.size, names=", ".join(map(plain, names)))
        console.print(Text.assemble(("✓ ", "green"), told))
    else:
        show_witnesses(console, words, found, zone)


def is_whole(found: "Spread") -> bool:
    """Tell whether everybody holds the latest checkpoint and owes nothing."""
    everybody: list[Holding | Stamps] = [*found.holdings, *found.stamps]
    return all(one.size == found.size and one.behind_since is None for one in everybody)


def show_witnesses(console: Console, words: Words, found: "Spread", zone: ZoneInfo) -> None:
    """Print who holds what."""
    if not (found.holdings or found.stamps):
        return
    listing = table(
        words("column.witness"),
        words("column.checkpoint"),
        words("column.when"),
        words("column.behind"),
        numbers=(1,),
        title=words("witnesses.title", size=found.size),
    )
    for one in found.holdings:
        listing.add_row(
            plain(one.witness),
            _held(one.size, found.size),
            _local(one.confirmed_at, zone),
            _behind(words, one.behind_since, one.reason, zone),
        )
    for stamps in found.stamps:
        listing.add_row(
            plain(words("witnesses.authority", name=stamps.authority)),
            _held(stamps.size, found.size),
            _local(stamps.stamped_at, zone),
            _behind(words, stamps.behind_since, stamps.reason, zone),
        )
    console.print(listing)


def _held(held: int, size: int) -> str:
    if not held:
        return "[yellow]·[/]"
    return f"{held}" if held == size else f"[yellow]{held}[/]"


def _behind(words: Words, since: datetime | None, reason: "Said | None", zone: ZoneInfo) -> str:
    if since is None:
        return ""
    said = _said(reason, words.language)
    return plain(words("witnesses.behind", since=_local(since, zone), reason=said))


def _said(reason: "Said | None", language: str) -> str:
    if reason is None:
        return ""
    return reason.zh if language == "zh" else reason.en


def _local(at: datetime | None, zone: ZoneInfo) -> str:
    return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M %Z}"
