"""A store that refuses, is slow, loses replies or lies: nothing half visible, nothing twice."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from archiver.errors import (
    ArchiverError,
    ConfigurationError,
    Exit,
    NotInitialisedError,
    StoreAccessError,
    StoreError,
    TamperedError,
)
from tests.nights.evidence import BucketVault, Opened
from tests.nights.shop import SqliteShop, good_orders, new_sqlite_shop
from tests.nights.site import Site, codes, s3_store, shown, total
from tests.servers.proxy import (
    DROP_IF_NONE_MATCH,
    DROP_LOCKS,
    Delay,
    DropReplyHeaders,
    FlipByte,
    Lie,
    LoseReply,
    LoseRequest,
    Refuse,
    Rewrite,
    S3Proxy,
    SkewDate,
    When,
    request,
)
from tests.servers.seaweedfs import SECRET_KEY, S3Bucket, SeaweedFS

KINDS = ("orders/", "segments/", "known/", "manifests/")
SETTINGS = request("GET", query="versioning")


@pytest.fixture
def proxy(bucket: S3Bucket) -> Iterator[S3Proxy]:
    """The way to the bucket."""
    with S3Proxy(bucket) as way:
        yield way


@dataclass(slots=True)
class Far:
    """An archive in a bucket behind a proxy, and a shop that goes on selling.

    One archive serves many bad days: founding one takes longer than most of them.
    """

    site: Site
    shop: SqliteShop
    proxy: S3Proxy
    vault: BucketVault
    """The honest way."""
    sold: int = 0
    sealed: int = 0

    def sell(self) -> None:
        """Finish two more orders, each time on two days that are closed already."""
        for back in (0, 1):
            self.sold += 1
            self.shop.add(good_orders(self.site.days_before(back), 1, first_id=self.sold))

    @property
    def archive(self) -> Opened:
        """The archive as seen by an honest way."""
        return Opened.at(self.vault, self.site.folder)

    @property
    def manifests(self) -> int:
        """How many manifests there are."""
        return len({key for key, _ in self.vault.listed("manifests/")})

    def bad_night(self, code: str, exit_code: Exit, *, visible: bool = False) -> str:
        """Run a night that must end so, and leave no manifest; return what it says."""
        self.sell()
        before = self.manifests
        try:
            report = self.site.night()
        except ArchiverError as error:
            ended, exited = error, error.exit
        else:
            assert len(report.failures) == 1, codes(report)
            ended, exited = report.failures[0], report.exit
        assert (ended.code, exited) == (code, exit_code), shown(ended)
        assert ended.next_command
        assert SECRET_KEY not in shown(ended)
        assert visible or self.manifests == before
        return shown(ended)

    def mend(self) -> None:
        """With an honest store one more run seals what is missing, and nothing twice."""
        self.proxy.tell_the_truth()
        report = self.site.night()
        assert (report.exit, report.failures) == (Exit.DONE, [])
        self.sealed += total(report).get("orders", 0)
        assert self.sealed == self.sold
        assert set(total(report)) <= {"read", "orders", "unchanged"}

    def assert_all_sealed_once(self) -> None:
        """Every order ever sold is named by exactly one manifest; one more run adds nothing."""
        self.archive.assert_sealed_once()
        assert len(self.archive.rows()) == self.sold
        self.proxy.forget_requests()
        assert set(total(self.site.night())) == {"read", "unchanged"}
        assert self.proxy.count("PUT") == 0


@pytest.fixture(scope="module")
def one_archive(seaweedfs: SeaweedFS, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    """An archive with one good night behind it, for all the bad days of this module."""
    folder, bucket = tmp_path_factory.mktemp("far"), seaweedfs.new_bucket()
    shop = new_sqlite_shop(folder / "shop.db")
    with S3Proxy(bucket) as proxy, pytest.MonkeyPatch.context() as patch:
        for name, value in bucket.environment.items():
            patch.setenv(name, value)
        site = Site(folder / "host")
        # What is written where is the same without a census, and a reading process less.
        archive, sources = "census_days = 0\n", shop.source()
        site.configure(store=s3_store(proxy.bucket), sources=sources, archive=archive).init()
        yield Far(site, shop, proxy, BucketVault.of(bucket))


@pytest.fixture
def far(one_archive: Far, monkeypatch: pytest.MonkeyPatch) -> Far:
    """The module's archive with nothing left to seal, whatever became of the test before."""
    for name, value in one_archive.proxy.upstream.environment.items():
        monkeypatch.setenv(name, value)
    one_archive.site.clock.instant = datetime.now(UTC)
    one_archive.proxy.tell_the_truth()
    one_archive.sell()
    one_archive.site.night()
    one_archive.sealed = one_archive.sold
    one_archive.proxy.forget_requests()
    return one_archive


# ------------------------------------------------------------------------ trouble that passes


