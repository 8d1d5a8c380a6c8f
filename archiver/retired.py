"""Retired sources: which source continues which, as signed documents in the store say.

Responsible for reading them. What does not verify is an alarm and counts for nothing:
whoever may write to the bucket must not be able to stop nights with a file.
"""

from collections.abc import Mapping

from archiver import layout
from archiver.archive import Archive
from archiver.errors import ObjectMissingError, Said, TamperedError
from schemas.documents import Retirement


def read_retirements(archive: Archive) -> Mapping[str, Retirement]:
    """Return every retirement by the source that it retires."""
    found: dict[str, Retirement] = {}
    for key in dict.fromkeys(
        version.key for version in archive.store.list_versions(layout.RETIREMENTS)
    ):
        source = layout.retired_source(key)
        if source is None:
            continue
        try:
            retirement = archive.read_signed(key, "retirement", Retirement).document
        except ObjectMissingError:
            continue  # nothing but a delete marker, which is nothing
        except TamperedError as error:
            archive.alarms.append(error)
            continue
        if (retirement.archive, retirement.source) == (archive.id, source):
            found[source] = retirement
        else:
            other = Said("it belongs to another archive or source", "属于其他档案库或数据源")
            archive.alarms.append(TamperedError(key=key, detail=other))
    return found
