"""An archive that lives through honest nights and is verified after each: no alarm, ever.

Orders come late, change, are rejected; nights are missed, or die at a random call and are run
again; manifests are sent twice; locks are proven again. `make soak` verifies a thousand times.
"""

import logging
import random
import tempfile
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from archiver import layout
from archiver.errors import StoreError
from archiver.stores.memory import MemoryStore
from tests import cards
from tests.desk import at, founded
from tests.faults import FaultyStore
from tests.verification.grounds import verified
from tests.verification.sites import extend

ORDERS = 4
"""Of an ordinary day, at most."""
NIGHTS = 50
"""Of one archive's life."""


def soak(count: int, seed: int, workers: int, out: TextIO) -> int:
    """Verify honest archives that often, print what was found, return how many findings."""
    done = findings = 0
    with ProcessPoolExecutor(workers) as pool:
        lives = [pool.submit(_lived, one, nights) for one, nights in _lives(count, seed)]
        for future in as_completed(lives):
            verified, finding = future.result()
            done += verified
            if finding:
                findings += 1
                print(f"\nFALSE ALARM\n{finding}", file=out)
    print(f"verifications    {done:,} of honest archives, {findings} with an alarm", file=out)
    return findings


def _lives(count: int, seed: int) -> Iterator[tuple[int, int]]:
    for number, first in enumerate(range(0, count, NIGHTS)):
        yield seed + number, min(NIGHTS, count - first)


def _lived(seed: int, nights: int) -> tuple[int, str]:
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="verified-") as folder:
        try:
            return live(Path(folder), seed, nights), ""
        except Exception:  # noqa: BLE001  whatever it is, it is a finding
            return 0, f"seed {seed}: {traceback.format_exc(limit=-4)}"


def live(folder: Path, seed: int, nights: int) -> int:
    """Live for so many nights and verify after each; return how many verifications there were."""
    chance = random.Random(seed)
    desk = founded(folder, [cards.order(1, at(2, 9))], now=at(3, 3))
    assert isinstance(desk.store, MemoryStore)
    number = 1
    for night in range(nights):
        desk.clock.advance(timedelta(days=chance.choice((1, 1, 1, 2, 5))))
        for _ in range(chance.randrange(ORDERS)):
            number += 1
            ended = desk.clock.instant - timedelta(hours=chance.randrange(1, 60))
            broken = {"state": "lost"} if chance.random() < 0.1 else {}
            desk.rows.append(cards.order(number, ended, **broken))
        if chance.random() < 0.3:
            changed = {"touched_at": desk.clock.instant, "contact": f"c{night}@example.com"}
            desk.change(chance.randrange(1, number + 1), **changed)
        if chance.random() < 0.3:
            failing = FaultyStore(
                desk.store, fail_at=chance.randrange(5, 40), lost_reply=chance.random() < 0.5
            )
            with suppress(StoreError):  # it died before it could report
                desk.night(store=failing)
        report = desk.night()
        assert report.failures == [], (seed, night, report.failures)
        if chance.random() < 0.8:
            extend(desk)
        if chance.random() < 0.2:
            key = layout.manifest_key(1)
            *_, first = desk.store.list_versions(key)
            desk.store.overwrite(
                key,
                desk.store.get(key, first.version_id),
                retain_until=desk.store.head(key, first.version_id).retain_until,
            )
        seen = verified(desk, full=chance.random() < 0.5, root=chance.random() < 0.7)
        assert not seen.alarms, (seed, night, [one.said.en for one in seen.alarms])
    return nights
