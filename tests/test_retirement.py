"""A source that another one continues: nothing is sealed twice, nothing is lost."""

import itertools
import shutil
from pathlib import Path

import pytest

from archiver import layout
from archiver.catalog import Catalog
from archiver.errors import RequestError, SourceGoneError, SourceRetiredError, TamperedError
from archiver.inheritance import Inheritance
from archiver.known import KnownOrders
from archiver.mapping import OrderMapping
from archiver.ports import ObjectStore
from archiver.retirement import IdMap, Retired, read_id_map, retire
from archiver.stores.memory import MemoryStore
from tests import cards
from tests.archives import RowsSource
from tests.census_shop import born, ids, night
from tests.desk import Desk, at, failure, founded, totals
from tests.faults import FaultyStore
from tests.hard_night import attempt


def shop(folder: Path, *rows: cards.Row, mapping: OrderMapping = cards.BORN) -> Desk:
    """Return an archive in which three orders of `main` are sealed, and `main` is gone."""
    desk = founded(folder, [*(born(n, at(4)) for n in (1, 2, 3)), *rows], mapping=mapping)
    assert desk.night().failures == []
    desk.clock.instant = at(5, 12)
    return desk


def moved(desk: Desk, *rows: cards.Row, mapping: OrderMapping = cards.PROXY) -> None:
    """Put another shop in the place of the first one."""
    desk.sources[:] = [RowsSource(mapping, [*rows], name="new", exact=True)]


def retired(
    desk: Desk,
    old: str = "main",
    new: str = "new",
    id_map: IdMap | None = None,
    store: ObjectStore | None = None,
) -> Retired:
    archive = desk.open(store)
    index = desk.place.folder / "index"
    catalog = Catalog(archive, index / "manifests")
    catalog.refresh()
    known = KnownOrders.open(archive, index / "known")
    known.catch_up(catalog)
    configured = [source.name for source in desk.sources]
    return retire(archive, catalog, known, old, new, configured=configured, ids=id_map)


def mapped(folder: Path, *lines: str) -> IdMap:
    file = folder / "ids.csv"
    file.write_text("\n".join(("old,new", *lines)))
    return read_id_map(file)


