"""The protocols through which the core meets the world: store, clock, progress.

Pure declarations. Implementations live in `stores`, `sources` and `wiring`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

if TYPE_CHECKING:
    # Names of types only: a command that reads no rows must not wait for pyarrow.
    import pyarrow as pa


class Clock(Protocol):
    """Where `now` comes from."""

    def now(self) -> datetime:
        """Return the current instant, aware, UTC."""


class Progress(Protocol):
    """Something that shows long work to a person, or to nobody."""

    def start(self, label: str, total: int | None = None) -> None:
        """Begin a stretch of work of `total` units, unknown if None."""

    def advance(self, units: int = 1) -> None:
        """Count `units` more as done."""

    def finish(self) -> None:
        """End the stretch."""


class LockMode(StrEnum):
    """How an object version is protected."""

    COMPLIANCE = "COMPLIANCE"
    ADVISORY = "ADVISORY"
    """Retention metadata that root can override: a `dir:` store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One version of one object, its lock as read back from the store."""

    key: str
    version_id: str
    size_bytes: int
    sha256: str
    mode: LockMode
    retain_until: datetime
    legal_hold: bool = False
    """The store keeps it beyond that date, until somebody lifts the hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionEntry:
    """One line of a version listing. A delete marker has no size."""

    key: str
    version_id: str
    is_latest: bool
    is_delete_marker: bool
    size_bytes: int
    written_at: datetime
    storage_class: str = "STANDARD"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """What the store says about itself."""

    description: str
    worm: bool
    """A lock that even the store's administrator cannot lift."""
    versioning: bool
    object_lock: bool
    server_time: datetime | None
    """The store's clock as seen now; None where the store is this host."""
    claims_lock: bool = True
    """False for a folder of this host only, which promises no lock and is reported as such."""


class ObjectStore(Protocol):
    """Write-once storage that refuses deletion before a given date.

    Keys are relative to the store's prefix. Every implementation passes
    `tests/store_contract.py`.
    """

    def put(self, key: str, body: BinaryIO, *, retain_until: datetime) -> StoredObject:
        """Store `body` durably and locked, or store nothing.

        `body` is a seekable binary file, read from its start. The write is conditional on
        the key having no object. The lock is read back before this returns: a server that
        drops lock headers is an error, not a warning. Calling again with the same bytes
        returns what is stored, whoever stored it.

        Raises:
            AlreadyStoredError: `key` exists with other bytes. It is untouched.
            LockNotHonouredError: The server accepted the bytes but not the lock.
            StoreError: Nothing is known; calling again is safe.
        """

    def put_over(
        self, key: str, body: BinaryIO, *, above: str, retain_until: datetime
    ) -> StoredObject:
        """Store `body` as a further version of `key`, durably and locked, or store nothing.

        For a key that is taken once where something foreign lies. The write is conditional on
        the latest version being `above`, so that of several writers one wins; on servers that
        do not know such a condition all do, and who was first is seen in the listing. The lock
        is read back. Calling again with the same bytes returns what is stored, if it is the
        latest.

        Raises:
            AlreadyStoredError: The latest version is another one.
            ObjectMissingError: There is no such version, or a delete marker hides it.
            LockNotHonouredError: The server accepted the bytes but not the lock.
            StoreError: Nothing is known; look at the versions.
        """

    def head(self, key: str, version_id: str) -> StoredObject:
        """Return the version as it is now, lock included.

        Raises:
            ObjectMissingError: There is no such version.
            StoreError: The store did not answer.
        """

    def get(
        self, key: str, version_id: str | None = None, *, start: int = 0, length: int | None = None
    ) -> bytes:
        """Return bytes of a version, or of the latest one, from `start`.

        Raises:
            ObjectMissingError: There is no such version, or a delete marker hides it.
            StoreError: The store did not answer.
        """

    def list_versions(self, prefix: str) -> Iterator[VersionEntry]:
        """Yield every version and delete marker below `prefix`.

        Ordered by key, then newest first.
        """

    def delete_version(self, key: str, version_id: str) -> None:
        """Destroy one version for good.

        Raises:
            LockedError: Its retention has not ended.
            ObjectMissingError: There is no such version.
        """

    def settings(self) -> StoreSettings:
        """Return what the store says about itself now.

        Raises:
            StoreError: The store did not answer or refuses us.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Which bytes a fence has decided on for the manifest of a number."""

    number: int
    """0 before the first manifest."""
    sha256: str | None
    content: bytes | None
    """None where the chain had the manifest before there was a fence."""


