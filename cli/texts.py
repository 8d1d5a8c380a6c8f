"""What the command line says to people, in the reader's language; the texts are in `texts.toml`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources


@cache
def texts() -> dict[str, dict[str, str]]:
    """Return every text by name, then by language."""
    return tomllib.loads(resources.files("cli").joinpath("texts.toml").read_text("utf-8"))


@dataclass(frozen=True, slots=True)
class Words:
    """The texts in one language."""

    language: str
    """`en` or `zh`."""

    def __call__(self, name: str, /, **params: object) -> str:
        """Return a text, its parameters filled in."""
        return texts()[name][self.language].format(**params)
