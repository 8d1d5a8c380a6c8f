"""What a lock must refuse, asked of the strict store in memory (`archiver.ports.LockProver`).

The reference: of all attacks it allows none. Who holds its credentials may do everything else.
"""

from dataclasses import replace
from datetime import datetime

from archiver.errors import LockedError, ObjectMissingError, RetentionRefusedError
from archiver.ports import Answer, BucketRules, Retention
from archiver.stores.memory import MemoryStore

_ACCEPTED = Answer(accepted=True)
_REFUSED = Answer(accepted=False, code="AccessDenied", denied=True)
_INVALID = Answer(accepted=False, code="InvalidRequest")


class MemoryAttacks:
    """Attacks on a store in memory."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    def delete(self, key: str, version_id: str, *, bypass: bool) -> Answer:  # noqa: ARG002
        """Delete a version. COMPLIANCE knows no bypass."""
        try:
            self.store.delete_version(key, version_id)
        except LockedError:
            return _REFUSED
        except ObjectMissingError:
            return _ACCEPTED  # as S3 answers
        return _ACCEPTED

    def delete_many(self, key: str, version_id: str, *, bypass: bool) -> Answer:
        """Do the same."""
        return self.delete(key, version_id, bypass=bypass)

    def retain(
        self,
        key: str,
        version_id: str,
        lock: Retention | None,
        *,
        bypass: bool,  # noqa: ARG002  COMPLIANCE knows none
    ) -> Answer:
        """Give a version another lock: only a longer one of the same mode is granted."""
        if lock is None or lock.mode != "COMPLIANCE":
            return _REFUSED
        try:
            self.store.prolong(key, version_id, lock.until)
        except LockedError:
            return _REFUSED
        except RetentionRefusedError:
            return _INVALID
        return _ACCEPTED

    def put(self, key: str, content: bytes, lock: Retention | None) -> Answer:
        """Write a version above the others."""
        until = lock.until if lock else None
        now = self.store.settings().server_time
        if until is not None and now is not None and until <= now:
            return _INVALID
        version_id = self.store.overwrite(key, content, retain_until=until)
        return Answer(accepted=True, version_id=version_id)

    def put_in_parts(self, key: str, content: bytes, retain_until: datetime) -> Answer:
        """Write a locked version: there are no parts in memory."""
        return self.put(key, content, Retention(mode="COMPLIANCE", until=retain_until))

    def hide(self, key: str) -> Answer:
        """Add a delete marker."""
        return Answer(accepted=True, version_id=self.store.add_delete_marker(key))

    def rules(self) -> BucketRules:
        """Return what a bucket that was made for an archive says."""
        return replace(self.store.rules, versioning=self.store.versioning)
