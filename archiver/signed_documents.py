"""Signed documents in a store: of several versions of a key the earliest that verifies counts.

Responsible for that rule, and for turning verified bytes into values. Knows no archive: who may
sign is the caller's to say.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from archiver.bounded_get import document_bytes
from archiver.errors import ObjectMissingError, Said, TamperedError
from archiver.ports import ObjectStore, VersionEntry
from schemas import documents

D = TypeVar("D", bound=documents.Document)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedDocument(Generic[D]):
    """A verified document and where it stands."""

    document: D
    version_id: str
    sha256: str
    """Of the envelope's bytes."""


def earliest_that_verifies(
    store: ObjectStore, key: str, verify: Callable[[bytes, VersionEntry], D]
) -> SignedDocument[D]:
    """Return the oldest version of `key` that verifies; later ones are findings, not truth.

    Raises:
        ObjectMissingError: The key has no version.
        TamperedError: None of the versions verifies.
    """
    failure: TamperedError | None = None
    for version in versions_of(store, key):
        content = document_bytes(store, version)
        try:
            document = verify(content, version)
        except TamperedError as error:
            failure = failure or error
            continue
        sha256 = hashlib.sha256(content).hexdigest()
        return SignedDocument(document=document, version_id=version.version_id, sha256=sha256)
    raise failure or ObjectMissingError(key=key, detail=Said("no version of it", "没有任何版本"))


def versions_of(store: ObjectStore, key: str) -> list[VersionEntry]:
    """Return the versions of exactly this key, oldest first, without delete markers."""
    found = store.list_versions(key)
    return [v for v in found if v.key == key and not v.is_delete_marker][::-1]


def parse(payload: bytes, model: type[D], key: str) -> D:
    """Return verified bytes as a value.

    Raises:
        TamperedError: They are not such a document.
    """
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise TamperedError(key=key, detail=f"{where}: {problem['msg']}") from None
