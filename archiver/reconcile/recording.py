"""What is left of a reconciliation: a signed document in the store, a report on this host.

The document has tokens instead of numbers; the report has the numbers, is written for its
owner only, and never over a file that exists.
"""

import csv
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa

from archiver import layout
from archiver.archive import Archive
from archiver.errors import AlreadyStoredError, AnotherRunError, LocalDiskError, RequestError, Said
from archiver.reconcile.comparing import Comparison
from archiver.reconcile.judging import Found
from archiver.tokens import derive_key, tokens
from schemas.documents import (
    Difference,
    DifferenceTotal,
    ReconciledDay,
    Reconciliation,
    StatementRead,
)

LISTED: Final = 10_000
"""Differences in the document, about 200 bytes each; its totals have all."""
PURPOSE: Final = "reconciliation"
ATTEMPTS: Final = 5
"""Numbers that others may take while we try."""
PRIVATE: Final = 0o600
HEADER: Final = (
    *("kind", "day", "line", "provider_no", "merchant_no", "refund_no"),
    *("source", "order_id", "statement_amount", "archive_amount"),
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would run; order ids come from a shop."""


def record(archive: Archive, comparison: Comparison) -> Reconciliation:
    """Sign the result and store it, locked as evidence.

    Raises:
        KeyUnavailableError: This host has no signing key.
        AnotherRunError: Others take every number.
        StoreError: Nothing is known; comparing again is safe.
    """
    taken = [
        number
        for version in archive.store.list_versions(layout.RECONCILIATIONS)
        if (number := layout.reconciliation_number(version.key)) is not None
    ]
    first = max(taken, default=0) + 1
    listed = _listed(archive, comparison)
    for number in range(first, first + ATTEMPTS):
        document = _document(archive, comparison, number, listed)
        try:
            archive.put_document(
                layout.reconciliation_key(number),
                document,
                "reconciliation",
                retain_until=archive.evidence_until(),
            )
        except AlreadyStoredError:
            continue
        return document
    raise AnotherRunError(detail=Said("it records reconciliations, too", "它也在记录对账结果"))


def write_report(path: Path, differences: Iterator[Found]) -> int:
    """Write all differences with their numbers as CSV; return how many.

    Raises:
        RequestError: The file exists, or its folder does not.
        LocalDiskError: The disk refused it.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    except FileExistsError:
        raise RequestError(
            detail=Said(f"{path} exists; it is not overwritten", f"{path} 已存在，不予覆盖")
        ) from None
    except OSError as error:
        raise RequestError(detail=f"{path}: {error.strerror}") from None
    count = 0
    try:
        # With a BOM, for spreadsheets guess another encoding without it.
        with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(HEADER)
            for found in differences:
                writer.writerow([_cell(getattr(found, name)) for name in HEADER])
                count += 1
    except OSError as error:
        raise LocalDiskError(detail=f"{path}: {error.strerror}") from None
    return count


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    # The tab keeps a spreadsheet from rounding a number of 28 digits.
    text = f"{value}\t" if value.isdecimal() else value
    return f"'{text}" if text.startswith(_FORMULA) else text


def _listed(archive: Archive, comparison: Comparison) -> Sequence[Difference]:
    key = derive_key(archive.night_keys().token_key, PURPOSE)
    found = list(islice(comparison.differences(), LISTED))
    numbers = _tokens(key, [one.provider_no or one.merchant_no for one in found])
    orders = _tokens(key, [one.order_id for one in found])
    return [
        Difference(
            kind=one.kind.value,
            day=one.day,
            token=number,
            order=order,
            statement_amount=one.statement_amount,
            archive_amount=one.archive_amount,
        )
        for one, number, order in zip(found, numbers, orders, strict=True)
    ]


def _tokens(key: bytes, values: Sequence[str | None]) -> list[str | None]:
    present = [value for value in values if value is not None]
    if not present:
        return [None] * len(values)
    made = iter(tokens(key, pa.array(present, pa.string())))
    return [None if value is None else next(made).tobytes().hex() for value in values]


def _document(
    archive: Archive, comparison: Comparison, number: int, listed: Sequence[Difference]
) -> Reconciliation:
    statement = comparison.statement
    return Reconciliation(
        archive=archive.id,
        number=number,
        created_at=archive.clock.now(),
        manifest=comparison.manifest,
        head=comparison.head,
        sources=list(comparison.sources),
        statement=StatementRead(
            format=statement.layout,
            sha256=statement.sha256,
            size_bytes=statement.size_bytes,
            encoding=statement.encoding,
            account=statement.account,
            account_checked=statement.account_checked,
            totals_checked=statement.totals_checked,
            currency=statement.currency,
            start=statement.start,
            end=statement.end,
            rows=statement.rows,
            payments=comparison.payments,
            refunds=comparison.refunds,
            others=comparison.others,
            outside=statement.outside,
            duplicates=comparison.duplicates,
        ),
        orders_checked=comparison.orders_checked,
        days_unsealed=list(comparison.days_unsealed),
        rejects=comparison.rejects,
        days=[
            ReconciledDay(**{name: getattr(day, name) for name in ReconciledDay.model_fields})
            for day in comparison.days
        ],
        totals=[
            DifferenceTotal(kind=one.kind.value, count=one.count, amount=one.amount)
            for one in comparison.totals
        ],
        differences=list(listed),
        verdict=comparison.verdict,
    )
