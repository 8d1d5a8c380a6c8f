"""What a run takes into the ledger: every document once, in order, and nothing that is not ours."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from archiver import layout
from archiver.catalog import Catalog
from archiver.errors import Exit, RollbackError, StoreError
from archiver.ledger import Extension, Ledger, extend_ledger, read_ledger
from archiver.ports import ObjectStore, VersionEntry
from archiver.stores.memory import MemoryStore
from schemas import documents
from tests import cards
from tests.desk import Desk, at, failure, founded
from tests.faults import Count
from tests.ledger.books import keys_below, sighting


class Seen(documents.Document):
    """A sighting, as far as the ledger looks at it."""

    archive: str
    created_at: documents.Instant
    source: str
    day: date
    rows: int = 1


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An archive whose first night has sealed two days."""
    desk = founded(tmp_path, [cards.order(1, at(3)), cards.order(2, at(4))])
    assert desk.night().failures == []
    return desk


def entries(desk: Desk) -> list[tuple[str, str]]:
    return [(entry["kind"], entry["key"]) for entry in desk.audit().ledger]


def extend(desk: Desk, store: ObjectStore | None = None) -> Extension:
    archive = desk.open(store)
    catalog = Catalog(archive, desk.place.folder / "index" / "manifests")
    catalog.refresh()
    return extend_ledger(archive, catalog, ["main"])


def put(desk: Desk, key: str, document: documents.Document, kind: str) -> None:
    archive = desk.open()
    archive.put_document(key, document, kind, retain_until=archive.evidence_until())


def see(desk: Desk, key: str, **fields: object) -> bytes:
    """Store a sighting."""
    source, day = layout.sighting_place(key) or ("", date.min)
    archive, now = desk.open(), desk.clock.now()
    said = {"archive": archive.id, "created_at": now, "source": source, "day": day, **fields}
    put(desk, key, Seen.model_validate(said), "sighting")
    return desk.store.get(key)


def memory(desk: Desk) -> MemoryStore:
    assert isinstance(desk.store, MemoryStore)
    return desk.store


def test_a_night_enters_manifests_first_and_then_what_else_there_is(desk: Desk) -> None:
    assert entries(desk) == [
        ("manifest", "manifests/00000001.json"),
        ("manifest", "manifests/00000002.json"),
        ("lock-proof", "proofs/00000001.json"),
    ]
    audit = desk.audit()
    manifest, proof = audit.ledger[1], audit.ledger[2]
    assert (manifest["day"], proof["day"]) == ("2026-03-04", None)
    assert manifest["at"] == audit.manifests[1]["created_at"]
    desk.night_of(5)
    assert entries(desk)[3:] == [("manifest", "manifests/00000003.json")]


def test_every_kind_of_document_is_entered_once(desk: Desk) -> None:
    archive, now = desk.open(), desk.clock.now()
    put(
        desk,
        layout.access_key("desk", 1),
        documents.AccessPart(
            archive=archive.id,
            node="desk",
            part=1,
            created_at=now,
            first=1,
            last=1,
            before=None,
            head="0" * 64,
            previous=None,
            cohort="access-2029-03-00000000",
            key="",
            sealed="",
        ),
        "access",
    )
    put(
        desk,
        layout.retirement_key("old"),
        documents.Retirement(
            archive=archive.id,
            source="old",
            successor="main",
            created_at=now - timedelta(days=1),
            manifest=1,
            head=None,
        ),
        "retirement",
    )
    see(desk, sighting(1, date(2026, 3, 5)))
    extend(desk)
    assert entries(desk)[3:] == [
        ("retirement", "retirements/old.json"),  # by the time at which they were made
        ("access", "access/desk/00000001.json"),
        ("sighting", sighting(1, date(2026, 3, 5))),
    ]
    before = keys_below(desk.store)
    assert extend(desk).before == 6
    desk.night()
    assert keys_below(desk.store) == before


def test_what_is_not_ours_or_stands_elsewhere_is_not_entered(desk: Desk) -> None:
    store, day = memory(desk), date(2026, 3, 5)
    proof = store.get("proofs/00000001.json")
    store.overwrite("proofs/00000007.json", proof)
    store.overwrite("reconciliations/00000001.json", proof)
    store.overwrite("access/desk/00000001.json", b"{}")
    store.overwrite("retirements/other.json", b"")
    seen = see(desk, sighting(1, day))
    store.overwrite(sighting(2, day), seen)  # the same one under another name
    store.overwrite(sighting(3, date(2026, 3, 6)), seen)
    store.overwrite(layout.sighting_key("second", day, "0" * 32), seen)
    extension = extend(desk)
    assert entries(desk)[3:] == [("sighting", sighting(1, day))]
    store.overwrite(sighting(4, day), seen)  # copied later
    assert extend(desk).ledger.size == extension.ledger.size
    told = extension.ledger.archive.alarms  # by those who read retirements
    assert [alarm.params["key"] for alarm in told] == ["retirements/other.json"]


def test_the_earliest_version_that_verifies_is_entered(desk: Desk) -> None:
    key, store = sighting(1), memory(desk)
    store.overwrite(key, b"{}")
    kept = store._versions.pop(key)
    see(desk, key)
    sound = store._versions[key][0].version_id
    store._versions[key] = [*kept, *store._versions[key]]
    store.overwrite(key, b"[]")
    extend(desk)
    assert desk.audit().ledger[3]["version_id"] == sound


