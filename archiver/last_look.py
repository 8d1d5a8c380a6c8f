"""When this host last looked for orders that have just ended, in one small file.

Where nothing is new a look leaves nothing in the store, so the store cannot tell a quiet shop from
a timer that has died; this host can. Another host's looks are not seen here.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from archiver.errors import SightLateError
from archiver.local_files import write_whole

LATE: Final = timedelta(hours=1)
"""A dozen looks of the schedule; a source that is down for some minutes is no matter."""
_NAME: Final = "sight.last"


def note_look(folder: Path, at: datetime) -> None:
    """Remember that all sources were looked at.

    Args:
        folder: The index folder.
        at: When.
    """
    write_whole(folder / _NAME, at.isoformat().encode())


def last_look(folder: Path) -> datetime | None:
    """Return when that was; None where nobody has looked, or the file is damaged."""
    try:
        found = datetime.fromisoformat((folder / _NAME).read_text("ascii"))
    except (OSError, ValueError):
        return None
    return found if found.tzinfo else None


def late_look(folder: Path, now: datetime) -> SightLateError | None:
    """Return the alarm that nobody looks any more; None where all is well, or nobody ever did."""
    found = last_look(folder)
    if found is None or now - found < LATE:
        return None
    hours = (now - found) // timedelta(hours=1)
    return SightLateError(hours=hours, path=folder / _NAME)
