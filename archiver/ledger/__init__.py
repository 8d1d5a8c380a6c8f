"""The ledger: one numbered list of all that the archive's evidence consists of (FORMAT.md 3).

Manifests, parts of the access log, lock proofs, reconciliations, retirements and sightings are
entries of an RFC 6962 tree whose heads are signed as checkpoints. Whoever remembers one head
notices when anything in front of it is dropped, swapped, altered or set back.
"""

from archiver.ledger.documents import Noted
from archiver.ledger.extending import Extension, extend_ledger, read_ledger
from archiver.ledger.opened import Ledger
from archiver.ledger.parts import StoredCheckpoint, StoredPart, origin, verifier_keys
from archiver.ledger.placed import PlacedPart

__all__ = [
    "Extension",
    "Ledger",
    "Noted",
    "PlacedPart",
    "StoredCheckpoint",
    "StoredPart",
    "extend_ledger",
    "origin",
    "read_ledger",
    "verifier_keys",
]
