"""Questions without a fact find what looking at every latest revision finds."""

import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from archiver.errors import RequestError
from archiver.lookup.finding import Finder, Found
from archiver.lookup.question import Conditions, Question, parse_cursor
from archiver.lookup.scanning import Scanner, ScanTooLargeError
from tests.archives import Silent
from tests.desk import at
from tests.lookup.bazaar import CHANNELS, PRODUCTS
from tests.lookup.oracle import Oracle, when

SEED = 7


@pytest.fixture
def scanner(finder: Finder) -> Scanner:
    return Scanner(finder=finder, progress=Silent())


def names(found: Found) -> list[tuple[str, str, int]]:
    return [(o.order["source"], o.order["order_id"], o.order["revision"]) for o in found.orders]


def test_random_scans_find_the_latest_revisions_that_satisfy_them(
    oracle: Oracle, scanner: Scanner
) -> None:
    random_ = random.Random(SEED)
    some = 0
    for _ in range(12):
        first = at(random_.randrange(1, 7), random_.randrange(24))
        asked = Conditions(
            start=first,
            end=first + timedelta(hours=random_.randrange(1, 60)),
            outcomes=random_.choice(((), ("refunded",), ("failed", "completed"))),
            product=random_.choice((None, *PRODUCTS, "ｑ币", "50%", "_")),
            channel=random_.choice((None, *CHANNELS)),
            amount=random_.choice((None, None, Decimal("3.50"))),
            source=random_.choice((None, None, "shop1")),
        )
        question = Question(conditions=asked, limit=1_000)
        found = scanner.find(question)
        expected = oracle.scan(question)
        assert sorted(names(found)) == sorted(one[:3] for one in expected), asked
        times = [when(one.order) for one in found.orders]
        assert times == sorted(times, reverse=True)
        some += bool(expected)
    assert some > 2


def test_pages_of_a_scan_are_all_of_it(oracle: Oracle, scanner: Scanner) -> None:
    question = Question(conditions=Conditions(start=at(2), end=at(4)), limit=100)
    seen: list[tuple[str, str, int]] = []
    while True:
        found = scanner.find(question)
        seen += names(found)
        if found.next is None:
            break
        question = replace(question, after=parse_cursor(found.next))
    assert sorted(seen) == sorted(one[:3] for one in oracle.scan(question))


def test_only_partitions_of_the_time_and_with_the_name_are_read(scanner: Scanner) -> None:
    day = Conditions(start=at(3), end=at(4))
    of_day = {place.key for place in scanner.places(day)}
    everything = {place.key for place in scanner.finder.index.partitions()}
    assert of_day < everything
    assert scanner.places(replace(day, product="no such product")) == []
    named = Question(conditions=replace(day, product="Q币"))
    assert set(scanner.find(named).objects) <= of_day


def test_a_scan_that_finds_too_much_or_takes_too_long_says_so(scanner: Scanner) -> None:
    question = Question(conditions=Conditions(start=at(2), end=at(4)))
    with pytest.raises(ScanTooLargeError, match="more than 10 orders"):
        replace(scanner, most_rows=10).find(question)
    with pytest.raises(ScanTooLargeError, match="longer than"):
        replace(scanner, patience=timedelta(seconds=-1)).find(question)


def test_a_cursor_of_another_scan_is_refused(scanner: Scanner) -> None:
    question = Question(conditions=Conditions(start=at(2)), limit=1)
    cursor = parse_cursor(str(scanner.find(question).next))
    with pytest.raises(RequestError):
        scanner.find(replace(question, conditions=Conditions(start=at(3)), after=cursor))
