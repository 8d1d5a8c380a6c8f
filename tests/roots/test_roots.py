import base64
import os
import traceback
from pathlib import Path

import pytest

from archiver.errors import AlreadyInitialisedError, ConfigurationError, KeyUnavailableError
from archiver.keyring import KeyPair, seal
from archiver.roots import (
    FileRoot,
    KmsRoot,
    PassphraseCost,
    PassphraseRoot,
    RootName,
    RootSpec,
    create_root,
    open_root,
    refuse_equal_roots,
)
from schemas.documents import Root

ARCHIVE = "0123456789abcdef" * 2
OTHER_ARCHIVE = "f" * 32
PASSPHRASE = "correct horse 电池"
ENVIRONMENT = {
    "ROOT": PASSPHRASE,
    "SAME": PASSPHRASE,
    "OTHER": "another long one",
    "SHORT": "2short",
}
CHEAP = PassphraseCost(iterations=1, lanes=1, memory_kib=64)
BY_PASSPHRASE = PassphraseRoot("ROOT")


def make(spec: RootSpec, role: RootName = "base", archive: str = ARCHIVE) -> Root:
    return create_root(spec, archive, role, environment=ENVIRONMENT, cost=CHEAP)


def open_(spec: RootSpec, root: Root, role: RootName = "base", archive: str = ARCHIVE) -> KeyPair:
    return open_root(spec, root, archive, role, environment=ENVIRONMENT)


def specs(folder: Path) -> list[RootSpec]:
    return [FileRoot(folder / "root.key"), BY_PASSPHRASE]


def test_a_root_opens_what_was_sealed_to_its_public_half(tmp_path: Path) -> None:
    for spec in specs(tmp_path):
        root = make(spec)
        sealed = seal(base64.b64decode(root.public_key), b"a cohort's seed", b"here")
        assert open_(spec, root).open(sealed, b"here") == b"a cohort's seed"


def test_two_roots_are_never_the_same() -> None:
    assert make(BY_PASSPHRASE).public_key != make(BY_PASSPHRASE).public_key


def test_a_key_file_is_never_replaced(tmp_path: Path) -> None:
    spec = FileRoot(tmp_path / "root.key")
    root = make(spec)
    with pytest.raises(AlreadyInitialisedError):
        make(spec)
    assert open_(spec, root)


def test_the_document_alone_does_not_hold_the_seed(tmp_path: Path) -> None:
    for spec in specs(tmp_path):
        root = make(spec)
        seed = open_(spec, root).seed
        kept = root.model_dump_json().encode() + base64.b64decode(root.protection.sealed or "")
        assert not any(seed[i : i + 8] in kept for i in range(0, len(seed), 8))


def test_swapped_roles_do_not_open(tmp_path: Path) -> None:
    for spec in specs(tmp_path):
        with pytest.raises(KeyUnavailableError):
            open_(spec, make(spec, "base"), "reveal")


def test_another_archive_s_root_does_not_open(tmp_path: Path) -> None:
    for spec in specs(tmp_path):
        with pytest.raises(KeyUnavailableError):
            open_(spec, make(spec, archive=OTHER_ARCHIVE))


def test_a_file_with_another_root_of_the_same_archive_is_refused(tmp_path: Path) -> None:
    root = make(FileRoot(tmp_path / "old.key"))
    make(FileRoot(tmp_path / "new.key"))
    with pytest.raises(KeyUnavailableError, match=r"new\.key does not hold this archive's base"):
        open_(FileRoot(tmp_path / "new.key"), root)


def test_a_root_kept_another_way_than_configured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError, match="was made with passphrase:"):
        open_(FileRoot(tmp_path / "root.key"), make(BY_PASSPHRASE))


# --- passphrases -------------------------------------------------------------------------------


def test_a_wrong_passphrase_does_not_open() -> None:
    with pytest.raises(KeyUnavailableError, match="given at init"):
        open_(PassphraseRoot("OTHER"), make(BY_PASSPHRASE))


def test_a_missing_passphrase_is_asked_for_by_its_variable() -> None:
    for environment in ({}, {"ROOT": ""}):
        with pytest.raises(KeyUnavailableError, match="variable ROOT"):
            create_root(BY_PASSPHRASE, ARCHIVE, "base", environment=environment)
        with pytest.raises(KeyUnavailableError, match="variable ROOT"):
            open_root(BY_PASSPHRASE, make(BY_PASSPHRASE), ARCHIVE, "base", environment=environment)


def test_a_short_passphrase_is_refused_when_the_root_is_made() -> None:
    with pytest.raises(KeyUnavailableError, match="at least 8"):
        make(PassphraseRoot("SHORT"))


def test_one_passphrase_typed_on_two_keyboards_is_one_passphrase() -> None:
    root = create_root(
        BY_PASSPHRASE, ARCHIVE, "base", environment={"ROOT": "caf\u00e9 au lait"}, cost=CHEAP
    )
    assert open_root(
        BY_PASSPHRASE, root, ARCHIVE, "base", environment={"ROOT": "cafe\u0301 au lait"}
    )


def test_a_passphrase_may_hold_any_bytes() -> None:
    environment = {"ROOT": os.fsdecode(b"\xff\xfe\xfd not UTF-8")}
    root = create_root(BY_PASSPHRASE, ARCHIVE, "base", environment=environment, cost=CHEAP)
    assert open_root(BY_PASSPHRASE, root, ARCHIVE, "base", environment=environment)


