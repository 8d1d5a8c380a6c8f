"""Lock proofs on the strict store in memory, and on stores that give way to one attack each."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from archiver import layout
from archiver.archive import Archive
from archiver.capture import MappedSource
from archiver.errors import (
    Exit,
    LockBrokenError,
    LockNotProvenError,
    LockProofInconclusiveError,
    LockProofOldError,
    NoFenceError,
)
from archiver.lock_attacks import attack_lock, race
from archiver.lockproof import (
    FRESH,
    USABLE,
    Proven,
    Refused,
    Stale,
    judge_proof,
    latest_proof,
    prove_lock,
    require_proof,
)
from archiver.nightly import NightReport
from archiver.ports import LockProver
from archiver.stores.directory import DirectoryStore
from archiver.stores.memory import MemoryStore
from archiver.stores.memory_attacks import MemoryAttacks
from schemas.documents import LockAttack, LockProof
from tests import cards, provers
from tests.archives import Place
from tests.clock import FrozenClock
from tests.desk import Desk, at, founded
from tests.lock_outcomes import HELD, REFUSED, outcomes
from tests.provers import DENIED, UNKNOWN, DropsLocks, EveryoneWins, WeakLock


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def store(clock: FrozenClock) -> MemoryStore:
    return MemoryStore(clock=clock)


@pytest.fixture
def archive(tmp_path: Path, store: MemoryStore, clock: FrozenClock) -> Archive:
    """An archive; whatever proof it has is number 1."""
    return Place(tmp_path).found(store, clock)


def attacked(store: MemoryStore, prover: LockProver, *, default: bool = False) -> list[LockAttack]:
    return attack_lock(store, prover, store.clock.now(), locks_by_default=default)


# --- attacks ------------------------------------------------------------------------------------


def test_a_strict_store_holds_against_everything(store: MemoryStore) -> None:
    assert outcomes(attacked(store, MemoryAttacks(store))) == HELD


@pytest.mark.parametrize("name", [*REFUSED, "overwrite", "delete-marker", "past-date"])
def test_each_weakness_is_found_and_named_and_nothing_else(store: MemoryStore, name: str) -> None:
    found = outcomes(attacked(store, WeakLock(store, name)))

    also = {"multipart": "allowed"} if name == "delete" else {}  # parts are deleted like anything
    assert found == {**HELD, name: "allowed", **also}


def test_all_weaknesses_together_are_found(store: MemoryStore) -> None:
    names = [*REFUSED, "overwrite", "delete-marker", "past-date"]

    found = outcomes(attacked(store, WeakLock(store, *names)))

    assert [n for n, outcome in found.items() if outcome == "allowed"] == [*names, "multipart"]


def test_a_multipart_upload_without_its_lock_is_locked_afterwards(store: MemoryStore) -> None:
    attacks = attacked(store, WeakLock(store, "multipart-late"))

    assert outcomes(attacks) == {**HELD, "multipart": "repaired"}
    assert attacks[-1].detail


def test_a_multipart_upload_that_cannot_be_locked_is_found(store: MemoryStore) -> None:
    found = outcomes(attacked(store, provers.NoRelocking(store)))

    assert found["multipart"] == "allowed"


def test_a_multipart_upload_whose_lock_does_not_hold_is_found(store: MemoryStore) -> None:
    found = outcomes(attacked(store, provers.DeletesMultipart(store)))

    assert found == {**HELD, "multipart": "allowed"}


@pytest.mark.parametrize(
    ("methods", "silenced"),
    [
        (("delete", "delete_many"), REFUSED[:4]),
        (("retain",), REFUSED[4:]),
        (("put", "put_in_parts"), ("overwrite", "past-date", "multipart")),
        (("hide",), ("delete-marker",)),
    ],
)
def test_a_refusal_by_permission_is_told_from_one_by_the_lock(
    store: MemoryStore, methods: tuple[str, ...], silenced: tuple[str, ...]
) -> None:
    denied = outcomes(attacked(store, provers.Refusing(store, DENIED, *methods)))
    unknown = outcomes(attacked(store, provers.Refusing(store, UNKNOWN, *methods)))

    assert denied == {**HELD, **dict.fromkeys(silenced, "refused-by-permission")}
    assert unknown == {**HELD, **dict.fromkeys(silenced, "refused-always")}


def test_credentials_that_may_do_nothing_prove_nothing(store: MemoryStore) -> None:
    methods = ("delete", "delete_many", "retain", "put", "put_in_parts", "hide")

    found = outcomes(attacked(store, provers.Refusing(store, DENIED, *methods)))

    assert set(found.values()) == {"honoured", "refused-by-permission"}


def test_a_delete_marker_serves_as_control_where_plain_objects_are_refused(
    store: MemoryStore,
) -> None:
    assert outcomes(attacked(store, provers.LocksOnly(store))) == HELD


def test_nothing_is_put_without_a_lock_where_the_bucket_would_lock_it_for_years(
    store: MemoryStore,
) -> None:
    found = attacked(store, provers.LockingByDefault(store), default=True)

    assert outcomes(found) == HELD


def test_what_is_accepted_and_not_done_has_not_lifted_the_lock(store: MemoryStore) -> None:
    found = outcomes(attacked(store, provers.Pretending(store)))

    assert found == {**HELD, **dict.fromkeys(REFUSED, "survived")}


def test_a_store_that_drops_locks_is_found_at_once(clock: FrozenClock) -> None:
    store = DropsLocks(clock=clock)

    (only,) = attacked(store, MemoryAttacks(store))

    assert (only.attack, only.outcome, only.detail) == ("put", "allowed", "the mode is missing")


def test_attacks_leave_nothing_but_locked_canaries(store: MemoryStore, clock: FrozenClock) -> None:
    attacked(store, MemoryAttacks(store))
    race(store, clock.now())

    left = list(store.list_versions(""))

    assert all(entry.key.startswith("proofs/canary/") for entry in left)
    for entry in left:
        assert not entry.is_delete_marker
        until = store.head(entry.key, entry.version_id).retain_until
        assert timedelta(0) < until - clock.now() <= timedelta(days=1, hours=1)
        assert entry.size_bytes < 100
    assert len(left) < 10


def test_of_eight_writers_exactly_one_must_win(clock: FrozenClock) -> None:
    strict, lax = MemoryStore(clock=clock), EveryoneWins(clock=clock)

    assert race(strict, clock.now()) == LockAttack(attack="race", outcome="honoured")
    lost = race(lax, clock.now())
    assert (lost.attack, lost.outcome) == ("race", "allowed")
    assert lost.detail == "8 of 8 writers won, 8 versions"


# --- proofs -------------------------------------------------------------------------------------


def test_a_proof_is_signed_numbered_and_locked_like_evidence(
    archive: Archive, store: MemoryStore
) -> None:
    trial = prove_lock(archive, MemoryAttacks(store))

    assert trial.failure is None
    assert trial.proof is not None
    found = latest_proof(archive)
    assert found == trial.proof
    proof = found.document
    assert (proof.number, proof.archive, proof.store) == (2, archive.id, "memory")
    assert (proof.verdict, proof.worm, proof.lock) == ("proven", True, "COMPLIANCE")
    assert proof.conditional_put
    assert outcomes(proof.attacks) == {**HELD, "race": "honoured"}
    head = store.head(layout.proof_key(2), found.version_id)
    assert head.retain_until == archive.evidence_until()
    assert head.sha256 == found.sha256


def test_a_failed_proof_is_stored_and_says_what_gave_way(
    archive: Archive, store: MemoryStore
) -> None:
    trial = prove_lock(archive, WeakLock(store, "shorten", "clear-bypass"))

    assert isinstance(trial.failure, LockBrokenError)
    assert str(trial.failure).endswith("against: shorten, clear-bypass")
    assert trial.proof is not None
    assert (trial.proof.document.verdict, trial.proof.document.worm) == ("failed", False)
    with pytest.raises(LockNotProvenError, match="shorten, clear-bypass"):
        require_proof(archive, latest_proof(archive))


def test_a_weakness_counts_though_permissions_left_the_rest_open(
    archive: Archive, store: MemoryStore
) -> None:
    prover = provers.Refusing(store, DENIED, "retain", gives_way=["delete"])

    trial = prove_lock(archive, prover)

    assert trial.verdict == "failed"


def test_where_permissions_refuse_nothing_is_proven_and_the_earlier_proof_counts(
    archive: Archive, store: MemoryStore
) -> None:
    before = latest_proof(archive)

    trial = prove_lock(archive, provers.Refusing(store, DENIED, "delete", "delete_many"))

    assert trial.verdict == "inconclusive"
    assert trial.proof is None
    assert isinstance(trial.failure, LockProofInconclusiveError)
    assert trial.failure.exit == 2
    assert "[prover]" in str(trial.failure)
    assert "delete-many-bypass" in str(trial.failure)
    assert latest_proof(archive) == before


def test_a_store_without_the_condition_has_a_lock_and_no_fence(
    tmp_path: Path, clock: FrozenClock
) -> None:
    store = EveryoneWins(clock=clock)
    archive = Place(tmp_path).found(store, clock)

    trial = prove_lock(archive, MemoryAttacks(store))

    assert trial.verdict == "proven"
    assert isinstance(trial.failure, NoFenceError)
    with pytest.raises(NoFenceError):
        require_proof(archive, latest_proof(archive))
    # Something else may be the fence.
    assert trial.failure_where(fenced=True) is None
    assert require_proof(archive, latest_proof(archive), fenced=True) is None


def test_a_store_that_drops_locks_fails_even_if_the_proof_cannot_be_stored(
    archive: Archive, clock: FrozenClock
) -> None:
    store = DropsLocks(clock=clock)
    lying = replace(archive, store=store)

    trial = prove_lock(lying, MemoryAttacks(store))

    assert trial.verdict == "failed"
    assert trial.proof is None
    assert isinstance(trial.failure, LockBrokenError)
    with pytest.raises(LockNotProvenError, match="put"):  # it lies there all the same
        require_proof(lying, latest_proof(lying))


def test_a_folder_is_not_attacked_and_proves_nothing(tmp_path: Path, clock: FrozenClock) -> None:
    store = DirectoryStore(tmp_path / "vault", clock)
    archive = Place(tmp_path).found(store, clock)

    trial = prove_lock(archive, None)

    assert (trial.verdict, trial.failure, trial.attacks) == ("advisory", None, [])
    assert trial.proof is not None
    assert (trial.proof.document.worm, trial.proof.document.lock) == (False, "ADVISORY")
    assert not (tmp_path / "vault" / "proofs" / "canary").exists()
    clock.advance(timedelta(days=400))
    assert require_proof(archive, None) is None


def test_settings_of_the_bucket_stand_in_the_proof(archive: Archive, store: MemoryStore) -> None:
    trial = prove_lock(archive, provers.LockingByDefault(store))

    assert trial.proof is not None
    found = {(one.code, one.severity) for one in trial.proof.document.findings}
    assert ("default-lock-overlong", "warning") in found


# --- which proof counts -------------------------------------------------------------------------


def test_rubbish_and_forgeries_under_proofs_stop_nobody(
    archive: Archive, store: MemoryStore, tmp_path: Path, clock: FrozenClock
) -> None:
    first = prove_lock(archive, MemoryAttacks(store)).proof
    assert first is not None
    other = MemoryStore(clock=clock)
    foreign = Place(tmp_path / "other")
    foreign.folder.mkdir()
    forged = prove_lock(foreign.found(other, clock), WeakLock(other, "delete")).proof
    assert forged is not None
    store.overwrite("proofs/00000003.json", other.get("proofs/00000002.json"))
    store.overwrite("proofs/00000004.json", store.get("proofs/00000002.json"))
    store.overwrite("proofs/00000005.json", b"rubbish")
    store.overwrite("proofs/0.json", b"rubbish")
    store.add_delete_marker("proofs/00000002.json")
    store.overwrite("proofs/00000002.json", b"shadow")

    assert latest_proof(archive) == first
    again = prove_lock(archive, MemoryAttacks(store)).proof
    assert again is not None
    assert again.document.number == 6
    assert latest_proof(archive) == again


def test_the_highest_number_counts_not_the_kindest_verdict(
    archive: Archive, store: MemoryStore
) -> None:
    prove_lock(archive, WeakLock(store, "delete"))
    with pytest.raises(LockNotProvenError):
        require_proof(archive, latest_proof(archive))

    prove_lock(archive, MemoryAttacks(store))

    assert require_proof(archive, latest_proof(archive)) is None


# --- for how long it is believed ----------------------------------------------------------------


@pytest.fixture
def proof(archive: Archive, store: MemoryStore) -> LockProof:
    found = prove_lock(archive, MemoryAttacks(store)).proof
    assert found is not None
    return found.document


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("age", "judged"),
    [
        (timedelta(minutes=-5), Proven),
        (timedelta(0), Proven),
        (FRESH, Proven),
        (FRESH + SECOND, Stale),
        (USABLE, Stale),
        (USABLE + SECOND, Refused),
        (timedelta(days=400), Refused),
        (timedelta(minutes=-5) - SECOND, Refused),
    ],
)
def test_a_proof_carries_nights_for_35_days_and_raises_an_alarm_after_seven(
    proof: LockProof, age: timedelta, judged: type
) -> None:
    found = judge_proof(proof, now=proof.created_at + age, store=proof.store)

    assert isinstance(found, judged)


def test_the_alarm_says_how_old_the_proof_is(proof: LockProof) -> None:
    now = proof.created_at + timedelta(days=12, hours=3)

    found = judge_proof(proof, now=now, store=proof.store)

    assert isinstance(found, Stale)
    assert isinstance(found.alarm, LockProofOldError)
    assert "12 days" in str(found.alarm)
    assert found.alarm.exit == 20
    assert found.alarm.next_command == "archiver prove-lock"


def test_a_proof_speaks_of_one_bucket_and_prefix_however_it_is_reached(proof: LockProof) -> None:
    ours = proof.model_copy(update={"store": "s3://b/v/ at http://127.0.0.1:1"})
    now = proof.created_at

    elsewhere = judge_proof(ours, now=now, store="s3://b/other/ at http://127.0.0.1:1")
    assert isinstance(elsewhere, Refused)
    assert "s3://b/v/" in str(elsewhere.error)
    assert isinstance(judge_proof(ours, now=now, store="s3://b/v/ at http://x"), Proven)


def test_without_a_proof_nothing_is_sealed(proof: LockProof) -> None:
    found = judge_proof(None, now=proof.created_at, store=proof.store)

    assert isinstance(found, Refused)
    assert isinstance(found.error, LockNotProvenError)
    assert found.error.exit == 20


# --- the gate of a night ------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An archive with an order of Monday, opened on Thursday."""
    return founded(tmp_path, [cards.order(1, at(2))])


