"""All codes that a verification can end in: how grave each is, what it puts at risk, what is next.

Pure. Codes are part of the outside contract: none is ever renamed.
"""

from typing import Final

from archiver.verification.codes.contents import OF_CONTENTS, OF_THE_ACCESS_LOG, OF_TRUST
from archiver.verification.codes.history import OF_OUTSIDERS, OF_THE_CHAIN, OF_THE_LEDGER
from archiver.verification.codes.kinds import Kind, Severity
from archiver.verification.codes.store import OF_LOCKS, OF_SETTINGS, OF_VERSIONS

__all__ = ["KINDS", "Kind", "Severity"]

KINDS: Final[dict[str, Kind]] = {
    **OF_VERSIONS,
    **OF_CONTENTS,
    **OF_LOCKS,
    **OF_TRUST,
    **OF_THE_CHAIN,
    **OF_THE_LEDGER,
    **OF_OUTSIDERS,
    **OF_SETTINGS,
    **OF_THE_ACCESS_LOG,
}
