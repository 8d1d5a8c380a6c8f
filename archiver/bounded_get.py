"""Fetching a document from the store, which has to be of a size that documents have.

Whoever may write to the bucket must not be able to fill a night's memory with a file.
"""

import logging
from typing import Final

from archiver.ports import ObjectStore, VersionEntry

LARGEST: Final = 64 << 20
"""Bytes; the largest that are written, sightings and parts of the ledger, have some 5 MB."""
log: Final = logging.getLogger(__name__)


def document_bytes(store: ObjectStore, version: VersionEntry) -> bytes:
    """Return a version's bytes; none where it is larger than any document: that verifies nowhere.

    Raises:
        ObjectMissingError: It is gone.
        StoreError: The store did not answer.
    """
    if version.size_bytes > LARGEST:
        about = {"key": version.key, "size_bytes": version.size_bytes}
        log.warning("too large for a document, not read", extra=about)
        return b""
    return store.get(version.key, version.version_id)
