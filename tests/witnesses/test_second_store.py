"""A second store keeps each head under a lock; what others write there counts for nothing."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import layout
from archiver.configuration import parse_configuration
from archiver.configured_witnesses import ConfiguredWitnesses
from archiver.errors import (
    AnswerRefusedError,
    SplitViewError,
    StoreAccessError,
    WitnessAheadError,
)
from archiver.ports import LockMode, VersionEntry
from archiver.stores.memory import MemoryStore
from archiver.wiring import SystemClock
from archiver.witnesses import Confirmed, StoreWitness, second_store
from tests.clock import NOON, FrozenClock
from tests.ledger.books import Books
from tests.servers.seaweedfs import S3Bucket
from tests.witnesses.logs import ARCHIVE, SmallLog

UNTIL = NOON + timedelta(days=2200)


@pytest.fixture
def witness() -> StoreWitness:
    store = MemoryStore(clock=FrozenClock())
    return StoreWitness(
        name="vault", place="s3://other", archive=ARCHIVE, store=store, retain_until=UNTIL
    )


def told(witness: StoreWitness, log: SmallLog) -> Confirmed:
    return witness.confirm(log.head, log, confirmed=0, now=NOON)


def put(witness: StoreWitness, key: str, content: bytes) -> None:
    witness.store.put(key, io.BytesIO(content), retain_until=UNTIL)


def test_each_head_is_a_locked_object_and_the_latest_is_listed_first(
    witness: StoreWitness,
) -> None:
    log = SmallLog()
    for size in (1, 9, 10, 250):
        told(witness, log.grow(size - len(log.entries)))
    assert told(witness, log).knew == 250
    listed = list(witness.store.list_versions(layout.witness_folder(ARCHIVE)))
    assert [layout.witnessed_size(one.key) for one in listed] == [250, 10, 9, 1]
    latest = witness.store.head(listed[0].key, listed[0].version_id)
    assert latest.retain_until == UNTIL
    assert witness.store.get(latest.key, latest.version_id) == log.checkpoint()


def test_a_ledger_that_was_set_back_is_found_out(witness: StoreWitness) -> None:
    log = SmallLog().grow(7)
    told(witness, log)
    with pytest.raises(WitnessAheadError):
        told(witness, log.at(5))
    with pytest.raises(SplitViewError):
        told(witness, log.at(5).grow(4, "another"))


def test_two_hosts_that_confirm_at_once_agree(witness: StoreWitness) -> None:
    log = SmallLog().grow(3)
    told(witness, log)
    assert told(witness, log).knew == 3


def test_a_delete_marker_hides_nothing(witness: StoreWitness) -> None:
    log = SmallLog().grow(7)
    told(witness, log)
    assert isinstance(witness.store, MemoryStore)
    witness.store.add_delete_marker(layout.witness_key(ARCHIVE, 7))
    with pytest.raises(WitnessAheadError):
        told(witness, log.at(5))


def test_what_the_log_has_not_signed_counts_for_nothing(witness: StoreWitness) -> None:
    log = SmallLog().grow(7)
    told(witness, log)
    forged = SmallLog(key=Ed25519PrivateKey.generate()).grow(9, "forged")
    put(witness, layout.witness_key(ARCHIVE, 9), forged.checkpoint() or b"")
    put(witness, layout.witness_key(ARCHIVE, 999), b"junk")
    put(witness, layout.witness_key(ARCHIVE, 500), log.checkpoint() or b"")  # not of this size
    put(witness, layout.witness_folder(ARCHIVE) + "0-readme", b"junk")
    assert told(witness, log).knew == 7
    with pytest.raises(AnswerRefusedError, match="taken by something else"):
        told(witness, log.grow(2))
    assert told(witness, log.grow(1)).knew == 7


def test_more_junk_than_is_looked_at_confirms_nothing(
    witness: StoreWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_store, "LOOKED_AT", 3)
    log = SmallLog().grow(7)
    for n in range(3):
        put(witness, layout.witness_key(ARCHIVE, 100 + n), b"junk")
    assert told(witness, log).knew == 0
    with pytest.raises(AnswerRefusedError, match="3 objects"):
        told(witness, log)


def test_a_bucket_is_asked_under_credentials_of_its_own(
    s3_bucket: S3Bucket, tmp_path: Path
) -> None:
    environment = {"W_ACCESS": s3_bucket.access_key, "W_SECRET": s3_bucket.secret_key}

    def opened(environment: Mapping[str, str]) -> StoreWitness:
        section = {
            "name": "vault",
            "url": f"{s3_bucket.url}/place",
            "endpoint": s3_bucket.endpoint,
            "region": s3_bucket.region,
            "access_key_env": "W_ACCESS",
            "secret_key_env": "W_SECRET",
        }
        basis = {"name": "shop-1", "role": "platform", "legal_basis": "电子商务法第三十一条"}
        fields = {"archive": basis, "store": {"url": "dir:vault"}, "witness": [section]}
        configuration = parse_configuration(fields)
        archive = replace(books.archive(), clock=SystemClock())
        circle = ConfiguredWitnesses(configuration, tmp_path, environment).circle(archive)
        (witness,) = circle.witnesses
        assert isinstance(witness, StoreWitness)
        return witness

    books, log = Books.found(tmp_path), SmallLog()
    for size in (9, 10):
        told(opened(environment), log.grow(size - len(log.entries)))
    witness = opened(environment)
    with pytest.raises(WitnessAheadError):
        told(witness, log.at(9))
    (latest, _) = witness.store.list_versions(layout.witness_folder(witness.archive))
    assert layout.witnessed_size(latest.key) == 10
    locked = witness.store.head(latest.key, latest.version_id)
    assert (locked.mode, locked.retain_until) == (LockMode.COMPLIANCE, witness.retain_until)
    with pytest.raises(StoreAccessError):
        told(opened({**environment, "W_SECRET": "wrong"}), log)


class Racing(MemoryStore):
    """A store to which another host writes between our look and our writing."""

    looked = False

    def list_versions(self, prefix: str) -> Iterator[VersionEntry]:
        """Show nothing the first time."""
        found = list(super().list_versions(prefix)) if self.looked else []
        self.looked = True
        yield from found


@pytest.mark.parametrize("another", [False, True])
def test_whoever_was_faster_must_have_told_the_same(another: bool) -> None:
    witness = StoreWitness(
        name="vault",
        place="s3://other",
        archive=ARCHIVE,
        store=Racing(clock=FrozenClock()),
        retain_until=UNTIL,
    )
    log = SmallLog().grow(3)
    theirs = SmallLog(key=log.key).grow(3, "another") if another else log
    put(witness, layout.witness_key(ARCHIVE, 3), theirs.checkpoint() or b"")
    if another:
        with pytest.raises(SplitViewError):
            told(witness, log)
    else:
        assert told(witness, log).knew == 0
