"""What only somebody outside can tell: a witness, an authority."""

from dataclasses import replace
from pathlib import Path

from archiver import layout
from archiver.archive import Archive
from archiver.ledger import Ledger
from archiver.signed_note import COSIGNATURE, VerifierKey
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


def test_a_time_stamp_that_stamps_nothing_and_a_foreign_cosignature_are_named(
    site: Site,
) -> None:
    size = layout.checkpoint_size(site.key("checkpoints/")) or 0
    until = site.archive.evidence_until()
    site.store.overwrite(layout.timestamp_key(size, "tsa"), b"0\x03none", retain_until=until)
    site.store.overwrite(layout.cosignature_key(size, "w1"), b"none\n", retain_until=until)
    key = VerifierKey(name="w1", public_key=bytes(32), signs=COSIGNATURE)
    trusted = Circle(
        witnesses=[EndpointWitness(name="w1", url="http://127.0.0.1:9/", keys=[key])],
        authorities=[Authority(name="tsa", url="http://127.0.0.1:9/", trust=Trust(roots=()))],
    )
    store = PlainFiles(plain_copy(site.store, site.desk.place.folder / "copy"))
    ground = replace(
        bare_ground(site.desk.place, store, site.desk.clock),
        scope=PLAIN_FILES,
        circle=lambda _archive: trusted,
    )
    alarms = Verification(ground, full=True).run().alarms
    assert codes(alarms) == {"timestamp-invalid", "cosignature-invalid"}
