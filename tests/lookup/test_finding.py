"""What is found is what looking at every sealed row finds."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiver.errors import RequestError
from archiver.lookup.finding import Finder, FoundOrder
from archiver.lookup.question import Fact, Question, parse_cursor
from tests import cards
from tests.desk import at, founded
from tests.lookup.bazaar import Bazaar
from tests.lookup.conftest import SOAK
from tests.lookup.oracle import Oracle
from tests.lookup.questions import a_question, require_same
from tests.lookup.rooms import finder_at

QUESTIONS = 30
"""In `make soak` as many as it is told."""


@dataclass(slots=True)
class Asked:
    """A bazaar and whoever looks into its archive."""

    bazaar: Bazaar
    finder: Finder

    def pages(self, question: Question) -> Iterator[Sequence[FoundOrder]]:
        """Yield all pages."""
        while True:
            found = self.finder.find(question)
            yield found.orders
            if found.next is None:
                return
            question = replace(question, after=parse_cursor(found.next))

    def all(self, question: Question) -> list[FoundOrder]:
        """Return the orders of all pages."""
        return [one for page in self.pages(question) for one in page]


@pytest.fixture
def asked(market: Bazaar, finder: Finder) -> Asked:
    return Asked(market, finder)


@pytest.fixture(scope="module")
def revised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finder]:
    """An order that changed on three days after its own."""
    desk = founded(tmp_path_factory.mktemp("revised"), [cards.order(1, at(2))])
    desk.night_of(2)
    for day in (3, 4, 5):
        desk.change(1, contact=f"on-{day}@example.com", touched_at=at(day))
        desk.night_of(day)
    with finder_at(desk) as finder:
        yield finder


@settings(max_examples=settings().max_examples if SOAK else QUESTIONS, deadline=None)
@given(st.integers(0, 2**32))
def test_random_questions_are_answered_as_by_looking_at_every_row(
    market: Bazaar, oracle: Oracle, finder: Finder, seed: int
) -> None:
    question = a_question(market.sealed, random.Random(seed))
    require_same(finder, oracle, question)


def test_a_page_has_as_many_orders_as_were_asked_for(asked: Asked) -> None:
    question = Question(facts=[Fact(kind="merchant", value="m1")], limit=20)

    *full, last = asked.pages(question)

    assert full
    assert all(len(page) == 20 for page in full)
    assert len(last) <= 20  # none, where only older revisions were left


def test_a_large_page_has_all_however_few_rows_a_small_one_looks_at(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = Question(facts=[Fact(kind="merchant", value="m1")], limit=20)
    everything = [one.hit.cursor for one in asked.all(question)]
    monkeypatch.setattr("archiver.lookup.finding.MOST_LOOKED_AT", 5)
    monkeypatch.setattr("archiver.lookup.finding.MOST_OPENED", 2)

    found = asked.finder.find(replace(question, limit=10_000))

    assert [one.hit.cursor for one in found.orders] == everything
    assert found.next is None


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 20])
def test_an_order_by_its_number_is_there_once_with_all_revisions_whatever_a_page_holds(
    revised: Finder, limit: int
) -> None:
    question = Question(facts=[Fact(kind="order", value="N1")], limit=limit)

    found = revised.find(question)
    later = revised.find(replace(question, after=parse_cursor(found.next))) if found.next else None

    (one,) = found.orders
    assert [hit.revision for hit in one.revisions] == [1, 2, 3, 4]
    assert later is None or later.orders == []


def test_a_page_reads_no_more_partitions_than_it_shows_orders(asked: Asked) -> None:
    question = Question(facts=[Fact(kind="merchant", value="m1")], limit=3)

    found = asked.finder.find(question)

    revised = sum(len(one.revisions) - 1 for one in found.orders)
    assert len(found.objects) <= 3 + revised


def test_the_latest_revision_knows_the_ones_before(asked: Asked) -> None:
    revised = [row for row in asked.bazaar.sealed if row["revision"] > 1]
    for row in revised[:10]:
        (one,) = asked.finder.revisions(row["order_id"], row["source"])[0].values()
        assert [hit.revision for hit in one.revisions] == list(range(1, one.order["revision"] + 1))
        older, _ = asked.finder.revisions(row["order_id"], row["source"], 1)
        assert older[row["source"]].order["revision"] == 1


def test_an_id_in_two_sources_is_found_in_both(asked: Asked) -> None:
    both, _ = asked.finder.revisions("D000001")
    assert sorted(both) == ["shop0", "shop1"]
    assert list(asked.finder.revisions("D000001", "shop1")[0]) == ["shop1"]


def test_a_revision_that_is_not_there_is_told(asked: Asked) -> None:
    with pytest.raises(RequestError, match="only the revisions 1"):
        asked.finder.revisions("D000001", "shop1", 9)


def test_nothing_is_found_of_what_is_not_there(asked: Asked) -> None:
    assert asked.finder.revisions("D99999999")[0] == {}
    assert asked.all(Question(facts=[Fact(kind="order", value="D00000_")])) == []


def test_a_cursor_continues_its_own_question_only(asked: Asked) -> None:
    question = Question(facts=[Fact(kind="merchant", value="m1")], limit=1)
    cursor = parse_cursor(str(asked.finder.find(question).next))
    other = Question(facts=[Fact(kind="merchant", value="m2")], limit=1, after=cursor)

    with pytest.raises(RequestError, match="another question"):
        asked.finder.find(other)
