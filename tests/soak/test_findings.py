"""What soaking has found, each as small as it can be told."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from archiver.errors import LocalDiskError, StoreError
from archiver.ports import ObjectStore
from tests import cards
from tests.desk import Desk, at, failure, founded, march
from tests.faults import Count, FaultyStore

T = TypeVar("T")


class Counting(Count):
    """Counts the calls up to each manifest."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.before_manifest: list[int] = []

    def _call(self, method: str, key: str, act: Callable[[], T]) -> T:
        if method == "put" and key.startswith("manifests/"):
            self.before_manifest.append(self.calls.total())
        return super()._call(method, key, act)


def three_nights_due(folder: Path, kind: str) -> Desk:
    """A shop after two nights and an outage of two: only the oldest looks back to 25 February."""
    folder.mkdir()
    sealed = [cards.order(n, at(n)) for n in (1, 2)]
    late = cards.order(9, at(-3), paid="-1" if kind == "broken" else "19.50")
    if kind == "edited":
        sealed.append(late)
        late = late | {"contact": "someone@else.example"}
    desk = founded(folder, sealed, now=at(3, 3))
    assert desk.night().failures == []
    desk.rows[:] = [*sealed[:2], late, *(cards.order(n, at(n)) for n in (3, 4, 5))]
    desk.clock.instant = at(6, 3)
    return desk


@pytest.mark.parametrize("kind", ["late", "edited", "broken"])
def test_what_came_late_is_not_lost_when_a_catch_up_dies_between_two_days(
    tmp_path: Path, kind: str
) -> None:
    whole, desk = (three_nights_due(tmp_path / name, kind) for name in ("whole", "broken off"))
    counting = Counting(whole.store)
    assert whole.night(store=counting).failures == []
    _, second, _ = counting.before_manifest

    report = desk.night(store=FaultyStore(desk.store, fail_at=second))

    assert isinstance(failure(report), StoreError)
    assert [day.day for day in report.days] == [march(3)]
    assert desk.night().failures == []
    found, expected = desk.audit(), whole.audit()
    assert found.names == expected.names
    assert found.revisions("N9") or kind == "broken"
    assert len(found.rejects) == len(expected.rejects) == (kind == "broken")


def test_a_file_of_the_night_that_cannot_be_removed_is_the_disk_s_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = founded(tmp_path, [cards.order(4, at(4))])

    def broken(*_args: object, **_kwargs: object) -> None:
        raise OSError(5, os.strerror(5))

    with monkeypatch.context() as patch:
        patch.setattr("os.unlink", broken)
        report = desk.night()

    assert isinstance(failure(report), LocalDiskError)
    assert desk.night().failures == []
    assert len(desk.audit().orders) == 1
