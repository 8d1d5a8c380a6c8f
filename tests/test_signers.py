"""Signers that come and go: who may seal, and what of theirs counts."""

import io
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import layout
from archiver.archive import Archive, NightKeys
from archiver.catalog import Catalog
from archiver.errors import (
    KeyUnavailableError,
    RollbackError,
    SignerRevokedError,
    StoreError,
    TamperedError,
)
from archiver.ledger import Ledger
from archiver.ledger.parts import origin
from archiver.signed_note import Checkpoint, sign_note
from archiver.signer_keys import add_signer
from archiver.signers import certify_next, read_signers, revoke
from schemas.documents import LockProof, Manifest, Revocation
from tests import cards
from tests.desk import Desk, at, founded
from tests.faults import FaultyStore
from tests.verification.sites import Site, attacked


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = founded(tmp_path_factory.mktemp("sealed"), [cards.order(n, at(n)) for n in (2, 3, 4)])
    desk.night()
    return desk


@pytest.fixture
def site(sealed: Desk, tmp_path: Path) -> Iterator[Site]:
    with attacked(sealed, tmp_path) as copied:
        yield copied


def by(site: Site, number: int, key: Ed25519PrivateKey) -> Archive:
    """Open the archive on a host that signs with this key."""
    opened = site.desk.open()
    token_key = site.archive.night_keys().token_key
    keys = NightKeys(signer_number=number, signer=key, token_key=token_key)
    return replace(opened, keys=keys)


def catalog(site: Site, archive: Archive, folder: str) -> Catalog:
    """Read the chain, on a host of its own."""
    found = Catalog(archive, site.desk.place.folder / folder)
    found.refresh()
    return found


def following(chain: Catalog) -> Manifest:
    """Return a manifest that continues the chain."""
    links = {"number": chain.next_number, "previous": chain.head}
    return chain.entries[-1].document.model_copy(update=links)


def test_a_night_whose_signer_was_revoked_seals_nothing_and_says_what_to_do(site: Site) -> None:
    site.revoke(1)
    site.desk.clock.instant = at(6, 3)
    before = {one.key for one in site.store.list_versions("")}
    with pytest.raises(SignerRevokedError, match=r"signer add --replace") as caught:
        site.desk.night()
    assert caught.value.params["number"] == 1
    assert {one.key for one in site.store.list_versions("")} == before


def test_what_a_signer_signed_before_he_was_revoked_counts_and_nothing_behind_it(
    site: Site,
) -> None:
    thief = Ed25519PrivateKey.generate()
    site.certify(2, thief)
    stolen = catalog(site, by(site, 2, thief), "thief's")
    stolen.append(following(stolen))
    site.desk.clock.advance(timedelta(minutes=1))
    site.revoke(2)
    assert catalog(site, site.desk.open(), "host").next_number == 5
    site.desk.clock.advance(timedelta(minutes=1))
    stolen.append(following(stolen))
    honest = catalog(site, site.desk.open(), "another")
    assert honest.next_number == 5
    assert [one.code for one in honest.archive.alarms] == ["foreign-object"]
    honest.append(following(honest))
    assert catalog(site, site.desk.open(), "third").head == honest.head


def test_documents_and_checkpoints_of_a_revoked_signer_do_not_count(site: Site) -> None:
    thief = Ed25519PrivateKey.generate()
    site.certify(2, thief)
    site.revoke(2)
    site.desk.clock.advance(timedelta(minutes=1))
    archive = by(site, 2, thief)
    proof = site.archive.read_signed(layout.proof_key(1), "lock-proof", LockProof).document
    content = replace(archive, revoked={}).signed(
        proof.model_copy(update={"number": 2}), "lock-proof"
    )
    site.store.put(layout.proof_key(2), io.BytesIO(content), retain_until=archive.evidence_until())
    with pytest.raises(TamperedError, match="signer 0002 was revoked before that"):
        site.desk.open().read_signed(layout.proof_key(2), "lock-proof", LockProof)
    ledger = Ledger(site.desk.open())
    ledger.refresh()
    head = Checkpoint(origin=origin(archive.id), size=ledger.size, root=bytes(32))
    key = layout.checkpoint_key(ledger.size)
    note = sign_note(head.text, head.origin, thief)
    site.store.overwrite(key, note, retain_until=archive.evidence_until())
    anew = Ledger(replace(site.desk.open(), memory=None))
    anew.refresh()
    assert anew.root == ledger.root


