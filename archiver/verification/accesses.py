"""The access log as a verification sees it: parts in the store, and the state of this host."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from archiver import layout
from archiver.archive import Archive
from archiver.keyring import KeyPair
from archiver.verification.findings import Finding, found
from archiver.verification.listing import Listing

if TYPE_CHECKING:
    from archiver.access_log import AccessLog
    from archiver.access_log.verify import Finding as AccessFinding


def of_access_log(
    archive: Archive, log: "AccessLog | None", root: KeyPair | None, listing: Listing
) -> Iterator[Finding]:
    """Yield what does not hold of the access log.

    Args:
        archive: Not refused, whatever is wrong with it.
        log: Of this host's state; None: parts alone are compared with each other.
        root: The base root, to open the parts.
        listing: What the store has.
    """
    if log is None and not any(listing.below(layout.ACCESS)):
        return
    # Not above: SQLAlchemy takes as long to import as all the rest.
    from archiver.access_log.verify import verify_access_log, verify_parts  # noqa: PLC0415

    if log is not None:
        said = verify_access_log(log, archive, root).findings
    else:
        nodes = {
            part[0] for key in listing.below(layout.ACCESS) if (part := layout.access_part(key))
        }
        said = [one for node in sorted(nodes) for one in verify_parts(archive, node, root)]
    for one in said:
        yield _told(one)


def _told(one: "AccessFinding") -> Finding:
    return found(one.code, key=one.key, node=one.node, detail=one.said)
