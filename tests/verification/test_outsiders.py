"""What only somebody outside can tell: a witness, an authority."""

from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import layout
from archiver.archive import Archive
from archiver.ledger import Ledger, verifier_keys
from archiver.signed_note import COSIGNATURE, VerifierKey, cosign, open_note
from archiver.spreading import Circle, spread
from archiver.timestamps import Authority, Trust
from archiver.verification.offline import PlainFiles
from archiver.verification.scope import PLAIN_FILES
from archiver.verification.verifying import Verification
from archiver.witnesses import EndpointWitness, FileWitness
from tests import cards
from tests.desk import at
from tests.verification.grounds import bare_ground, codes, plain_copy
from tests.verification.sites import Site, attacked

# --- what only somebody outside can tell --------------------------------------------------------


def circle(folder: Path) -> Circle:
    """Return a witness that is a file elsewhere."""
    return Circle(witnesses=[FileWitness(name="notary", path=folder / "heads.jsonl")])


def witnessed(site: Site, folder: Path) -> set[str]:
    """Verify with a witness, and return the codes of alarms."""
    return codes(site.verified(circle=lambda _archive: circle(folder)).alarms)


def a_night_more(site: Site, paid: str) -> None:
    """Live for a day longer."""
    site.desk.rows.append(cards.order(500, at(5, 9), paid=paid))
    site.desk.night_of(5)


def test_an_archive_set_back_together_with_its_host_is_named_by_a_witness(
    site: Site, tmp_path: Path
) -> None:
    with attacked(site.desk, tmp_path / "old") as older:
        a_night_more(site, "5.00")
        assert witnessed(site, tmp_path) == set()
        older.desk.clock.instant = site.desk.clock.instant
        assert codes(older.verified().alarms) == set()  # nobody here can tell
        assert witnessed(older, tmp_path) == {"witness-ahead"}


def test_what_a_night_adds_while_it_is_verified_is_no_alarm(site: Site, tmp_path: Path) -> None:
    assert witnessed(site, tmp_path) == set()

    def meanwhile(archive: Archive) -> Circle:
        a_night_more(site, "5.00")
        ledger = Ledger(replace(archive, memory=None))
        ledger.refresh()
        told = spread(archive, ledger, circle(tmp_path))
        assert told.holdings[0].size == ledger.size
        return circle(tmp_path)

    assert codes(site.verified(circle=meanwhile).alarms) == set()
    assert witnessed(site, tmp_path) == set()


def test_two_readers_who_are_told_different_histories_learn_it_from_a_witness(
    site: Site, tmp_path: Path
) -> None:
    with attacked(site.desk, tmp_path / "other") as other:
        other.desk.sources[:] = [replace(one, held=list(one.held)) for one in site.desk.sources]
        a_night_more(site, "5.00")
        a_night_more(other, "500.00")
        assert witnessed(site, tmp_path) == set()
        assert codes(other.verified().alarms) == set()
        assert witnessed(other, tmp_path) == {"split-view"}


def test_a_witness_that_says_nothing_is_no_alarm(site: Site, tmp_path: Path) -> None:
    seen = site.verified(circle=lambda _archive: circle(tmp_path / "not-mounted"))
    assert seen.alarms == []
    assert "witness-silent" in codes(seen.findings)


WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"w")


def trusted() -> Circle:
    """Return those whose answers are checked, and who are not asked."""
    public = WITNESS.public_key().public_bytes_raw()
    key = VerifierKey(name="w1", public_key=public, signs=COSIGNATURE)
    return Circle(
        witnesses=[EndpointWitness(name="w1", url="http://127.0.0.1:9/", keys=[key])],
        authorities=[Authority(name="tsa", url="http://127.0.0.1:9/", trust=Trust(roots=()))],
    )


def answer(site: Site) -> tuple[int, bytes]:
    """Return the ledger's size and what the witness signs under it."""
    key = site.key("checkpoints/")
    text = open_note(site.content(key), verifier_keys(site.archive), where=key)
    line = cosign(text, "w1", WITNESS, site.desk.clock.now())
    return layout.checkpoint_size(key) or 0, f"{line}\n".encode()


def test_what_lies_in_place_of_answers_and_beside_is_named_and_an_answer_kept_aside_is_none_of_it(
    site: Site,
) -> None:
    until = site.archive.evidence_until()
    size, cosignature = answer(site)
    foreign = {
        layout.timestamp_key(size, "tsa"): b"0\x03none",
        layout.timestamp_key(size, "tsa", "0badf00d"): b"",
        layout.cosignature_key(size, "w1"): b"none\n",
        layout.cosignature_key(size, "w1", "0badf00d"): b"\xff",
    }
    for key, content in foreign.items():
        site.store.overwrite(key, content, retain_until=until)
    aside = layout.cosignature_key(size, "w1", "600dcafe")
    site.store.overwrite(aside, cosignature, retain_until=until)
    store = PlainFiles(plain_copy(site.store, site.desk.place.folder / "copy"))
    ground = replace(
        bare_ground(site.desk.place, store, site.desk.clock),
        scope=PLAIN_FILES,
        circle=lambda _archive: trusted(),
    )
    seen = Verification(ground, full=True).run()
    assert codes(seen.alarms) == {"timestamp-invalid", "cosignature-invalid"}
    assert {one.key for one in seen.alarms} == foreign.keys()
    assert aside not in {one.key for one in seen.findings}


def test_a_newer_version_over_an_answer_is_named(site: Site, tmp_path: Path) -> None:
    size, cosignature = answer(site)
    key = layout.cosignature_key(size, "w1")
    notary = circle(tmp_path).witnesses
    known = replace(trusted(), witnesses=[*trusted().witnesses, *notary])
    until = site.archive.evidence_until()
    site.store.overwrite(key, cosignature, retain_until=until)
    version = site.store.overwrite(key, b"none\n", retain_until=until)
    alarms = site.verified(circle=lambda _archive: known).alarms
    assert codes(alarms) == {"cosignature-invalid", "shadowed"}
    assert {(one.key, one.version_id) for one in alarms} == {(key, version)}


def test_what_stands_aside_is_the_archive_s_own_and_other_names_beside_are_not(site: Site) -> None:
    size, cosignature = answer(site)
    until = site.archive.evidence_until()
    own = {layout.ledger_key(7, "0badf00d"), layout.checkpoint_key(size, "0badf00d")}
    foreign = {
        f"checkpoints/0{size}",
        f"ledger/cosignatures/{size}/W1.exe",
        f"ledger/timestamps/0{size}/tsa.tsr",
    }
    for key in own | foreign:
        site.store.overwrite(key, cosignature, retain_until=until)
    findings = site.verified().findings
    assert {one.key for one in findings if one.code == "foreign-object"} == foreign
