"""Every version and delete marker of the store, read once.

Responsible for what a key can be (FORMAT.md 2) and for the order of its versions. Of canaries,
which lock proofs attack and hide, nothing is kept.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from archiver import layout
from archiver.ports import ObjectStore, Progress, VersionEntry

CANARIES: Final = layout.canary_key("")
_OTHERS: Final = re.compile(
    r"archive\.json"
    r"|cohorts/[a-z]+-[0-9]{4}-[0-9]{2}-[0-9a-f]{8}\.json"
    r"|retirements/[a-z0-9][a-z0-9_-]{0,63}/[0-9a-f]{32}\.ids"
)
_PLACES: Final[Sequence[Callable[[str], object]]] = (
    layout.data_place,
    layout.signer_number,
    layout.revoked_number,
    layout.manifest_number,
    layout.reconciliation_number,
    layout.proof_number,
    layout.access_part,
    layout.retired_source,
    layout.sighting_place,
    layout.ledger_first,
    layout.checkpoint_size,
    layout.cosignature_place,
    layout.timestamp_place,
)
"""What tells the keys of each kind, those included that stand aside from something foreign."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the store has."""

    store: ObjectStore
    versions: dict[str, list[VersionEntry]]
    """By key, the oldest first; without delete markers."""
    markers: Sequence[VersionEntry]

    @classmethod
    def read(cls, store: ObjectStore, progress: Progress) -> "Listing":
        """Read the whole listing.

        Raises:
            StoreError: The store did not answer.
        """
        versions: dict[str, list[VersionEntry]] = {}
        markers = []
        for version in store.list_versions(""):
            progress.advance()
            if version.key.startswith(CANARIES):
                continue
            if version.is_delete_marker:
                markers.append(version)
            else:
                versions.setdefault(version.key, []).append(version)
        for listed in versions.values():
            listed.reverse()
        return cls(store, versions, markers)

    def below(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with a prefix, sorted."""
        return (key for key in sorted(self.versions) if key.startswith(prefix))

    def has(self, key: str, version_id: str) -> bool:
        """Return whether a version is there."""
        return any(one.version_id == version_id for one in self.versions.get(key, ()))

    def look_again(self, key: str) -> bool:
        """Return whether a key has a version by now, and take it up.

        A listing is of no one instant, and nights seal meanwhile: whatever seems to be gone is
        looked for once more before somebody is alarmed.
        """
        found = [
            one
            for one in self.store.list_versions(key)
            if one.key == key and not one.is_delete_marker
        ]
        if found:
            self.versions[key] = found[::-1]
        return bool(found)


def is_ours(key: str) -> bool:
    """Return whether an archive writes objects of such a key."""
    return _OTHERS.fullmatch(key) is not None or any(place(key) is not None for place in _PLACES)
