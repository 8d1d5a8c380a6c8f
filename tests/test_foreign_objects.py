"""What somebody with the bucket's credentials puts where our next document belongs."""

import io
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archiver import dsse, layout
from archiver.access_log.parts import seal_access_log
from archiver.catalog import Catalog
from archiver.errors import AnotherRunError, Exit, RollbackError, StoreError
from archiver.ports import ObjectStore, StoredObject
from archiver.stores.directory import DirectoryStore
from archiver.stores.memory import MemoryStore
from archiver.stores.s3 import S3Store
from archiver.stores.s3_bucket import Patience, open_bucket
from schemas.documents import Manifest
from tests import cards
from tests.access_log.logs import fill, log_in
from tests.clock import FrozenClock
from tests.desk import Desk, at, founded, sealed_days, totals
from tests.faults import Count, FaultyStore
from tests.servers.seaweedfs import SeaweedFS
from tests.verification.grounds import codes, verified
from tests.verification.sites import attacked

T = TypeVar("T")
AT_ONCE: Final = Patience(attempts=2, first_wait=timedelta(0), longest_wait=timedelta(0))
NEXT: Final = layout.manifest_key(4)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("sealed")
    desk = founded(folder, [cards.order(n, at(n)) for n in (2, 3, 4)])
    desk.night()
    return desk


@pytest.fixture
def desk(sealed: Desk, tmp_path: Path) -> Iterator[Desk]:
    with attacked(sealed, tmp_path) as site:
        shop = copy(site.desk.source)
        shop.held = list(shop.held)
        yield replace(site.desk, sources=[shop])


def put_there(desk: Desk, content: bytes, key: str = NEXT) -> None:
    """Put something at a key, as whoever may write to the bucket can."""
    desk.store.put(key, io.BytesIO(content), retain_until=at(1).replace(year=2030))


def opened(desk: Desk, store: ObjectStore | None = None, folder: str = "cache") -> Catalog:
    """Read the chain, on a host of its own."""
    catalog = Catalog(desk.open(store), desk.place.folder / folder)
    catalog.refresh()
    return catalog


def following(catalog: Catalog, source: str = "main") -> Manifest:
    """Return a manifest that continues the chain."""
    links = {"number": catalog.next_number, "previous": catalog.head, "source": source}
    return catalog.entries[-1].document.model_copy(update=links)


def text(_: Desk) -> bytes:
    return b"junk"


def forged(desk: Desk) -> bytes:
    """Return the right manifest, signed by somebody else."""
    payload = following(opened(desk, folder="thief's")).model_dump_json().encode()
    return dsse.sign(payload, "manifest", "0001", Ed25519PrivateKey.generate())


def copied(desk: Desk) -> bytes:
    """Return an earlier manifest of ours."""
    return desk.store.get(layout.manifest_key(2))


def rewritten(desk: Desk) -> bytes:
    """Return it with a blank behind it: another object, and the same signature."""
    return copied(desk) + b" "


@pytest.mark.parametrize("content", [text, forged, copied, rewritten])
def test_a_foreign_file_at_the_next_manifest_s_key_stops_no_night_and_is_told(
    desk: Desk, content: Callable[[Desk], bytes]
) -> None:
    put_there(desk, content(desk))
    desk.rows.append(cards.order(5, at(5)))
    desk.clock.instant = at(6, 3)
    report = desk.night()
    assert report.exit is Exit.ALARM
    assert [error.code for error in report.failures] == ["foreign-object"]
    assert totals(report)["orders"] == 1
    desk.rows.append(cards.order(6, at(6)))
    assert totals(desk.night_of(6))["orders"] == 1
    numbers = [one.document.number for one in opened(desk).entries]
    assert numbers == [1, 2, 3, 4, 5]
    seen = verified(desk)
    assert {one.key for one in seen.alarms} == {NEXT}
    assert codes(seen.alarms) <= {"malformed", "signature-invalid", "misplaced"}


def test_in_a_folder_too(tmp_path: Path) -> None:
    clock = FrozenClock(at(5, 3))
    store = DirectoryStore(tmp_path / "vault", clock)
    desk = founded(tmp_path, [cards.order(4, at(4))], store=store, clock=clock)
    desk.night()
    put_there(desk, b"junk", layout.manifest_key(2))
    clock.instant = at(6, 3)
    assert [error.code for error in desk.night().failures] == ["foreign-object"]
    clock.instant = at(7, 3)
    assert desk.night().failures == []
    assert opened(desk).next_number == 4


