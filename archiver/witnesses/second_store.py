"""A witness that is a second store under other credentials: one locked object for each head.

Keys begin with what a size lacks to 10^10, so that the first one listed is the latest, however
many there are. Locks protect versions: delete markers hide nothing, for versions are listed, and
what the log has not signed counts for nothing.
"""

import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from archiver import layout
from archiver.errors import AlreadyStoredError, AnswerRefusedError, Said, TamperedError
from archiver.ports import ObjectStore
from archiver.signed_note import Checkpoint, VerifierKey, open_checkpoint
from archiver.witnesses.history import Confirmed, Head, History, require_same_history

LOOKED_AT: Final = 1_000
"""Objects in front of the latest head that the log has not signed: whoever may write there may
add some. Of more, nothing is confirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreWitness:
    """The second store."""

    name: str
    place: str
    archive: str
    store: ObjectStore = field(repr=False)
    retain_until: datetime
    """Of what is written now."""
    keys: Sequence[VerifierKey] = ()

    def confirm(self, head: Head, history: History, *, confirmed: int, now: datetime) -> Confirmed:
        """Store the head, its lock read back; see `Witness`."""
        del confirmed  # the store itself is asked
        known = self._latest(head)
        if known is not None:
            require_same_history(self.name, known, head, history)
        if known is None or known.size < head.size:
            self._put(head, history)
        return Confirmed(knew=known.size if known else 0, at=now)

    def _put(self, head: Head, history: History) -> None:
        key = layout.witness_key(self.archive, head.size)
        try:
            self.store.put(key, io.BytesIO(head.content), retain_until=self.retain_until)
        except AlreadyStoredError:
            # Somebody was faster. Another signature over the same head is the same head.
            known = self._latest(head)
            if known is None or known.size < head.size:
                said = Said(f"{key} is taken by something else", f"{key} 已被其他内容占用")
                raise AnswerRefusedError(place=self.name, detail=said) from None
            require_same_history(self.name, known, head, history)

    def _latest(self, head: Head) -> Checkpoint | None:
        folder = layout.witness_folder(self.archive)
        versions = (one for one in self.store.list_versions(folder) if not one.is_delete_marker)
        for version in itertools.islice(versions, LOOKED_AT):
            size = layout.witnessed_size(version.key)
            if size is None:
                continue
            content = self.store.get(version.key, version.version_id)
            for checkpoint in _signed(content, head):
                if checkpoint.size == size:
                    return checkpoint
        if next(versions, None) is None:
            return None
        said = Said(
            f"{LOOKED_AT} objects below {folder} are not this log's",
            f"{folder} 下有 {LOOKED_AT} 个对象不属于此账本",
        )
        raise AnswerRefusedError(place=self.name, detail=said)


def _signed(content: bytes, head: Head) -> Iterator[Checkpoint]:
    try:
        checkpoint = open_checkpoint(content, head.keys, where="object")
    except TamperedError:
        return
    if checkpoint.origin == head.checkpoint.origin:
        yield checkpoint
