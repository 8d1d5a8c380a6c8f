"""Whom a configuration trusts to have seen a checkpoint: the keys and certificates in it."""

from archiver.configured_witnesses import verifier_key
from archiver.proving.outsiders import Outsiders
from archiver.timestamps import read_trust
from archiver.wiring import Installation


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
