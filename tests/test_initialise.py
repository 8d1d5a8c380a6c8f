"""Founding: once, whole, and repeatable."""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest

from archiver import layout, retention, roots
from archiver.archive import open_archive
from archiver.errors import (
    AlreadyInitialisedError,
    ClockError,
    ConfigurationError,
    Exit,
    KeyUnavailableError,
    LockNotHonouredError,
    NotInitialisedError,
    TamperedError,
)
from archiver.initialise import Identity, KeyPlaces, initialise
from archiver.keyring import KeyPair, new_cohort
from archiver.ports import VersionEntry
from archiver.stores.memory import MemoryStore
from schemas import documents
from tests import cards
from tests.archives import RULES, Place
from tests.auditor import audit, lawful_date
from tests.clock import FrozenClock
from tests.desk import Desk, at, founded

IDENTITY = Identity(
    name="shop-1",
    role="platform",
    legal_basis="电子商务法第三十一条",
    timezone="Asia/Shanghai",
    operator=documents.Operator(credit_code="91310000MA1FL0AAXX", icp="沪ICP备00000000号"),
)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def store(clock: FrozenClock) -> MemoryStore:
    return MemoryStore(clock=clock)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def found(place: KeyPlaces, store: MemoryStore, clock: FrozenClock) -> None:
    initialise(IDENTITY, place, store, clock, RULES, environment={})


def without_digits(key: str) -> str:
    """Return a cohort's key without the digits that tell its documents apart."""
    return re.sub(r"(?<=-)[0-9a-f]{8}(?=\.json)", "…", key)


def founding(store: MemoryStore) -> list[VersionEntry]:
    """Return what founding wrote, without the first lock proof and its canaries."""
    return [v for v in store.list_versions("") if not v.key.startswith("proofs/")]


def test_a_founding_leaves_keys_an_anchor_and_its_first_documents(
    place: Place, store: MemoryStore, clock: FrozenClock
) -> None:
    archive = place.found(store, clock)

    assert sorted(path.name for path in place.folder.iterdir()) == [
        "archive.json",
        "identity.key",
        "index",
        "reveal-root.key",
        "root.key",
        "signer.key",
        "token.key",
    ]
    assert {(p.stat().st_mode & 0o777) for p in place.folder.glob("*.key")} == {0o600}
    assert [without_digits(version.key) for version in founding(store)] == [
        "archive.json",
        "cohorts/orders-2029-03-….json",
        "cohorts/orders-2029-04-….json",
        "signers/0001.json",
    ]
    assert archive.document.roots.keys() == {"base", "reveal"}
    assert archive.document.roots["base"] != archive.document.roots["reveal"]
    audit(place, store)


def test_founding_documents_are_locked_as_evidence_and_cohorts_until_their_end(
    place: Place, store: MemoryStore, clock: FrozenClock
) -> None:
    place.found(store, clock)
    evidence = lawful_date(clock.now(), years=6)
    until = {v.key: store.head(v.key, v.version_id).retain_until for v in founding(store)}
    assert until.pop("archive.json") == until.pop("signers/0001.json") == evidence
    assert [f"{date:%Y-%m-%d %H}" for date in until.values()] == ["2029-03-31 16", "2029-04-30 16"]


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=1), timedelta(days=400)])
def test_a_second_founding_changes_nothing_and_says_so(
    place: Place, store: MemoryStore, clock: FrozenClock, later: timedelta
) -> None:
    place.found(store, clock)
    before = {path.name: path.read_bytes() for path in place.folder.rglob("*.*")}
    versions = list(store.list_versions(""))
    clock.advance(later)
    with pytest.raises(AlreadyInitialisedError, match="shop-1"):
        place.found(store, clock)
    assert {path.name: path.read_bytes() for path in place.folder.rglob("*.*")} == before
    assert list(store.list_versions("")) == versions


def test_a_founding_that_did_not_reach_the_store_is_finished_days_later(
    place: Place, store: MemoryStore, clock: FrozenClock
) -> None:
    place.found(store, clock)
    for version in list(store.list_versions("")):
        if version.key != "archive.json":
            store.drop(version.key, version.version_id)
    clock.advance(timedelta(days=3))
    place.found(store, clock)
    assert place.open(store, clock).keys is not None


