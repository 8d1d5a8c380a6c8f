"""Where a root's private half is kept, as the configuration says it. Pure.

None of these values holds a secret: they name a file, a variable, a key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from archiver.errors import ConfigurationError, Said

RootName = Literal["base", "reveal"]

ROOT_KEYS: Final[Mapping[RootName, Said]] = {
    "base": Said("base", "基础根"),
    "reveal": Said("reveal", "卡密根"),
}
"""What roots are called in errors, before the word "key" or "root"."""


@dataclass(frozen=True, slots=True)
class FileRoot:
    """A root whose private half lies in a key file."""

    path: Path

    def __str__(self) -> str:
        return f"file:{self.path}"


@dataclass(frozen=True, slots=True)
class PassphraseRoot:
    """A root sealed under the passphrase in an environment variable."""

    variable: str

    def __str__(self) -> str:
        return f"passphrase:{self.variable}"


@dataclass(frozen=True, slots=True)
class KmsRoot:
    """A root sealed by a symmetric AWS KMS key: its id, ARN or alias."""

    key_id: str

    def __str__(self) -> str:
        return f"aws-kms:{self.key_id}"


RootSpec = FileRoot | PassphraseRoot | KmsRoot


def parse_root_spec(text: str, folder: Path) -> RootSpec:
    """Return what a `[keys]` entry says.

    Args:
        text: `file:PATH`, `passphrase:ENV_NAME` or `aws-kms:KEY`.
        folder: The configuration's folder; relative paths resolve against it.

    Raises:
        ConfigurationError: None of these.
    """
    kind, _, value = text.partition(":")
    if value and kind == "file":
        return FileRoot(folder / value)
    if kind == "passphrase" and value.isascii() and value.isidentifier():
        return PassphraseRoot(value)
    if value and kind == "aws-kms":
        return KmsRoot(value)
    # The text is not repeated: somebody may have written the passphrase itself there.
    raise ConfigurationError(
        detail=Said(
            "[keys] root and reveal_root are written file:PATH, "
            "passphrase:NAME_OF_AN_ENVIRONMENT_VARIABLE or aws-kms:KEY_OR_ALIAS",
            "[keys] 的 root 和 reveal_root 应写作 file:路径、passphrase:环境变量名 "
            "或 aws-kms:密钥或别名",
        )
    )
