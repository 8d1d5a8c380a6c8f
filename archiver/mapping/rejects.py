"""Rows that could not be mapped, kept as they were read, without what is never kept.

The one place that works row by row: rejects are few.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from archiver.mapping import content, forms
from archiver.mapping.faults import Faults, Mask, Positions
from archiver.mapping.model import OrderMapping
from archiver.mapping.page import REJECTED_V1, MapContext


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRows:
    """The child rows of a page in one table, sorted by the page row they belong to."""

    prefix: str
    raw: Mapping[str, pa.Array]
    row: Positions


def rejected(
    rows: Positions,
    *,
    raw: Mapping[str, pa.Array],
    children: Sequence[ChildRows],
    unread: Mapping[str, Mask],
    faults: Faults,
    mapping: OrderMapping,
    context: MapContext,
) -> tuple[pa.Array, pa.Array]:
    """Return the rejects table and the content of each reject.

    Args:
        rows: The page rows to reject, ascending.
        raw: The page's columns; form columns are clean where they could be read.
        children: All child rows of the page.
        unread: For each form column the rows in which it might still hold a password.
        faults: Why.
        mapping: Whose columns are allowed.
        context: Names and the moment of reading.
    """
    records: list[dict[str, object]] = []
    contents: list[bytes] = []
    for row in rows.tolist():
        values = {name: raw[name][row].as_py() for name in mapping.own_columns}
        for name, still in unread.items():
            if still[row] and values[name] is not None:
                values[name] = forms.clean_broken(values[name])
        theirs = [
            (f"{child.prefix}.{name}", column[place].as_py())
            for child in children
            for place in range(*child.row.searchsorted([row, row + 1]).tolist())
            for name, column in child.raw.items()
        ]
        reason, column = faults.of(row)
        records.append(
            {
                "archive": context.archive,
                "source": context.source,
                "order_id": values[mapping.order_id],
                "row_key": raw[mapping.key][row].as_py(),
                "reason": reason.value,
                "column": column,
                "first_seen_at": context.observed_at,
                "values": [{"name": n, "value": v} for n, v in (*values.items(), *theirs)],
                "mapping_digest": mapping.digest,
            }
        )
        digested = [values[name] for name in mapping.digest_columns]
        contents.append(content.of_reject([*digested, *(value for _, value in theirs)]))
    table = pa.Table.from_pylist(records, schema=REJECTED_V1)
    return table, pa.array(contents, pa.large_binary())
