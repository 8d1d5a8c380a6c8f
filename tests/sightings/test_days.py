"""Whatever happens on a day, its night names the orders that a simple oracle names, no others."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.desk import Desk, at
from tests.sightings.sales import MINUTES, look, night, shop, sold

EXAMPLES = 10 if settings().max_examples <= 100 else settings().max_examples
"""A soak run says how many."""
ORDERS = range(101, 106)
"""As many as an alarm names."""
ACTS = ("sell", "touch", "refund", "rename", "edit", "reprice", "break", "repair", "park", "delete")

Row = Mapping[str, Any]
STEPS = st.lists(
    st.one_of(
        st.just(("look", 0)),
        st.tuples(st.sampled_from(ACTS), st.sampled_from(ORDERS)),
    ),
    min_size=4,
    max_size=16,
)


def happen(desk: Desk, act: str, number: int) -> None:
    """Let something happen to an order, if it is there."""
    now = desk.clock.instant
    there = {int(row["id"]) for row in desk.rows}
    if act == "sell" and number not in there:
        desk.rows.append(sold(number, now, paid=f"{number}.00"))
    elif number not in there or act in ("sell", "look"):
        return
    elif act == "delete":
        desk.remove(number)
    elif act == "refund":
        desk.change(number, state="refunded", closed_at=now, touched_at=now)
    else:
        changes: dict[str, Row] = {
            "touch": {"touched_at": now},
            "rename": {"category": "another"},
            "edit": {"contact": "someone@example.com"},
            "reprice": {"paid": "0.01", "touched_at": now},
            "break": {"paid": "-1"},
            "repair": {"paid": f"{number}.00"},
            "park": {"state": "unpaid"},
        }
        desk.change(number, **changes[act])


def is_finished(row: Row) -> bool:
    return row["state"] in ("done", "refunded") and not str(row["paid"]).startswith("-")


def wrong(sighted: Row, found: Row | None) -> bool:
    """Return whether an order is not what it was, nor what may come of it."""
    if found is None or not is_finished(found):
        return True
    turned_back = (sighted["state"], found["state"]) == ("refunded", "done")
    return turned_back or any(sighted[name] != found[name] for name in ("contact", "paid"))


def named(desk: Desk, day: int) -> set[str]:
    """Return the orders that a night names, by their last characters."""
    failures = [one for one in night(desk, day).failures if one.code.startswith("sighted")]
    words = [word for one in failures for word in str(one.params["orders"]).split(", ")]
    return {word[3:7] for word in words}


def snapshots(desk: Desk) -> Iterator[Row]:
    """Yield what a look sees for the first time, or changed since by a touch."""
    yield from (dict(row) for row in desk.rows if row["id"] in ORDERS and is_finished(row))


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
@given(steps=STEPS)
def test_a_night_names_what_was_changed_behind_its_back_and_nothing_else(
    steps: list[tuple[str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = shop(Path(folder), sold(9, at(4)))
        seen: list[Row] = []
        for minute, (act, number) in enumerate([*steps, ("look", 0)]):
            desk.clock.instant = at(5, 20) + minute * MINUTES / 4  # looks overlap by more
            if act == "look":
                seen += snapshots(desk)
                look(desk)
            else:
                happen(desk, act, number)
        happen(desk, steps[0][0], ORDERS[0])
        now = {row["id"]: row for row in desk.rows}
        expected = {f"{one['id']:04}" for one in seen if wrong(one, now.get(one["id"]))}
        assert named(desk, 5) == expected
        assert named(desk, 6) == expected
