"""What a reconciliation leaves behind: a locked signed document without numbers, a private CSV."""

import csv
import io
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from archiver import layout
from archiver.archive import Archive
from archiver.errors import AnotherRunError, KeyUnavailableError, LockedError, RequestError
from archiver.ports import VersionEntry
from archiver.reconcile import Comparison, record, recording, write_report
from archiver.reconcile.judging import Judge
from archiver.stores.memory import MemoryStore
from archiver.tokens import derive_key, tokens
from schemas.documents import Reconciliation
from tests.archives import RULES
from tests.desk import SHANGHAI, at
from tests.reconcile.shop import Books, open_shop, order, payment
from tests.statements import bills
from tests.statements.bills import PID, Paid

LOST = Paid(number=bills.alipay_no(999), order="=LOST-999", amount="648.00", at=at(4, 9))


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return open_shop(tmp_path, [order(1, at(4)), order(2, at(4))])


def differing(books: Books) -> tuple[Archive, Comparison]:
    """Compare a statement in which an order's payment is missing and one is too many."""
    text = bills.alipay_business([payment(books.rows[0]), LOST])
    return books.open()[0], books.compare(text, accounts=[PID])


def read_back(archive: Archive, number: int) -> Reconciliation:
    key = layout.reconciliation_key(number)
    return archive.read_signed(key, "reconciliation", Reconciliation).document


def test_the_result_is_signed_numbered_and_locked_as_evidence(books: Books) -> None:
    archive, comparison = differing(books)
    first = record(archive, comparison)
    books.desk.clock.advance(timedelta(seconds=1))
    second = record(archive, comparison)
    assert (first.number, second.number) == (1, 2)
    assert read_back(archive, 1) == first
    (version,) = archive.store.list_versions(layout.reconciliation_key(1))
    stored = archive.store.head(version.key, version.version_id)
    assert stored.retain_until == archive.evidence_until()
    with pytest.raises(LockedError):
        archive.store.delete_version(version.key, version.version_id)


def test_the_document_says_what_was_compared(books: Books) -> None:
    archive, comparison = differing(books)
    document = record(archive, comparison)
    statement = document.statement
    assert (statement.format, statement.account) == ("alipay-business", "•••0156")
    assert statement.account_checked
    assert statement.totals_checked
    assert statement.rows == statement.payments == 2
    assert (statement.start, statement.end) == (at(4, 0), at(5, 0))
    assert document.head == books.open()[1].head
    assert document.manifest == len(books.open()[1].entries)
    assert document.verdict == "differences"
    assert [(one.kind, one.count) for one in document.totals] == [
        ("payment-without-order", 1),
        ("order-without-payment", 1),
    ]


def test_rows_are_the_sum_of_what_became_of_them(books: Books) -> None:
    rows = [payment(row) for row in books.rows]
    fee = replace(rows[0], amount="0.06")
    text = bills.alipay_account([*rows, rows[0].refunded("R-1")], fees=[fee])
    statement = record(books.open()[0], books.compare(text + text)).statement
    assert statement.rows == 8
    assert statement.rows == (
        statement.payments
        + statement.refunds
        + statement.others
        + statement.outside
        + statement.duplicates
    )


def test_the_document_holds_tokens_and_no_number(books: Books) -> None:
    archive, comparison = differing(books)
    record(archive, comparison)
    key = layout.reconciliation_key(1)
    document = read_back(archive, 1)
    plain = document.model_dump_json()
    for secret in (LOST.number, LOST.order, "ORD-2", books.rows[1]["trade_no"], PID):
        assert secret not in plain
        assert secret.encode() not in archive.store.get(key)
    token_key = derive_key(archive.night_keys().token_key, "reconciliation")
    (expected,) = tokens(token_key, pa.array([LOST.number]))
    assert document.differences[0].token == expected.tobytes().hex()
    assert document.differences[0].order is None
    assert document.differences[1].order is not None


def test_only_so_many_differences_are_listed_but_all_are_counted(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "LISTED", 3)
    lost = [replace(LOST, number=bills.alipay_no(900 + n)) for n in range(9)]
    document = record(books.open()[0], books.compare(bills.alipay_business(lost)))
    assert len(document.differences) == 3
    assert document.totals[0].count == 9


def test_a_number_that_others_take_is_not_taken_twice(books: Books) -> None:
    archive, comparison = differing(books)

    class Blind(MemoryStore):
        """A store whose listing is old: it shows no reconciliation."""

        def list_versions(self, prefix: str) -> Iterator[VersionEntry]:
            if prefix != layout.RECONCILIATIONS:
                yield from super().list_versions(prefix)

    blind = replace(archive, store=Blind(clock=books.desk.clock))
    numbers = []
    for _ in range(recording.ATTEMPTS):
        books.desk.clock.advance(timedelta(seconds=1))  # or it would be the same document
        numbers.append(record(blind, comparison).number)
    books.desk.clock.advance(timedelta(seconds=1))
    assert numbers == list(range(1, recording.ATTEMPTS + 1))
    with pytest.raises(AnotherRunError):
        record(blind, comparison)


def test_a_host_without_a_signing_key_records_nothing(books: Books) -> None:
    archive, comparison = differing(books)
    with pytest.raises(KeyUnavailableError):
        record(replace(archive, keys=None), comparison)
    assert list(archive.store.list_versions(layout.RECONCILIATIONS)) == []


def test_the_report_has_every_number_and_is_its_owners_alone(books: Books) -> None:
    _, comparison = differing(books)
    path = books.folder / "differences.csv"
    assert write_report(path, comparison.differences()) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8-sig"))))
    assert rows[0]["kind"] == "payment-without-order"
    assert rows[0]["provider_no"].strip() == LOST.number
    assert rows[0]["merchant_no"] == "'=LOST-999"  # no formula for a spreadsheet to run
    assert rows[1]["order_id"] == "ORD-2"
    with pytest.raises(RequestError, match="not overwritten"):
        write_report(path, comparison.differences())
    with pytest.raises(RequestError):
        write_report(books.folder / "none" / "x.csv", comparison.differences())


def test_the_sandbox_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    judge = Judge(SHANGHAI)
    with pytest.raises(duckdb.Error):
        judge._db.execute(f"SELECT * FROM read_csv('{tmp_path}/a.csv')")
    with pytest.raises(duckdb.Error):
        judge._db.execute("SET enable_external_access = true")
    judge.close()
    assert RULES.zone == SHANGHAI
