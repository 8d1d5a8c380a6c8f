"""All object keys below the store's prefix, in one place (FORMAT.md 2).

Pure. Data objects have random names; whoever names them passes the name in.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

ARCHIVE: Final = "archive.json"
MANIFESTS: Final = "manifests/"
SIGNERS: Final = "signers/"
COHORTS: Final = "cohorts/"
RECONCILIATIONS: Final = "reconciliations/"
ACCESS: Final = "access/"
RETIREMENTS: Final = "retirements/"
SIGHTINGS: Final = "sightings/"
CHECKPOINTS: Final = "checkpoints/"
LEDGER_PARTS: Final = "ledger/0"
"""What parts of the ledger begin with below ten million entries: other objects lie beside them."""
COSIGNATURES: Final = "ledger/cosignatures/"
TIMESTAMPS: Final = "ledger/timestamps/"
NUMBERED_PROOFS: Final = "proofs/0"
"""What lock proofs begin with below ten million: their canaries, many more, lie beside them."""

DATA: Final = ("known/", "orders/", "rejects/", "segments/")
"""What all keys of data objects begin with."""

_LAST_SIZE: Final = 10**10 - 1
"""Larger than any ledger: what a size lacks to it sorts backwards."""

_DATA_KEY: Final = re.compile(
    r"(known|orders|rejects|segments)/([^/]+)/([0-9]{4})/([0-9]{2})/([0-9]{2})/"
    r"[0-9a-f]{32}\.parquet"
)
_MANIFEST_KEY: Final = re.compile(r"manifests/([0-9]{8})\.json")
_RECONCILIATION_KEY: Final = re.compile(r"reconciliations/([0-9]{8})\.json")
_ACCESS_KEY: Final = re.compile(r"access/([a-z0-9][a-z0-9_-]{0,63})/([0-9]{8})\.json")
_SIGNER_KEY: Final = re.compile(r"signers/([0-9]{4})(\.revoked)?\.json")
_RETIREMENT_KEY: Final = re.compile(r"retirements/([a-z0-9][a-z0-9_-]{0,63})\.json")
_SIGHTING_KEY: Final = re.compile(
    r"sightings/([a-z0-9][a-z0-9_-]{0,63})/([0-9]{4}-[0-9]{2}-[0-9]{2})/[0-9a-f]{32}\.json"
)
_BESIDE: Final = r"([1-9][0-9]{0,7})/([a-z0-9][a-z0-9_-]{0,63})(?:\.[0-9a-f]{8})?"
_COSIGNATURE_KEY: Final = re.compile(COSIGNATURES + _BESIDE)
_TIMESTAMP_KEY: Final = re.compile(TIMESTAMPS + _BESIDE + r"\.tsr")
_WITNESS_KEY: Final = re.compile(r"witness/[0-9a-f]{32}/([0-9]{10})-(0|[1-9][0-9]{0,9})")
_PROOF_KEY: Final = re.compile(r"proofs/([0-9]{8})\.json")
_LEDGER_KEY: Final = re.compile(r"ledger/([0-9]{8})(?:-[0-9a-f]{8})?\.json")
_CHECKPOINT_KEY: Final = re.compile(r"checkpoints/([1-9][0-9]{0,7})(?:-[0-9a-f]{8})?")


def signer_key(number: int) -> str:
    """Return the key of the certificate of signer `number`."""
    return f"{SIGNERS}{number:04d}.json"


def signer_number(key: str) -> int | None:
    """Return the number in the key of a signer's certificate, or None for any other key."""
    match = _SIGNER_KEY.fullmatch(key)
    return int(match[1]) if match and not match[2] else None


def revocation_key(number: int) -> str:
    """Return the key of the document that revokes signer `number`."""
    return f"{SIGNERS}{number:04d}.revoked.json"


def revoked_number(key: str) -> int | None:
    """Return the signer in a revocation's key, or None for any other key."""
    match = _SIGNER_KEY.fullmatch(key)
    return int(match[1]) if match and match[2] else None


def cohort_key(cohort: str) -> str:
    """Return the key of a cohort's document; `cohort` is `<class>-<YYYY-MM>-<8 hex>`."""
    return f"{COHORTS}{cohort}.json"


def manifest_key(number: int) -> str:
    """Return the key of manifest `number`, counted from 1."""
    return f"{MANIFESTS}{number:08d}.json"


def manifest_number(key: str) -> int | None:
    """Return the number in a manifest's key, or None for any other key."""
    match = _MANIFEST_KEY.fullmatch(key)
    return int(match[1]) if match else None


def proof_key(number: int) -> str:
    """Return the key of lock proof `number`, counted from 1."""
    return f"proofs/{number:08d}.json"


def proof_number(key: str) -> int | None:
    """Return the number in a lock proof's key, or None for any other key."""
    match = _PROOF_KEY.fullmatch(key)
    return int(match[1]) if match else None


def canary_key(name: str) -> str:
    """Return the key of an object that is there to be attacked.

    Args:
        name: 128 random bits, hexadecimal.
    """
    return f"proofs/canary/{name}"


def reconciliation_key(number: int) -> str:
    """Return the key of reconciliation `number`, counted from 1."""
    return f"{RECONCILIATIONS}{number:08d}.json"


def reconciliation_number(key: str) -> int | None:
    """Return the number in a reconciliation's key, or None for any other key."""
    match = _RECONCILIATION_KEY.fullmatch(key)
    return int(match[1]) if match else None


def access_folder(node: str) -> str:
    """Return what the keys of a node's parts of the access log begin with."""
    return f"{ACCESS}{node}/"


def access_key(node: str, part: int) -> str:
    """Return the key of a part of a node's access log, counted from 1."""
    return f"{access_folder(node)}{part:08d}.json"


