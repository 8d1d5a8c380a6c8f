"""The one place that reads the machine: files, environment, clock, locks.

Responsible for turning `archiver.toml` into opened objects. Everything below takes what it
needs as arguments.
"""

import os
import socket
import time
import tomllib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import roots
from archiver.archive import Archive, Rules, open_archive, read_anchor
from archiver.catalog import Catalog
from archiver.configuration import Configuration, parse_configuration
from archiver.errors import AnotherRunError, ConfigurationError, NotInitialisedError, Said
from archiver.initialise import Identity, KeyPlaces, initialise
from archiver.keyring import KeyPair
from archiver.lockproof import Trial, prove_lock
from archiver.ports import Clock, Fence, LockProver, ObjectStore, Progress
from archiver.run_locks import run_lock, standing_reservation
from archiver.stores.directory import DirectoryStore
from schemas import documents

if TYPE_CHECKING:
    # What only some commands need is imported by them: `status` must not wait for pyarrow.
    from archiver.access_log import AccessLog
    from archiver.configured_sources import ConfiguredSources
    from archiver.fencing import Fencing
    from archiver.index import Index, IndexBuilder
    from archiver.known import KnownOrders
    from archiver.nightly import Night
    from archiver.retirement import Retired
    from archiver.spreading import Circle
    from archiver.state import State
    from archiver.webhook import Webhook

ANCHOR: Final = "archive.json"
FENCE_SECONDS: Final = 2.0
"""Between two looks whether another host has come to its end."""
SEARCH: Final = "search"
SEALERS: Final = 2
"""Partitions sealed at once: one is compressed while another is sent and read back."""


