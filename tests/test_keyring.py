"""Keys of cohorts and objects: opened by the right root, for the right place, and only so."""

import base64
from datetime import UTC, datetime
from typing import Literal, get_args

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from archiver.errors import KeyUnavailableError
from archiver.keyring import (
    KEK_SIZE,
    ROOT_OF,
    SEED_SIZE,
    KeyName,
    KeyPair,
    binding,
    new_cohort,
    open_cohort_key,
    open_kek,
    public_half,
    seal,
    seal_kek,
)
from schemas.documents import Cohort, Footer, Root, RootProtection, SealedObject

ARCHIVE = "0123456789abcdef" * 2
NOW = datetime(2026, 11, 5, 3, tzinfo=UTC)
KEK = bytes(range(KEK_SIZE))
NAMES: tuple[KeyName, ...] = get_args(KeyName)
ROOTS: dict[Literal["base", "reveal"], KeyPair] = {
    "base": KeyPair.generate(),
    "reveal": KeyPair.generate(),
}


def make(cohort: str = "orders-2029-11-0a1b2c3d", archive: str = ARCHIVE) -> Cohort:
    return new_cohort(archive, cohort, {name: pair.public_key for name, pair in ROOTS.items()}, NOW)


def opened(cohort: Cohort, name: KeyName) -> KeyPair:
    return open_cohort_key(cohort, name, ROOTS[ROOT_OF[name]])


def stored(key: str, **keks: str) -> SealedObject:
    return SealedObject.model_validate(
        {
            "kind": "orders",
            "key": key,
            "version_id": "1",
            "size_bytes": 1,
            "sha256": "0" * 64,
            "retain_until": NOW,
            "rows": 1,
            "cohort": "orders-2029-11-0a1b2c3d",
            "keys": keks,
            "footer": Footer(length=1, sha256="0" * 64),
        }
    )


# --- pairs ---------------------------------------------------------------------------------------


def test_what_is_sealed_to_a_public_half_opens_with_its_seed() -> None:
    pair = KeyPair.generate()
    assert pair.open(seal(pair.public_key, b"secret", b"info"), b"info") == b"secret"
    assert KeyPair(pair.seed).public_key == pair.public_key


def test_sealing_needs_the_public_half_only_and_is_never_twice_the_same() -> None:
    public = KeyPair.generate().public_key
    one, other = (seal(public, KEK, b"info") for _ in range(2))
    assert one != other
    assert len(public) == 1184 + 32
    assert len(one) == KEK_SIZE + 1088 + 32 + 16  # FIPS 203, X25519, GCM's tag


def test_a_seed_is_the_two_standards_seeds_one_behind_the_other() -> None:
    seed = bytes(range(SEED_SIZE))
    mlkem = MLKEM768PrivateKey.from_seed_bytes(seed[:64])
    x25519 = X25519PrivateKey.from_private_bytes(seed[64:])
    assert KeyPair(seed).public_key == (
        mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
    )
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    sealed = seal(KeyPair(seed).public_key, KEK, b"info")
    assert suite.decrypt(sealed, MLKEM768X25519PrivateKey(mlkem, x25519), b"info") == KEK


def test_another_pair_or_another_purpose_does_not_open() -> None:
    pair = KeyPair.generate()
    sealed = seal(pair.public_key, KEK, binding("kek", "a"))
    with pytest.raises(KeyUnavailableError):
        KeyPair.generate().open(sealed, binding("kek", "a"))
    with pytest.raises(KeyUnavailableError, match="archiver/v1/kek"):
        pair.open(sealed, binding("kek", "b"))


def test_every_altered_byte_of_a_sealed_key_is_noticed() -> None:
    pair = KeyPair.generate()
    sealed = seal(pair.public_key, KEK, b"info")
    for position in [*range(0, len(sealed), 97), *range(len(sealed) - 50, len(sealed))]:
        altered = bytearray(sealed)
        altered[position] ^= 1
        with pytest.raises(KeyUnavailableError):
            pair.open(bytes(altered), b"info")
    for cut in (b"", sealed[:10], sealed[:-1], sealed + b"\x00"):
        with pytest.raises(KeyUnavailableError):
            pair.open(cut, b"info")


