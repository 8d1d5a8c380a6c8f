"""What can be looked at: a store as it stands, a copied folder store, or plain files by key."""

import re
import shlex
from dataclasses import dataclass
from typing import Final, Self

from archiver.ports import StoreSettings

_BUCKET: Final = re.compile(r"s3://([^/]+)/(.*?)(?: at (.*))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which checks have something to look at."""

    versions: bool
    """Objects have version ids; all of them are there to be compared."""
    locks: bool
    """Each version shows until when it is kept."""
    compliance: bool
    """That must be a COMPLIANCE lock."""
    settings: StoreSettings | None
    """Of the store itself; None for a copy, whose clock and settings say nothing."""

    @classmethod
    def of_store(cls, settings: StoreSettings) -> Self:
        """Return what an archive's own store shows."""
        return cls(versions=True, locks=True, compliance=settings.claims_lock, settings=settings)

    @property
    def is_copy(self) -> bool:
        """Whether this is a copy of the archive, made at some time."""
        return self.settings is None

    def unhide(self, key: str, version_id: str) -> str:
        """Return the command that removes a delete marker from the bucket."""
        match = _BUCKET.fullmatch(self.settings.description) if self.settings else None
        if match is None:
            return "archiver verify --full"
        bucket, prefix, endpoint = match.groups()
        at = (
            ""
            if endpoint is None or ".amazonaws.com" in endpoint
            else f" --endpoint-url {endpoint}"
        )
        # Anybody may have chosen the key, and somebody pastes this into a shell.
        named, version = shlex.quote(prefix + key), shlex.quote(version_id)
        return f"aws s3api delete-object --bucket {bucket} --key {named} --version-id {version}{at}"


COPIED_FOLDER: Final = Scope(versions=True, locks=True, compliance=False, settings=None)
PLAIN_FILES: Final = Scope(versions=False, locks=False, compliance=False, settings=None)
