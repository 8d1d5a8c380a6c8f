"""Proving in a reading room: its ledger read on, and whom its configuration trusts to see it."""

from archiver.configured_witnesses import verifier_key
from archiver.ledger import Ledger
from archiver.ports import Progress
from archiver.proving.gathering import Proving
from archiver.proving.outsiders import Outsiders
from archiver.reading_room import ReadingRoom
from archiver.timestamps import read_trust
from archiver.wiring import Installation


def proving_in(room: ReadingRoom, progress: Progress) -> Proving:
    """Return what proves the orders that are found in a room.

    Raises:
        ConfigurationError: A key or a certificate of an outsider cannot be used.
        RollbackError: The store contradicts what this host has seen of the ledger.
        StoreError: The store did not answer.
    """
    installation = room.desk.installation
    ledger = Ledger(room.archive, progress)
    ledger.refresh()
    return Proving(
        archive=room.archive,
        keys=room.finder.opener.keys,
        ledger=ledger,
        anchor=installation.places.anchor.read_bytes(),
        outsiders=outsiders_of(installation),
        kept=installation.catalog(room.archive).kept,
    )


def outsiders_of(installation: Installation) -> Outsiders:
    """Return those outsiders whose word a stranger can check: servers that sign, authorities.

    Nobody is asked anything, and no credentials are needed. Files and second stores sign nothing.

    Raises:
        ConfigurationError: A key or a certificate cannot be used.
    """
    configuration, folder = installation.configuration, installation.folder
    trusts = {one.name: read_trust(folder / one.ca) for one in configuration.timestamp}
    return Outsiders(
        witnesses={
            one.name: [verifier_key(one.name, text) for text in one.keys]
            for one in configuration.witness
            if one.is_server
        },
        authorities={name: [*trust.roots, *trust.intermediates] for name, trust in trusts.items()},
    )