def test_a_passing_fault_of_any_write_is_nobodys_business(far: Far) -> None:
    faults: list[tuple[Lie, str]] = [(LoseReply(), kind) for kind in KINDS]
    faults += [(LoseRequest(), "orders/"), (LoseRequest(), "manifests/")]
    faults += [(Refuse(503, "SlowDown"), "segments/")]
    faults += [(Delay(timedelta(seconds=1)), "known/")]
    for lie, kind in faults:
        far.sell()
        far.proxy.lie(lie, when=request("PUT", kind), times=1)

        report = far.site.night()

        assert (report.exit, total(report)["orders"]) == (Exit.DONE, 2), (lie, kind)
        far.proxy.tell_the_truth()
    far.sealed = far.sold
    # A lost reply is settled by looking, not by writing once more under the same name.
    listed = [key for key, _ in far.vault.listed() if not key.startswith("proofs/")]
    assert len(listed) == len(set(listed))
    far.assert_all_sealed_once()


# -------------------------------------------------------------------------- trouble that lasts


def test_a_store_that_goes_on_refusing_ends_the_night_and_the_next_one_repairs(far: Far) -> None:
    later, mend = ("store-unavailable", Exit.TRY_LATER), ("store-access", Exit.FIX_REQUEST)
    for status, code, ends, kind in (
        (503, "SlowDown", later, "segments/"),
        (503, "SlowDown", later, "manifests/"),
        (507, "XMinioStorageFull", later, "orders/"),
        (403, "AccessDenied", mend, "known/"),
        (403, "AccessDenied", mend, "manifests/"),
    ):
        far.proxy.lie(Refuse(status, code), when=request("PUT", kind))
        assert kind in far.bad_night(*ends)
        far.mend()
    far.assert_all_sealed_once()


def test_a_store_whose_replies_are_all_lost_is_tried_again_later(far: Far) -> None:
    far.proxy.lie(LoseReply(), when=request("PUT", "known/"))
    far.bad_night("store-unavailable", Exit.TRY_LATER)
    far.mend()
    # The manifest was stored, though nobody heard of it: it counts.
    far.proxy.lie(LoseReply(), when=lambda seen: seen.key.startswith("vault/manifests/"))
    far.bad_night("store-unavailable", Exit.TRY_LATER, visible=True)
    far.sealed += 2
    far.mend()
    far.proxy.lie(LoseRequest())
    far.bad_night("store-unavailable", Exit.TRY_LATER)
    far.mend()
    far.assert_all_sealed_once()