def run(desk: Desk) -> NightReport:
    """Run a night that makes no proof of its own accord."""
    mapped = [
        MappedSource(source=one, mapping=one.mapping, session_zone="UTC") for one in desk.sources
    ]
    return desk.place.night(desk.open(), mapped, proven=False)


def manifests(desk: Desk) -> int:
    return sum(1 for _ in desk.store.list_versions("manifests/"))


def test_a_night_rests_on_the_proof_of_the_founding(desk: Desk) -> None:
    report = run(desk)

    assert report.exit is Exit.DONE
    assert manifests(desk) == len(report.days) > 0


def test_without_a_proof_a_night_seals_nothing(desk: Desk) -> None:
    assert isinstance(desk.store, MemoryStore)
    for version in list(desk.store.list_versions("proofs/")):
        desk.store.drop(version.key, version.version_id)

    with pytest.raises(LockNotProvenError, match="no proof"):
        run(desk)

    assert manifests(desk) == 0


def test_after_a_failed_proof_a_night_seals_nothing_until_a_better_one(desk: Desk) -> None:
    assert isinstance(desk.store, MemoryStore)
    prove_lock(desk.open(), WeakLock(desk.store, "downgrade-bypass"))

    with pytest.raises(LockNotProvenError, match="downgrade-bypass"):
        run(desk)

    assert manifests(desk) == 0
    desk.place.prove_lock(desk.open())
    assert run(desk).exit is Exit.DONE


