"""Answers of many orders at once, into a file."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from archiver.errors import RequestError, Said
from cli.options import Call
from cli.people import fresh
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.lookup.question import Question
    from archiver.reading_room import ReadingRoom


def require_exportable(output: Path, cursor: str | None) -> None:
    """Refuse a file that cannot be written before anybody is asked anything.

    Raises:
        RequestError: Its name says no format of ours, it is there, or one page is asked for.
    """
    from archiver.lookup.exporting import format_of

    format_of(output)
    if cursor is not None:
        raise RequestError(
            detail=Said(
                "--output takes all pages, not one", "--output 导出全部结果，不能指定某一页"
            )
        )


def exported(call: Call, room: "ReadingRoom", question: "Question", output: Path) -> Report:
    """Write all orders to a file: what the role may see of them, once that is on record."""
    from archiver.lookup.exporting import MOST_ORDERS, write_export
    from archiver.lookup.shown import shown
    from archiver.lookup.telling import answer_fields
    from cli.answers import alarms_of, exit_of

    fresh(call, room.desk, room.session, "export")
    approval = room.require_approval("export", question)
    answered = room.answering.export(replace(question, limit=MOST_ORDERS), approval=approval)
    role = room.answering.asker.role
    orders = [shown(one.order, role) for one in answered.orders]
    size_bytes = write_export(output, orders, str(answered.record))
    fields = {
        **answer_fields(replace(answered, orders=()), role),
        "output": str(output),
        "count": len(orders),
        "size_bytes": size_bytes,
    }

    def show(console: "Console") -> None:
        from cli.views.found import show_absence

        console.print(call.words("find.exported", count=len(orders), file=output), markup=False)
        show_absence(console, call, fields)

    return Report(
        exit=exit_of(answered, room),
        alarms=alarms_of(call, answered, room),
        fields=fields,
        show=show,
    )