def test_on_a_server_too(
    seaweedfs: SeaweedFS, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = seaweedfs.new_bucket()
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
    place = open_bucket(bucket.url, bucket.endpoint, bucket.region, AT_ONCE)
    clock = FrozenClock(datetime.now(UTC))
    order = cards.order(1, clock.instant - timedelta(days=2))
    desk = founded(tmp_path, [order], store=S3Store(place), clock=clock)
    number = len(sealed_days(desk.night())) + 1
    client = bucket.client()
    try:
        for _ in range(2):  # unlocked, as a thief of the credentials writes it
            client.put_object(Bucket=bucket.name, Key=layout.manifest_key(number), Body=b"junk")
        desk.rows.append(cards.order(2, clock.instant - timedelta(days=2)))
        report = desk.night()
        assert [error.code for error in report.failures] == ["foreign-object"]
        assert totals(report)["orders"] == 1
        assert desk.night().failures == []
        assert {one.key for one in verified(desk).alarms} == {layout.manifest_key(number)}
    finally:
        client.close()
        place.client.close()


class Meanwhile(Count):
    """Does something in front of the first call of one kind at the next manifest's key."""

    def __init__(self, store: ObjectStore, method: str, hook: Callable[[], object]) -> None:
        super().__init__(store)
        self.method, self.hook = method, hook

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        if (method, key) == (self.method, NEXT):
            hook, self.hook = self.hook, lambda: None
            hook()
        return super()._call(method, key, act)


@pytest.mark.parametrize("method", ["put", "put_over", "list_versions"])
def test_of_two_runs_above_a_foreign_file_one_wins(desk: Desk, method: str) -> None:
    put_there(desk, b"junk")
    other = opened(desk, folder="other's")
    hooked = Meanwhile(desk.store, method, lambda: other.append(following(other, "other")))
    mine = opened(desk, hooked)
    with pytest.raises(AnotherRunError, match=NEXT):
        mine.append(following(mine))
    mine.refresh()
    assert (mine.head, mine.next_number) == (other.head, 5)


def test_of_two_runs_the_first_wins_where_the_server_knows_no_condition(desk: Desk) -> None:
    class Careless(Meanwhile):
        def put_over(
            self, key: str, body: BinaryIO, *, above: str, retain_until: datetime
        ) -> StoredObject:
            del above
            return self._call("put_over", key, partial(self._append, key, body, retain_until))

        def _append(self, key: str, body: BinaryIO, until: datetime) -> StoredObject:
            assert isinstance(self.store, MemoryStore)
            until = until.replace(microsecond=0)
            return self.store.head(key, self.store.overwrite(key, body.read(), retain_until=until))

    put_there(desk, b"junk")
    other = opened(desk, Careless(desk.store, "", lambda: None), "other's")
    hook = lambda: other.append(following(other, "other"))  # noqa: E731
    mine = opened(desk, Careless(desk.store, "put_over", hook))
    with pytest.raises(AnotherRunError, match=NEXT):
        mine.append(following(mine))
    mine.refresh()
    assert (mine.head, mine.next_number) == (other.head, 5)


def test_one_who_keeps_putting_files_there_wins_at_last(desk: Desk) -> None:
    """Whoever may write to the bucket can refuse service; nothing is lost by it."""

    class Busy(Count):
        def put_over(
            self, key: str, body: BinaryIO, *, above: str, retain_until: datetime
        ) -> StoredObject:
            assert isinstance(self.store, MemoryStore)
            self.store.overwrite(key, b"more junk")
            return super().put_over(key, body, above=above, retain_until=retain_until)

    put_there(desk, b"junk")
    busy = opened(desk, Busy(desk.store))
    with pytest.raises(AnotherRunError):
        busy.append(following(busy))
    quiet = opened(desk)
    quiet.append(following(quiet))
    assert quiet.next_number == 5


@pytest.mark.parametrize("lost_reply", [False, True])
def test_a_run_that_dies_above_a_foreign_file_is_finished_by_the_next(
    desk: Desk, *, lost_reply: bool
) -> None:
    put_there(desk, b"junk")
    assert isinstance(desk.store, MemoryStore)
    before = {key: list(versions) for key, versions in desk.store._versions.items()}
    for fail_at in count():
        desk.store._versions = {key: list(versions) for key, versions in before.items()}
        faulty = FaultyStore(desk.store, lost_reply=lost_reply)
        dying = opened(desk, faulty, f"{fail_at}")
        faulty.fail_at = faulty.calls + fail_at
        try:
            dying.append(following(dying))
        except StoreError:
            again = opened(desk)
            if again.next_number == 4:  # it died before its manifest was there
                again.append(following(again))
            assert (again.next_number, opened(desk, folder="third").head) == (5, again.head)
            (foreign, *ours) = [
                desk.store.get(NEXT, one.version_id)
                for one in reversed(list(desk.store.list_versions(NEXT)))
            ]
            assert (foreign, len(ours)) == (b"junk", 1)
        else:
            break
    assert fail_at > 4  # put, list, get, put_over, list, get, get, head


def test_a_file_in_the_place_of_a_manifest_that_was_destroyed_is_no_free_number(
    desk: Desk,
) -> None:
    key = layout.manifest_key(3)
    assert isinstance(desk.store, MemoryStore)
    (version,) = desk.store.list_versions(key)
    desk.store.drop(key, version.version_id)
    desk.store.overwrite(key, b"junk")
    with pytest.raises(RollbackError, match=key):
        opened(desk, folder="a host that has seen nothing")


def test_a_copy_far_ahead_stops_no_night(desk: Desk) -> None:
    put_there(desk, copied(desk), layout.manifest_key(17))
    assert opened(desk).next_number == 4


def test_foreign_files_in_the_access_log_s_place_do_not_keep_it_from_being_sealed(
    desk: Desk, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    archive = desk.open()
    log = log_in(tmp_path / "state", desk.clock, archive=archive.id)
    fill(log, 2)
    (first,) = seal_access_log(archive, log)
    place = partial(layout.access_key, first.node)
    put_there(desk, b"junk", place(2))
    put_there(desk, desk.store.get(place(1)), place(99_999_999))
    fill(log, 3)
    (second,) = seal_access_log(archive, log)
    assert (second.part, second.first, second.last) == (2, 3, 5)
    told = {(one.code, one.params["key"]) for one in archive.alarms}
    assert told == {("foreign-object", place(2)), ("foreign-object", place(99_999_999))}
    assert seal_access_log(desk.open(), log) == []
