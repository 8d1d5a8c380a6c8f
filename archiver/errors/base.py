"""What all errors share: an exit code, a fixed code, sentences in two languages, a command."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Final


class Exit(IntEnum):
    """Process exit codes; the highest alarm wins: 20 > 11 > 10 > 3."""

    DONE = 0
    BUG = 1
    FIX_REQUEST = 2
    REJECTS = 3
    TRY_LATER = 10
    FORBIDDEN = 11
    ALARM = 20
    INTERRUPTED = 130


_HIGHEST_FIRST: Final = (
    *(Exit.ALARM, Exit.FORBIDDEN, Exit.TRY_LATER),
    *(Exit.FIX_REQUEST, Exit.REJECTS),
)


def highest(exits: Iterable[Exit]) -> Exit:
    """Return the exit code of a run in which all this happened."""
    happened = set(exits)
    return next((one for one in _HIGHEST_FIRST if one in happened), Exit.DONE)


@dataclass(frozen=True, slots=True)
class Said:
    """A detail in both languages."""

    en: str
    zh: str

    def __str__(self) -> str:
        """Return the English one, for logs."""
        return self.en


class ArchiverError(Exception):
    """What all our errors share. Subclasses fill in the class attributes.

    Templates are `str.format` strings over the keyword arguments given when raising, which
    must be harmless: names, keys, days, counts. What is a sentence itself is `Said`.
    """

    exit: ClassVar[Exit] = Exit.BUG
    code: ClassVar[str] = "bug"
    en: ClassVar[str] = "{detail}"
    zh: ClassVar[str] = "{detail}"
    next: ClassVar[str] = ""

    def __init__(self, **params: object) -> None:
        """Keep the facts; the sentence is made in the reader's language."""
        self.params: Mapping[str, object] = params
        super().__init__(self.text("en"))

    def text(self, language: str) -> str:
        """Return the sentence in `zh` or `en`."""
        chinese = language == "zh"
        params = {
            name: (value.zh if chinese else value.en) if isinstance(value, Said) else value
            for name, value in self.params.items()
        }
        return (self.zh if chinese else self.en).format(**params)

    def __reduce__(self) -> tuple[object, ...]:
        """Let another process raise it here: the facts travel, not the sentence."""
        return _made, (type(self), dict(self.params))

    @property
    def next_command(self) -> str:
        """The command to run next, or an empty string."""
        return self.next.format(**self.params)


def _made(kind: type[ArchiverError], params: dict[str, object]) -> ArchiverError:
    return kind(**params)