def test_wrong_credentials_are_told_and_never_echoed(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-wrong-secret")

    told = far.bad_night("store-access", Exit.FIX_REQUEST)

    assert "canary-wrong-secret" not in told
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    far.mend()
    far.assert_all_sealed_once()


# --------------------------------------------------------------------------- lies about locks


def test_a_store_that_drops_the_lock_raises_the_alarm(far: Far) -> None:
    for kind in ("orders/", "segments/", "known/"):
        far.proxy.lie(DROP_LOCKS, when=request("PUT", kind))
        assert kind in far.bad_night("lock-not-honoured", Exit.ALARM)
        far.mend()
    for hidden in ("object-lock-retain", "object-lock-mode", "version-id"):
        for method in ("PUT", "HEAD"):
            far.proxy.lie(DropReplyHeaders(f"x-amz-{hidden}"), when=request(method, "orders/"))
        far.bad_night("lock-not-honoured", Exit.ALARM)
        far.mend()
    far.assert_all_sealed_once()


def test_a_manifest_whose_lock_was_dropped_does_not_pass_for_a_sealed_night(far: Far) -> None:
    far.proxy.lie(DROP_LOCKS, when=request("PUT", "manifests/"))
    far.bad_night("lock-not-honoured", Exit.ALARM, visible=True)
    far.proxy.tell_the_truth()

    for _ in range(2):
        later = far.site.night()
        # It is whole and names locked objects, so it counts; and every night says so.
        assert set(total(later)) <= {"read", "orders", "unchanged"}
        assert (later.exit, codes(later)) == (Exit.ALARM, ["lock-not-honoured"])
        assert "manifests/" in shown(later)
        far.archive.assert_sealed_once()
    assert len(far.archive.rows()) == far.sold

    vault = far.vault
    [unlocked] = [
        one
        for one in vault.versions()
        if one.key.startswith("manifests/") and one.mode != "COMPLIANCE"
    ]
    vault.s3.put_object_retention(
        Bucket=vault.bucket,
        Key=f"{vault.prefix}{unlocked.key}",
        VersionId=unlocked.version_id,
        Retention={
            "Mode": "COMPLIANCE",
            "RetainUntilDate": far.site.clock.now() + timedelta(days=7 * 366),
        },
    )
    assert far.site.night().exit is Exit.DONE
    far.assert_all_sealed_once()


def test_bytes_that_come_back_altered_raise_the_alarm(far: Far) -> None:
    for kind, at in (("orders/", 0), ("orders/", 100), ("segments/", 200), ("known/", -1)):
        far.proxy.lie(FlipByte(at), when=request("GET", kind))
        assert kind in far.bad_night("read-back", Exit.ALARM)
        far.mend()
    far.assert_all_sealed_once()


def test_what_the_bucket_has_lost_raises_the_alarm_before_anything_is_written(far: Far) -> None:
    enabled, lock = b"<Status>Enabled</Status>", request("GET", query="object-lock")
    off: list[tuple[Lie, When, str]] = [
        (Rewrite(enabled, b"<Status>Suspended</Status>"), SETTINGS, "versioning"),
        (Rewrite(enabled, b""), SETTINGS, "versioning"),
        (Refuse(404, "ObjectLockConfigurationNotFoundError"), lock, "Object Lock"),
    ]
    for lie, when, word in off:
        far.proxy.lie(lie, when=when)
        far.proxy.forget_requests()
        assert word in far.bad_night("lock-not-honoured", Exit.ALARM)
        assert far.proxy.count("PUT") == 0
        far.mend()
    far.assert_all_sealed_once()


def test_a_clock_six_minutes_off_the_stores_raises_the_alarm(far: Far) -> None:
    for minutes in (6, -6):
        far.proxy.lie(SkewDate(timedelta(minutes=minutes)))
        far.proxy.forget_requests()
        told = far.bad_night("clock", Exit.ALARM)
        seconds = int(re.findall(r"differ by (\d+) s", told)[0])
        assert 240 < seconds < 480
        assert far.proxy.count("PUT") == 0
        far.mend()
    far.proxy.lie(SkewDate(timedelta(minutes=2)))
    assert far.site.night().exit is Exit.DONE


def test_a_store_that_forgets_conditions_loses_nothing_within_one_run(far: Far) -> None:
    far.sell()
    far.proxy.lie(DROP_IF_NONE_MATCH)
    far.proxy.lie(LoseReply(), when=request("PUT", "manifests/"), times=1)

    report = far.site.night()

    assert (report.failures, total(report)["orders"]) == ([], 2)
    far.assert_all_sealed_once()


# --------------------------------------------------------------------------------- founding


@pytest.mark.parametrize("versioning", [False, True])
def test_a_bucket_without_object_lock_is_refused_and_leaves_no_keys(
    site: Site,
    sqlite_shop: SqliteShop,
    seaweedfs: SeaweedFS,
    bucket: S3Bucket,
    *,
    versioning: bool,
) -> None:
    assert bucket
    plain = seaweedfs.new_bucket(object_lock=False)
    s3 = plain.client()
    if versioning:
        s3.put_bucket_versioning(Bucket=plain.name, VersioningConfiguration={"Status": "Enabled"})
    site.configure(store=s3_store(plain), sources=sqlite_shop.source())

    with pytest.raises(ConfigurationError, match="Object Lock") as caught:
        site.init()

    assert caught.value.exit is Exit.FIX_REQUEST
    assert [path.name for path in site.folder.iterdir()] == ["archiver.toml"]
    assert s3.list_objects_v2(Bucket=plain.name)["KeyCount"] == 0


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_does_not_exist_is_named(
    site: Site, sqlite_shop: SqliteShop, bucket: S3Bucket
) -> None:
    store = s3_store(bucket).replace(bucket.name, "no-such-bucket")
    site.configure(store=store, sources=sqlite_shop.source())

    with pytest.raises(StoreAccessError, match="NoSuchBucket"):
        site.init()

    assert [path.name for path in site.folder.iterdir()] == ["archiver.toml"]


@pytest.mark.parametrize("key", ["archive.json", "signers/"])
def test_a_founding_that_breaks_off_is_finished_by_the_next_one(
    site: Site, sqlite_shop: SqliteShop, proxy: S3Proxy, key: str
) -> None:
    sqlite_shop.add(good_orders(site.last_closed, 2))
    site.configure(store=s3_store(proxy.bucket), sources=sqlite_shop.source())
    proxy.lie(LoseRequest(), when=request("PUT", key))

    with pytest.raises(StoreError) as caught:
        site.init()

    assert caught.value.exit is Exit.TRY_LATER
    keys = dict(site.secrets)
    proxy.tell_the_truth()
    site.init()
    assert site.secrets == keys
    assert total(site.night())["orders"] == 2


def test_a_night_on_an_empty_or_another_archives_store_is_refused(
    site: Site, bucket: S3Bucket, sqlite_shop: SqliteShop, tmp_path: Path
) -> None:
    site.configure(store=s3_store(bucket), sources=sqlite_shop.source()).init()
    site.configure(store=s3_store(bucket, "elsewhere"), sources=sqlite_shop.source())
    with pytest.raises(NotInitialisedError):
        site.night()
    other = Site(tmp_path / "other", clock=site.clock)
    other.configure(store=s3_store(bucket, "elsewhere"), sources=sqlite_shop.source()).init()
    with pytest.raises(TamperedError, match="another archive"):
        site.night()