def test_a_pair_never_shows_its_seed() -> None:
    pair = KeyPair.generate()
    for text in (repr(pair), str(pair), f"{[pair]}"):
        assert "KeyPair(…)" in text


def test_a_binding_names_its_parts_in_order() -> None:
    assert binding("kek", "a", "b") == b"archiver/v1/kek\x00a\x00b"
    assert binding("kek", "ab") != binding("kek", "a", "b") != binding("kek", "b", "a")


# --- cohorts -------------------------------------------------------------------------------------


def test_each_key_of_a_cohort_opens_with_its_root() -> None:
    cohort = make()
    assert set(cohort.keys) == set(NAMES)
    for name in NAMES:
        assert opened(cohort, name).public_key == public_half(cohort.keys[name])


def test_the_base_root_opens_orders_and_index_but_no_secrets() -> None:
    cohort = make()
    assert ROOT_OF == {"base": "base", "index": "base", "reveal": "reveal"}
    for name in NAMES:
        wrong = ROOTS["reveal" if ROOT_OF[name] == "base" else "base"]
        with pytest.raises(KeyUnavailableError):
            open_cohort_key(cohort, name, wrong)


def test_all_keys_of_all_cohorts_differ() -> None:
    cohorts = [make(), make()]
    assert len({cohort.keys[name].public_key for cohort in cohorts for name in NAMES}) == 6


def test_keys_do_not_open_in_another_cohort_s_place() -> None:
    cohort = make()
    for change in (
        {"cohort": "orders-2029-12-0a1b2c3d"},
        {"archive": "f" * 32},
        {"keys": {**cohort.keys, "base": cohort.keys["index"]}},
    ):
        with pytest.raises(KeyUnavailableError):
            opened(cohort.model_copy(update=change), "base")


def test_a_cohort_s_document_survives_being_stored() -> None:
    cohort = make()
    again = Cohort.model_validate_json(cohort.model_dump_json())
    assert again == cohort
    assert opened(again, "base") == opened(cohort, "base")


# --- keys of objects -----------------------------------------------------------------------------


def test_an_object_s_key_opens_with_its_cohort_s_pair() -> None:
    cohort = make()
    for name in NAMES:
        manifest_line = stored("orders/a", **{name: seal_kek(cohort, name, KEK, "orders/a")})
        assert open_kek(cohort, name, opened(cohort, name), manifest_line) == KEK


def test_an_object_s_key_does_not_open_in_another_place() -> None:
    cohort = make()
    sealed = seal_kek(cohort, "base", KEK, "orders/a")
    base, index = opened(cohort, "base"), opened(cohort, "index")
    with pytest.raises(KeyUnavailableError):
        open_kek(cohort, "base", base, stored("orders/b", base=sealed))
    with pytest.raises(KeyUnavailableError):
        open_kek(cohort, "index", base, stored("orders/a", index=sealed))
    with pytest.raises(KeyUnavailableError):
        open_kek(cohort, "base", index, stored("orders/a", base=sealed))
    other_archive = cohort.model_copy(update={"archive": "f" * 32})
    with pytest.raises(KeyUnavailableError):
        open_kek(other_archive, "base", base, stored("orders/a", base=sealed))


def test_a_key_that_an_object_does_not_have_is_named() -> None:
    cohort = make()
    with pytest.raises(KeyUnavailableError, match=r"reveal key.*orders/a has none"):
        open_kek(cohort, "reveal", opened(cohort, "reveal"), stored("orders/a"))


def test_a_document_s_public_half_is_its_raw_bytes() -> None:
    pair = KeyPair.generate()
    root = Root(
        public_key=base64.b64encode(pair.public_key).decode(),
        protection=RootProtection(kind="file"),
    )
    assert public_half(root) == pair.public_key