class SystemClock:
    """The host's clock."""

    def now(self) -> datetime:
        """Return the current instant, UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True)
class Installation:
    """A configuration file and what it leads to. Nothing is opened before it is asked for."""

    configuration: Configuration
    folder: Path
    """Of the configuration file: relative paths start here."""
    environment: Mapping[str, str]
    clock: Clock

    @classmethod
    def load(cls, path: Path, clock: Clock | None = None) -> "Installation":
        """Read a configuration file.

        Raises:
            ConfigurationError: It is missing or cannot be used as it is.
        """
        try:
            fields = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise ConfigurationError(detail=Said(f"there is no {path}", f"没有 {path}")) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                detail=Said(f"{path} cannot be read: {error}", f"无法读取 {path}：{error}")
            ) from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(detail=f"{path}: {error}") from None
        return cls(
            parse_configuration(fields), path.absolute().parent, os.environ, clock or SystemClock()
        )

    @cached_property
    def rules(self) -> Rules:
        """What the configuration decides."""
        section = self.configuration.archive
        return Rules(
            retention=self.configuration.rule,
            zone=ZoneInfo(section.timezone),
            grace=timedelta(hours=section.grace_hours),
            lookback=timedelta(days=section.lookback_days),
            max_bytes_per_night=section.max_bytes_per_night,
            since=section.since,
            census=timedelta(days=section.census_days),
            open_after=timedelta(days=section.open_days) if section.open_days else None,
            max_revisions_per_night=section.max_revisions_per_night,
        )

    @cached_property
    def store(self) -> ObjectStore:
        """The archive's store."""
        section = self.configuration.store
        if section.url.startswith("dir:"):
            return DirectoryStore(self.folder / section.url.removeprefix("dir:"), self.clock)
        from archiver.stores.s3 import open_s3

        return open_s3(section.url, section.endpoint, section.region)

    @cached_property
    def places(self) -> KeyPlaces:
        """Where keys are on this host."""
        keys = self.configuration.keys
        return KeyPlaces(
            anchor=self.folder / ANCHOR,
            identity=self._key_file("identity", keys.identity),
            signer=self._key_file("signer", keys.signer),
            token=self._key_file("token", keys.token),
            roots={
                "base": roots.parse_root_spec(keys.root, self.folder),
                "reveal": roots.parse_root_spec(keys.reveal_root, self.folder),
            },
        )

    @property
    def anchored(self) -> documents.Archive:
        """The archive's document as this host knows it; the store is not asked."""
        return read_anchor(self.anchor_bytes())

    @property
    def operators_key(self) -> Path:
        """Where the key of operators' factors is."""
        return self._key_file("operators", self.configuration.keys.operators)

    @property
    def index_folder(self) -> Path:
        """Where the local index and caches are."""
        return self.folder / self.configuration.index.path

    @cached_property
    def state(self) -> "State":
        """The transactional state, not yet connected.

        Raises:
            ConfigurationError: Its URL cannot be used, or the environment lacks its password.
            LocalDiskError: Its file cannot be made.
        """
        from archiver.state import open_state

        section = self.configuration.state
        return open_state(section.url, self.folder, self.variable("state", section.password_env))

    @property
    def textfile(self) -> Path | None:
        """Where metrics are written."""
        path = self.configuration.alarms.prometheus_textfile
        return None if path is None else self.folder / path

    @property
    def webhook(self) -> "Webhook | None":
        """Who is told of alarms.

        Raises:
            ConfigurationError: The environment lacks the address or the secret.
        """
        alarms = self.configuration.alarms
        url = alarms.webhook_url or self.variable("alarms", alarms.webhook_url_env)
        secret = self.variable("alarms", alarms.webhook_secret_env)
        if url is None:
            return None
        from archiver.webhook import Webhook

        if secret == "" or not url.startswith(("http://", "https://")):
            said = Said("an empty secret, or no http(s) address", "密钥为空，或地址不是 http(s)")
            raise ConfigurationError(detail=said)
        return Webhook(url=url, secret=None if secret is None else secret.encode())

    def initialise(self) -> Archive:
        """Found the archive and make its first lock proof, whatever that comes to."""
        archive = self.found()
        self.prove_lock(archive)
        return archive

    def prove_lock(self, archive: Archive | None = None) -> Trial:
        """Attack the store's lock and store the proof; see `archiver.lockproof`.

        Args:
            archive: Opened to seal, if it is open already.
        """
        return prove_lock(archive or self.archive(to_seal=True), self.prover())

    def found(self) -> Archive:
        """Found the archive; see `archiver.initialise`."""
        section = self.configuration.archive
        identity = Identity(
            name=section.name,
            role=section.role,
            legal_basis=section.legal_basis,
            timezone=section.timezone,
            operator=documents.Operator(credit_code=section.credit_code, icp=section.icp),
        )
        return initialise(
            identity,
            self.places,
            self.store,
            self.clock,
            self.rules,
            environment=self.environment,
            memory=self.index_folder,
        )

    def archive(self, *, to_seal: bool = False) -> Archive:
        """Open the archive.

        Args:
            to_seal: Also open the signing and the token key of this host.

        Raises:
            NotInitialisedError: This host does not know the archive.
            ConfigurationError: The configuration says another zone, role or basis.
        """
        anchor = self.anchor_bytes()
        document = read_anchor(anchor)
        self._require_same(document)
        signer = token_key = None
        if to_seal:
            places, archive = self.places, document.archive
            secret = roots.read_secret_file(places.signer, "signer", archive)
            signer = Ed25519PrivateKey.from_private_bytes(secret)
            token_key = roots.read_secret_file(places.token, "token", archive)
        return open_archive(
            anchor=anchor,
            store=self.store,
            clock=self.clock,
            rules=self.rules,
            signer=signer,
            token_key=token_key,
            memory=self.index_folder,
        )

    def base_root(self, archive: Archive) -> KeyPair:
        """Open the private half of the base root: a compliance officer's host has it.

        Raises:
            KeyUnavailableError: It is not here, or is another archive's.
        """
        return self._root(archive, "base")

    def _root(self, archive: Archive, role: Literal["base", "reveal"]) -> KeyPair:
        return roots.open_root(
            self.places.roots[role],
            archive.document.roots[role],
            archive.id,
            role,
            environment=self.environment,
        )

    def index_builder(
        self, archive: Archive, progress: Progress, *, cards: bool = False
    ) -> "IndexBuilder":
        """Return what builds the search index, with the base root open; if `cards`, both roots."""
        from archiver.index import IndexBuilder, IndexKeys

        reveal = self._root(archive, "reveal") if cards else None
        keys = IndexKeys.open(archive, self.base_root(archive), reveal)
        folder = self.index_folder / SEARCH
        return IndexBuilder(archive=archive, keys=keys, folder=folder, progress=progress)

    @property
    def has_index(self) -> bool:
        """Whether a search index was ever published on this host."""
        from archiver.index.pointer import NAME

        return (self.index_folder / SEARCH / NAME).exists()

    def index(self, archive: Archive) -> "Index":
        """Open the search index that is published on this host; see `Index.open`."""
        from archiver.index import Index

        return Index.open(self.index_folder / SEARCH, archive.id)

    def catalog(self, archive: Archive) -> Catalog:
        """Return the manifests, not yet read."""
        return Catalog(archive, self.index_folder / "manifests")

    @cached_property
    def sources(self) -> "ConfiguredSources":
        """The configured sources; nothing is connected yet."""
        from archiver.configured_sources import ConfiguredSources

        return ConfiguredSources(self.configuration, self.folder, self.environment)

    def prover(self) -> LockProver | None:
        """Return the store under the prover's credentials; None for a folder."""
        section = self.configuration.store
        if section.url.startswith("dir:"):
            return None
        from archiver.stores.s3_attacks import S3Attacks
        from archiver.stores.s3_bucket import PATIENCE, Login, open_bucket

        prover = self.configuration.prover
        login = Login(
            profile=prover.profile,
            access_key=self.variable("prover", prover.access_key_env),
            secret_key=self.variable("prover", prover.secret_key_env),
            session_token=self.variable("prover", prover.session_token_env),
        )
        return S3Attacks(
            open_bucket(section.url, section.endpoint, section.region, PATIENCE, login)
        )

    def variable(self, section: str, name: str | None) -> str | None:
        """Return the variable that a section names, None where it names none.

        Raises:
            ConfigurationError: The environment has none of that name.
        """
        if name is not None and name not in self.environment:
            raise ConfigurationError(
                detail=Said(
                    f"[{section}]: the environment has no {name}",
                    f"[{section}]：没有环境变量 {name}",
                )
            )
        return None if name is None else self.environment[name]

    @contextmanager
    def night(self, progress: Progress) -> "Iterator[Night]":
        """Open everything that a night needs and hold this host's run lock.

        Raises:
            AnotherRunError: A night is running on this host, or on another one where a database
                keeps them apart.
        """
        from archiver.allocation import return_freed_memory
        from archiver.nightly import Night

        return_freed_memory(arenas=SEALERS + 1)
        with run_lock(self.index_folder), ThreadPoolExecutor(SEALERS, "seal") as executor:
            archive = self.archive(to_seal=True)
            with self._fence(archive) as fence:
                yield Night(
                    archive=archive,
                    catalog=replace(self.catalog(archive), fence=fence),
                    known=self.known(archive),
                    sources=self.sources.all(),
                    executor=executor,
                    in_flight=SEALERS,
                    progress=progress,
                    access=self.access_log(archive.id) if self.has_state() else None,
                    reservation=standing_reservation(self.index_folder),
                    circle=partial(self.circle, archive),
                )

    def retire(self, source: str, successor: str, id_map: Path | None) -> "Retired":
        """Record that one source continues another; see `archiver.retirement`.

        Args:
            source: The one that is gone.
            successor: The one that continues it.
            id_map: A CSV file, where orders have other ids now.

        Raises:
            RequestError: It cannot be.
            AnotherRunError: A night is running on this host.
        """
        from archiver.retirement import read_id_map, retire

        ids = None if id_map is None else read_id_map(id_map)
        with run_lock(self.index_folder):
            archive = self.archive(to_seal=True)
            catalog = self.catalog(archive)
            catalog.refresh()
            known = self.known(archive)
            known.catch_up(catalog)
            configured = [section.name for section in self.configuration.source]
            return retire(
                archive, catalog, known, source, successor, configured=configured, ids=ids
            )

    @property
    def fenced(self) -> bool:
        """Whether the configuration names a fence for stores that are none."""
        return self.configuration.state.shared

    @contextmanager
    def _fence(self, archive: Archive) -> Iterator[Fence | None]:
        if not self.fenced:
            yield None
            return
        with self.fencing(archive).held() as fence:
            yield fence

    def fencing(self, archive: Archive) -> "Fencing":
        """Return what keeps runs apart where the store does not; nothing is connected yet."""
        from archiver.fencing import Fencing

        holder = f"{socket.gethostname()}:{self.index_folder}"
        return Fencing(archive=archive, state=self.state, holder=holder)

    def circle(self, archive: Archive) -> "Circle":
        """Open those who are told of the ledger's head; nothing is connected yet."""
        from archiver.configured_witnesses import ConfiguredWitnesses

        configured = ConfiguredWitnesses(self.configuration, self.folder, self.environment)
        return configured.circle(archive)

    def known(self, archive: Archive) -> "KnownOrders":
        """Open this host's copy of what is known."""
        from archiver.known import KnownOrders

        return KnownOrders.open(archive, self.index_folder / "known")

    def access_log(self, archive: str) -> "AccessLog":
        """Return this host's chain of an archive's access log."""
        from archiver.access_log import AccessLog

        section = self.configuration.access
        elsewhere = None if section.head_file is None else self.folder / section.head_file
        return AccessLog(self.state, archive, section.node, self.clock, elsewhere)

    def has_state(self) -> bool:
        """Tell whether the state was ever used: a night must not make a file for nothing."""
        scheme, _, path = self.configuration.state.url.partition(":///")
        return scheme != "sqlite" or (self.folder / path).exists()

    @contextmanager
    def turn(self, archive: Archive) -> Iterator[Fence | None]:
        """Hold run lock and fence for a moment, in the middle of a backfill.

        A night that is running is waited for, here and on other hosts, and one of this host that
        is waiting comes first.
        """
        with run_lock(self.index_folder, backfill=True), ExitStack() as stack:
            yield self._fence_when_free(archive, stack)

    def _fence_when_free(self, archive: Archive, stack: ExitStack) -> Fence | None:
        while True:
            try:
                return stack.enter_context(self._fence(archive))
            except AnotherRunError:
                time.sleep(FENCE_SECONDS)

    def anchor_bytes(self) -> bytes:
        """Return this host's `archive.json`, as it is."""
        try:
            return self.places.anchor.read_bytes()
        except FileNotFoundError:
            raise NotInitialisedError(
                detail=Said(f"there is no {self.places.anchor}", f"没有 {self.places.anchor}")
            ) from None
        except OSError as error:
            raise ConfigurationError(detail=f"{self.places.anchor}: {error.strerror}") from None

    def _require_same(self, document: documents.Archive) -> None:
        """Refuse a configuration that contradicts what the archive was founded on."""
        section = self.configuration.archive
        if section.timezone != document.timezone:
            raise ConfigurationError(
                detail=Said(
                    f"[archive] timezone = {section.timezone}, but this archive cuts its days "
                    f"in {document.timezone}; zones never change",
                    f"[archive] timezone = {section.timezone}，但此档案库按 {document.timezone} "
                    "划分日期；时区不得更改",
                )
            )
        if section.name != document.name:
            raise ConfigurationError(
                detail=Said(
                    f"[archive] name = {section.name}, but the archive here is {document.name}",
                    f"[archive] name = {section.name}，但此处的档案库是 {document.name}",
                )
            )

    def _key_file(self, name: str, spec: str) -> Path:
        scheme, _, path = spec.partition(":")
        if scheme != "file" or not path:
            raise ConfigurationError(
                detail=Said(
                    f"[keys] {name} = {spec}: only file:… is possible",
                    f"[keys] {name} = {spec}：只能是 file:…",
                )
            )
        return self.folder / path
