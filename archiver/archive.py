"""An opened archive: its store, its clock, its rules and the keys that this host holds.

Responsible for trust: `archive.json` is compared with the copy that `init` left on this host,
signers are certified by the identity key that it names, and every other document is
verified before it is parsed. Refuses to open when one of these does not hold.
"""

import io
import json
import logging
import os
import re
import threading
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import dsse, keyring, layout, retention
from archiver.clocks import WatchedClock, require_clock
from archiver.errors import (
    ArchiverError,
    KeyUnavailableError,
    LockNotHonouredError,
    NotInitialisedError,
    ObjectMissingError,
    Said,
    SignerRevokedError,
    TamperedError,
)
from archiver.local_files import alone, write_whole
from archiver.ports import (
    Clock,
    LockMode,
    ObjectStore,
    StoredObject,
    StoreSettings,
    VersionEntry,
)
from archiver.retention import Rule
from archiver.signed_documents import D, SignedDocument, earliest_that_verifies, parse, versions_of
from archiver.signers import read_signers
from schemas import documents

EVIDENCE_YEARS: Final = 3
"""Manifests and signers outlive the longest class by this much: they prove what was kept."""
ORDERS_CLASS: Final = "orders"
_COHORTS: Final = "cohorts.json"
_MAKING: Final = "cohorts.lock"
"""Several processes of a host may seal at once, and must remember all that they make."""
_SIGNER_NUMBER: Final = re.compile(r"[0-9]{4}")

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the configuration decides."""

    retention: Rule
    zone: ZoneInfo
    """Whose days cut the orders."""
    grace: timedelta
    """How long after its end a day stays open."""
    lookback: timedelta
    max_bytes_per_night: int
    since: date | None = None
    census: timedelta = timedelta(days=180)
    """How far back rows were created that a census looks at; zero: no census is taken."""
    open_after: timedelta | None = timedelta(days=30)
    """How long a paid order may be open before it is sealed as it is; None: however long."""
    max_revisions_per_night: int = 10_000

    @property
    def evidence(self) -> Rule:
        """How long documents without personal data are kept."""
        return Rule(years=self.retention.years + EVIDENCE_YEARS, margin=self.retention.margin)

    def last_closed_day(self, now: datetime) -> date:
        """Return the last day whose end lies at least the grace period back."""
        return (now - self.grace).astimezone(self.zone).date() - timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class NightKeys:
    """What a night holds: a signing key and the token key, no private half of anything."""

    signer_number: int
    signer: Ed25519PrivateKey = field(repr=False)
    token_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """An archive that may be worked on."""

    document: documents.Archive
    store: ObjectStore
    settings: StoreSettings
    clock: Clock
    """Watched: it raises ClockError rather than show what the store's contradicts."""
    rules: Rules
    keys: NightKeys | None
    """None where this host may look but not seal."""
    signers: Mapping[int, bytes]
    """Public keys of certified signers by number, of the revoked ones, too."""
    revoked: Mapping[int, datetime] = field(default_factory=dict)
    """Since when a signer counts no longer, by number."""
    certificates: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    """The envelopes that certify them."""
    memory: Path | None = None
    """A folder of this host for what it must not forget but can lose; None: nothing is kept."""
    alarms: list[ArchiverError] = field(default_factory=list, repr=False)
    """What was found wrong without keeping this host from sealing."""
    _cohorts: dict[str, documents.Cohort] = field(default_factory=dict, repr=False)
    _making: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def id(self) -> str:
        """The archive's id, 32 hexadecimal digits."""
        return self.document.archive

    @property
    def lock(self) -> LockMode:
        """What kind of lock the store can give."""
        return LockMode.COMPLIANCE if self.settings.worm else LockMode.ADVISORY

    def night_keys(self) -> NightKeys:
        """Return the keys that sealing needs.

        Raises:
            KeyUnavailableError: This host holds none.
        """
        if self.keys is None:
            raise KeyUnavailableError(
                key=keyring.KEYS["signer"],
                detail=Said("this host has no signing key", "本机没有签名密钥"),
            )
        return self.keys

    def signing_keys(self) -> NightKeys:
        """Return the keys that signing needs.

        Raises:
            KeyUnavailableError: This host holds none.
            SignerRevokedError: What they sign counts no longer.
        """
        keys = self.night_keys()
        if (since := self.revoked.get(keys.signer_number)) is not None:
            raise SignerRevokedError(number=keys.signer_number, since=f"{since:%Y-%m-%d %H:%M}")
        return keys

    def evidence_until(self) -> datetime:
        """Return the retain-until of a document written now."""
        return retention.retain_until(self.clock.now(), self.rules.evidence)

    def signed(self, document: documents.Document, kind: str) -> bytes:
        """Return a document in an envelope that this night's signer has signed.

        Raises:
            KeyUnavailableError: This host has no signing key.
            SignerRevokedError: It counts no longer.
        """
        keys = self.signing_keys()
        payload = document.model_dump_json(by_alias=True).encode()
        return dsse.sign(payload, kind, f"{keys.signer_number:04d}", keys.signer)

    def put_document(
        self, key: str, document: documents.Document, kind: str, *, retain_until: datetime
    ) -> tuple[StoredObject, bytes]:
        """Sign a document as this night's signer and store it.

        Returns:
            What was stored, and its bytes.

        Raises:
            AlreadyStoredError: The key exists with other bytes.
        """
        content = self.signed(document, kind)
        return self.store.put(key, io.BytesIO(content), retain_until=retain_until), content

    def cohort(self, month: str) -> documents.Cohort:
        """Return a cohort of this month that this host made itself, making one if need be.

        Documents that lie in the store are not taken: whoever has had a signing key may have
        put one there whose private halves he kept. Private halves of a new cohort exist in this
        call only, before they are sealed to the roots. One whose document is gone, altered or
        not locked long enough is replaced, and told as an alarm: what was sealed to it before
        may become unreadable.

        Args:
            month: Class and month, `orders-2029-03`.
        """
        with self._making:
            if month not in self._cohorts:
                lock = nullcontext() if self.memory is None else alone(self.memory / _MAKING)
                with lock:
                    self._cohorts[month] = self._remembered(month) or self._made(month)
            return self._cohorts[month]

    def _remembered(self, month: str) -> documents.Cohort | None:
        noted = self._noted().get(month)
        if noted is None:
            return None
        key = layout.cohort_key(noted["cohort"])
        try:
            signed = self._signed_cohort(noted["cohort"])
            require_locked(self.store, key, signed.version_id, retention.cohort_end(month))
        except (ObjectMissingError, TamperedError, LockNotHonouredError) as error:
            self.alarms.append(
                TamperedError(key=key, detail=Said(error.text("en"), error.text("zh")))
            )
            return None
        if signed.sha256 != noted["sha256"]:
            detail = Said("this host has made another one", "与本机所建的不同")
            self.alarms.append(TamperedError(key=key, detail=detail))
            return None
        return signed.document

    def _made(self, month: str) -> documents.Cohort:
        cohort = f"{month}-{os.urandom(4).hex()}"
        roots = {name: keyring.public_half(root) for name, root in self.document.roots.items()}
        made = keyring.new_cohort(self.id, cohort, roots, self.clock.now())
        stored, _ = self.put_document(
            layout.cohort_key(cohort), made, "cohort", retain_until=retention.cohort_end(month)
        )
        log.info("cohort made", extra={"cohort": cohort})
        if self.memory is not None:
            noted = {**self._noted(), month: {"cohort": cohort, "sha256": stored.sha256}}
            content = {"archive": self.id, "cohorts": noted}
            write_whole(self.memory / _COHORTS, json.dumps(content, indent=1).encode())
        return made

    def _noted(self) -> dict[str, dict[str, str]]:
        """Return what this host remembers of cohorts; nothing if it has forgotten."""
        if self.memory is None:
            return {}
        with suppress(OSError, ValueError, KeyError, TypeError):
            noted = json.loads((self.memory / _COHORTS).read_bytes())
            if noted["archive"] == self.id:
                return {
                    month: {"cohort": str(one["cohort"]), "sha256": str(one["sha256"])}
                    for month, one in noted["cohorts"].items()
                }
        return {}

    def read_cohort(self, cohort: str) -> documents.Cohort:
        """Return a cohort's document.

        Raises:
            ObjectMissingError: There is none.
            TamperedError: None of its versions verifies, or it is another cohort's.
        """
        return self._signed_cohort(cohort).document

    def _signed_cohort(self, cohort: str) -> "SignedDocument[documents.Cohort]":
        key = layout.cohort_key(cohort)
        signed = self.read_signed(key, "cohort", documents.Cohort)
        if signed.document.archive != self.id or signed.document.cohort != cohort:
            raise TamperedError(
                key=key,
                detail=Said(
                    "it belongs to another archive or cohort", "它属于其他档案库或其他到期批次"
                ),
            )
        return signed

    def read_signed(self, key: str, kind: str, model: type[D]) -> "SignedDocument[D]":
        """Return the earliest version of a document that one of our signers signed.

        Raises:
            ObjectMissingError: The key has no version.
            TamperedError: None of the versions verifies.
        """
        return earliest_that_verifies(
            self.store,
            key,
            lambda content, version: self.verify(content, kind, model, key, version.written_at),
        )

    def verify(
        self,
        content: bytes,
        kind: str,
        model: type[D],
        key: str,
        written_at: datetime | None = None,
    ) -> D:
        """Return the document in an envelope, its signature checked first.

        Args:
            content: Bytes from the store.
            kind: What is expected.
            model: Likewise.
            key: Where they lie.
            written_at: The store's date of them, which decides of revoked signers. Without one
                the document's own is believed.

        Raises:
            TamperedError: Not signed by a certified signer of this archive, by one who had been
                revoked, or malformed.
        """
        number, payload = self._signed_by(content, kind, key)
        document = parse(payload, model, key)
        made = written_at or getattr(document, "created_at", None)
        self._require_not_revoked(number, made, key)
        return document

    def verify_signature(self, content: bytes, kind: str, version: VersionEntry) -> None:
        """See that one of our signers signed such an envelope while he could, whatever it says.

        Raises:
            TamperedError: None did.
        """
        number, _ = self._signed_by(content, kind, version.key)
        self._require_not_revoked(number, version.written_at, version.key)

    def _signed_by(self, content: bytes, kind: str, key: str) -> tuple[int, bytes]:
        claimed = dsse.claimed_key_id(content, where=key)
        number = int(claimed) if _SIGNER_NUMBER.fullmatch(claimed) else 0
        public_key = self.signers.get(number)
        if public_key is None:
            raise TamperedError(
                key=key,
                detail=Said(f"signer {claimed} is not certified", f"签名者 {claimed} 未经认证"),
            )
        return number, dsse.verify(content, kind, public_key, where=key)

    def _require_not_revoked(self, number: int, made: datetime | None, key: str) -> None:
        since = self.revoked.get(number)
        if since is not None and (made is None or made >= since):
            raise TamperedError(
                key=key,
                detail=Said(
                    f"signer {number:04d} was revoked before that",
                    f"签名者 {number:04d} 在此之前已被吊销",
                ),
            )

    def signers_at(self, written_at: datetime) -> Mapping[int, bytes]:
        """Return the public keys whose signature counts under what the store dates so."""
        gone = {number for number, since in self.revoked.items() if written_at >= since}
        return {number: key for number, key in self.signers.items() if number not in gone}