def test_a_store_with_another_archive_is_left_alone(
    tmp_path: Path, store: MemoryStore, clock: FrozenClock
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    Place(tmp_path / "one").found(store, clock)
    with pytest.raises(AlreadyInitialisedError, match="the store holds an archive"):
        Place(tmp_path / "two").found(store, clock)
    assert list((tmp_path / "two").iterdir()) == []
    Place(tmp_path / "two").found(MemoryStore(clock=clock), clock)
    with pytest.raises(AlreadyInitialisedError, match="another archive"):
        Place(tmp_path / "two").found(store, clock)


@pytest.mark.parametrize("name", ["root", "reveal-root", "identity", "signer", "token"])
def test_a_key_file_that_exists_is_never_replaced(
    place: Place, store: MemoryStore, clock: FrozenClock, name: str
) -> None:
    taken = place.folder / f"{name}.key"
    taken.write_text("somebody's")
    with pytest.raises(AlreadyInitialisedError, match=f"{name}.key"):
        place.found(store, clock)
    assert taken.read_text() == "somebody's"
    assert list(place.folder.iterdir()) == [taken]
    assert not list(store.list_versions(""))


KEY_FILES = ("root.key", "reveal-root.key", "identity.key", "signer.key", "token.key")
"""In the order in which a founding makes them."""


def killed(place: Place, clock: FrozenClock, after: int) -> dict[str, bytes]:
    """Leave what a founding leaves that was killed after so many key files."""
    place.found(MemoryStore(clock=clock), clock)
    (place.folder / "archive.json").unlink()
    for name in KEY_FILES[after:]:
        (place.folder / name).unlink()
    shutil.rmtree(place.folder / "index", ignore_errors=True)
    return {path.name: path.read_bytes() for path in place.folder.iterdir()}


@pytest.mark.parametrize("after", range(1, len(KEY_FILES) + 1))
def test_a_founding_killed_among_its_keys_is_finished_with_them(
    place: Place, store: MemoryStore, clock: FrozenClock, after: int
) -> None:
    left = killed(place, clock, after)

    archive = place.found(store, clock)

    assert {path.name for path in place.folder.glob("*.*")} == {*KEY_FILES, "archive.json"}
    assert {name: (place.folder / name).read_bytes() for name in left} == left
    assert archive.id.encode() in left["root.key"]
    assert place.open(store, clock).keys is not None
    audit(place, store)


def test_keys_of_two_foundings_are_not_mixed(
    tmp_path: Path, store: MemoryStore, clock: FrozenClock
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        killed(Place(tmp_path / name), clock, 3)
    (tmp_path / "one" / "identity.key").replace(tmp_path / "two" / "identity.key")
    before = {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
    with pytest.raises(AlreadyInitialisedError, match=r"identity\.key without archive\.json"):
        Place(tmp_path / "two").found(store, clock)
    assert {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()} == before
    assert not list(store.list_versions(""))


@pytest.mark.parametrize("name", KEY_FILES[:3])
@pytest.mark.parametrize("cut", [0, 100])
def test_a_half_written_key_is_not_used(
    place: Place, store: MemoryStore, clock: FrozenClock, name: str, cut: int
) -> None:
    left = killed(place, clock, 3)
    (place.folder / name).write_bytes(left[name][:cut])
    with pytest.raises(AlreadyInitialisedError, match="move them away"):
        place.found(store, clock)
    assert {path.name for path in place.folder.iterdir()} == set(left)


def test_the_anchor_is_durable_before_the_store_hears_of_it(
    place: Place, store: MemoryStore, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        fsync(descriptor)
        assert not list(store.list_versions(""))
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name.partition(".json")[0])

    monkeypatch.setattr(os, "fsync", recorded)
    initialise(IDENTITY, place.keys, store, clock, RULES, environment={})
    assert synced[-2:] == ["archive", place.folder.name]


def test_equal_roots_are_refused(place: Place, store: MemoryStore, clock: FrozenClock) -> None:
    same = roots.FileRoot(place.folder / "root.key")
    places = replace(place.keys, roots={"base": same, "reveal": same})
    with pytest.raises(ConfigurationError, match="the same"):
        found(places, store, clock)
    assert list(place.folder.iterdir()) == []


@pytest.mark.parametrize("lacking", ["versioning", "object_lock"])
def test_a_bucket_that_cannot_lock_is_a_matter_of_configuration_at_first_and_an_alarm_later(
    place: Place, clock: FrozenClock, lacking: str
) -> None:
    store = MemoryStore(clock=clock)
    setattr(store, lacking, False)
    with pytest.raises((ConfigurationError, LockNotHonouredError)) as first:
        place.found(store, clock)
    assert list(place.folder.iterdir()) == [], first.value

    store = MemoryStore(clock=clock)
    place.found(store, clock)
    setattr(store, lacking, False)
    with pytest.raises(LockNotHonouredError) as later:
        place.open(store, clock)
    assert later.value.exit is Exit.ALARM


@pytest.mark.parametrize("ahead", [timedelta(minutes=6), -timedelta(minutes=6)])
def test_a_wrong_clock_is_an_alarm(
    place: Place, store: MemoryStore, clock: FrozenClock, ahead: timedelta
) -> None:
    store.clock_ahead = ahead
    with pytest.raises(ClockError):
        place.found(store, clock)
    assert list(place.folder.iterdir()) == []
    store.clock_ahead = ahead * 5 / 6
    place.found(store, clock)
    store.clock_ahead = ahead
    with pytest.raises(ClockError):
        place.open(store, clock)


# --- opening -------------------------------------------------------------------------------------


def test_an_empty_store_holds_no_archive(
    place: Place, store: MemoryStore, clock: FrozenClock
) -> None:
    place.found(store, clock)
    with pytest.raises(NotInitialisedError):
        place.open(MemoryStore(clock=clock), clock)


def test_another_archives_store_is_not_opened(
    tmp_path: Path, store: MemoryStore, clock: FrozenClock
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    Place(tmp_path / "one").found(store, clock)
    Place(tmp_path / "two").found(other := MemoryStore(clock=clock), clock)
    with pytest.raises(TamperedError):
        Place(tmp_path / "one").open(other, clock)


def _overwritten(store: MemoryStore) -> None:
    store.overwrite("archive.json", b"{}")
    store.overwrite("signers/0001.json", b"{}")


def _hidden(store: MemoryStore) -> None:
    store.add_delete_marker("archive.json")
    store.add_delete_marker("signers/0001.json")


def _neighbours(store: MemoryStore) -> None:
    store.overwrite("archive.json.old", b"a copy that somebody made")
    store.overwrite("cohorts/orders-2029-03.json~", b"{}")


@pytest.mark.parametrize("meddle", [_overwritten, _hidden, _neighbours])
def test_what_others_put_above_or_beside_the_first_documents_does_not_matter(
    tmp_path: Path, meddle: Callable[[MemoryStore], None]
) -> None:
    desk = founded(tmp_path, [cards.order(1, at(4))])
    assert isinstance(desk.store, MemoryStore)
    meddle(desk.store)
    desk.night()
    assert len(desk.audit().orders) == 1
    with pytest.raises(AlreadyInitialisedError):
        desk.place.found(desk.store, desk.clock)


def test_a_damaged_anchor_is_not_trusted(
    place: Place, store: MemoryStore, clock: FrozenClock
) -> None:
    place.found(store, clock)
    good = place.keys.anchor.read_bytes()
    for bad in (b"", b"{}", b"[]", good[:-40], good.replace(b'"sig": "', b'"sig": "AAAA')):
        place.keys.anchor.write_bytes(bad)
        with pytest.raises(TamperedError):
            place.open(store, clock)


def test_a_signing_key_that_was_not_certified_seals_nothing(
    place: Place, store: MemoryStore, clock: FrozenClock
) -> None:
    place.found(store, clock)
    for version in list(store.list_versions("signers/")):
        store.drop(version.key, version.version_id)
    with pytest.raises(KeyUnavailableError, match="has not certified it"):
        place.open(store, clock)


def test_a_host_without_keys_may_look_and_not_seal(
    place: Place, store: MemoryStore, clock: FrozenClock
) -> None:
    place.found(store, clock)
    archive = open_archive(
        anchor=place.keys.anchor.read_bytes(),
        store=store,
        clock=clock,
        rules=RULES,
        signer=None,
        token_key=None,
    )
    march = min(v.key for v in store.list_versions("cohorts/"))
    cohort = march.removeprefix("cohorts/").removesuffix(".json")
    assert archive.read_cohort(cohort).keys.keys() == {"base", "index", "reveal"}
    with pytest.raises(KeyUnavailableError):
        archive.cohort("orders-2030-01")


def test_a_night_needs_no_private_half_of_any_root(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(1, at(4)), cards.order(2, at(4), paid="x")])
    kept = {}
    for name in ("root.key", "reveal-root.key", "identity.key"):
        kept[name] = (tmp_path / name).read_bytes()
        (tmp_path / name).unlink()
    desk.night()
    for name, content in kept.items():
        (tmp_path / name).write_bytes(content)
    assert (len(desk.audit().orders), len(desk.audit().rejects)) == (1, 1)


# --- cohorts -------------------------------------------------------------------------------------


def cohorts(desk: Desk) -> list[str]:
    return [version.key for version in desk.store.list_versions("cohorts/")]


def drop(desk: Desk, key: str) -> bytes:
    """Take a document out of the store, as nobody can while its lock holds."""
    assert isinstance(desk.store, MemoryStore)
    content = desk.store.get(key)
    (version,) = desk.store.list_versions(key)
    desk.store.drop(key, version.version_id)
    return content


@pytest.mark.parametrize("short_by", [None, timedelta(seconds=1)], ids=["no lock", "too short"])
def test_a_cohorts_keys_that_are_not_locked_get_nothing_sealed_to_them(
    tmp_path: Path, short_by: timedelta | None
) -> None:
    desk = founded(tmp_path, [cards.order(1, at(4))])
    assert isinstance(desk.store, MemoryStore)
    key = next(key for key in cohorts(desk) if "2029-03" in key)
    # What a server leaves that took the bytes and not the lock, in a night that said so.
    until = retention.cohort_end("orders-2029-03") - short_by if short_by else None
    desk.store.overwrite(key, drop(desk, key), retain_until=until)
    night = desk.night()
    assert [failure.code for failure in night.failures] == ["tampered"]
    assert (night.exit, night.days[-1].counts["orders"]) == (Exit.ALARM, 1)
    [used] = {f"cohorts/{one.cohort}.json" for day in night.days for one in day.objects}
    assert used != key


def test_a_cohort_of_another_month_is_not_sealed_to(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(1, at(4))])
    assert isinstance(desk.store, MemoryStore)
    march, april = sorted(cohorts(desk))
    drop(desk, march)
    until = at(1, month=4).replace(year=2030)
    desk.store.overwrite(march, desk.store.get(april), retain_until=until)
    night = desk.night()
    assert night.exit is Exit.ALARM
    assert all(one.cohort not in march for day in night.days for one in day.objects)
    desk.audit()


def test_a_document_that_a_thief_put_into_the_store_gets_nothing_sealed_to_it(
    tmp_path: Path,
) -> None:
    desk = founded(tmp_path, [cards.order(1, at(4))])
    archive = desk.open()
    # Signed with the stolen signing key, sealed to roots of his own, for a month to come.
    own: dict[Literal["base", "reveal"], bytes] = {
        "base": KeyPair.generate().public_key,
        "reveal": KeyPair.generate().public_key,
    }
    planted = new_cohort(archive.id, "orders-2029-04-00000000", own, desk.clock.now())
    key = layout.cohort_key(planted.cohort)
    archive.put_document(key, planted, "cohort", retain_until=at(1).replace(year=2031))
    (tmp_path / "index" / "cohorts.json").unlink()  # even a host that has forgotten its own
    assert desk.night().exit is Exit.DONE
    used = {one["cohort"] for manifest in desk.audit().manifests for one in manifest["objects"]}
    assert planted.cohort not in used
