"""What the commands that look orders up share: a desk to ask at, and answers as JSON."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from archiver.errors import Exit
from cli.options import Call
from cli.report import Alarm

if TYPE_CHECKING:
    from archiver.lookup.answering import Answered, Grounds
    from archiver.lookup.finding import FoundOrder
    from archiver.policy import Role
    from archiver.reading_room import ReadingRoom


@contextmanager
def opened_room(call: Call, command: str, why: "Grounds") -> "Iterator[ReadingRoom]":
    """Open the room in which whoever is logged in here asks."""
    from archiver.reading_room import reading_room
    from cli.screen import Bar

    with (
        Bar(sys.stderr, call.words("find.partitions")) as bar,
        reading_room(call.installation(), command, why, bar) as room,
    ):
        call.archive = room.archive.id
        yield room


def alarms_of(call: Call, answered: "Answered", room: "ReadingRoom") -> "list[Alarm]":
    """Return what keeps an answer from being whole, and what the access log has to say."""
    from cli.people import log_alarms, watch_alarms

    alarms = [*log_alarms(call, room.desk), *watch_alarms(call, room.unusual)]
    if answered.coverage.stale:
        alarms.append(
            Alarm(
                code="index-stale",
                message=call.words("find.stale", manifest=answered.coverage.manifest),
                next=call.next("archiver rebuild-index"),
            )
        )
    alarms += [
        Alarm(
            code="index-lacks",
            message=call.words("find.lacks", kind=one.kind.name.lower(), partitions=one.partitions),
            next=call.next("archiver rebuild-index --deep"),
        )
        for one in answered.lacking
    ]
    return alarms


def exit_of(answered: "Answered", room: "ReadingRoom") -> Exit:
    """Return 0 for an answer, a "no" included; 10 where it may lack something that is sealed.

    20 where the access log here is not the one whose head was told elsewhere.
    """
    from cli.people import log_exit

    partial = answered.coverage.stale or answered.lacking
    return max(log_exit(room.desk), Exit.TRY_LATER if partial else Exit.DONE)


def answer_fields(answered: "Answered", role: "Role") -> dict[str, Any]:
    """Return an answer for the document (DESIGN 5)."""
    coverage = answered.coverage
    return {
        "access": str(answered.record),
        "answer": answered.answer,
        "as_of": str(coverage.as_of) if coverage.as_of else None,
        "manifest": coverage.manifest,
        "days_covered": {
            one.source: {
                "first": str(one.first),
                "last": str(one.last),
                "missing": [str(day) for day in one.missing],
            }
            for one in coverage.sources
        },
        "days_unsealed": [str(day) for day in answered.unsealed],
        "orders": [order_fields(one, role) for one in answered.orders],
        "next": answered.next,
    }


def order_fields(found: "FoundOrder", role: "Role") -> dict[str, Any]:
    """Return an order as a role sees it, where it stands and what else is sealed of it."""
    from archiver.lookup.shown import instant, shown
    from archiver.lookup.timeline import timeline

    place = found.hit.partition
    return {
        **shown(found.order, role),
        "timeline": [
            {
                "stage": stage.name,
                "at": instant(stage.at) if stage.at else None,
                "basis": stage.basis,
                "approximate": stage.approximate,
            }
            for stage in timeline(found.order)
        ],
        "history": [
            {
                "revision": hit.revision,
                "manifest": hit.partition.manifest,
                "day": str(hit.partition.day),
                "completed_at": instant(hit.completed_at) if hit.completed_at else None,
            }
            for hit in found.revisions
        ],
        "sealed": {
            "manifest": place.manifest,
            "day": str(place.day),
            "partition": place.key,
            "version_id": place.version_id,
        },
    }