def open_archive(
    *,
    anchor: bytes,
    store: ObjectStore,
    clock: Clock,
    rules: Rules,
    signer: Ed25519PrivateKey | None,
    token_key: bytes | None,
    memory: Path | None = None,
) -> Archive:
    """Open an archive that `init` created.

    Args:
        anchor: This host's copy of `archive.json`, where trust starts.
        store: The archive's store.
        clock: Where `now` comes from.
        rules: From the configuration.
        signer: This host's signing key, if it may seal.
        token_key: The token key, if this host may seal.
        memory: Where this host keeps what it remembers; None: it forgets.

    Raises:
        NotInitialisedError: The store holds no archive.
        TamperedError: The store's `archive.json` is not the one this host knows.
        ClockError: This host's clock and the store's differ too much.
        LockNotHonouredError: The bucket cannot lock, or its versioning is suspended.
    """
    document = read_anchor(anchor)
    watched = WatchedClock(clock, store)  # before the first look: a step behind it is noticed
    settings = store.settings()
    require_clock(clock, settings)
    require_lock(settings)
    _require_same_archive(store, anchor)
    certified = read_signers(store, document)
    signers = {number: one.public_key for number, one in certified.items()}
    keys = None
    if signer is not None and token_key is not None:
        keys = NightKeys(
            signer_number=_number_of(signer, signers), signer=signer, token_key=token_key
        )
    return Archive(
        document=document,
        store=store,
        settings=settings,
        clock=watched,
        rules=rules,
        keys=keys,
        signers=signers,
        revoked={
            number: one.revocation.revoked_at
            for number, one in certified.items()
            if one.revocation is not None
        },
        certificates={number: one.envelope for number, one in certified.items()},
        memory=memory,
    )


