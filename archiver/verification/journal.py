"""What an interrupted verification has found sound already, so that the next one goes on.

One line for each object, appended as it is done; a line that a crash has cut is no line. Objects
with findings are never noted: they are looked at again. Listing, documents and settings are
always looked at again, too.
"""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Final, Self

from archiver.local_files import disk_errors, make_folder
from archiver.verification.coverage import FOLDER

NAME: Final = "full.jsonl"
VALID: Final = timedelta(days=7)
"""What was read longer ago is read again."""
FORMAT: Final = 1


@dataclass(slots=True)
class Journal:
    """The journal of a verification of everything."""

    path: Path | None
    header: str
    done: dict[str, int] = field(default_factory=dict)
    """Bytes of each object that was found sound, by `name_of`."""
    _file: IO[bytes] | None = None

    @classmethod
    def open(cls, memory: Path | None, archive: str, now: datetime, *, opened: bool) -> Self:
        """Open the journal of a run that was interrupted, or begin one.

        Args:
            memory: Where this host keeps it; None: nothing is kept.
            archive: The archive.
            now: When this run began.
            opened: Whether this run decrypts; one that did not has shown less.
        """
        about = {"format": FORMAT, "archive": archive, "opened": opened}
        header = json.dumps({**about, "begun": now.isoformat()})
        if memory is None:
            return cls(None, header)
        made = cls(memory / FOLDER / NAME, header)
        with suppress(OSError, ValueError, KeyError, TypeError):
            first, *lines = made.path.read_bytes().split(b"\n") if made.path else [b""]
            kept = json.loads(first)
            begun = datetime.fromisoformat(kept.pop("begun"))
            if kept == about and timedelta() <= now - begun <= VALID:
                made.header = first.decode()
                for line in lines[:-1]:
                    name, _, size = line.decode().partition(" ")
                    made.done[name] = int(size)
        made._begin()
        return made

    def note(self, sound: Iterable[tuple[str, int]]) -> None:
        """Note objects that were found sound, and their bytes."""
        if self._file is not None and self.path is not None:
            with disk_errors(self.path.parent):
                self._file.write(b"".join(f"{name} {size}\n".encode() for name, size in sound))
                self._file.flush()

    def finish(self) -> None:
        """Forget it: everything was read."""
        self.close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Keep it for the next run."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        if self.path is None:
            return
        with disk_errors(self.path.parent):
            make_folder(self.path.parent)
            self._file = self.path.open("wb")
            self._file.write(f"{self.header}\n".encode())
        self.note(self.done.items())


def name_of(key: str, version_id: str, sha256: str) -> str:
    """Return what stands for an object in the journal."""
    return hashlib.blake2b(f"{key}\0{version_id}\0{sha256}".encode(), digest_size=16).hexdigest()
