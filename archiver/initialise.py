"""The founding of an archive: its keys, its identity, its first documents.

Responsible for doing this exactly once and for being repeatable after a crash: key files come
first, then this host's `archive.json`, then the store. What exists is never replaced; key files
without an `archive.json` are used if all are of one founding.
"""

import base64
import io
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import dsse, keyring, layout, retention, roots
from archiver.archive import ORDERS_CLASS, Archive, Rules, open_archive, read_anchor, require_lock
from archiver.clocks import require_clock
from archiver.errors import (
    AlreadyInitialisedError,
    AlreadyStoredError,
    ConfigurationError,
    KeyUnavailableError,
    LockNotHonouredError,
    Said,
)
from archiver.local_files import write_whole
from archiver.ports import Clock, ObjectStore
from archiver.roots import RootName, RootSpec
from archiver.signed_documents import versions_of
from archiver.signers import certify
from schemas import documents

FIRST_SIGNER: Final = 1
_ABOUT_A_MONTH: Final = timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the operator says about the archive."""

    name: str
    role: Literal["platform", "shop"]
    legal_basis: str
    timezone: str
    operator: documents.Operator


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlaces:
    """Where keys are kept on this host."""

    anchor: Path
    """This host's copy of `archive.json`."""
    identity: Path
    signer: Path
    token: Path
    roots: Mapping[RootName, RootSpec]


def initialise(
    identity: Identity,
    places: KeyPlaces,
    store: ObjectStore,
    clock: Clock,
    rules: Rules,
    *,
    environment: Mapping[str, str],
    memory: Path | None = None,
) -> Archive:
    """Found the archive, or finish a founding that was interrupted.

    Args:
        identity: What the operator says about it.
        places: Where keys go. Nothing that exists is replaced.
        store: The archive's store; it must lock.
        clock: Where `now` comes from.
        rules: From the configuration.
        environment: Where passphrases are.
        memory: Where this host keeps what it remembers.

    Returns:
        The archive, opened.

    Raises:
        AlreadyInitialisedError: There is an archive, here or in the store.
        ConfigurationError: Equal roots, or a bucket that cannot lock.
        ClockError: This host's clock and the store's differ too much.
    """
    roots.refuse_equal_roots(places.roots["base"], places.roots["reveal"], environment=environment)
    settings = store.settings()
    require_clock(clock, settings)
    try:
        require_lock(settings)
    except LockNotHonouredError as error:
        # Before the first night this is a bucket chosen wrongly, not an attack.
        raise ConfigurationError(
            detail=Said(
                f"{error}; create a bucket with Object Lock",
                f"{error.text('zh')}；请创建启用 Object Lock 的存储桶",
            )
        ) from None
    in_store = bool(versions_of(store, layout.ARCHIVE))
    if not places.anchor.exists():
        if in_store:
            raise AlreadyInitialisedError(
                detail=Said(
                    f"the store holds an archive; restore {places.anchor.name} and the keys",
                    f"存储中已有档案库，请恢复 {places.anchor.name} 和各密钥",
                )
            )
        _found(identity, places, clock, environment)
    anchor = places.anchor.read_bytes()
    document = read_anchor(anchor)
    finished = in_store and bool(versions_of(store, layout.signer_key(FIRST_SIGNER)))
    secret = _read(places, document.archive)
    # By the founding's date: a later run must not ask for more than the lock that is there.
    until = retention.retain_until(document.created_at, rules.evidence)
    try:
        store.put(layout.ARCHIVE, io.BytesIO(anchor), retain_until=until)
    except AlreadyStoredError:
        raise AlreadyInitialisedError(
            detail=Said("the store holds another archive", "存储中是另一个档案库")
        ) from None
    if finished:
        raise AlreadyInitialisedError(
            detail=Said(
                f"archive {document.name} ({document.archive})",
                f"档案库 {document.name}（{document.archive}）",
            )
        )
    _certify(
        store,
        document,
        identity=secret("identity"),
        signer=secret("signer"),
        clock=clock,
        rules=rules,
    )
    archive = open_archive(
        anchor=anchor,
        store=store,
        clock=clock,
        rules=rules,
        signer=Ed25519PrivateKey.from_private_bytes(secret("signer")),
        token_key=secret("token"),
        memory=memory,
    )
    _first_cohorts(archive)
    return archive