def read_anchor(anchor: bytes) -> documents.Archive:
    """Return the document in this host's `archive.json`.

    It is signed by the key that it names: that shows it is whole. That it is ours is known
    only because it lies on this host.

    Raises:
        TamperedError: It is damaged.
    """
    try:
        claimed = json.loads(dsse.unverified_payload(anchor, where=layout.ARCHIVE))
        public_key = bytes.fromhex(claimed["identity_public_key"])
    except (ValueError, KeyError, TypeError):
        raise TamperedError(
            key=layout.ARCHIVE, detail=Said("not an archive's document", "不是档案库的文档")
        ) from None
    payload = dsse.verify(anchor, "archive", public_key, where=layout.ARCHIVE)
    return parse(payload, documents.Archive, layout.ARCHIVE)


def require_lock(settings: StoreSettings) -> None:
    """Refuse a bucket that takes objects without locking them.

    Only a folder of this host, which has no clock of its own, may lack a lock; it is reported.

    Raises:
        LockNotHonouredError: Object Lock is off or versioning is suspended.
    """
    if not settings.versioning:
        raise LockNotHonouredError(
            key=settings.description, detail=Said("versioning is not enabled", "未启用版本控制")
        )
    if settings.claims_lock and not settings.object_lock:
        raise LockNotHonouredError(
            key=settings.description,
            detail=Said("Object Lock is not enabled", "未启用 Object Lock"),
        )


