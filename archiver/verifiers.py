"""A verification opened on this host, and what its worker processes do.

Responsible for what crosses the border between processes: the path of the configuration or of a
copy, tasks and opened cohort keys go over, findings come back. Rows do not.

An archive is not opened as others open it, which refuses one that was tampered with: here that is
what is to be found out.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from archiver import executors, roots
from archiver.archive import Archive, read_anchor
from archiver.errors import (
    ConfigurationError,
    KeyUnavailableError,
    RequestError,
    Said,
    StoreAccessError,
)
from archiver.keyring import KeyPair
from archiver.ports import BucketRules, ObjectStore, Progress
from archiver.verification.checking import check
from archiver.verification.ground import Ground
from archiver.verification.objects import Checked, Task
from archiver.verification.offline import open_copy
from archiver.verification.scope import Scope
from archiver.wiring import Installation, SystemClock
from schemas import documents

if TYPE_CHECKING:
    from archiver.spreading import Circle


@contextmanager
def open_verification(
    installation: Installation, config: Path, *, workers: int, progress: Progress
) -> Iterator[Ground]:
    """Open everything that a verification of the archive itself needs.

    Args:
        installation: The configuration.
        config: Its file: workers read it, too.
        workers: Processes.
        progress: Shows how far it is.

    Raises:
        NotInitialisedError: This host does not know the archive.
        StoreError: The store does not answer.
    """
    anchor = installation.anchor_bytes()
    document = read_anchor(anchor)
    store = installation.store
    scope = Scope.of_store(store.settings())
    with executors.processes(workers) as (pool, _):
        yield Ground(
            anchor=anchor,
            store=store,
            scope=scope,
            clock=installation.clock,
            executor=pool,
            work=partial(check_in_store, config.absolute()),
            workers=workers,
            progress=progress,
            root=_base_root(installation, document),
            memory=installation.index_folder,
            rules=installation.rules,
            sources=[section.name for section in installation.configuration.source],
            bucket=_bucket(installation),
            access=installation.access_log(document.archive) if installation.has_state() else None,
            circle=_circle(installation),
            fenced=installation.fenced,
        )


@contextmanager
def open_offline(
    installation: Installation | None,
    folder: Path,
    anchor: Path | None,
    *,
    workers: int,
    progress: Progress,
) -> Iterator[Ground]:
    """Open a copy of an archive in a folder.

    Args:
        installation: The configuration, for the anchor and the base root; None without one.
        folder: The copy.
        anchor: An `archive.json` that was kept elsewhere; None: the configuration's.
        workers: Processes.
        progress: Shows how far it is.

    Raises:
        RequestError: There is no copy, or no anchor: the copy's own proves nothing.
    """
    if anchor is not None:
        try:
            content = anchor.read_bytes()
        except OSError as error:
            raise RequestError(detail=f"{anchor}: {error.strerror}") from None
    elif installation is not None:
        content = installation.anchor_bytes()
    else:
        raise RequestError(
            detail=Said(
                "without a configuration, name an archive.json that was kept elsewhere: --anchor "
                "FILE (the copy's own shows nothing)",
                "没有配置文件时，请指定另行保存的 archive.json：--anchor FILE"
                "（副本自带的不能证明任何事）",
            )
        )
    clock = installation.clock if installation else SystemClock()
    store, scope = open_copy(folder, clock)
    root = None
    if installation is not None:
        root = _base_root(installation, read_anchor(content))
    with executors.processes(workers) as (pool, _):
        yield Ground(
            anchor=content,
            store=store,
            scope=scope,
            clock=clock,
            executor=pool,
            work=partial(check_in_copy, folder.absolute()),
            workers=workers,
            progress=progress,
            root=root,
            circle=_circle(installation) if installation else None,
        )


def check_in_store(config: Path, tasks: Sequence[Task]) -> list[Checked]:
    """Check objects of the store; runs in a worker process, which keeps its connections."""
    return check(_store(config), tasks)


def check_in_copy(folder: Path, tasks: Sequence[Task]) -> list[Checked]:
    """Check objects of a copy; runs in a worker process."""
    return check(open_copy(folder, SystemClock())[0], tasks)


@cache
def _store(config: Path) -> ObjectStore:
    return Installation.load(config).store


def _base_root(installation: Installation, document: documents.Archive) -> KeyPair | None:
    """Open the base root where it is at hand; a night's host has none, and checks the rest."""
    with suppress(KeyUnavailableError):
        return roots.open_root(
            installation.places.roots["base"],
            document.roots["base"],
            document.archive,
            "base",
            environment=installation.environment,
        )
    return None


def _circle(installation: Installation) -> "Callable[[Archive], Circle] | None":
    """Return who outside remembers the ledger, None where the configuration names nobody."""
    configuration = installation.configuration
    return installation.circle if configuration.witness or configuration.timestamp else None


def _bucket(installation: Installation) -> BucketRules | None:
    """Read the bucket's settings, under the prover's credentials where this host has them."""
    section = installation.configuration.store
    if section.url.startswith("dir:"):
        return None
    with suppress(ConfigurationError, StoreAccessError):
        prover = installation.prover()
        return prover.rules() if prover else None
    # Not above: a folder's verification must not wait for boto3.
    from archiver.stores.s3_bucket import PATIENCE, open_bucket  # noqa: PLC0415
    from archiver.stores.s3_rules import read_rules  # noqa: PLC0415

    return read_rules(open_bucket(section.url, section.endpoint, section.region, PATIENCE))
