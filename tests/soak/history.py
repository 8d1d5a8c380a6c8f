"""One history: some days of a shop and its archive, drawn from a seed, with bad luck in it."""

import random
import shutil
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from archiver.errors import AnotherRunError, ArchiverError, VanishedError
from tests import cards
from tests.archives import Place
from tests.desk import Desk, at, founded
from tests.faults import Count
from tests.local_damage import DAMAGES
from tests.soak.account import Account, Visible, lock_manifests
from tests.soak.badluck import BadLuck, DeathError, HostClock, inner
from tests.test_histories import FIRST_DAY, Oracle, happen, mutable
from tests.test_many_histories import drawn

DAYS: Final = 5
ATTEMPTS: Final = 2
"""Unlucky ones of a night at most, before one without bad luck."""
RACES: Final = 0.1
"""The share of nights that several hosts run at once."""
KEY_FILES: Final = ("token.key", "signer.key", "archive.json")
"""What a night reads, and its host may lose."""


@dataclass(slots=True)
class Lived:
    """What happened in a history."""

    seed: int
    nights: Counter[str] = field(default_factory=Counter)
    """How they ended: `clean`, `died`, `sealed` in spite of it, or an error's code."""
    faults: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    rejects: int = 0
    finding: str = ""


def live(seed: int) -> Lived:
    """Live through the history of a seed; what does not hold is an AssertionError."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        return _History(seed, folder).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _History:
    def __init__(self, seed: int, folder: Path) -> None:
        self.chance = random.Random(seed)
        self.lived = Lived(seed)
        own = self.chance.random() < 0.5
        mapping = cards.OWN if own else cards.PROXY
        host = folder / "host"
        host.mkdir()
        self.desk = founded(host, mapping=mapping, page_rows=self.chance.choice((2, 3, 1000)))
        self.clock = HostClock(self.desk.clock)
        self.desk.night_clock = self.clock
        self.account = Account(Oracle(own=own), Visible(self.desk))
        self.older = folder / "older"

    def run(self) -> Lived:
        """Live it."""
        last = FIRST_DAY + DAYS - 1
        for day in range(FIRST_DAY, last + 1):
            for number in range(self.chance.randrange(7)):
                happen(self.desk, day, number, drawn(self.chance))
            self.desk.clock.instant = at(day + 1, 14)
            if day == last or self.chance.random() < 0.75:
                self._night(day, rerun=day == last or self.chance.random() < 0.8)
        self._end()
        return self.lived

    def _night(self, day: int, *, rerun: bool) -> None:
        self.account.due(mutable(self.desk), day, self.desk.clock.now())
        for _ in range(self.chance.randint(0 if rerun else 1, ATTEMPTS)):
            self._misfortune()
            if self.chance.random() < RACES:
                self._race(self.chance.randint(2, 8))
            else:
                self._unlucky_night()
            self.account.require_nothing_half_visible()
        self.clock.off *= 0  # somebody looks after it
        if lock_manifests(self.desk):
            self.lived.nights["locked by hand"] += 1
        if not rerun:
            self.account.leave_unfinished(mutable(self.desk))
            return
        report = self.desk.night()
        told = [type(error) for error in report.failures]
        vanished = [VanishedError] * bool(self.account.wanted.gone)
        assert told == vanished, f"one rerun does not repair it: {report.failures}"
        self.lived.nights["clean"] += 1
        self.account.require_finished()

    def _misfortune(self) -> None:
        """Let the host lose or damage local files, or a key file for a night."""
        index = self.desk.place.folder / "index"
        if index.is_dir() and self.chance.random() < 0.3:
            name = self.chance.choice(list(DAMAGES))
            if self.older.is_dir() or "rolled back" not in name:
                with suppress(FileNotFoundError, StopIteration):  # there was nothing to damage
                    DAMAGES[name](index, self.older)
                    self.lived.faults["local files damaged"] += 1
        if index.is_dir() and self.chance.random() < 0.3:
            shutil.rmtree(self.older, ignore_errors=True)
            shutil.copytree(index, self.older)

    def _unlucky_night(self) -> None:
        desk, chance = self.desk, self.chance
        luck = BadLuck.drawn(chance, self.clock)
        lost = desk.place.folder / chance.choice(KEY_FILES) if chance.random() < 0.05 else None
        kept = lost.read_bytes() if lost else b""
        if lost:
            lost.write_bytes(kept[: chance.randrange(len(kept))])
            self.lived.faults["key file damaged"] += 1
        if chance.random() < 0.1:
            desk.source.dies_after = chance.randrange(3)
            self.lived.faults["source died"] += 1
        try:
            with luck.on_disk():
                report = desk.night(store=luck.store(inner(desk.store)))
            failed = [one for one in report.failures if not isinstance(one, VanishedError)]
            ended = failed[0].code if failed else "sealed"
        except DeathError:
            ended = "died"
        except ArchiverError as error:
            ended = error.code
        finally:
            desk.source.dies_after = None
            if lost:
                lost.write_bytes(kept)
        self.lived.nights[ended] += 1
        self.lived.faults += luck.happened

    def _race(self, runs: int) -> None:
        """Run a night on several hosts at once: one seals a day, the others hear of it."""
        self.clock.off *= 0  # a wrong one would be refused on all of them
        desks = [self.desk]
        for number in range(1, runs):
            folder = self.older.with_name(f"host-{number}")
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(self.desk.place.folder, folder)
            sources = [replace(self.desk.source)]
            desks.append(replace(self.desk, place=Place(folder), sources=sources))
        start = threading.Barrier(runs)

        def run(desk: Desk) -> str:
            start.wait(timeout=60)
            try:
                failed = {type(error) for error in desk.night().failures} - {VanishedError}
            except AnotherRunError:  # it has made the lock proof, perhaps
                return "outrun"
            assert failed <= {AnotherRunError}, failed
            return "outrun" if failed else "sealed"

        with ThreadPoolExecutor(runs) as pool:
            ended = list(pool.map(run, desks))
        assert "sealed" in ended, "nobody won"
        self.lived.nights.update(ended)
        self.lived.faults[f"race of {runs}"] += 1

    def _end(self) -> None:
        """An auditor opens everything; one more night finds nothing to do.

        The night before looks back less far than the last one, which caught up: a row that it no
        longer sees beside its twin is no contradiction any more.
        """
        assert not [one for one in self.desk.night().failures if not isinstance(one, VanishedError)]
        found = self.desk.audit()
        self.lived.orders, self.lived.rejects = len(found.orders), len(found.rejects)
        counting = Count(self.desk.store)
        assert not [
            error
            for error in self.desk.night(store=counting).failures
            if not isinstance(error, VanishedError)
        ]
        assert not counting.puts


def nights_of(lived: Lived) -> int:
    """Return how many nights were run."""
    return sum(lived.nights.values()) - lived.nights["locked by hand"]
