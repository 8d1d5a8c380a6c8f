import errno
import json
import os
import stat
from pathlib import Path

import pytest

from archiver.errors import (
    AlreadyInitialisedError,
    ConfigurationError,
    KeyUnavailableError,
    LocalDiskError,
)
from archiver.roots import RootName
from archiver.roots.secret_files import (
    SECRET_SIZES,
    SecretKind,
    create_secret_file,
    may_be_read_by_others,
    read_secret_file,
)

ARCHIVE = "0123456789abcdef" * 2
SECRET = bytes(range(32))
KINDS: list[SecretKind] = ["root", "identity", "signer", "token"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "identity.key"


@pytest.fixture
def written(path: Path) -> Path:
    create_secret_file(path, "identity", ARCHIVE, SECRET)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_written_is_read(path: Path, kind: SecretKind) -> None:
    secret = os.urandom(SECRET_SIZES[kind])
    role: RootName | None = "base" if kind == "root" else None
    create_secret_file(path, kind, ARCHIVE, secret, role=role)
    assert read_secret_file(path, kind, ARCHIVE, role=role) == secret


def test_a_root_file_is_what_the_format_says(path: Path) -> None:
    seed = bytes(range(96))
    create_secret_file(path, "root", ARCHIVE, seed, role="reveal")
    assert json.loads(path.read_text()) == {
        "format": 1,
        "kind": "root",
        "role": "reveal",
        "archive": ARCHIVE,
        "seed": seed.hex(),
    }


def test_only_its_owner_may_read_it_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        create_secret_file(path, "identity", ARCHIVE, SECRET)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_secret_of_another_size_is_a_bug(path: Path) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        create_secret_file(path, "identity", ARCHIVE, SECRET[:-1])
    assert not path.exists()


def test_a_file_is_never_replaced(written: Path) -> None:
    before = written.read_bytes()
    with pytest.raises(AlreadyInitialisedError, match=r"identity\.key exists"):
        create_secret_file(written, "identity", ARCHIVE, bytes(32))
    assert written.read_bytes() == before


def test_a_link_is_not_followed_when_writing(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AlreadyInitialisedError):
        create_secret_file(path, "identity", ARCHIVE, SECRET)
    assert not (tmp_path / "elsewhere").exists()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        create_secret_file(tmp_path / "nowhere" / "x.key", "identity", ARCHIVE, SECRET)


def test_a_full_disk_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LocalDiskError, match="No space left"):
        create_secret_file(path, "identity", ARCHIVE, SECRET)
    assert not path.exists()


def test_file_and_folder_are_durable_before_it_returns(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def recording(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recording)
    create_secret_file(path, "identity", ARCHIVE, SECRET)
    assert synced == [str(path), str(path.parent)]


def test_a_link_is_followed_when_reading(written: Path, tmp_path: Path) -> None:
    (tmp_path / "link.key").symlink_to(written)
    assert read_secret_file(tmp_path / "link.key", "identity", ARCHIVE) == SECRET


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o660, 0o620, 0o666])
def test_a_file_that_others_can_read_is_refused_with_the_remedy(written: Path, mode: int) -> None:
    written.chmod(mode)
    with pytest.raises(KeyUnavailableError, match=f"chmod 600 {written}"):
        read_secret_file(written, "identity", ARCHIVE)
    written.chmod(0o600)
    assert read_secret_file(written, "identity", ARCHIVE) == SECRET


@pytest.mark.parametrize(
    ("mode", "owner", "us", "refused"),
    [
        (0o100600, 1000, 1000, False),
        (0o100400, 1000, 1000, False),
        (0o100640, 1000, 1000, True),
        (0o100640, 0, 1000, False),  # systemd and Kubernetes lend files like this
        (0o100660, 0, 1000, True),
        (0o100644, 0, 1000, True),
        (0o100640, 0, 0, True),
    ],
)
def test_root_may_lend_a_file_to_our_group(mode: int, owner: int, us: int, refused: bool) -> None:
    assert may_be_read_by_others(mode, owner, us) is refused


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(KeyUnavailableError, match=r"identity\.key: No such file"):
        read_secret_file(path, "identity", ARCHIVE)


def test_a_folder_or_a_pipe_is_no_key_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for odd in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(KeyUnavailableError, match="not a regular file"):
            read_secret_file(odd, "identity", ARCHIVE)


def test_a_key_of_another_kind_is_named_as_what_it_is(written: Path) -> None:
    with pytest.raises(KeyUnavailableError, match="holds the identity key, not the signer key"):
        read_secret_file(written, "signer", ARCHIVE)


def test_the_other_root_is_refused(path: Path) -> None:
    create_secret_file(path, "root", ARCHIVE, bytes(96), role="base")
    with pytest.raises(KeyUnavailableError, match="holds the base root, not the reveal root"):
        read_secret_file(path, "root", ARCHIVE, role="reveal")


def test_a_key_of_another_archive_is_refused(written: Path) -> None:
    with pytest.raises(KeyUnavailableError, match="another archive"):
        read_secret_file(written, "identity", "f" * 32)


SOUND = {"format": 1, "kind": "identity", "archive": ARCHIVE, "secret": SECRET.hex()}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b"[" * 4000,
        SECRET.hex().encode(),
        json.dumps(SOUND)[:-5].encode(),
        json.dumps(SOUND | {"format": 2}).encode(),
        json.dumps(SOUND | {"kind": SECRET.hex()}).encode(),
        json.dumps(SOUND | {"kind": "signer", "role": SECRET.hex()}).encode(),
        json.dumps(SOUND | {"archive": SECRET.hex()}).encode(),
        json.dumps(SOUND | {"secret": SECRET.hex()[:-2]}).encode(),
        json.dumps(SOUND | {"secret": SECRET.hex()[:-1] + "x"}).encode(),
        json.dumps(SOUND | {"secret": 7}).encode(),
        json.dumps({k: v for k, v in SOUND.items() if k != "secret"}).encode(),
    ],
)
def test_a_damaged_file_is_refused_and_none_of_it_is_repeated(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(KeyUnavailableError) as refusal:
        read_secret_file(path, "identity", ARCHIVE)
    assert str(path) in str(refusal.value)
    assert SECRET.hex()[:8] not in str(refusal.value) + refusal.value.text("zh")
    assert refusal.value.__context__ is None