def test_without_a_fence_a_night_seals_nothing(tmp_path: Path, clock: FrozenClock) -> None:
    store = EveryoneWins(clock=clock)
    desk = founded(tmp_path, [cards.order(1, at(2))], store=store, clock=clock)

    with pytest.raises(NoFenceError):
        run(desk)

    assert manifests(desk) == 0


def test_on_an_old_proof_a_night_seals_and_raises_an_alarm(desk: Desk) -> None:
    desk.clock.advance(timedelta(days=7, seconds=1))

    report = run(desk)

    assert [error.code for error in report.failures] == ["lock-proof-old"]
    assert report.exit is Exit.ALARM
    assert manifests(desk) == len(report.days) > 0


def test_on_a_proof_older_than_35_days_a_night_seals_nothing(desk: Desk) -> None:
    desk.clock.advance(timedelta(days=35, seconds=1))

    with pytest.raises(LockNotProvenError, match="35 days old"):
        run(desk)

    assert manifests(desk) == 0


def test_on_a_folder_nights_need_no_proof(tmp_path: Path, clock: FrozenClock) -> None:
    store = DirectoryStore(tmp_path / "vault", clock)
    desk = founded(tmp_path, [cards.order(1, at(2))], store=store, clock=clock)
    clock.advance(timedelta(days=100))

    report = run(desk)

    assert report.failures == []
    assert manifests(desk) == len(report.days) > 0
