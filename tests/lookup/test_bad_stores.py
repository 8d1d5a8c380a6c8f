"""A store that lies, loses or has destroyed: an error or a "no" that says so, never an answer."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta

import pytest

from archiver.errors import ArchiverError, ObjectMissingError, StoreError, TamperedError
from archiver.lookup.finding import Finder
from archiver.lookup.question import Conditions, Fact, Question
from archiver.lookup.scanning import Scanner
from archiver.ports import ObjectStore
from tests import cards
from tests.archives import Silent
from tests.desk import Desk, at, founded
from tests.lookup.rooms import finder_at

ORDER = Question(facts=[Fact(kind="order", value="N3")])
Alter = Callable[[str, bytes], bytes]


class Altering:
    """A store whose partitions come altered."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self.alter: Alter = lambda _key, content: content

    def get(
        self, key: str, version_id: str | None = None, *, start: int = 0, length: int | None = None
    ) -> bytes:
        """Read, and alter what is of a partition."""
        content = self._inner.get(key, version_id, start=start, length=length)
        return self.alter(key, content) if key.startswith("orders/") else content

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    rows = [cards.order(n, at(3 + n % 2)) for n in range(1, 21)]
    made = founded(tmp_path_factory.mktemp("bad"), rows)
    assert made.night().failures == []
    return made


@pytest.fixture
def store(desk: Desk) -> Altering:
    return Altering(desk.store)


@pytest.fixture
def finder(desk: Desk, store: Altering) -> Iterator[Finder]:
    opened: AbstractContextManager[Finder] = finder_at(desk, store=store)  # type: ignore[arg-type]
    with opened as made:
        yield made


def refused(finder: Finder) -> ArchiverError:
    """Return what a question and a scan both are told."""
    with pytest.raises(ArchiverError) as one:
        finder.find(ORDER)
    with pytest.raises(type(one.value)):
        Scanner(finder=finder, progress=Silent()).find(Question(conditions=Conditions(start=at(1))))
    return one.value


def test_the_store_as_it_is_answers(finder: Finder) -> None:
    assert len(finder.find(ORDER).orders) == 1


@pytest.mark.parametrize(
    "alter",
    [
        lambda _key, content: content[:-1],
        lambda _key, content: content[1:],
        lambda _key, content: content[: len(content) // 2],
        lambda _key, _content: b"",
        lambda _key, content: bytes(len(content)),
        lambda _key, content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda _key, content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    ],
    ids=["shorter", "shifted", "half", "nothing", "zeros", "magic", "footer"],
)
def test_a_partition_that_is_not_the_signed_one_is_an_alarm(
    finder: Finder, store: Altering, alter: Alter
) -> None:
    store.alter = alter
    assert isinstance(refused(finder), TamperedError)


def test_two_partitions_that_change_places_are_an_alarm(finder: Finder, store: Altering) -> None:
    first, second = finder.index.partitions()

    def swapped(key: str, _content: bytes) -> bytes:
        other = second if key == first.key else first
        return store._inner.get(other.key, other.version_id)

    store.alter = swapped
    assert isinstance(refused(finder), TamperedError)


def gone(key: str, _content: bytes) -> bytes:
    raise ObjectMissingError(key=key, detail="gone")


def test_a_partition_that_is_gone_before_its_time_is_an_alarm(
    finder: Finder, store: Altering
) -> None:
    store.alter = gone
    error = refused(finder)
    assert isinstance(error, TamperedError)
    assert "gone before" in error.text("en")


def test_a_partition_that_is_gone_after_its_time_was_disposed_of(
    desk: Desk, finder: Finder, store: Altering
) -> None:
    store.alter = gone
    over = replace(finder, due=lambda _place: desk.clock.now() - timedelta(days=1))
    found = over.find(ORDER)
    assert (found.orders, found.disposed) == ([], 1)
    scanned = Scanner(finder=over, progress=Silent()).find(
        Question(conditions=Conditions(start=at(1)))
    )
    assert (scanned.orders, scanned.disposed) == ([], 2)


def test_a_store_that_is_down_is_no_answer(finder: Finder, store: Altering) -> None:
    def down(key: str, _content: bytes) -> bytes:
        raise StoreError(key=key, detail="503")

    store.alter = down
    assert refused(finder).code == "store-unavailable"


def test_a_partition_is_read_by_its_version_whatever_shadows_it(desk: Desk, finder: Finder) -> None:
    """Locks protect versions, not keys: whoever may write can put another one on top."""
    for place in finder.index.partitions():
        versions = [v.version_id for v in desk.store.list_versions(place.key)]
        assert place.version_id in versions
    read: list[str | None] = []
    inner = finder.opener.archive.store

    class Noting(Altering):
        def get(
            self,
            key: str,
            version_id: str | None = None,
            *,
            start: int = 0,
            length: int | None = None,
        ) -> bytes:
            read.append(version_id)
            return inner.get(key, version_id, start=start, length=length)

    noting = replace(finder.opener.archive, store=Noting(inner))  # type: ignore[arg-type]
    looked = replace(finder, opener=replace(finder.opener, archive=noting))
    assert len(looked.find(ORDER).orders) == 1
    assert read
    assert None not in read