def test_orders_keep_being_known_under_the_source_that_continues_theirs(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    moved(desk, *(born(n, at(4)) for n in (1, 2, 3)), born(4, at(5)))
    assert not retired(desk).again

    report = night(desk, 5)

    assert report.failures == []
    assert totals(report) == {"read": 4, "orders": 1, "unchanged": 3}
    assert totals(night(desk, 6)) == {"read": 4, "unchanged": 4}
    assert totals(night(desk, 20))["unchanged"] == 4
    assert ids(desk) == ["N1/1", "N2/1", "N3/1", "N4/1"]
    # And on a new host.
    shutil.rmtree(desk.place.folder / "index")
    assert totals(night(desk, 21)) == {}
    assert len(ids(desk)) == 4


def test_without_a_retirement_the_old_source_is_missed_and_orders_are_others(
    tmp_path: Path,
) -> None:
    desk = shop(tmp_path)
    moved(desk, born(1, at(4)))
    report = night(desk, 5)
    assert isinstance(failure(report), SourceGoneError)
    assert totals(report)["orders"] == 1


def test_what_changes_under_the_new_name_is_the_next_revision(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    moved(desk, *(born(n, at(4)) for n in (1, 2, 3)), mapping=cards.OWN)
    retired(desk)
    desk.change(2, contact="before@the.night", touched_at=at(5, 13))
    night(desk, 5)
    desk.change(1, contact="somebody@else.example", touched_at=at(6))
    desk.change(3, state="refunded", closed_at=at(6), touched_at=at(4))
    assert totals(night(desk, 6))["revisions"] == 2
    assert ids(desk) == ["N1/1", "N2/1", "N3/1", "N2/2", "N1/2", "N3/2"]
    revised = desk.audit().revisions("N1", "new")
    assert [row["completed_at"] for row in revised] == [at(4)]
    assert totals(night(desk, 7)) == {"read": 3, "unchanged": 3}


def test_a_later_end_is_a_revision_though_nothing_says_when_it_was_touched(
    tmp_path: Path,
) -> None:
    desk = shop(tmp_path)
    moved(desk, born(1, at(4), closed_at=at(5, 20), touched_at=at(4)), mapping=cards.OWN)
    retired(desk)
    assert totals(night(desk, 5)) == {"read": 1, "revisions": 1}


def test_an_open_order_ends_under_the_new_name(tmp_path: Path) -> None:
    row = born(9, at(4), state="paid", done_at=None, begun_at=None, touched_at=None)
    desk = shop(tmp_path, row)
    moved(desk, born(9, at(4)), mapping=cards.BORN)
    retired(desk)
    assert totals(night(desk, 5))["revisions"] == 1
    (ended,) = desk.audit().revisions("N9", "new")
    assert (ended["revision"], ended["outcome"]) == (2, "completed")


def test_another_order_with_an_old_number_is_sealed(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    moved(desk, born(1, at(4)), born(2, at(5), days=5), mapping=cards.BORN)
    retired(desk)
    assert totals(night(desk, 5)) == {"read": 2, "orders": 1, "unchanged": 1}


def test_an_order_deleted_after_it_was_taken_over_is_missed(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    moved(desk, born(1, at(4)), born(2, at(4)), mapping=cards.BORN)
    retired(desk)
    assert night(desk, 5).failures == []  # that not all were imported is nobody's deed
    desk.remove(1)
    error = failure(night(desk, 6))
    assert "1 sealed orders are gone from source new" in str(error)


# --- ids that have changed -----------------------------------------------------------------------


def test_an_id_map_says_which_order_is_which(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    renamed = [born(n, at(4), no=f"X{n}") for n in (1, 2, 3)]
    moved(desk, *renamed, born(4, at(4), no="N1"), mapping=cards.BORN)
    found = retired(desk, id_map=mapped(tmp_path, "N1,X1", "N3,X3", "N77,X77"))
    assert (found.mapped, found.unknown) == (2, 1)

    report = night(desk, 5)

    assert report.failures == []
    # X2 is not in the map, and the new shop's N1 is not the old one's.
    assert totals(report) == {"read": 4, "orders": 2, "unchanged": 2}
    shutil.rmtree(desk.place.folder / "index")
    assert totals(night(desk, 20))["unchanged"] == 4


def test_a_chain_of_sources_is_followed_through_maps_and_without(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    desk.sources[:] = [RowsSource(cards.BORN, [], name="mid", exact=True)]
    retired(desk, "main", "mid", mapped(tmp_path, "N1,M1", "N2,M2"))
    desk.rows.append(born(7, at(5), no="M7"))
    night(desk, 5)
    desk.sources[:] = [RowsSource(cards.BORN, [], name="new", exact=True)]
    for number, name in ((1, "Z1"), (2, "Z2"), (7, "Z7"), (8, "Z8")):
        desk.rows.append(born(number, at(5) if number == 7 else at(4), no=name))
    found = retired(desk, "mid", "new", mapped(tmp_path, "M1,Z1", "M2,Z2", "M7,Z7", "M9,Z9"))
    assert (found.mapped, found.unknown) == (3, 1)
    assert totals(night(desk, 6)) == {"read": 4, "orders": 1, "unchanged": 3}
    desk.sources[:] = [RowsSource(cards.BORN, [*desk.rows], name="last", exact=True)]
    retired(desk, "new", "last")
    assert totals(night(desk, 7)) == {"read": 4, "unchanged": 4}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"N1,X1\nN2,X2\n", "first line must be: old,new"),
        (b"old,new\n", "0 lines"),
        (b"old,new\nN1,\n", "new is empty in 1 lines"),
        (b"old,new\n  ,X1\n", "old is empty"),
        (b"old,new\nN1,X1\nN1,X2\n", "1 ids stand twice in the column old"),
        (b"old,new\nN1,X1\nN2,X1\n", "1 ids stand twice in the column new"),
        (b"old,new\nCANARY,X1,7\n", "no CSV"),
        (b"old,new\nCANARY\xff,X1\n", "no CSV"),
        (b"", "no CSV"),
    ],
)
def test_an_id_map_that_does_not_say_which_order_is_which_is_refused(
    tmp_path: Path, content: bytes, said: str
) -> None:
    file = tmp_path / "ids.csv"
    file.write_bytes(content)
    with pytest.raises(RequestError, match=said) as refused:
        read_id_map(file)
    assert "CANARY" not in str(refused.value)


def test_an_id_map_may_come_from_a_spreadsheet(tmp_path: Path) -> None:
    file = tmp_path / "ids.csv"
    file.write_bytes('\ufeffnew,old\r\n"X,1",00012\r\n空,NULL\r\n'.encode())
    found = read_id_map(file)
    assert (found.old.to_pylist(), found.new.to_pylist()) == (["00012", "NULL"], ["X,1", "空"])
    with pytest.raises(RequestError, match="No such file"):
        read_id_map(tmp_path / "none.csv")


# --- wrong use -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("main", "main", "cannot continue itself"),
        ("other", "new", "nothing is sealed under other; there is: main"),
        ("main", "typo", r"no \[\[source\]\] typo; there is: new"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    desk = shop(tmp_path)
    moved(desk)
    with pytest.raises(RequestError, match=said):
        retired(desk, old, new)
    assert not list(desk.store.list_versions(layout.RETIREMENTS))


def test_a_source_that_is_still_configured_is_not_retired(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    desk.sources.append(RowsSource(cards.BORN, [], name="new"))
    with pytest.raises(RequestError, match="still in the configuration"):
        retired(desk)


def test_a_map_of_nobody_is_refused(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    moved(desk)
    with pytest.raises(RequestError, match="the right way round"):
        retired(desk, id_map=mapped(tmp_path, "X1,N1", "X2,N2"))
    assert not list(desk.store.list_versions(layout.RETIREMENTS))


def test_the_same_again_changes_nothing_and_anything_else_is_refused(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    moved(desk)
    id_map = mapped(tmp_path, "N1,X1", "N2,X2")
    first = retired(desk, id_map=id_map)
    desk.clock.instant = at(9)
    stored = len(list(desk.store.list_versions(layout.RETIREMENTS)))
    again = retired(desk, id_map=id_map)
    assert (again.again, again.retirement) == (True, first.retirement)
    assert len(list(desk.store.list_versions(layout.RETIREMENTS))) == stored
    for other in (None, mapped(tmp_path, "N1,X1"), mapped(tmp_path, "N1,X2", "N2,X1")):
        with pytest.raises(RequestError, match="cannot be undone"):
            retired(desk, id_map=other)
    desk.sources.append(RowsSource(cards.BORN, [], name="third"))
    with pytest.raises(RequestError, match="in favour of new"):
        retired(desk, new="third")


@pytest.mark.parametrize("lost_reply", [False, True], ids=["not-done", "unheard"])
def test_a_retirement_can_be_repeated_after_a_failure_at_any_call(
    tmp_path: Path, lost_reply: bool
) -> None:
    desk = shop(tmp_path)
    id_map = mapped(tmp_path, "N1,X1", "N2,X2")
    store = desk.store
    assert isinstance(store, MemoryStore)
    for fail_at in itertools.count():
        desk.store = MemoryStore(clock=desk.clock)
        desk.store._versions = {key: [*held] for key, held in store._versions.items()}
        desk.store._written = store._written
        moved(desk)
        faulty = FaultyStore(desk.store, fail_at=fail_at, lost_reply=lost_reply)
        error = attempt(lambda: retired(desk, id_map=id_map, store=faulty))  # noqa: B023
        if faulty.calls <= fail_at:
            assert error is None
            break
        assert error is not None
        assert int(error.exit) == 10
        retired(desk, id_map=id_map)
        assert retired(desk, id_map=id_map).again
    assert fail_at > 5


def test_nobody_continues_a_source_by_one_that_is_retired(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    moved(desk, born(5, at(5)), mapping=cards.BORN)
    retired(desk)
    night(desk, 5)
    desk.sources[:] = [RowsSource(cards.BORN, [], name="main")]
    with pytest.raises(RequestError, match="main is retired itself, in favour of new"):
        retired(desk, "new", "main")


def test_a_retired_source_in_the_configuration_is_refused_and_others_are_sealed(
    tmp_path: Path,
) -> None:
    desk = shop(tmp_path)
    before = desk.source
    moved(desk, born(4, at(5)), mapping=cards.BORN)
    retired(desk)
    desk.sources.insert(0, before)
    report = night(desk, 5)
    error = failure(report)
    assert isinstance(error, SourceRetiredError)
    assert int(report.exit) == 2
    assert totals(report) == {"read": 1, "orders": 1}


# --- somebody else's hands -----------------------------------------------------------------------


def test_a_forged_retirement_is_an_alarm_and_counts_for_nothing(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    assert isinstance(desk.store, MemoryStore)
    forged = desk.store.get(layout.manifest_key(1))
    desk.store.overwrite("retirements/main.json", forged, retain_until=at(4).replace(year=2040))
    report = night(desk, 5)
    assert isinstance(failure(report), TamperedError)
    assert totals(report) == {"read": 3, "unchanged": 3}


def test_a_retirement_that_was_copied_to_another_name_counts_for_nothing(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    moved(desk, born(5, at(5)), mapping=cards.BORN)
    retired(desk)
    assert isinstance(desk.store, MemoryStore)
    copied = desk.store.get("retirements/main.json")
    desk.store.overwrite("retirements/new.json", copied, retain_until=at(4).replace(year=2040))
    report = night(desk, 5)
    assert [type(error) for error in report.failures] == [TamperedError]
    assert totals(report) == {"read": 1, "orders": 1}


def test_ids_that_were_altered_are_an_alarm(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    moved(desk, born(1, at(4), no="X1"), mapping=cards.BORN)
    found = retired(desk, id_map=mapped(tmp_path, "N1,X1")).retirement
    assert found.ids is not None
    archive = desk.open()
    broken = found.model_copy(update={"ids": found.ids.model_copy(update={"sha256": "0" * 64})})
    known = KnownOrders(archive, tmp_path / "none", retired={"main": broken})
    with pytest.raises(TamperedError, match="other bytes"):
        Inheritance(archive, known, "new").tokens_known(mapped(tmp_path, "N1,X1").new)


def test_a_retirement_is_locked_as_evidence(tmp_path: Path) -> None:
    desk = shop(tmp_path)
    moved(desk)
    retired(desk, id_map=mapped(tmp_path, "N1,X1"))
    versions = [*desk.store.list_versions(layout.RETIREMENTS)]
    assert len(versions) == 2
    until = desk.open().evidence_until()
    for version in versions:
        assert desk.store.head(version.key, version.version_id).retain_until == until
        content = desk.store.get(version.key, version.version_id)
        assert b"X1" not in content
