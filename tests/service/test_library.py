"""The room of many: a new index takes the old one's place, and who reads is not disturbed."""

import threading
from collections.abc import Iterator

import pytest

from archiver.desk import Desk
from archiver.errors import StoreError
from archiver.service.library import Library
from archiver.stores.directory import DirectoryStore
from tests.operators.people import CHEAP
from tests.service.world import World, living


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world that nobody else looks at: more is sealed in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Desk, "costs", CHEAP)
        with living(tmp_path_factory.mktemp("own"), orders=12) as made:
            yield made


def test_what_is_sealed_later_is_found_and_a_reader_of_the_old_index_reads_on(own: World) -> None:
    library: Library = own.service.library
    carol = own.operator("carol")
    late = {**own.rows[0], "id": 900, "no": "LATE-1", "done_at": "2026-03-04 12:00:00"}
    late |= dict.fromkeys(("made_at", "paid_at", "touched_at"), late["done_at"])
    assert carol.find(order="LATE-1").json()["orders"] == []

    own.seal([*own.rows, late], 4)
    with library.reading() as old:
        before = old.index.covered().manifest
        library.refresh()
        with library.reading() as new:
            assert new.index.covered().manifest > before
        assert old.finder.revisions(str(own.rows[0]["no"]))[0]  # still open
    assert old.retired
    assert old.readers == 0
    found = own.operator("carol").find(order="LATE-1").json()
    assert (found["answer"], found["partial"]) == ("found", [])
    library.refresh()  # nothing new: nothing changes
    with library.reading() as same:
        assert same.index.covered().manifest > before


def test_a_store_that_does_not_answer_makes_answers_partial_and_says_so(
    own: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    library: Library = own.service.library
    ended = threading.Event()

    def down(*_: object) -> None:
        ended.set()
        raise StoreError(key="manifests/", detail="down")

    with monkeypatch.context() as patch:
        patch.setattr(DirectoryStore, "list_versions", down)
        library.keep_fresh(ended, 0)
    told = own.operator("carol").find(order=own.rows[0]["no"]).json()
    assert told["partial"] == ["index-stale"]
    assert len(told["orders"]) == 1
    library.refresh()
    again = own.operator("carol").find(order=own.rows[0]["no"]).json()
    assert again["partial"] == []
