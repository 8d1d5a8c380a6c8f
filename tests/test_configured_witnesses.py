"""What `[[witness]]` and `[[timestamp]]` mean, and what is refused at once."""

from pathlib import Path
from typing import Any

import pytest

from archiver.configuration import parse_configuration
from archiver.configured_witnesses import ConfiguredWitnesses
from archiver.errors import ConfigurationError
from archiver.signed_note import COSIGNATURE, VerifierKey
from archiver.spreading import Circle
from archiver.stores.directory import DirectoryStore
from archiver.stores.s3 import S3Store
from archiver.witnesses import EndpointWitness, FileWitness, StoreWitness
from tests.ledger.books import Books
from tests.servers.authority import issue

KEY = str(VerifierKey(name="witness.example/w1", public_key=bytes(32), signs=COSIGNATURE))
PLAIN_KEY = str(VerifierKey(name="witness.example/w1", public_key=bytes(32)))
SECOND = {
    "name": "vault",
    "url": "s3://other/place",
    "endpoint": "http://127.0.0.1:1",
    "region": "us-east-1",
    "access_key_env": "W_ACCESS",
    "secret_key_env": "W_SECRET",
}
ENVIRONMENT = {"W_ACCESS": "a", "W_SECRET": "CanarySecret", "TSA": "Bearer CanaryToken"}


def circle(folder: Path, **sections: Any) -> Circle:  # noqa: ANN401  as TOML gives them
    basis = {"name": "shop-1", "role": "platform", "legal_basis": "电子商务法第三十一条"}
    store = {"url": "s3://bucket/shop"}
    configuration = parse_configuration({"archive": basis, "store": store, **sections})
    configured = ConfiguredWitnesses(configuration, folder, ENVIRONMENT)
    return configured.circle(Books.found(folder).archive())


def test_each_kind_of_witness_is_told_by_its_address(tmp_path: Path) -> None:
    sections = [
        {"name": "share", "url": "file:heads"},
        {"name": "disk", "url": "dir:/mnt/vault"},
        SECOND,
        {"name": "notary", "url": "https://witness.example/log", "keys": [KEY]},
    ]
    share, disk, vault, notary = circle(tmp_path, witness=sections).witnesses
    assert isinstance(share, FileWitness)
    assert share.path == tmp_path / "heads"
    assert isinstance(disk, StoreWitness)
    assert isinstance(disk.store, DirectoryStore)
    assert isinstance(vault, StoreWitness)
    assert isinstance(vault.store, S3Store)
    assert isinstance(notary, EndpointWitness)
    assert [str(key) for key in notary.keys] == [KEY]
    assert "Canary" not in repr((share, disk, vault, notary))


def test_an_authority_has_its_certificates_and_what_it_knows_us_by(tmp_path: Path) -> None:
    (tmp_path / "tsa.pem").write_bytes(issue("Root", authority=True).pem)
    section = {"name": "tsa", "url": "https://tsa.example/x", "ca": "tsa.pem"}
    (known,) = circle(tmp_path, timestamp=[{**section, "authorization_env": "TSA"}]).authorities
    assert known.authorization == "Bearer CanaryToken"
    assert len(known.trust.roots) == 1
    assert "Canary" not in repr(known)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a server without keys": ({"name": "n", "url": "https://w.example"}, "verifier keys"),
    "a file with keys": ({"name": "n", "url": "file:x", "keys": [KEY]}, "verifier keys"),
    "a second store without credentials of its own": (
        {"name": "n", "url": "s3://other/place"},
        "credentials of its own",
    ),
    "half of a pair of keys": (
        {"name": "n", "url": "s3://other/place", "access_key_env": "A"},
        "belong together",
    ),
    "a file with credentials": ({"name": "n", "url": "file:x", "profile": "p"}, "belong to s3"),
    "the store itself": ({**SECOND, "url": "s3://bucket/shop/", "endpoint": None}, "the store"),
    "an unknown key": ({"name": "n", "url": "file:x", "kyes": [KEY]}, "kyes"),
    "an unknown kind": ({"name": "n", "url": "ftp://x"}, "url"),
    "a name that is a path": ({"name": "../n", "url": "file:x"}, "name"),
    "no key at all": ({"name": "n", "url": "http://w", "keys": ["w+00+AA"]}, "keys holds"),
    "a log's key": ({"name": "n", "url": "http://w", "keys": [PLAIN_KEY]}, "keys holds"),
    "a variable that is not there": ({**SECOND, "secret_key_env": "NO"}, "no NO"),
    "an endpoint with a password": ({**SECOND, "endpoint": "http://u:p@h"}, "vault: "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, case: str) -> None:
    section, said = REFUSED[case]
    with pytest.raises(ConfigurationError, match=said) as found:
        circle(tmp_path, witness=[section])
    assert any(letter >= "\u4e00" for letter in found.value.text("zh"))


@pytest.mark.parametrize("kind", ["witness", "timestamp"])
def test_two_of_one_name_are_refused(tmp_path: Path, kind: str) -> None:
    witness = {"name": "n", "url": "file:x"}
    authority = {"name": "n", "url": "http://x", "ca": "x.pem"}
    with pytest.raises(ConfigurationError, match="same name"):
        circle(tmp_path, **{kind: [witness if kind == "witness" else authority] * 2})
