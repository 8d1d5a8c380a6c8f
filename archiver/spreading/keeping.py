"""What witnesses and authorities answer is kept beside the ledger, whatever lies there already."""

import io
import os
from collections.abc import Callable

from archiver.archive import Archive
from archiver.bounded_get import document_bytes
from archiver.errors import AlreadyStoredError, Said, TamperedError
from archiver.signed_documents import versions_of

_ASIDE_BYTES = 4


def keep(
    archive: Archive,
    place: Callable[[str], str],
    content: bytes,
    holds: Callable[[bytes, str], bool],
) -> TamperedError | None:
    """Store an answer; one that another run has stored will do as well.

    Keys can be guessed. Where something foreign lies at this one, the answer goes to a key of its
    own beside it: nobody can keep an answer from being kept.

    Args:
        archive: Whose store it is.
        place: Its key; of a word of random digits, one beside it.
        content: The answer, verified.
        holds: Tells whether content at a key is such an answer, too.

    Returns:
        The alarm, where something foreign lies there.

    Raises:
        StoreError: Nothing is known.
    """
    key, until = place(""), archive.evidence_until()
    try:
        archive.store.put(key, io.BytesIO(content), retain_until=until)
    except AlreadyStoredError:
        for version in versions_of(archive.store, key):
            if holds(document_bytes(archive.store, version), key):
                return None
        aside = place(os.urandom(_ASIDE_BYTES).hex())
        archive.store.put(aside, io.BytesIO(content), retain_until=until)
        said = Said(
            f"something else lies there; the answer is at {aside}",
            f"该处是其他内容；应答存于 {aside}",
        )
        return TamperedError(key=key, detail=said)
    return None
