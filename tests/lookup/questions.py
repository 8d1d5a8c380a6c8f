"""Random questions, and whether they are answered as by looking at every sealed row."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from archiver.lookup.finding import Finder, FoundOrder
from archiver.lookup.question import Conditions, Fact, Question, parse_cursor
from tests.desk import at
from tests.lookup.bazaar import CHANNELS, PRODUCTS
from tests.lookup.oracle import Oracle, Row

MOST_PAGES = 40


def a_question(rows: Sequence[Row], random_: random.Random) -> Question:
    """Return a random question; most have an answer."""
    row = random_.choice(rows)
    values = {
        "order": row["order_id"],
        "contact": row["buyer"]["contact"].swapcase(),
        "account": row["buyer"]["account"],
        "ip": row["buyer"]["client_ip"],
        "merchant": row["seller"]["name"] or row["seller"]["merchant_id"],
        "payment": row["payments"][0]["merchant_no"] if row["payments"] else None,
        "card": row["deliveries"][0]["secret"].partition("----")[0],
        "target": row["deliveries"][0]["target"],
    }
    if random_.random() < 0.05:
        values = dict.fromkeys(values, "%")
    kinds = [kind for kind, value in values.items() if value]
    facts = random_.sample(kinds, random_.choice((1, 1, 1, 2)))
    narrow = Conditions()
    if random_.random() < 0.6:
        first = at(random_.randrange(1, 8), random_.randrange(24))
        narrow = Conditions(
            start=first if random_.random() < 0.4 else None,
            end=first + timedelta(days=2) if random_.random() < 0.4 else None,
            outcomes=("refunded", "failed") if random_.random() < 0.2 else (),
            product=random_.choice(PRODUCTS)[:2].lower() if random_.random() < 0.3 else None,
            channel=random_.choice(CHANNELS) if random_.random() < 0.2 else None,
            amount=Decimal("3.50") if random_.random() < 0.1 else None,
            source=row["source"] if random_.random() < 0.3 else None,
        )
    return Question(
        facts=[Fact(kind=kind, value=str(values[kind])) for kind in facts],
        conditions=narrow,
        limit=random_.choice((7, 20)),
    )


def require_same(
    finder: Finder, oracle: Oracle, question: Question, pages: int = MOST_PAGES
) -> None:
    """Ask both, and compare as many pages as are given: the orders, and that the newest come first.

    Args:
        finder: Asks the archive.
        oracle: Has looked at every row.
        question: A first page's.
        pages: At most; what would take more is compared as far as they go.
    """
    expected = oracle.answer(question)
    found: list[FoundOrder] = []
    for _ in range(pages):
        page = finder.find(question)
        found += page.orders
        if page.next is None:
            break
        question = replace(question, after=parse_cursor(page.next))
    names = [(one.order["source"], one.order["order_id"], one.order["revision"]) for one in found]
    if len(expected) <= pages * question.limit // 2:
        assert sorted(names) == sorted(one[:3] for one in expected)
    assert len(names) == len(set(names))
    places = {one[:3]: one[3] for one in expected}
    times = [places[name] for name in names]
    assert times == [one[3] for one in expected[: len(names)]]  # the newest, newest first
