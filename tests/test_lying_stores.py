"""Stores that lie: rolled back, with gaps, markers and forgeries, and what is altered in them."""

import hashlib
import json
import shutil
from base64 import b64decode
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import dsse
from archiver.catalog import Catalog
from archiver.errors import (
    Exit,
    TamperedError,
)
from archiver.stores.memory import MemoryStore
from tests import cards
from tests.auditor import secret_in
from tests.desk import Desk, at, totals
from tests.hard_night import Original, attempt, require_finished


@pytest.fixture(scope="module")
def in_memory(tmp_path_factory: pytest.TempPathFactory) -> Original:
    return Original(tmp_path_factory.mktemp("original"), "memory")


@pytest.fixture
def desk(in_memory: Original, tmp_path: Path) -> Desk:
    desk = in_memory.copy(tmp_path)
    desk.night()
    return desk


def memory(desk: Desk) -> MemoryStore:
    assert isinstance(desk.store, MemoryStore)
    return desk.store


def last_manifest(desk: Desk) -> tuple[str, str]:
    *_, version = desk.store.list_versions("manifests/")
    return version.key, version.version_id


@pytest.mark.parametrize("lost", [1, 3])
def test_a_store_that_was_rolled_back_is_an_alarm(desk: Desk, lost: int) -> None:
    for _ in range(lost):
        memory(desk).drop(*last_manifest(desk))
    with pytest.raises(TamperedError, match="rolled back") as caught:
        desk.night()
    assert caught.value.exit is Exit.ALARM


def test_a_gap_in_the_chain_is_an_alarm(desk: Desk) -> None:
    versions = list(desk.store.list_versions("manifests/"))
    memory(desk).drop(versions[2].key, versions[2].version_id)
    with pytest.raises(TamperedError, match="00000003"):
        desk.night()


def test_a_delete_marker_hides_no_manifest(desk: Desk) -> None:
    for version in list(desk.store.list_versions("manifests/")):
        memory(desk).add_delete_marker(version.key)
    shutil.rmtree(desk.place.folder / "index")
    assert totals(desk.night()).get("orders", 0) == 0
    require_finished(desk)


def test_a_delete_marker_is_no_manifest(desk: Desk) -> None:
    memory(desk).add_delete_marker("manifests/00000006.json")
    desk.rows.append(cards.order(60, at(6)))
    assert totals(desk.night_of(6))["orders"] == 1
    shutil.rmtree(desk.place.folder / "index")
    assert attempt(desk.night) is None
    assert [manifest["number"] for manifest in desk.audit().manifests] == [1, 2, 3, 4, 5, 6]


def forged(desk: Desk, of: int, key: Ed25519PrivateKey, **changes: object) -> bytes:
    """Return a manifest with other content, signed with `key`."""
    envelope = desk.store.get(f"manifests/{of:08d}.json")
    fields = json.loads(b64decode(json.loads(envelope)["payload"])) | changes
    return dsse.sign(json.dumps(fields).encode(), "manifest", "0001", key)


def our_key(desk: Desk) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(secret_in(desk.place.keys.signer, "secret"))


@pytest.mark.parametrize("whose", ["a stranger's key", "the night's own key", "no key"])
def test_a_later_version_of_a_manifest_does_not_count(desk: Desk, whose: str) -> None:
    key = our_key(desk) if "own" in whose else Ed25519PrivateKey.generate()
    content = b"{}" if whose == "no key" else forged(desk, 2, key, objects=[])
    memory(desk).overwrite("manifests/00000002.json", content)
    shutil.rmtree(desk.place.folder / "index")
    assert attempt(desk.night) is None
    require_finished(desk)


def test_a_manifest_that_a_stranger_put_first_does_not_count_either(desk: Desk) -> None:
    key, version = last_manifest(desk)
    content = desk.store.get(key, version)
    memory(desk).drop(key, version)
    memory(desk).overwrite(key, forged_from(content, Ed25519PrivateKey.generate()))
    memory(desk).overwrite(key, content, retain_until=at(1).replace(year=2033))
    assert attempt(desk.night) is None
    catalog = Catalog(desk.open(), desk.place.folder / "another host")
    catalog.refresh()
    assert catalog.head == hashlib.sha256(content).hexdigest()


def forged_from(envelope: bytes, key: Ed25519PrivateKey) -> bytes:
    payload = b64decode(json.loads(envelope)["payload"])
    return dsse.sign(payload, "manifest", "0001", key)


@pytest.mark.parametrize(
    "changes",
    [
        {"previous": "0" * 64},
        {"previous": None},
        {"archive": "0" * 32},
        {"number": 7},
        {"unknown": 1},
        {"counts": {}},
    ],
)
def test_a_signed_manifest_that_does_not_continue_the_chain_is_an_alarm(
    desk: Desk, changes: dict[str, object]
) -> None:
    head = desk.audit().manifests[-1]
    following = {"number": 6, "previous": None} | changes
    content = forged(desk, head["number"], our_key(desk), **following)
    until = datetime.fromisoformat("2033-01-01T00:00:00Z")
    memory(desk).overwrite("manifests/00000006.json", content, retain_until=until)
    with pytest.raises(TamperedError):
        desk.night()


def test_known_orders_that_were_altered_in_the_store_are_an_alarm(desk: Desk) -> None:
    named = next(o for o in desk.audit().objects if o.about["kind"] == "known")
    for offset in (10, named.about["size_bytes"] // 2, named.about["size_bytes"] - 20):
        memory(desk).flip_byte(named.about["key"], named.about["version_id"], offset)
        shutil.rmtree(desk.place.folder / "index")
        error = attempt(desk.night)
        assert isinstance(error, TamperedError)
        assert named.about["key"] in str(error)
        memory(desk).flip_byte(named.about["key"], named.about["version_id"], offset)
    assert attempt(desk.night) is None