def test_a_checkpoint_that_a_revoked_signer_signed_before_is_told_as_it_was(site: Site) -> None:
    thief = Ed25519PrivateKey.generate()
    site.certify(2, thief)
    ledger = Ledger(site.desk.open())
    ledger.refresh()
    head = Checkpoint(origin=origin(site.archive.id), size=ledger.size, root=bytes(32))
    note = sign_note(head.text, head.origin, thief)
    checkpoint = layout.checkpoint_key(ledger.size)
    site.lose(checkpoint)
    site.store.overwrite(checkpoint, note, retain_until=site.archive.evidence_until())
    site.desk.clock.advance(timedelta(minutes=1))
    site.revoke(2)
    with pytest.raises(RollbackError):
        Ledger(replace(site.desk.open(), memory=None)).refresh()


def test_a_further_signer_takes_the_next_free_number_and_keeps_it(site: Site) -> None:
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    until = site.archive.evidence_until()
    site.store.overwrite(layout.signer_key(2), b"junk", retain_until=until)
    for _ in range(2):
        signer = certify_next(
            site.store,
            site.archive.document,
            site.identity(),
            key,
            now=site.desk.clock.now(),
            retain_until=until,
        )
        assert signer.number == 3
    assert site.desk.open().signers.keys() == {1, 3}


def test_a_revocation_counts_over_a_foreign_file_and_the_first_one_for_good(site: Site) -> None:
    until = site.archive.evidence_until()
    key = layout.revocation_key(1)
    site.store.overwrite(key, b"junk", retain_until=until)
    first = Revocation(archive=site.archive.id, number=1, revoked_at=site.desk.clock.now())
    later = first.model_copy(update={"revoked_at": first.revoked_at + timedelta(days=1)})
    document = site.archive.document
    for said in (first, later):
        found = revoke(site.store, document, site.identity(), said, retain_until=until)
        assert found == first
    assert read_signers(site.store, document)[1].revocation == first


def test_only_this_archive_s_identity_key_certifies_and_revokes(site: Site) -> None:
    said = Revocation(archive=site.archive.id, number=1, revoked_at=site.desk.clock.now())
    until = site.archive.evidence_until()
    other = Ed25519PrivateKey.generate()
    with pytest.raises(KeyUnavailableError, match="another archive"):
        revoke(site.store, site.archive.document, other, said, retain_until=until)
    for number, kind in ((2, "archive"), (1, "number")):
        moved = said.model_copy(
            update={"number": number} if kind == "number" else {"archive": "0" * 32}
        )
        site._put_signed(layout.revocation_key(number + 5), moved, "revocation")
    assert site.desk.open().revoked == {}


@pytest.mark.parametrize("fail_at", range(8))
def test_a_new_key_whose_certification_was_interrupted_is_gone_on_with(
    site: Site, fail_at: int
) -> None:
    keys = site.desk.place.keys
    faulty = FaultyStore(site.store, lost_reply=bool(fail_at % 2))
    archive = site.desk.open(faulty)
    faulty.fail_at = faulty.calls + fail_at // 2
    with suppress(StoreError):
        add_signer(archive, keys.identity, keys.signer, replace=True)
    if keys.signer.with_name("signer.key.new").exists():  # it died
        assert site.desk.open().night_keys().signer_number == 1
        add_signer(site.desk.open(), keys.identity, keys.signer, replace=True)
    assert site.desk.open().night_keys().signer_number == 2
    assert site.desk.open().signers.keys() == {1, 2}
    assert keys.signer.with_name("signer.key.0001").exists()