def access_part(key: str) -> tuple[str, int] | None:
    """Return node and number in the key of a part of the access log, None for any other."""
    match = _ACCESS_KEY.fullmatch(key)
    return (match[1], int(match[2])) if match else None


def retirement_key(source: str) -> str:
    """Return the key of the document that retires a source."""
    return f"{RETIREMENTS}{source}.json"


def retired_source(key: str) -> str | None:
    """Return the source in a retirement's key, or None for any other key."""
    match = _RETIREMENT_KEY.fullmatch(key)
    return match[1] if match else None


def retired_ids_key(source: str, name: str) -> str:
    """Return the key of an id map's tokens.

    Args:
        source: The retired source.
        name: 128 random bits, hexadecimal.
    """
    return f"{RETIREMENTS}{source}/{name}.ids"


def ledger_stem(first: int) -> str:
    """Return what the keys of a part of the ledger begin with, and no others of its kind."""
    return f"ledger/{first:08d}"


def ledger_key(first: int, aside: str = "") -> str:
    """Return the key of the part of the ledger that begins with entry `first`.

    Args:
        first: Counted from 0.
        aside: 32 random bits, hexadecimal, where something foreign lies at the part's own key.
    """
    return f"{ledger_stem(first)}-{aside}.json" if aside else f"{ledger_stem(first)}.json"


def ledger_first(key: str) -> int | None:
    """Return the number of a ledger part's first entry, or None for any other key."""
    match = _LEDGER_KEY.fullmatch(key)
    return int(match[1]) if match else None


def checkpoint_key(size: int, aside: str = "") -> str:
    """Return the key of the checkpoint of the ledger's first `size` entries.

    Args:
        size: 1 or more.
        aside: As for `ledger_key`.
    """
    return f"{CHECKPOINTS}{size}-{aside}" if aside else f"{CHECKPOINTS}{size}"


def checkpoint_size(key: str) -> int | None:
    """Return the size in a checkpoint's key, or None for any other key."""
    match = _CHECKPOINT_KEY.fullmatch(key)
    return int(match[1]) if match else None


def cosignature_key(size: int, witness: str, aside: str = "") -> str:
    """Return the key of what a witness has signed under a checkpoint.

    Args:
        size: The checkpoint's.
        witness: Its name in the configuration.
        aside: 32 random bits, hexadecimal, where something foreign lies at its own key.
    """
    return f"{COSIGNATURES}{size}/{witness}.{aside}" if aside else f"{COSIGNATURES}{size}/{witness}"


def cosignature_place(key: str) -> tuple[int, str] | None:
    """Return size and witness in the key of signature lines, None for any other key."""
    match = _COSIGNATURE_KEY.fullmatch(key)
    return (int(match[1]), match[2]) if match else None


def timestamp_key(size: int, authority: str, aside: str = "") -> str:
    """Return the key of an authority's time stamp of a checkpoint; as `cosignature_key`."""
    name = f"{authority}.{aside}" if aside else authority
    return f"{TIMESTAMPS}{size}/{name}.tsr"


def timestamp_place(key: str) -> tuple[int, str] | None:
    """Return size and authority in the key of a time stamp, None for any other key."""
    match = _TIMESTAMP_KEY.fullmatch(key)
    return (int(match[1]), match[2]) if match else None


def sightings_folder(source: str, month_or_day: str = "") -> str:
    """Return what the keys of a source's sightings begin with, of all days or of some.

    Args:
        source: The source's name.
        month_or_day: `2026-03` or `2026-03-05`.
    """
    return f"{SIGHTINGS}{source}/{month_or_day}"


def sighting_key(source: str, day: date, name: str) -> str:
    """Return the key of a sighting.

    Args:
        source: The source's name.
        day: The day with whose sealing it is compared.
        name: 128 random bits, hexadecimal.
    """
    return f"{sightings_folder(source, day.isoformat())}/{name}.json"


def sighting_place(key: str) -> tuple[str, date] | None:
    """Return source and day in a sighting's key, None for any other key."""
    match = _SIGHTING_KEY.fullmatch(key)
    try:
        return (match[1], date.fromisoformat(match[2])) if match else None
    except ValueError:
        return None


def witness_folder(archive: str) -> str:
    """Return what all keys of an archive's checkpoints in a second store begin with."""
    return f"witness/{archive}/"


def witness_key(archive: str, size: int) -> str:
    """Return the key of a checkpoint in a second store: the latest is listed first."""
    return f"{witness_folder(archive)}{_LAST_SIZE - size:010d}-{size}"


def witnessed_size(key: str) -> int | None:
    """Return the size in the key of a checkpoint in a second store, or None for any other key."""
    match = _WITNESS_KEY.fullmatch(key)
    return int(match[2]) if match and int(match[1]) + int(match[2]) == _LAST_SIZE else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlace:
    """What a data object's key says about it."""

    holds: str
    source: str
    day: date


def data_place(key: str) -> DataPlace | None:
    """Return what a data object's key says, None for any other key."""
    match = _DATA_KEY.fullmatch(key)
    if match is None:
        return None
    holds, source, year, month, day = match.groups()
    try:
        sealed = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return DataPlace(holds=holds, source=source, day=sealed)


def data_key(kind: str, source: str, day: date, name: str) -> str:
    """Return the key of a data object.

    Args:
        kind: `orders`, `rejects`, `segments` or `known`.
        source: The source's name.
        day: The day under which it is sealed.
        name: 128 random bits, hexadecimal: a guess must not meet an existing object.
    """
    return f"{kind}/{source}/{day:%Y/%m/%d}/{name}.parquet"
