"""`archiver verify` as people and scripts meet it."""

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Terminal


@pytest.fixture
def sealed(founded: Terminal) -> Terminal:
    """A terminal on an archive with some sealed days."""
    founded.shop()
    founded.archiver("nightly")
    return founded


def an_object(terminal: Terminal, kind: str = "orders") -> Path:
    """Return a file of the vault."""
    return next(path for path in (terminal.folder / "vault" / kind).rglob("*") if path.is_file())


def test_a_sound_archive_ends_with_0_and_status_shows_the_coverage(sealed: Terminal) -> None:
    assert sealed.json("status").document["verification"]["last"] is None
    ran = sealed.json("verify", "--workers", "1")
    assert ran.exit == 0
    document = ran.document
    assert document["alarms"] == []
    assert document["opened"] is True
    assert document["checked"]["objects_read"] == document["checked"]["objects"] > 0
    covered = sealed.json("status").document["verification"]
    assert covered["last"] is not None
    assert covered["turns_read"] == covered["turns"] == 30
    assert "every byte was read again" in sealed.archiver("status").out
    people = sealed.archiver("verify", lang="zh_CN.UTF-8")
    assert "没有警报" in people.out
    _is_verified_as_a_copy_without_any_configuration(sealed)
    (sealed.folder / "root.key").rename(sealed.folder / "elsewhere.key")
    ran = sealed.archiver("verify")
    assert ran.exit == 0
    assert "base root is not on this host" in ran.out


def test_an_altered_object_ends_with_20_and_names_days_orders_and_what_is_next(
    sealed: Terminal,
) -> None:
    path = an_object(sealed)
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    ran = sealed.json("verify", "--full", "--workers", "2")
    assert ran.exit == 20
    assert ran.codes == ["altered"]
    (finding,) = [one for one in ran.document["findings"] if one["severity"] == "alarm"]
    assert finding["key"].startswith("orders/main/")
    assert finding["version_id"]
    assert len(finding["days"]) == 1
    assert finding["orders"] > 0
    assert finding["next"].startswith("archiver verify --offline COPY")
    people = sealed.archiver("verify", lang="zh_CN.UTF-8")
    assert people.exit == 20
    assert "altered" in people.out
    assert "字节与签名时的不同" in people.err


def _is_verified_as_a_copy_without_any_configuration(sealed: Terminal) -> None:
    copied = sealed.folder / "copy"
    shutil.copytree(sealed.folder / "vault", copied)
    anchor = sealed.folder / "archive.json"
    elsewhere = sealed.folder / "none.toml"
    arguments = ("verify", "--offline", str(copied), "--config", str(elsewhere), "--json")
    ran = sealed.run(*arguments, "--anchor", str(anchor))
    assert (ran.exit, ran.document["opened"]) == (0, False)
    assert sealed.run(*arguments).exit == 2
    shutil.rmtree(copied / "cohorts")
    assert "cohort-missing" in sealed.run(*arguments, "--anchor", str(anchor)).codes


@pytest.mark.parametrize("arguments", [("--anchor", "archive.json"), ("--offline", "nowhere")])
def test_what_cannot_be_verified_is_refused(founded: Terminal, arguments: tuple[str, ...]) -> None:
    ran = founded.json("verify", *arguments)
    assert ran.exit == 2
    assert ran.document["alarms"][0]["message"]
