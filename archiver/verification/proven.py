"""Which objects' rows were compared with their Merkle roots already, on this host.

That the rows of some bytes have the root that was signed does not change: once it was computed,
the digest of the bytes tells that it still holds. So leaves are computed once for each object, by
whoever holds the base root; from then on its bytes are hashed and its keys opened. Marks are keyed
with the root: nobody else can set one.
"""

import hashlib
import hmac
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self

from archiver.keyring import KeyPair
from archiver.local_files import disk_errors, make_folder
from archiver.retention import Rule
from archiver.verification.coverage import FOLDER
from schemas.documents import SealedObject

NAME: Final = "proven.marks"
_PURPOSE: Final = b"archiver/v1/verified-leaves"
MARK: Final = 16
"""Bytes of a mark; the file is one behind the other. A crash cuts the last, and it counts for
nothing."""


@dataclass(slots=True)
class Proven:
    """The marks."""

    key: bytes | None
    """None where no root is at hand: nothing is marked, and nothing believed."""
    path: Path | None
    marks: set[bytes] = field(default_factory=set, repr=False)
    _file: IO[bytes] | None = None

    @classmethod
    def open(cls, memory: Path | None, root: KeyPair | None, *, anew: bool) -> Self:
        """Return what is known.

        Args:
            memory: Where this host keeps it; None: nothing is kept.
            root: The base root.
            anew: Forget what was computed, and compute it again.
        """
        # HKDF's first step (RFC 5869); not `tokens.derive_key`, which waits for pyarrow.
        key = None if root is None else hmac.digest(_PURPOSE, root.seed, "sha256")
        made = cls(key, None if memory is None or key is None else memory / FOLDER / NAME)
        if made.path is None:
            return made
        if anew:
            made.path.unlink(missing_ok=True)
        with suppress(OSError):
            content = made.path.read_bytes()
            whole = len(content) - len(content) % MARK
            made.marks = {content[at : at + MARK] for at in range(0, whole, MARK)}
        return made

    def has(self, stored: SealedObject, rule: Rule) -> bool:
        """Return whether an object's rows were compared with its root, and its date by a rule."""
        return self.key is not None and self._mark(stored, rule) in self.marks

    def add(self, several: Iterable[tuple[SealedObject, Rule]]) -> None:
        """Remember objects.

        Raises:
            LocalDiskError: The disk refused.
        """
        marks = [self._mark(*one) for one in several] if self.key is not None else []
        if self.path is None or not marks:
            return
        with disk_errors(self.path.parent):
            if self._file is None:
                make_folder(self.path.parent)
                self._file = self.path.open("ab")
                if torn := self._file.tell() % MARK:
                    self._file.write(bytes(MARK - torn))
            self._file.write(b"".join(marks))
            self._file.flush()
        self.marks.update(marks)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _mark(self, stored: SealedObject, rule: Rule) -> bytes:
        about = "\0".join(
            (
                stored.key,
                stored.sha256,
                stored.footer.sha256,
                stored.merkle_root or "",
                str(stored.rows),
                stored.retain_until.isoformat(),
                f"{rule.years} {rule.margin.days}",
                *(f"{name}={sealed}" for name, sealed in sorted(stored.keys.items())),
            )
        )
        return hmac.digest(self.key or b"", hashlib.sha256(about.encode()).digest(), "sha256")[
            :MARK
        ]
