"""Places that the archive's credentials cannot rewrite and that remember the ledger's head.

Each tells one thing apart: a head that continues what it remembers, and one that does not. Three
kinds: lines in a file elsewhere, objects in a second store, a server that speaks C2SP
tlog-witness.
"""

from archiver.witnesses.endpoint import EndpointWitness, cosigned
from archiver.witnesses.file import FileWitness
from archiver.witnesses.history import Confirmed, Head, History, Witness
from archiver.witnesses.second_store import StoreWitness

__all__ = [
    "Confirmed",
    "EndpointWitness",
    "FileWitness",
    "Head",
    "History",
    "StoreWitness",
    "Witness",
    "cosigned",
]
