"""Decoys in the local index: tokens that lead to no order, and so to whoever asks for them.

One small file beside the segments: 16-byte tokens, sorted, with an HMAC behind them. They are
made of the access log's tokens under a key of their own: neither the log nor the segments tell
which of their tokens is a decoy's. Publishing replaces the file whole; no build removes it, and
each writes it anew. Refuses to answer without it, or from one that is not what was written: a
decoy that nobody notices is none.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from archiver.errors import IndexUnusableError, Said
from archiver.local_files import write_whole
from archiver.tokens import derive_key

NAME: Final = "decoys.raw"
WIDTH: Final = 16
_SEAL: Final = sha256().digest_size
_Seen = tuple[int, int, int]


@dataclass(slots=True)
class Planted:
    """The decoys of one local index. Threads may share it."""

    folder: Path
    token_key: bytes = field(repr=False)
    _held: tuple[_Seen, frozenset[bytes]] | None = field(default=None, repr=False)

    def publish(self, asked: Iterable[str]) -> bool:
        """Let these be all the decoys there are.

        Args:
            asked: Their tokens, as the access log makes them.

        Returns:
            Whether that is news here.

        Raises:
            LocalDiskError: The disk refused; the old ones stand.
        """
        content = b"".join(sorted({self._token(one) for one in asked}))
        whole = content + self._seal(content)
        path = self.folder / NAME
        try:
            if path.read_bytes() == whole:
                return False
        except OSError:
            pass  # there is none yet, or none that can be read: it is written now
        write_whole(path, whole)
        return True

    def among(self, asked: Sequence[str]) -> bool:
        """Tell whether one of these tokens of the access log is a decoy's.

        Raises:
            IndexUnusableError: The file is gone, or not the one that was written.
        """
        planted = self._tokens() if asked else frozenset()
        return any(self._token(one) in planted for one in asked)

    def _tokens(self) -> frozenset[bytes]:
        path = self.folder / NAME
        try:
            found = path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            held = self._held
            if held is None or held[0] != seen:
                held = self._held = seen, self._read(path.read_bytes())
        except OSError as error:
            detail = f"{NAME}: {error.strerror or type(error).__name__}"
            raise IndexUnusableError(detail=detail) from None
        return held[1]

    def _read(self, whole: bytes) -> frozenset[bytes]:
        content, seal = whole[:-_SEAL], whole[-_SEAL:]
        if len(content) % WIDTH or not hmac.compare_digest(seal, self._seal(content)):
            detail = Said(f"{NAME} is not what was written", f"{NAME} 与写入的内容不一致")
            raise IndexUnusableError(detail=detail)
        return frozenset(content[at : at + WIDTH] for at in range(0, len(content), WIDTH))

    def _token(self, asked: str) -> bytes:
        return hmac.digest(self._key("decoy"), asked.encode(), "sha256")[:WIDTH]

    def _seal(self, content: bytes) -> bytes:
        return hmac.digest(self._key("decoys"), content, "sha256")

    def _key(self, purpose: str) -> bytes:
        return derive_key(self.token_key, f"index/{purpose}")