def test_every_flipped_byte_of_a_sealed_seed_is_refused() -> None:
    root = make(BY_PASSPHRASE)
    sealed = base64.b64decode(root.protection.sealed or "")
    for position in range(len(sealed)):
        flipped = bytearray(sealed)
        flipped[position] ^= 1
        altered = root.protection.model_copy(update={"sealed": base64.b64encode(flipped).decode()})
        with pytest.raises(KeyUnavailableError):
            open_(BY_PASSPHRASE, root.model_copy(update={"protection": altered}))


@pytest.mark.parametrize(
    "change",
    [
        {"sealed": None},
        {"sealed": "AAAA"},
        {"sealed": "A"},
        {"salt": None},
        {"salt": "AAAAAAAAAAAAAAAAAAAAAA=="},
        {"iterations": None},
        {"iterations": 2},
        {"lanes": 0},
        {"memory_kib": 128},
    ],
)
def test_altered_parameters_are_refused(change: dict[str, object]) -> None:
    root = make(BY_PASSPHRASE)
    altered = root.protection.model_copy(update=change)
    with pytest.raises(KeyUnavailableError):
        open_(BY_PASSPHRASE, root.model_copy(update={"protection": altered}))


def test_a_public_half_that_was_exchanged_is_noticed() -> None:
    stranger = base64.b64encode(KeyPair.generate().public_key).decode()
    root = make(BY_PASSPHRASE).model_copy(update={"public_key": stranger})
    with pytest.raises(KeyUnavailableError, match="does not hold this archive's base root"):
        open_(BY_PASSPHRASE, root)


def test_a_guess_costs_what_the_module_says() -> None:
    cost = PassphraseCost()
    assert (cost.iterations, cost.lanes, cost.memory_kib) == (3, 4, 262144)
    root = create_root(BY_PASSPHRASE, ARCHIVE, "base", environment=ENVIRONMENT)
    assert (root.protection.iterations, root.protection.memory_kib) == (3, 262144)
    assert open_(BY_PASSPHRASE, root)


# --- equal roots -------------------------------------------------------------------------------


def refuse(base: RootSpec, reveal: RootSpec) -> None:
    with pytest.raises(ConfigurationError, match="are the same") as refusal:
        refuse_equal_roots(base, reveal, environment=ENVIRONMENT)
    assert PASSPHRASE not in str(refusal.value)


def test_one_file_for_both_roots_is_refused_by_whatever_name(tmp_path: Path) -> None:
    base = FileRoot(tmp_path / "root.key")
    refuse(base, base)  # also before it exists
    make(base)
    (tmp_path / "soft.key").symlink_to("root.key")
    (tmp_path / "hard.key").hardlink_to(base.path)
    (tmp_path / "folder").symlink_to(tmp_path)
    for name in ("soft.key", "hard.key", "folder/root.key", f"../{tmp_path.name}/root.key"):
        refuse(base, FileRoot(tmp_path / name))


def test_a_link_to_a_file_that_is_still_to_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reveal.key").symlink_to("root.key")
    refuse(FileRoot(tmp_path / "root.key"), FileRoot(tmp_path / "reveal.key"))


def test_one_passphrase_for_both_roots_is_refused() -> None:
    refuse(BY_PASSPHRASE, BY_PASSPHRASE)
    refuse(BY_PASSPHRASE, PassphraseRoot("SAME"))
    refuse(PassphraseRoot("UNSET"), PassphraseRoot("UNSET"))


def test_one_kms_key_for_both_roots_is_refused() -> None:
    refuse(KmsRoot("alias/archive"), KmsRoot("alias/archive"))


def test_different_roots_pass(tmp_path: Path) -> None:
    base, reveal = FileRoot(tmp_path / "root.key"), FileRoot(tmp_path / "reveal.key")
    pairs: list[tuple[RootSpec, RootSpec]] = [
        (base, reveal),
        (base, BY_PASSPHRASE),
        (BY_PASSPHRASE, PassphraseRoot("OTHER")),
        (PassphraseRoot("UNSET"), PassphraseRoot("UNSET_TOO")),  # a night knows neither
        (KmsRoot("alias/one"), KmsRoot("alias/other")),
        (KmsRoot("alias/one"), base),
    ]
    for one, other in pairs:
        refuse_equal_roots(one, other, environment=ENVIRONMENT)
    make(base)
    make(reveal, "reveal")
    refuse_equal_roots(base, reveal, environment={})


# --- nothing leaks -----------------------------------------------------------------------------


def test_no_error_or_repr_shows_a_seed_or_a_passphrase(tmp_path: Path) -> None:
    shown: list[str] = []
    secrets: list[str] = [PASSPHRASE, "电池"]
    for spec in specs(tmp_path):
        root = make(spec)
        pair = open_(spec, root)
        secrets += [pair.seed[:8].hex(), repr(pair.seed[:8])[2:-1]]
        shown += [repr(pair), str(pair), repr(spec), f"{[pair]}"]
        for archive, role in ((OTHER_ARCHIVE, "base"), (ARCHIVE, "reveal")):
            with pytest.raises(KeyUnavailableError) as refusal:
                open_(spec, root, "reveal" if role == "reveal" else "base", archive)
            shown += ["".join(traceback.format_exception(refusal.value)), repr(refusal.value)]
            shown.append(refusal.value.text("zh"))
    assert not any(secret in text for secret in secrets for text in shown)
