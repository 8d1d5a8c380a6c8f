"""What the commands that look orders up share: a desk to ask at, and what an answer lacks."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from archiver.errors import Exit
from cli.options import Call
from cli.report import Alarm

if TYPE_CHECKING:
    from archiver.lookup.answering import Answered, Grounds
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
        try:
            yield room
        finally:
            call.whispers += [_sprung(call, room, str(record)) for record in room.sprung]


def _sprung(call: Call, room: "ReadingRoom", record: str) -> Alarm:
    """Return that somebody asked for a decoy: he himself must not see that it was one."""
    asker = room.answering.asker
    return Alarm(
        code="decoy",
        message=call.words("people.decoy", name=asker.name, place=asker.origin, access=record),
        next=call.next("archiver access log"),
    )


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