def _found(
    identity: Identity, places: KeyPlaces, clock: Clock, environment: Mapping[str, str]
) -> None:
    """Make all keys and this host's `archive.json`, which comes last: with it they count.

    Key files that a founding left which was killed before that are kept and used.
    """
    archive = _begun(places) or secrets.token_hex(16)
    made = {
        name: roots.kept_root(spec, archive, name)
        if isinstance(spec, roots.FileRoot) and spec.path.exists()
        else roots.create_root(spec, archive, name, environment=environment)
        for name, spec in places.roots.items()
    }
    private = {
        kind: _kept_or_made(path, kind, archive) for kind, path in _secret_paths(places).items()
    }
    signing_key = Ed25519PrivateKey.from_private_bytes(private["identity"])
    sealed_token_key = keyring.seal(
        keyring.public_half(made["base"]), private["token"], keyring.binding("token-key", archive)
    )
    document = documents.Archive(
        archive=archive,
        name=identity.name,
        role=identity.role,
        legal_basis=identity.legal_basis,
        operator=identity.operator,
        timezone=identity.timezone,
        legal_zone=retention.LEGAL_ZONE.key,
        created_at=clock.now(),
        identity_public_key=signing_key.public_key().public_bytes_raw().hex(),
        roots=made,
        token_key=base64.b64encode(sealed_token_key).decode(),
    )
    content = dsse.sign(document.model_dump_json().encode(), "archive", "identity", signing_key)
    # Durable before the store hears of it: without it nobody could finish what stands there.
    write_whole(places.anchor, content)


def _begun(places: KeyPlaces) -> str | None:
    """Return the archive id that all key files here carry, None if there are none.

    Refuses before the first key is made, so that none is left behind by a refusal.
    """
    wanted: dict[Path, tuple[roots.SecretKind, RootName | None]] = {
        spec.path: ("root", name)
        for name, spec in places.roots.items()
        if isinstance(spec, roots.FileRoot)
    }
    wanted |= {path: (kind, None) for kind, path in _secret_paths(places).items()}
    taken = [path for path in wanted if path.exists()]
    if not taken:
        return None
    archive = roots.archive_in(taken[0])
    try:
        for path in taken:
            kind, role = wanted[path]
            roots.read_secret_file(path, kind, archive or "", role=role)
    except KeyUnavailableError as error:
        names, anchor = [path.name for path in taken], places.anchor.name
        raise AlreadyInitialisedError(
            detail=Said(
                f"{', '.join(names)} without {anchor}, and not all of one founding that was "
                f"interrupted ({error}); if no archive uses them, move them away",
                f"有 {'、'.join(names)} 而没有 {anchor}，且并非全部来自同一次中断的初始化"
                f"（{error.text('zh')}）；若没有档案库使用，请移走",
            )
        ) from None
    return archive


def _secret_paths(places: KeyPlaces) -> dict[Literal["identity", "signer", "token"], Path]:
    return {"identity": places.identity, "signer": places.signer, "token": places.token}


def _kept_or_made(path: Path, kind: Literal["identity", "signer", "token"], archive: str) -> bytes:
    if path.exists():
        return roots.read_secret_file(path, kind, archive)
    secret = os.urandom(roots.SECRET_SIZES[kind])
    roots.create_secret_file(path, kind, archive, secret)
    return secret


def _certify(
    store: ObjectStore,
    document: documents.Archive,
    *,
    identity: bytes,
    signer: bytes,
    clock: Clock,
    rules: Rules,
) -> None:
    certificate = documents.Signer(
        archive=document.archive,
        number=FIRST_SIGNER,
        public_key=Ed25519PrivateKey.from_private_bytes(signer)
        .public_key()
        .public_bytes_raw()
        .hex(),
        created_at=clock.now(),
    )
    until = retention.retain_until(clock.now(), rules.evidence)
    key = Ed25519PrivateKey.from_private_bytes(identity)
    certify(store, document, key, certificate, retain_until=until)


def _first_cohorts(archive: Archive) -> None:
    """Make the cohorts of orders that end this month and next, so that tonight has its keys."""
    for ahead in (timedelta(0), _ABOUT_A_MONTH):
        ends = retention.retain_until(archive.clock.now() + ahead, archive.rules.retention)
        archive.cohort(retention.cohort_of(ends, ORDERS_CLASS))


def _read(
    places: KeyPlaces, archive: str
) -> Callable[[Literal["identity", "signer", "token"]], bytes]:
    paths = _secret_paths(places)
    return lambda kind: roots.read_secret_file(paths[kind], kind, archive)
