"""What an operator holds between two commands: his session's token, in a file for him alone.

Below a folder of the host's account, one folder for each archive, one file for each operator and
a name that says who logged in last. A token that others can read is refused, not used.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archiver.errors import Said
from archiver.local_files import disk_errors, make_folder
from archiver.operators.register import NAME
from archiver.refusals import LoginNeededError

_FILE: Final = 0o600
_OTHERS: Final = 0o077
_LAST: Final = "last"
_MAX_BYTES: Final = 1024
_ARCHIVE: Final = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """The tokens of one host account for one archive."""

    folder: Path
    """Below which all archives have theirs."""
    archive: str

    def keep(self, name: str, token: str) -> None:
        """Keep a token and remember who logged in last.

        Raises:
            LocalDiskError: The disk refused.
        """
        with disk_errors(self._folder):
            make_folder(self._folder)
            self._folder.chmod(0o700)
            self._write(f"{name}.session", token)
            self._write(_LAST, name)

    def token(self, name: str | None = None) -> str:
        """Return the token of an operator, or of whoever logged in last.

        Raises:
            LoginNeededError: There is none, or others can read it.
        """
        name = name or self._read(_LAST)
        if name is None or not NAME.fullmatch(name):
            raise LoginNeededError(detail=Said("no session here", "此处没有会话"))
        token = self._read(f"{name}.session")
        if token is None:
            raise LoginNeededError(detail=Said(f"no session of {name}", f"没有 {name} 的会话"))
        return token

    def drop(self, name: str) -> None:
        """Forget an operator's token."""
        with disk_errors(self._folder):
            (self._folder / f"{name}.session").unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        if not _ARCHIVE.fullmatch(self.archive):
            message = "an archive's id has 32 hexadecimal digits"
            raise ValueError(message)
        return self.folder / self.archive

    def _write(self, name: str, content: str) -> None:
        draft = self._folder / f".{name}.{os.getpid()}"
        draft.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, _FILE), "w") as file:
            file.write(content)
        draft.replace(self._folder / name)

    def _read(self, name: str) -> str | None:
        path = self._folder / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                raise LoginNeededError(
                    detail=Said(
                        f"{path} can be read by others and is not used; log in again",
                        f"{path} 可被他人读取，不予使用；请重新登录",
                    )
                )
            return file.read(_MAX_BYTES).decode("ascii", "replace").strip() or None
