"""What no manifest names, as a table and as fields of the document."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Self

from rich.console import Console
from rich.text import Text

from archiver.orphans import Kind, Tally, Unnamed
from cli.commands.nightly import instant
from cli.screen import plain, size, table
from cli.texts import Words

KEPT: Final = 10_000
"""Objects that the document lists; all are counted."""
SHOWN: Final = 20
"""Lines of the table."""
_STYLES: Final[dict[Kind, str]] = {"orphan": "yellow", "recent": "dim", "other-version": "red"}


@dataclass(slots=True)
class Leftovers:
    """All counted, the first ones kept."""

    tally: Tally = field(default_factory=Tally)
    first: list[Unnamed] = field(default_factory=list)

    @classmethod
    def of(cls, found: Iterable[Unnamed]) -> Self:
        """Count what is found."""
        made = cls()
        for one in found:
            made.tally.add(one)
            if len(made.first) < KEPT:
                made.first.append(one)
        return made

    def fields(self) -> dict[str, Any]:
        """Return what the document says of them."""
        return {
            "orphans": [
                {
                    "kind": one.kind,
                    "key": one.key,
                    "version_id": one.version_id,
                    "size_bytes": one.size_bytes,
                    "written_at": instant(one.written_at),
                    "age_s": int(one.age.total_seconds()),
                    "holds": one.holds,
                    "source": one.source,
                    "day": one.day.isoformat() if one.day else None,
                }
                for one in self.first
            ],
            "orphan_counts": {
                kind: {"objects": number, "size_bytes": self.tally.size_bytes[kind]}
                for kind, number in self.tally.objects.items()
            },
        }


def show_orphans(console: Console, words: Words, found: Leftovers) -> None:
    """Print what no manifest names, the oldest first."""
    console.print()
    if not found.first:
        console.print(Text.assemble(("✓ ", "green"), words("orphans.none")))
        return
    lines = table(
        *(words(f"column.{name}") for name in ("kind", "size", "age", "key")),
        numbers=(1, 2),
        whole=(3,),
        title=words("orphans.title"),
    )
    for one in sorted(found.first, key=lambda one: -one.age)[:SHOWN]:
        lines.add_row(
            Text(words(f"orphans.kind.{one.kind}"), _STYLES[one.kind]),
            size(one.size_bytes),
            _age(words, one.age),
            plain(one.key),
        )
    console.print(lines)
    for text in _sums(words, found.tally):
        console.print(text)


def _sums(words: Words, tally: Tally) -> Iterator[Text]:
    for kind, number in tally.objects.items():
        if number:
            told = words(f"orphans.kind.{kind}")
            said = size(tally.size_bytes[kind])
            meaning = words(f"orphans.means.{kind}")
            yield Text(words("orphans.sum", kind=told, count=number, size=said, meaning=meaning))


def _age(words: Words, age: timedelta) -> str:
    if age >= timedelta(days=2):
        return words("orphans.days", count=age.days)
    return words("orphans.hours", count=age // timedelta(hours=1))
