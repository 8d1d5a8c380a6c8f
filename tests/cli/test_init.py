"""Founding an archive: what is made, what people are told, what the template says."""

import tomllib

import pytest

from archiver.configuration import parse_configuration
from tests.cli.conftest import Terminal


def test_the_template_is_a_configuration(terminal: Terminal) -> None:
    ran = terminal.run("init", "--template")
    assert ran.exit == 0
    made = parse_configuration(tomllib.loads(ran.out))
    assert made.retention.years == 3
    assert made.source[0].preset == "dujiaoka"
    assert ran.out.startswith("# archiver.toml")
    assert terminal.run("init", "--template", "--json").document["template"] == ran.out


def test_founding_tells_where_every_key_belongs(terminal: Terminal) -> None:
    ran = terminal.json("init")
    assert ran.exit == 0
    told = ran.document
    assert told["outcome"] == "done"
    assert len(told["archive"]) == 32
    assert told["lock"] == "advisory"
    keys = {key["key"]: key for key in told["keys"]}
    assert set(keys) == {"root", "reveal_root", "identity", "signer", "token", "anchor"}
    assert "two places" in keys["root"]["keep"]
    assert "apart from the other root" in keys["reveal_root"]["keep"]
    assert "offline" in keys["identity"]["keep"]
    assert keys["signer"]["keep"].startswith("Stays")


@pytest.mark.parametrize(
    ("lang", "loss", "backup"),
    [
        ("en", "nobody can ever read it again", "Back up now"),
        ("zh", "永远无法读取", "请立即备份"),
    ],
)
def test_nobody_can_overlook_what_must_be_backed_up(
    terminal: Terminal, lang: str, loss: str, backup: str
) -> None:
    ran = terminal.archiver("init", "--lang", lang)
    assert ran.exit == 0
    for said in (loss, backup, "root.key", "reveal-root.key", "identity.key", "archive.json"):
        assert said in ran.out
    assert "archiver nightly" in ran.out


def test_a_passphrase_is_not_a_file_to_copy(terminal: Terminal) -> None:
    terminal.configure(("[[source]]", '[keys]\nroot = "passphrase:ROOT"\n[[source]]'))
    terminal.environment["ROOT"] = "correct horse battery staple, more than once"
    keys = {key["key"]: key for key in terminal.json("init").document["keys"]}
    assert keys["root"]["place"] == "passphrase:ROOT"
    assert "Write the passphrase down" in keys["root"]["keep"]


def test_no_key_is_ever_printed(terminal: Terminal) -> None:
    ran = terminal.archiver("init", "-v")
    for path in terminal.folder.glob("*.key"):
        for secret in path.read_text("utf-8").split('"'):
            assert len(secret) < 40 or secret not in ran.out + ran.err
