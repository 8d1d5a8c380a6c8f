"""The attacks by which a store's lock is tried, and when it has held.

Responsible for one argument. After each attack the canary is read back by its version id: what
is read, not what the server answered, says whether the lock held. A refusal counts as the
lock's only if the same right was granted to the same credentials where no lock stood against
it (the *control*); else it may be a matter of permissions, and nothing is proven: whoever
holds better credentials could do it.

Canaries are ours, tiny, under random keys, locked for a day, and left to nobody's care. What is
not locked is removed again. Relies on a `LockProver` for what the `ObjectStore` must not offer.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from io import BytesIO
from threading import Barrier
from typing import Final

from archiver import layout
from archiver.errors import AlreadyStoredError, LockNotHonouredError, ObjectMissingError
from archiver.ports import Answer, LockMode, LockProver, ObjectStore, Retention, StoredObject
from schemas.documents import AttackOutcome, LockAttack

CANARY_LOCK: Final = timedelta(days=1)
"""Long enough to be attacked, and as long as an overlong default would hardly be."""
WRITERS: Final = 8
"""Servers without the condition, or with one that is checked too early, have several winners."""
RACE: Final = "race"

_CONTENT: Final = b"a canary: it is here to be attacked\n"
_FORGED: Final = b"forged\n"
_HOUR: Final = timedelta(hours=1)

Act = Callable[[str, str], Answer]
"""Does something to the version of this key and id."""


def attack_lock(
    store: ObjectStore, prover: LockProver, now: datetime, *, locks_by_default: bool
) -> list[LockAttack]:
    """Try everything against the store's lock and report each attempt.

    Args:
        store: The store, as nights use it.
        prover: The same store under credentials that may do as much as possible.
        now: The store's time, aware, whole seconds.
        locks_by_default: The bucket locks what is put without a lock; then no plain object
            serves as a control.

    Raises:
        StoreError: The store did not answer; nothing is known.
        StoreAccessError: It does not know the credentials.
    """
    siege = _Siege(store, prover, now, locks_by_default=locks_by_default)
    return list(siege.attacks())


def race(store: ObjectStore, now: datetime) -> LockAttack:
    """Let eight writers want one key at once, and report whether exactly one had it."""
    key = layout.canary_key(secrets.token_hex(16))
    write = partial(_wins, store, key, Barrier(WRITERS), now + CANARY_LOCK)
    with ThreadPoolExecutor(WRITERS) as pool:
        winners = sum(pool.map(write, range(WRITERS)))
    versions = sum(version.key == key for version in store.list_versions(key))
    if (winners, versions) == (1, 1):
        return LockAttack(attack=RACE, outcome="honoured")
    detail = f"{winners} of {WRITERS} writers won, {versions} versions"
    return LockAttack(attack=RACE, outcome="allowed", detail=detail)


def broken(attacks: Sequence[LockAttack]) -> list[str]:
    """Return the attacks that lifted the lock."""
    return [one.attack for one in attacks if one.attack != RACE and one.outcome == "allowed"]


def undecided(attacks: Sequence[LockAttack]) -> list[str]:
    """Return the attacks that say nothing, for want of permissions."""
    return [one.attack for one in attacks if one.outcome == "refused-by-permission"]


def _wins(store: ObjectStore, key: str, start: Barrier, until: datetime, number: int) -> bool:
    start.wait()
    try:
        store.put(key, BytesIO(b"writer %d\n" % number), retain_until=until)
    except AlreadyStoredError:
        return False
    return True


@dataclass(slots=True)
class _Siege:
    """The attacks on one canary after another: a new one when the last did not survive."""

    store: ObjectStore
    prover: LockProver
    now: datetime
    locks_by_default: bool = field(kw_only=True)
    _canary: StoredObject | None = None
    _controls: int = 0

    @property
    def until(self) -> datetime:
        """Until when canaries are locked."""
        return self.now + CANARY_LOCK

    def attacks(self) -> Iterator[LockAttack]:
        """Attack, and yield what became of it; stop where not even a lock was taken."""
        try:
            self._canary = self._new_canary()
        except LockNotHonouredError as error:
            yield _result("put", "allowed", detail=str(error.params["detail"]))
            return
        yield _result("put", "honoured")
        yield from self._deletions()
        yield from self._other_locks()
        yield self._attack("overwrite", self._overwrite, self._may_put)
        yield self._attack("delete-marker", self._hide, self._may_hide)
        yield self._past_date()
        yield self._in_parts()

    # --- what is tried --------------------------------------------------------------------------

    def _deletions(self) -> Iterator[LockAttack]:
        for name, delete in (
            ("delete", self.prover.delete),
            ("delete-many", self.prover.delete_many),
        ):
            for bypass in (False, True):
                act = partial(delete, bypass=bypass)
                control = partial(self._deletes_unlocked, act)
                yield self._attack(_named(name, bypass=bypass), act, control)

    def _other_locks(self) -> Iterator[LockAttack]:
        for name, lock in (
            ("shorten", Retention(mode="COMPLIANCE", until=self.now + _HOUR)),
            ("expire", Retention(mode="COMPLIANCE", until=self.now - _HOUR)),
            ("downgrade", Retention(mode="GOVERNANCE", until=self.until)),
            ("clear", None),
        ):
            for bypass in (False, True):
                act = partial(self.prover.retain, lock=lock, bypass=bypass)
                control = partial(self._may_prolong, bypass=bypass)
                yield self._attack(_named(name, bypass=bypass), act, control)

    def _overwrite(self, key: str, _version_id: str) -> Answer:
        """Write above the canary; with a lock only where it must be, for it cannot be removed."""
        if not self.locks_by_default:
            answer = self.prover.put(key, _FORGED, None)
            if answer.accepted:
                return answer
        return self.prover.put(key, _FORGED, self._lock)

    def _hide(self, key: str, _version_id: str) -> Answer:
        return self.prover.hide(key)

    def _past_date(self) -> LockAttack:
        """Put a new object whose lock has ended before it began."""
        key = _new_key()
        past = Retention(mode="COMPLIANCE", until=self.now - _HOUR)
        answer = self.prover.put(key, _CONTENT, past)
        if answer.accepted:
            self._remove(key, answer)
            return _result("past-date", "allowed", detail="a lock that has ended was accepted")
        return _refused("past-date", answer, self._may_put())

    def _in_parts(self) -> LockAttack:
        """Send an object in parts, as large ones are, and delete it."""
        key = _new_key()
        answer = self.prover.put_in_parts(key, _CONTENT, self.until)
        if not answer.accepted or answer.version_id is None:
            return _refused("multipart", answer, answer)
        outcome: AttackOutcome = "honoured"
        if fault := self._fault(key, answer.version_id):
            self.prover.retain(key, answer.version_id, self._lock, bypass=False)
            outcome = "repaired"
        if again := self._fault(key, answer.version_id):
            return _result("multipart", "allowed", detail=again)
        self.prover.delete(key, answer.version_id, bypass=False)
        if gone := self._fault(key, answer.version_id):
            return _result("multipart", "allowed", detail=gone)
        return _result("multipart", outcome, detail=fault or "")

    # --- what is judged -------------------------------------------------------------------------

    def _attack(self, name: str, act: Act, control: Callable[[], Answer]) -> LockAttack:
        canary = self._canary = self._canary or self._new_canary()
        answer = act(canary.key, canary.version_id)
        if fault := self._fault(canary.key, canary.version_id):
            self._canary = None
            return _result(name, "allowed", answer.code, fault)
        if answer.accepted:
            self._remove(canary.key, answer)
            return _result(name, "survived")
        return _refused(name, answer, control())

    def _fault(self, key: str, version_id: str) -> str | None:
        """Return what is wrong with a locked version when it is read back, None if nothing is."""
        try:
            seen = self.store.head(key, version_id)
            content = self.store.get(key, version_id)
        except ObjectMissingError:
            return "the version is gone"
        except LockNotHonouredError as error:
            return str(error.params["detail"])
        if seen.mode is not LockMode.COMPLIANCE or seen.retain_until < self.until:
            return f"locked until {seen.retain_until.isoformat()} ({seen.mode})"
        return None if content == _CONTENT else "its bytes have changed"

    # --- controls -------------------------------------------------------------------------------

    def _deletes_unlocked(self, delete: Act) -> Answer:
        """Delete, in the same way, what no lock protects: an object, else a delete marker."""
        makers: list[Callable[[str], Answer]] = [
            partial(self.prover.put, content=_FORGED, lock=None),
            self.prover.hide,
        ]
        answer = Answer(accepted=False, denied=True)
        for make in makers[self.locks_by_default :]:
            key = _new_key()
            answer = make(key)
            if answer.version_id is not None:
                answer = delete(key, answer.version_id)
                if answer.accepted:
                    break
        return answer

    def _may_prolong(self, *, bypass: bool) -> Answer:
        """Give the canary a longer lock: the one change that its lock must allow."""
        canary = self._canary = self._canary or self._new_canary()
        self._controls += 1
        longer = self.until + timedelta(minutes=self._controls)
        lock = Retention(mode="COMPLIANCE", until=longer)
        return self.prover.retain(canary.key, canary.version_id, lock, bypass=bypass)

    def _may_put(self) -> Answer:
        return self.prover.put(_new_key(), _CONTENT, self._lock)

    def _may_hide(self) -> Answer:
        key = _new_key()
        answer = self.prover.hide(key)
        self._remove(key, answer)
        return answer

    # --- objects --------------------------------------------------------------------------------

    @property
    def _lock(self) -> Retention:
        return Retention(mode="COMPLIANCE", until=self.until)

    def _new_canary(self) -> StoredObject:
        return self.store.put(_new_key(), BytesIO(_CONTENT), retain_until=self.until)

    def _remove(self, key: str, written: Answer) -> None:
        """Remove what an attack wrote, if anything and if nothing locks it."""
        if written.version_id is not None:
            self.prover.delete(key, written.version_id, bypass=False)


def _named(attack: str, *, bypass: bool) -> str:
    return f"{attack}-bypass" if bypass else attack


def _new_key() -> str:
    return layout.canary_key(secrets.token_hex(16))


def _refused(attack: str, answer: Answer, control: Answer) -> LockAttack:
    """Say whose refusal it was."""
    if control.accepted:
        return _result(attack, "refused-by-lock", answer.code)
    if control.denied:
        return _result(attack, "refused-by-permission", answer.code)
    return _result(attack, "refused-always", answer.code)


def _result(attack: str, outcome: AttackOutcome, code: str = "", detail: str = "") -> LockAttack:
    return LockAttack(attack=attack, outcome=outcome, code=code, detail=detail)
