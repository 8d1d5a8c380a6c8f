"""FORMAT.md's own reader opens what we seal: the disaster recovery of last resort."""

import ast
import io
import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import dsse
from archiver.capture import MappedSource
from archiver.ports import ObjectStore
from archiver.stores.directory import DirectoryStore
from archiver.stores.memory import MemoryStore
from tests import cards, format_reader
from tests.archives import Place, RowsSource
from tests.auditor import audit, secret_in
from tests.clock import FrozenClock

ENDED = datetime(2026, 3, 4, 3, 0, tzinfo=UTC)
SECRETS = {
    "deliveries.list.element.secret",
    "after_sales.list.element.note",
    "events.list.element.note",
}


class Vault:
    """A sealed day: nine orders, two rejects."""

    def __init__(self, place: Place, store: ObjectStore, clock: FrozenClock) -> None:
        self.place, self.store, self.clock = place, store, clock
        self.rows = [cards.order(n, ENDED + timedelta(minutes=n)) for n in range(1, 10)]
        broken = [cards.order(n, ENDED, paid="-1") for n in (20, 21)]
        source = RowsSource(cards.OWN, [*self.rows, *broken])
        mapped = MappedSource(source=source, mapping=cards.OWN, session_zone="UTC")
        place.found(store, clock)
        report = place.night(place.open(store, clock), [mapped])
        assert not report.failures
        self.anchor = place.keys.anchor.read_bytes()
        self.base = secret_in(place.folder / "root.key", "seed")
        self.reveal = secret_in(place.folder / "reveal-root.key", "seed")

    def read(
        self,
        kind: str = "orders",
        *,
        roots: format_reader.Roots | None = None,
        fetch: format_reader.Fetch | None = None,
    ) -> pa.Table:
        """Return the one table of a kind, as the reader gives it."""
        fetch = fetch or format_reader.fetch_from(self.store)
        roots = {"base": self.base, "reveal": self.reveal} if roots is None else roots
        (table,) = format_reader.read(fetch, self.anchor, 1, roots, kind)
        return table

    def manifest(self) -> dict[str, Any]:
        """Return what the manifest says."""
        envelope = format_reader.fetch_from(self.store)("manifests/00000001.json", None)
        fields = json.loads(b64decode(json.loads(envelope)["payload"]))
        assert isinstance(fields, dict)
        return fields

    def object(self, kind: str) -> dict[str, Any]:
        """Return what the manifest says about its one object of a kind."""
        (about,) = (o for o in self.manifest()["objects"] if o["kind"] == kind)
        assert isinstance(about, dict)
        return about


@pytest.fixture(params=["memory", "dir"])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Vault:
    clock = FrozenClock()
    store: ObjectStore = (
        MemoryStore(clock=clock)
        if request.param == "memory"
        else DirectoryStore(tmp_path / "vault", clock)
    )
    return Vault(Place(tmp_path), store, clock)


# --- the text itself -----------------------------------------------------------------------------


def test_a_manifest_under_another_number_is_refused(vault: Vault) -> None:
    fetch = format_reader.fetch_from(vault.store)

    def misled(key: str, version_id: str | None) -> bytes:
        return fetch(key.replace("manifests/00000002", "manifests/00000001"), version_id)

    roots: format_reader.Roots = {"base": vault.base}
    with pytest.raises(AssertionError, match="another manifest"):
        list(format_reader.read(misled, vault.anchor, 2, roots, "orders"))


def test_the_reader_has_less_than_60_lines() -> None:
    assert len(format_reader.source().splitlines()) < 60


def test_the_reader_needs_the_standard_library_cryptography_and_pyarrow_only() -> None:
    roots = set()
    for node in ast.walk(ast.parse(format_reader.source())):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            roots.add((node.module or "").partition(".")[0])
    assert roots - sys.stdlib_module_names == {"cryptography", "pyarrow"}


# --- what it reads -------------------------------------------------------------------------------


def test_the_reader_gives_the_rows_that_were_sealed(vault: Vault) -> None:
    rows = vault.read().to_pylist()
    assert [(r["order_id"], r["completed_at"], str(r["money"]["paid"])) for r in rows] == [
        (f"N{n}", ENDED + timedelta(minutes=n), f"{n + 10}.50") for n in range(1, 10)
    ]
    assert [[d["secret"] for d in r["deliveries"]] for r in rows] == [
        [f"CARD-{n:06d}-A", f"CARD-{n:06d}-B"] if n % 2 else [] for n in range(1, 10)
    ]


def test_without_the_reveal_root_secrets_are_absent_and_all_else_is_there(vault: Vault) -> None:
    whole = vault.read()
    masked = vault.read(roots={"base": vault.base})
    for path in SECRETS:
        column, leaf = path.split(".list.element.")
        values = masked[column].combine_chunks().values
        assert leaf not in [field.name for field in values.type], path
    assert b"CARD-" not in b"".join(
        bytes(buffer) for c in masked.columns for k in c.chunks for buffer in k.buffers() if buffer
    )
    for name in set(whole.column_names) - {"deliveries", "after_sales", "events"}:
        assert masked[name].equals(whole[name]), name
    hints = [
        pc.struct_field(t["deliveries"].combine_chunks().values, "hint") for t in (whole, masked)
    ]
    assert hints[0].equals(hints[1])