class Fence(Protocol):
    """Decides between runs where the store lets several writers of one key win (FORMAT.md 7).

    All methods raise:
        AnotherRunError: Another run has taken over since this one began.
        StateUnavailableError: The database does not answer; look before doing it again.
    """

    @property
    def place(self) -> str:
        """Where it is, for people."""

    def last(self) -> Claim | None:
        """Return the last claim, None if there never was one."""

    def claim(self, number: int, content: bytes) -> None:
        """Decide for all time that manifest `number` has these bytes, before they are sent.

        The manifest before it must be the last one claimed, and must be in the store. Again
        with the same bytes it does nothing.

        Raises:
            AnotherRunError: The number has been decided already.
        """

    def adopt(self, number: int, sha256: str | None) -> None:
        """Go on from manifest `number`, which the store has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """A lock as it is asked for, lawful or not."""

    mode: Literal["COMPLIANCE", "GOVERNANCE"]
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a store answered to an attack. That it accepted does not say that it did it."""

    accepted: bool
    version_id: str | None = None
    """Of what the request wrote, if anything."""
    code: str = ""
    """The store's error code."""
    denied: bool = False
    """The store calls it a matter of rights, as it does of most locks, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleRule:
    """One enabled rule by which a bucket acts on our objects of its own accord."""

    name: str
    expires: bool = False
    """It hides current versions behind delete markers."""
    expires_noncurrent: bool = False
    """It deletes hidden versions as soon as their lock ends."""
    storage_classes: Sequence[str] = ()
    """Where it moves objects."""
    aborts_uploads: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultRetention:
    """The lock of what is put without one."""

    mode: str
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketRules:
    """What a bucket's settings say, as far as it lets us read them."""

    versioning: bool
    default_retention: DefaultRetention | None = None
    lifecycle: Sequence[LifecycleRule] = ()
    """Enabled rules that may touch objects below the store's prefix."""
    policy: str | None = None
    """The bucket policy's JSON."""
    encryption: str | None = None
    """How the server encrypts, `aws:kms` and the key's name for instance; None if it does not."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Settings that we may not read, with the server's error code."""


class LockProver(Protocol):
    """Asks a store for what a lock must refuse, under credentials of its own.

    A refusal is an answer, not an error. Keys are relative to the store's prefix.

    All methods raise:
        StoreError: The store did not answer.
        StoreAccessError: It does not know these credentials.
    """

    def delete(self, key: str, version_id: str, *, bypass: bool) -> Answer:
        """Delete a version, if `bypass` with the claim to lift GOVERNANCE locks."""

    def delete_many(self, key: str, version_id: str, *, bypass: bool) -> Answer:
        """Do the same by the request for many objects, which reports errors per object."""

    def retain(self, key: str, version_id: str, lock: Retention | None, *, bypass: bool) -> Answer:
        """Give a version another lock, or none."""

    def put(self, key: str, content: bytes, lock: Retention | None) -> Answer:
        """Write a version, whatever the key holds."""

    def put_in_parts(self, key: str, content: bytes, retain_until: datetime) -> Answer:
        """Write a locked version as nights write large ones."""

    def hide(self, key: str) -> Answer:
        """Delete without naming a version: the answer names the delete marker."""

    def rules(self) -> BucketRules:
        """Read the bucket's settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Half-open span of instants, `start` <= t < `end`, both aware."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPage:
    """Rows as a source gave them, before mapping.

    Every column is `large_binary`: the value's text in UTF-8 (or whatever bytes the source
    really holds), null for NULL. Nothing is parsed yet, so one bad row cannot hide a page.
    """

    rows: "pa.Table"
    children: "Mapping[str, pa.Table]"
    """Child rows of exactly these rows, by the order field they fill."""


class Source(Protocol):
    """A shop's orders, only ever read."""

    @property
    def name(self) -> str:
        """The source's name in the configuration."""

    def pages(
        self,
        ended: Window,
        changed: Window | None = None,
        *,
        beyond: datetime | None = None,
        limit: int | None = None,
        exact: bool = False,
    ) -> Iterator[RawPage]:
        """Yield archivable rows in key order, in pages of bounded size.

        A superset: every row in a state that is archived (or unknown to the mapping) whose
        end time may lie in `ended` or whose change time may lie in `changed`, and every such
        row whose times are NULL, zero or absurd, or whose end time lies at or after `beyond`,
        in a future that no clock has seen; the caller filters exactly after mapping. If `exact`,
        the windows have no margin for zones that were declared wrongly: who asks every few
        minutes must not read the rows of days each time.

        Raises:
            SourceUnavailableError: It is down, slow or died half-way.
            SourceAccessError: Wrong password, unknown database or table, missing right.
            MappingError: A column of the mapping does not exist.
        """

    def days(self, ended: Window) -> Mapping[date, int]:
        """Return how many archivable rows end on which day, roughly, by the source's calendar.

        Used to size work and to find the oldest day. Rows with absurd times are left out.
        """

    def census(self, created: Window, ended: Window) -> "Iterator[pa.Table]":
        """Yield who is there: paging key, order id and state, and no other column, in key order.

        Tables have exactly the columns `key`, `order_id` and `state`, all `large_binary`. A
        superset: every row in a state that is archived, open, or unknown to the mapping, whose
        creation time may lie in `created` (all rows, where the mapping has no such time) and
        whose end time does not surely come after `ended`, nor surely before it together with
        its creation. A change time that stands for the end does not exclude what comes after,
        for it moves when an old order is touched, nor does any time exclude an open order.
        Raises what `pages` raises.
        """

    def roll_call(self, created: Window | None = None) -> "Iterator[pa.Table]":
        """Yield who is there in whatever state and at whatever time, as `census` does.

        Rows that were surely created outside of `created` are left out, if it is given and the
        mapping has such a time. Raises what `pages` raises.
        """

    def rows(self, keys: Sequence[bytes]) -> Iterator[RawPage]:
        """Yield the rows with these paging keys, whatever their states and times.

        In pages of bounded size, each row once, with look-ups and children. A key without a row
        gives nothing. Portions of the keys come in their order. Raises what `pages` raises.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Purges:
    """What a source is allowed to delete: nothing, if neither is given."""

    after: timedelta | None = None
    """Orders that ended at least so long ago."""
    through: date | None = None
    """Orders that ended on this day or before."""


NO_PURGES = Purges()
