"""What the console says, in the reader's language; the texts are in `texts.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

LANGUAGES: Final = ("zh", "en")


@cache
def texts() -> Mapping[str, Mapping[str, str]]:
    """Return every text by name (`part.name`), then by language."""
    content = resources.files("archiver.service.pages").joinpath("texts.toml").read_text("utf-8")
    return {
        f"{part}.{name}": both
        for part, inner in tomllib.loads(content).items()
        for name, both in inner.items()
    }


@dataclass(frozen=True, slots=True)
class Words:
    """The texts in one language."""

    language: str
    """One of `LANGUAGES`."""

    def __call__(self, name: str, /, **params: object) -> str:
        """Return a text, its parameters filled in."""
        return texts()[name][self.language].format(**params)

    def knows(self, name: str) -> bool:
        """Tell whether there is such a text."""
        return name in texts()
