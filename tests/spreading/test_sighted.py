"""Looks around tell witnesses, too: what was sighted is out of reach minutes later."""

from datetime import timedelta
from pathlib import Path

from archiver.catalog import Catalog
from archiver.errors import ConfigurationError, Exit
from archiver.ledger import origin
from archiver.sightings import Looked, look_around
from archiver.spreading import Circle
from archiver.witnesses import FileWitness
from archiver.witnesses.file import line
from tests.archives import Silent
from tests.desk import Desk
from tests.sightings.sales import mapped, shop, sold
from tests.witnesses.logs import SmallLog


def around(desk: Desk, share: FileWitness) -> Looked:
    archive = desk.open()
    catalog = Catalog(archive, desk.place.folder / "index" / "manifests")
    circle = Circle(witnesses=[share])
    return look_around(archive, catalog, [mapped(desk)], Silent(), lambda: circle)


def test_a_look_tells_witnesses_and_leaves_who_is_late_to_the_night(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    share = FileWitness(name="share", path=tmp_path / "heads")
    looked = around(desk, share)
    assert looked.failures == []
    assert looked.spread is not None
    assert looked.ledger is not None
    assert looked.spread.holdings[0].size == looked.ledger.ledger.size
    assert around(desk, share).spread is None  # nothing new, nobody is asked

    share.path.rename(tmp_path / "away")
    for days, number in ((0, 20), (2, 21)):
        desk.clock.instant += timedelta(days=days, minutes=1)
        desk.rows.append(sold(number, desk.clock.instant))
        late = around(desk, share)
        assert (late.exit, late.failures) == (Exit.DONE, [])
        assert late.spread is not None
        assert late.spread.holdings[0].behind_since is not None

    # Somebody was told a longer history by this archive's own signer.
    archive = desk.open()
    other = SmallLog(key=archive.night_keys().signer, origin=origin(archive.id)).grow(99)
    share.path.write_bytes(line(other.head, desk.clock.now()))
    desk.clock.instant += timedelta(minutes=1)
    desk.rows.append(sold(22, desk.clock.instant))
    contradicted = around(desk, share)
    assert contradicted.exit is Exit.ALARM
    assert [one.code for one in contradicted.failures] == ["witness-ahead"]


def test_a_mistake_in_a_witness_keeps_no_order_from_being_sighted(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    archive = desk.open()

    def mistaken() -> Circle:
        raise ConfigurationError(detail="tsa.pem")

    catalog = Catalog(archive, tmp_path / "index" / "manifests")
    looked = look_around(archive, catalog, [mapped(desk)], Silent(), mistaken)
    assert looked.sighted == 3
    assert looked.ledger is not None
    assert [one.code for one in looked.failures] == ["configuration"]
