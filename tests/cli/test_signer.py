"""`archiver signer`: a key is certified, another one revoked, and nights keep to it."""

from pathlib import Path

from tests.cli.conftest import Terminal


def test_a_host_whose_signer_was_revoked_seals_again_with_a_new_key(founded: Terminal) -> None:
    founded.shop(orders=20, days=2)
    assert founded.archiver("nightly").exit in (0, 3)
    refused = founded.json("signer", "add")
    assert (refused.exit, refused.codes) == (2, ["request"])

    gone = founded.archiver("signer", "revoke", "1", "--reason", "stolen")
    assert (gone.exit, "archiver signer add --replace" in gone.out) == (0, True)
    night = founded.json("nightly")
    assert (night.exit, night.codes) == (2, ["signer-revoked"])
    assert night.document["alarms"][0]["next"].startswith("archiver signer add --replace")

    added = founded.archiver("signer", "add", "--replace", lang="zh_CN.UTF-8")
    assert (added.exit, "第 2 号签名者已认证" in added.out) == (0, True)
    assert founded.json("nightly").exit in (0, 3)
    signers = founded.json("signer", "list").document["signers"]
    assert [(one["number"], one["here"], one["reason"]) for one in signers] == [
        (1, False, "stolen"),
        (2, True, None),
    ]
    assert "stolen" in founded.archiver("signer", "list").out
    assert founded.json("verify", "--full").exit == 0


def test_what_is_missing_or_unknown_is_told_and_leaves_nothing(
    founded: Terminal, tmp_path: Path
) -> None:
    unknown = founded.json("signer", "revoke", "7", "--reason", "?")
    assert (unknown.exit, unknown.codes) == (2, ["request"])
    absent = str(tmp_path / "nowhere.key")
    for arguments in (("add", "-o", str(tmp_path / "other.key")), ("revoke", "1", "--reason", "?")):
        ran = founded.json("signer", *arguments, "--identity", absent)
        assert (ran.exit, ran.codes) == (2, ["key-unavailable"])
    assert not list(founded.folder.glob("*.new"))
    (one,) = founded.json("signer", "list").document["signers"]
    assert one["revoked_at"] is None


def test_a_key_for_another_host_leaves_this_one_as_it_is(founded: Terminal) -> None:
    before = (founded.folder / "signer.key").read_bytes()
    output = founded.folder / "other.key"
    assert founded.json("signer", "add", "--output", str(output)).document["number"] == 2
    assert (founded.folder / "signer.key").read_bytes() == before
    assert output.stat().st_mode & 0o777 == 0o600
