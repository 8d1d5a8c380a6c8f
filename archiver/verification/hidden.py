"""What a listing of versions shows: hidden, shadowed, foreign, named by nothing. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from archiver import layout
from archiver.verification.chain import Chain
from archiver.verification.findings import Finding, Touched, found
from archiver.verification.listing import Listing, is_ours
from archiver.verification.scope import Scope

SETTLED: Final = timedelta(hours=12)
"""What is younger and not named yet may be of a run that is at work (`orphans`)."""
_ASLEEP: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes whose objects must be restored for hours before they can be read."""


def of_listing(
    listing: Listing,
    chain: Chain,
    scope: Scope,
    now: datetime,
    concerned: Callable[[str], Touched],
) -> Iterator[Finding]:
    """Compare what is there with what is named.

    Args:
        listing: What is there.
        chain: What is named.
        scope: What the store shows.
        now: This host's clock, for a store that has none.
        concerned: Whom an object concerns.
    """
    for marker in listing.markers:
        key, version_id = marker.key, marker.version_id
        finding = found("delete-marker", key=key, version_id=version_id, touched=concerned(key))
        yield replace(finding, next=scope.unhide(key, version_id))
    store_now = (scope.settings.server_time if scope.settings else None) or now
    for key, versions in listing.versions.items():
        first = versions[0]
        named = chain.objects.get(key)
        if named is not None:
            yield from _beside(key, named[0].version_id, listing, chain, scope)
        elif layout.data_place(key) is not None:
            if scope.is_copy or store_now - first.written_at > SETTLED:
                yield found("orphan", key=key, version_id=first.version_id)
        elif not is_ours(key):
            yield found("foreign-object", key=key, version_id=first.version_id)
        for version in versions:
            if version.storage_class in _ASLEEP:
                yield found(
                    "asleep",
                    key=key,
                    version_id=version.version_id,
                    touched=concerned(key),
                    detail=version.storage_class,
                )


def _beside(
    key: str, version_id: str, listing: Listing, chain: Chain, scope: Scope
) -> Iterator[Finding]:
    """Yield versions of a named object that are not the named one."""
    if not scope.versions:
        return
    versions = listing.versions[key]
    place = next((n for n, one in enumerate(versions) if one.version_id == version_id), None)
    for number, other in enumerate(versions):
        if other.version_id != version_id:
            above = place is not None and number > place
            yield found(
                "shadowed" if above else "other-version",
                key=key,
                version_id=other.version_id,
                touched=chain.touched_by_object(key),
            )