def require_locked(store: ObjectStore, key: str, version_id: str, until: datetime) -> None:
    """Look at the lock of a version that was stored earlier.

    Raises:
        LockNotHonouredError: It has none, or one that ends before `until`.
    """
    locked = store.head(key, version_id).retain_until
    if locked < until:
        raise LockNotHonouredError(
            key=key,
            detail=Said(
                f"locked until {locked:%Y-%m-%d} instead of {until:%Y-%m-%d}",
                f"锁定至 {locked:%Y-%m-%d}，应为 {until:%Y-%m-%d}",
            ),
        )


def _require_same_archive(store: ObjectStore, anchor: bytes) -> None:
    versions = versions_of(store, layout.ARCHIVE)
    if not versions:
        raise NotInitialisedError(
            detail=Said("the store holds no archive.json", "存储中没有 archive.json")
        )
    if store.get(layout.ARCHIVE, versions[0].version_id) != anchor:
        raise TamperedError(
            key=layout.ARCHIVE,
            detail=Said("the store holds another archive's document", "存储中是另一个档案库的文档"),
        )


def _number_of(signer: Ed25519PrivateKey, signers: Mapping[int, bytes]) -> int:
    public_key = signer.public_key().public_bytes_raw()
    for number, certified in signers.items():
        if certified == public_key:
            return number
    raise KeyUnavailableError(
        key=keyring.KEYS["signer"],
        detail=Said("the identity key has not certified it", "身份密钥未对其认证"),
    )
