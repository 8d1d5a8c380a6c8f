"""What crashes, operators and time do to an honest archive is no alarm."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import layout
from archiver.archive import NightKeys
from archiver.capture import MappedSource
from archiver.catalog import Catalog
from archiver.errors import StoreError
from archiver.known import KnownOrders
from archiver.ledger import Ledger
from archiver.ports import VersionEntry
from archiver.retirement import retire
from archiver.stores.memory import MemoryStore
from archiver.verification import verifying
from archiver.verification.checking import check
from archiver.verification.verifying import Verification
from schemas.documents import LedgerPart
from tests import cards
from tests.archives import Place
from tests.desk import Desk, at, founded, march
from tests.faults import FaultyStore
from tests.soak.verifications import live
from tests.verification.grounds import codes, ground_of, plain_copy, verified, verified_copy
from tests.verification.sites import DAYS, Site, extend


def test_what_a_crash_left_behind_is_a_note(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(n, at(2, 9)) for n in range(1, 6)], now=at(3, 3))
    for fail_at in (10, 14, 18):
        with suppress(StoreError):  # it died before there was a report
            report = desk.night(store=FaultyStore(desk.store, fail_at=fail_at))
            assert report.failures
    desk.clock.advance(timedelta(days=1))
    assert desk.night().failures == []
    seen = verified(desk)
    assert seen.alarms == []
    assert "orphan" in codes(seen.findings)


def test_what_a_running_night_has_not_named_yet_is_nothing(site: Site) -> None:
    key = layout.data_key("orders", "main", march(4), "ab" * 16)
    site.store.overwrite(key, b"PARE", retain_until=site.until(site.of_day(march(4))))
    assert "orphan" not in codes(site.verified().findings)
    site.desk.clock.advance(timedelta(hours=13))
    assert "orphan" in codes(site.verified().findings)
    assert site.verified().alarms == []


def test_a_manifest_that_was_sent_twice_is_a_note(site: Site) -> None:
    key = layout.manifest_key(2)
    for _ in range(2):
        site.store.overwrite(key, site.content(key), retain_until=site.until(key))
    seen = site.verified()
    assert seen.alarms == []
    assert "repeated-version" in codes(seen.findings)


def test_another_signer_goes_on_and_the_one_before_stays_good_until_he_is_revoked(
    site: Site,
) -> None:
    successor = Ed25519PrivateKey.generate()
    site.certify(2, successor)
    site.desk.clock.advance(timedelta(days=1))
    archive = site.archive
    keys = NightKeys(signer_number=2, signer=successor, token_key=archive.night_keys().token_key)
    site.desk.place.keep_proven(archive)
    report = site.desk.place.night(replace(archive, keys=keys), mapped(site.desk), proven=False)
    assert report.failures == []
    extend(site.desk)
    assert site.verified().alarms == []
    site.desk.clock.advance(timedelta(minutes=1))
    site.revoke(1)
    assert site.verified().alarms == []
    copied = plain_copy(site.store, site.desk.place.folder / "copy")
    assert verified_copy(site.desk, copied).alarms == []


def mapped(desk: Desk) -> list[MappedSource]:
    """Return the sources as nights take them."""
    return [
        MappedSource(source=one, mapping=one.mapping, session_zone="UTC") for one in desk.sources
    ]


def test_supplements_revisions_and_a_retired_source_are_sound(tmp_path: Path) -> None:
    desk = founded(tmp_path, [cards.order(n, at(2, 9)) for n in range(1, 6)], now=at(3, 3))
    assert desk.night().failures == []
    desk.rows.append(cards.order(9, at(2, 20)))  # late
    desk.change(1, paid="77.00", touched_at=at(3, 9))  # changed
    desk.night_of(3)
    assert verified(desk).alarms == []
    successor = replace(desk.source, name="new")
    desk.sources[:] = [successor]
    archive = desk.open()
    place: Place = desk.place
    catalog = Catalog(archive, place.folder / "index" / "manifests")
    catalog.refresh()
    known = KnownOrders.open(archive, place.folder / "index" / "known")
    known.catch_up(catalog)
    retire(archive, catalog, known, "main", "new", configured=["new"])
    desk.clock.instant = at(5, 3)
    assert desk.night().failures == []
    extend(desk)
    seen = verified(desk)
    assert seen.alarms == []
    assert seen.manifests > 2


def test_an_archive_that_lives_for_weeks_is_verified_every_night_without_an_alarm(
    tmp_path: Path,
) -> None:
    assert live(tmp_path, seed=5, nights=6) == 6


class Meanwhile(MemoryStore):
    """A store in which something happens while its listing is read."""

    def __init__(self, inner: MemoryStore, before: str, act: Callable[[], None]) -> None:
        super().__init__(clock=inner.clock)
        self._versions, self._inner = inner._versions, inner
        self._before, self._act = before, act

    def list_versions(self, prefix: str) -> Iterator[VersionEntry]:
        """Yield what was there before, up to a key, and behind it what is there then."""
        listed = list(super().list_versions(prefix))
        if prefix or self._act is None:
            return iter(listed)
        act, self._act = self._act, None  # type: ignore[assignment]
        act()
        early = [one for one in listed if one.key < self._before]
        late = [one for one in super().list_versions(prefix) if one.key >= self._before]
        return iter([*early, *late])


@pytest.mark.parametrize("before", ["l", "n", "~"])
@pytest.mark.parametrize("full", [True, False])
def test_a_night_that_seals_while_the_store_is_read_is_no_alarm(
    site: Site, before: str, *, full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "is_small", lambda _sizes: False)
    assert site.verified().alarms == []
    site.desk.clock.instant = at(20, 3)  # another month: there are new cohorts
    site.desk.place.keep_proven(site.archive)
    site.desk.rows.extend(cards.order(n, at(19, 9)) for n in range(700, 705))

    def night() -> None:
        assert site.desk.night().failures == []

    store = Meanwhile(site.store, before, night)
    ground = replace(ground_of(site.desk), store=store, work=partial(check, store))
    assert Verification(ground, full=full).run().alarms == []


@pytest.mark.parametrize(
    "key", ["access/.hidden/00000001.json", "cohorts/a\\b.json", "proofs/\u200b.json"]
)
def test_a_file_whose_name_no_store_of_ours_takes_hides_nothing(site: Site, key: str) -> None:
    site.store.overwrite(key, b"{}")
    marker = site.store.add_delete_marker(site.key("orders/"))
    seen = site.verified()
    assert {one.version_id for one in seen.findings if one.code == "delete-marker"} == {marker}
    assert {one.key for one in seen.findings if one.code == "foreign-object"} == {key}
    site.desk.clock.advance(timedelta(days=1))
    assert site.desk.night().failures == []


def test_a_file_at_a_manifest_s_place_far_ahead_is_named_and_costs_nothing(site: Site) -> None:
    until = site.archive.evidence_until()
    far = layout.manifest_key(99_999_999)
    site.store.overwrite(far, b"{}", retain_until=until)
    tracemalloc.start()
    alarms = site.verified(full=False).alarms
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 64 << 20
    assert {one.key for one in alarms} == {far}
    site.desk.clock.advance(timedelta(days=1))
    assert site.desk.night().failures == []


def test_of_two_parts_of_the_ledger_the_one_counts_that_was_signed_and_what_follows_is_read(
    site: Site,
) -> None:
    # Where a store lets two writers of one key win, the loser's may be dated before the winner's.
    key = site.key("ledger/0")
    part = site.archive.verify(site.content(key), "ledger", LedgerPart, key)
    slow = part.model_copy(update={"created_at": part.created_at - timedelta(seconds=9)})
    entries = [text.replace('"day":"2026', '"day":"2025') for text in part.entries]
    slow = slow.model_copy(update={"entries": entries})
    site.store.overwrite(key, site.archive.signed(slow, "ledger"))
    site.store._versions[key].reverse()
    seen = site.verified(root=False)
    whole = Ledger(site.archive)
    whole.refresh()
    assert seen.entries == whole.size
    assert not {"ledger-forked", "checkpoint-differs", "ledger-part-missing"} & codes(seen.findings)
    assert {one.key for one in seen.alarms} == {key}


def test_a_file_too_large_for_the_memory_stops_neither_nights_nor_verification(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = 1 << 20
    monkeypatch.setattr("archiver.bounded_get.LARGEST", largest)
    ledger = Ledger(site.archive)
    ledger.refresh()
    huge = {
        layout.access_key("x", 1),
        layout.ledger_key(ledger.size),
        layout.checkpoint_key(ledger.size + 1),
        layout.reconciliation_key(1),
        layout.sighting_key("main", march(5), "ab" * 16),
        layout.manifest_key(9),
    }
    for key in huge:
        site.store.overwrite(key, bytes(largest + 1))
    get = MemoryStore.get

    def sparing(
        self: MemoryStore,
        key: str,
        version_id: str | None = None,
        *,
        start: int = 0,
        length: int | None = None,
    ) -> bytes:
        assert key not in huge
        return get(self, key, version_id, start=start, length=length)

    monkeypatch.setattr(MemoryStore, "get", sparing)
    site.desk.clock.advance(timedelta(days=1))
    assert {one.params["key"] for one in site.desk.night().failures} <= huge
    assert site.manifest(len(DAYS) + 1).day == march(5)
    extend(site.desk)
    assert huge <= {one.key for one in site.verified().alarms}