def test_sightings_are_looked_for_in_the_last_days_only(desk: Desk) -> None:
    for day in range(1, 6):  # of which a host that has looked before misses the first
        see(desk, sighting(day, date(2026, 3, day)))
    extend(desk)
    assert len(entries(desk)) == 7
    see(desk, sighting(9, date(2026, 3, 4)), rows=9)
    store = Count(desk.store)
    assert extend(desk, store).ledger.size == 8
    asked: list[str] = []

    class Watching(Count):
        def list_versions(self, prefix: str) -> Iterator[VersionEntry]:
            asked.append(prefix)
            return super().list_versions(prefix)

    extend(desk, Watching(desk.store))
    assert "sightings/main/2026-03-01/" not in asked
    assert "sightings/main/2026-03-05/" in asked
    assert asked.count("sightings/") == 1  # whether there are any


def test_a_host_that_comes_late_enters_no_sighting_again(desk: Desk, tmp_path: Path) -> None:
    for day in range(2, 6):
        see(desk, sighting(day, date(2026, 3, day)))
    extend(desk)
    here = desk.place.folder / "index" / "ledger"
    here.rename(tmp_path / "elsewhere")
    see(desk, sighting(6, date(2026, 3, 1)))  # an old day, which only a full look shows
    assert extend(desk).ledger.size == 8
    assert len(entries(desk)) == 8
    desk.clock.instant = at(30, 3)
    assert extend(desk).ledger.size == 8


def test_a_reader_does_not_remember_sightings_without_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archiver.ledger.documents.KEPT", 3)
    extend(desk)
    for number in range(6):
        see(desk, sighting(number, date(2026, 3, 5)), rows=number)
    extend(desk)
    reader = Ledger(desk.open())
    reader.refresh()
    assert reader.taken.sightings == {}
    assert extend(desk).ledger.size == 9
    assert len(set(entries(desk))) == 9


def test_a_catalog_that_another_run_has_left_behind_is_read_on(desk: Desk) -> None:
    archive = desk.open()
    catalog = Catalog(archive, desk.place.folder / "index" / "manifests")
    catalog.refresh()
    desk.night_of(5)
    extension = extend_ledger(archive, catalog)
    assert (extension.before, extension.ledger.size) == (4, 4)
    assert len(catalog.entries) == 3


def test_manifests_that_are_no_longer_there_are_an_alarm(desk: Desk) -> None:
    memory(desk)._versions.pop("manifests/00000002.json")
    archive = desk.open()
    catalog = Catalog(archive, desk.place.folder / "other" / "manifests")
    catalog.refresh()
    for act in (extend_ledger, read_ledger):
        with pytest.raises(RollbackError, match=r"manifests/00000002\.json, which is no longer"):
            act(archive, catalog)


def test_another_manifest_of_a_number_is_an_alarm(desk: Desk) -> None:
    archive = desk.open()
    catalog = Catalog(archive, desk.place.folder / "index" / "manifests")
    catalog.refresh()
    last = catalog.entries[-1].document
    other = last.model_copy(update={"created_at": last.created_at + timedelta(seconds=1)})
    memory(desk)._versions.pop("manifests/00000002.json")
    put(desk, "manifests/00000002.json", other, "manifest")
    fresh = Catalog(archive, desk.place.folder / "other" / "manifests")
    fresh.refresh()
    with pytest.raises(RollbackError, match=r"another manifests/00000002\.json"):
        read_ledger(archive, fresh)


def test_a_ledger_that_was_set_back_does_not_keep_a_night_from_sealing(desk: Desk) -> None:
    store = memory(desk)
    store._versions.pop("ledger/00000000.json")
    desk.clock.instant = at(6, 3)
    report = desk.night()
    assert isinstance(failure(report), RollbackError)
    assert (report.exit, report.ledger) == (Exit.ALARM, None)
    assert len(report.days) == 1
    assert report.days[0].manifest is not None


def test_a_store_that_does_not_answer_at_the_end_leaves_the_ledger_to_the_next_night(
    desk: Desk,
) -> None:
    class Down(Count):
        def list_versions(self, prefix: str) -> Iterator[VersionEntry]:
            if prefix.startswith("ledger/"):
                raise StoreError(key=prefix, detail="down")
            return super().list_versions(prefix)

    desk.clock.instant = at(6, 3)
    report = desk.night(store=Down(desk.store))
    assert isinstance(failure(report), StoreError)
    assert (report.exit, len(report.days)) == (Exit.TRY_LATER, 1)
    assert desk.night().failures == []
    assert len(entries(desk)) == 4


def test_an_archive_that_is_older_than_its_ledger_enters_everything(desk: Desk) -> None:
    store = memory(desk)
    for key in [key for key in store._versions if key.startswith(("ledger/", "checkpoints/"))]:
        store._versions.pop(key)
    other = desk.place.folder / "index" / "ledger"
    other.rename(desk.place.folder / "gone")
    desk.night_of(5)
    assert len(entries(desk)) == 4
