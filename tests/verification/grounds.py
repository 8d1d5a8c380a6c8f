"""Verifications for tests: of an archive as it stands, or of a copy."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from archiver import roots
from archiver.archive import read_anchor
from archiver.ports import Clock, ObjectStore
from archiver.verification.checking import check
from archiver.verification.findings import Finding
from archiver.verification.ground import Ground, Verified
from archiver.verification.offline import open_copy
from archiver.verification.scope import Scope
from archiver.verification.verifying import Verification
from tests.archives import Inline, Place, Silent
from tests.desk import Desk
from tests.provers import prover_of


def ground_of(desk: Desk, *, root: bool = True, memory: bool = True, **changes: Any) -> Ground:  # noqa: ANN401
    """Return what a host with the base root sees of an archive."""
    store, prover = prover_of(desk.store)
    return replace(
        bare_ground(desk.place, desk.store, desk.clock, root=root),
        scope=Scope.of_store(store.settings()),
        memory=desk.place.folder / "index" if memory else None,
        rules=desk.rules,
        sources=[source.name for source in desk.sources],
        bucket=prover.rules() if prover else None,
        **changes,
    )


def bare_ground(place: Place, store: ObjectStore, clock: Clock, *, root: bool = True) -> Ground:
    """Return what somebody sees who has the anchor and perhaps the base root."""
    anchor = place.keys.anchor.read_bytes()
    document = read_anchor(anchor)
    opened = None
    if root:
        opened = roots.open_root(
            place.keys.roots["base"],
            document.roots["base"],
            document.archive,
            "base",
            environment={},
        )
    return Ground(
        anchor=anchor,
        store=store,
        scope=Scope.of_store(store.settings()),
        clock=clock,
        executor=Inline(),
        work=partial(check, store),
        workers=1,
        progress=Silent(),
        root=opened,
    )


def verified(desk: Desk, *, full: bool = True, deep: bool = False, **choices: Any) -> Verified:  # noqa: ANN401
    """Verify an archive as it stands."""
    return Verification(ground_of(desk, **choices), full=full, deep=deep).run()


def verified_copy(desk: Desk, folder: Path, *, root: bool = True) -> Verified:
    """Verify a copy in a folder."""
    store, scope = open_copy(folder, desk.clock)
    ground = bare_ground(desk.place, store, desk.clock, root=root)
    return Verification(replace(ground, scope=scope), full=True).run()


def codes(findings: Iterable[Finding]) -> set[str]:
    """Return the codes of findings."""
    return {one.code for one in findings}


def plain_copy(store: ObjectStore, folder: Path) -> Path:
    """Copy the latest version of each key into files, as `aws s3 sync` does."""
    for version in store.list_versions(""):
        if version.is_latest and not version.is_delete_marker:
            path = folder / version.key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(store.get(version.key, version.version_id))
    return folder