def test_rejects_open_with_the_reveal_root_only(vault: Vault) -> None:
    rejects = vault.read("rejects").to_pylist()
    assert [(r["order_id"], r["reason"], r["column"]) for r in rejects] == [
        (b"N20", "negative-money", "paid"),
        (b"N21", "negative-money", "paid"),
    ]
    with pytest.raises(PermissionError):
        vault.read("rejects", roots={"base": vault.base})


def test_segments_open_with_the_base_root(vault: Vault) -> None:
    kinds = vault.read("segments", roots={"base": vault.base})["kind"].to_pylist()
    assert [kinds.count(kind) for kind in (1, 4, 8)] == [9, 9, 10]


def test_an_auditor_with_both_roots_finds_nothing_wrong(vault: Vault) -> None:
    found = audit(vault.place, vault.store)
    assert (len(found.orders), len(found.rejects)) == (9, 2)


# --- what it refuses -----------------------------------------------------------------------------


def instead(vault: Vault, replaced: str, change: Callable[[bytes], bytes]) -> format_reader.Fetch:
    """A store that gives something else for one key."""
    honest = format_reader.fetch_from(vault.store)

    def fetch(key: str, version_id: str | None) -> bytes:
        content = honest(key, version_id)
        return change(content) if key == replaced else content

    return fetch


@pytest.mark.parametrize("part", range(5))
def test_a_flipped_byte_is_refused(vault: Vault, part: int) -> None:
    about = vault.object("orders")
    position = part * (about["size_bytes"] - 1) // 4

    def flip(content: bytes) -> bytes:
        return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]

    with pytest.raises(AssertionError, match="orders/"):
        vault.read(fetch=instead(vault, about["key"], flip))


def signed_again(
    vault: Vault, change: Callable[[dict[str, Any]], None]
) -> Callable[[bytes], bytes]:
    """What a thief of the night's host could sign: another manifest with the true key."""

    def forge(envelope: bytes) -> bytes:
        fields = json.loads(b64decode(json.loads(envelope)["payload"]))
        change(fields)
        signer = secret_in(vault.place.keys.signer, "secret")
        key = Ed25519PrivateKey.from_private_bytes(signer)
        return dsse.sign(json.dumps(fields).encode(), "manifest", "0001", key)

    return forge


def test_the_sealed_key_of_another_object_opens_nothing(vault: Vault) -> None:
    def swap(fields: dict[str, Any]) -> None:
        orders, rejects = (
            next(o for o in fields["objects"] if o["kind"] == kind)
            for kind in ("orders", "rejects")
        )
        orders["keys"]["reveal"] = rejects["keys"]["reveal"]

    fetch = instead(vault, "manifests/00000001.json", signed_again(vault, swap))
    with pytest.raises(InvalidTag):
        vault.read(fetch=fetch)


def test_a_sealed_key_is_bound_to_its_objects_name(vault: Vault) -> None:
    about = vault.object("orders")
    content = format_reader.fetch_from(vault.store)(about["key"], about["version_id"])
    other = about["key"].replace(about["key"][-40:-8], "0" * 32)
    until = datetime.fromisoformat(about["retain_until"])
    stored = vault.store.put(other, io.BytesIO(content), retain_until=until)

    def rename(fields: dict[str, Any]) -> None:
        orders = next(o for o in fields["objects"] if o["kind"] == "orders")
        orders |= {"key": other, "version_id": stored.version_id}

    fetch = instead(vault, "manifests/00000001.json", signed_again(vault, rename))
    with pytest.raises(InvalidTag):
        vault.read(fetch=fetch)


def test_a_manifest_of_another_signer_is_refused(vault: Vault) -> None:
    def sign(envelope: bytes) -> bytes:
        payload = b64decode(json.loads(envelope)["payload"])
        return dsse.sign(payload, "manifest", "0001", Ed25519PrivateKey.generate())

    with pytest.raises(InvalidSignature):
        vault.read(fetch=instead(vault, "manifests/00000001.json", sign))


@pytest.mark.parametrize(
    "key", ["manifests/00000001.json", "signers/0001.json", "cohorts/{cohort}.json"]
)
def test_a_document_with_another_payload_is_refused(vault: Vault, key: str) -> None:
    def alter(envelope: bytes) -> bytes:
        fields: Mapping[str, Any] = json.loads(envelope)
        payload = b64decode(fields["payload"]).replace(b'"created_at":"2026', b'"created_at":"2025')
        return json.dumps({**fields, "payload": b64encode(payload).decode()}).encode()

    name = key.format(cohort=vault.object("orders")["cohort"])
    with pytest.raises(InvalidSignature):
        vault.read(fetch=instead(vault, name, alter))


def test_a_document_of_another_kind_is_refused(vault: Vault) -> None:
    signer = secret_in(vault.place.keys.signer, "secret")
    key = Ed25519PrivateKey.from_private_bytes(signer)

    def relabel(envelope: bytes) -> bytes:
        return dsse.sign(b64decode(json.loads(envelope)["payload"]), "cohort", "0001", key)

    with pytest.raises(InvalidSignature):
        vault.read(fetch=instead(vault, "manifests/00000001.json", relabel))


@pytest.mark.parametrize("wrong", ["base", "reveal"])
def test_the_wrong_root_opens_nothing(vault: Vault, wrong: Literal["base", "reveal"]) -> None:
    right: format_reader.Roots = {"base": vault.base, "reveal": vault.reveal}
    with pytest.raises(InvalidTag):
        vault.read(roots={**right, wrong: bytes(96)})
