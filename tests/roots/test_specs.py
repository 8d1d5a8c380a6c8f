from pathlib import Path

import pytest

from archiver.errors import ConfigurationError
from archiver.roots import FileRoot, KmsRoot, PassphraseRoot, RootSpec, parse_root_spec

FOLDER = Path("/etc/shop")


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("file:root.key", FileRoot(FOLDER / "root.key")),
        ("file:/run/keys/a:b.key", FileRoot(Path("/run/keys/a:b.key"))),
        ("passphrase:ROOT_PASSPHRASE", PassphraseRoot("ROOT_PASSPHRASE")),
        ("aws-kms:alias/archive", KmsRoot("alias/archive")),
        (
            "aws-kms:arn:aws-cn:kms:cn-north-1:1:key/mrk-1",
            KmsRoot("arn:aws-cn:kms:cn-north-1:1:key/mrk-1"),
        ),
    ],
)
def test_an_entry_of_the_configuration_says_where_a_root_is(text: str, spec: RootSpec) -> None:
    assert parse_root_spec(text, FOLDER) == spec


def test_a_root_reads_as_it_is_written() -> None:
    for text in ("file:/run/root.key", "passphrase:NAME", "aws-kms:alias/archive"):
        assert str(parse_root_spec(text, FOLDER)) == text


@pytest.mark.parametrize(
    "text", ["", "root.key", "file:", "passphrase:", "passphrase:no name", "aws-kms:", "vault:x"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="file:PATH"):
        parse_root_spec(text, FOLDER)


def test_a_passphrase_written_in_place_of_its_variable_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        parse_root_spec("passphrase:correct horse battery", FOLDER)
    assert "horse" not in str(refusal.value)
