"""Statement and orders side by side, in DuckDB: which belong together, and what is left over.

Responsible for the comparison itself. A sandbox in memory: no files, no network, bounded. What
it holds grows with the statement, never with the archive. It does no reading: entries and
orders are given to it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import groupby, islice
from typing import Any, Final
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from archiver.reconcile.refunds import AfterSale, Refund, unknown_refunds
from archiver.statements import Entry, Kind

MEMORY_LIMIT: Final = "2GB"
"""About two million rows of a statement. DuckDB refuses more instead of writing plain text to
a temporary file."""
THREADS: Final = 2
CHUNK: Final = 50_000
EDGE: Final = timedelta(minutes=10)
"""Orders this near to an edge of the period may have been paid on its other side."""
PROXY_SPAN: Final = timedelta(days=1)
"""How long before its end an order was paid, if nothing else is known of it."""

CHANNEL_WORDS: Final = {
    "alipay": "支付宝|alipay|zfb|当面付",
    "wechat": "微信|wechat|weixin|wxpay|^wx",
}
"""In a payment method, as sealed."""
CHANNEL_NUMBERS: Final = {
    "alipay": r"^20\d{2}(0[1-9]|1[0-2])[0-3]\d\d{20}$",
    "wechat": r"^(42|43|45|10)\d{26}$",
}
"""What a provider's own numbers look like: 28 digits, Alipay's begin with the day."""

_SCHEMA: Final = pa.schema(
    [
        ("line", pa.int64()),
        ("kind", pa.string()),
        ("identity", pa.string()),
        ("provider_no", pa.string()),
        ("merchant_no", pa.string()),
        ("refund_no", pa.string()),
        ("provider_refund_no", pa.string()),
        ("amount", pa.decimal128(18, 2)),
        ("day", pa.date32()),
    ]
)

_TABLES: Final = """
CREATE TABLE rows (line BIGINT, kind VARCHAR, identity VARCHAR, provider_no VARCHAR,
    merchant_no VARCHAR, refund_no VARCHAR, provider_refund_no VARCHAR, amount DECIMAL(18, 2),
    day DATE);
CREATE TABLE superseded (source VARCHAR, order_id VARCHAR);
CREATE TABLE pairs (line BIGINT, source VARCHAR, order_id VARCHAR, place BIGINT, method VARCHAR,
    amount DECIMAL(18, 2), currency VARCHAR);
CREATE TABLE unpaid (source VARCHAR, order_id VARCHAR, provider_no VARCHAR, merchant_no VARCHAR,
    method VARCHAR, amount DECIMAL(18, 2), day DATE);
CREATE TABLE refunded (line BIGINT, source VARCHAR, order_id VARCHAR, outcome VARCHAR,
    paid DECIMAL(18, 2), after_sales STRUCT(amount DECIMAL(18, 2), number VARCHAR)[]);
"""

_SETTLED: Final = """
CREATE TABLE repeated AS SELECT kind, identity, min(line) AS line, count(*) AS times,
    min(amount) <> max(amount) AS differs, min(day) AS day, max(amount) AS amount
    FROM rows GROUP BY kind, identity HAVING count(*) > 1;
DELETE FROM rows USING repeated
    WHERE rows.kind = repeated.kind AND rows.identity = repeated.identity
    AND rows.line > repeated.line;
CREATE TABLE numbers AS
    SELECT DISTINCT number, line, kind FROM (
        SELECT unnest([provider_no, merchant_no]) AS number, line, kind FROM rows
        UNION ALL SELECT unnest([refund_no, provider_refund_no]), line, 'refund' FROM rows
            WHERE kind = 'refund')
    WHERE number IS NOT NULL;
"""

_ENTRIES: Final = """
CREATE OR REPLACE TEMP TABLE latest AS SELECT * FROM sealed ANTI JOIN superseded
    USING (source, order_id);
CREATE OR REPLACE TEMP TABLE entries AS
    SELECT source, order_id, place, p.method AS method, p.channel AS channel,
        p.provider_no AS provider_no, p.aggregator_no AS aggregator_no,
        coalesce(p.merchant_no, CASE WHEN place = 1 THEN order_id END) AS merchant_no,
        CASE WHEN place = 1 THEN order_id END AS own_no,
        coalesce(p.amount, CASE WHEN many = 1 THEN paid END) AS amount, currency,
        coalesce(epoch_us(p.callback_at), paid_us, created_us, completed_us - $proxy) AS earliest,
        coalesce(epoch_us(p.callback_at), paid_us, completed_us) AS latest_us
    FROM (
        SELECT source, order_id, money.paid AS paid, money.currency AS currency,
            epoch_us(created_at) AS created_us,
            -- A time that only stands for the payment's says nothing about when it was made.
            CASE WHEN coalesce(paid_basis, 'recorded') IN ('recorded', 'paid')
                THEN epoch_us(paid_at) END AS paid_us,
            epoch_us(completed_at) AS completed_us, greatest(len(payments), 1) AS many,
            unnest(CASE WHEN len(payments) > 0 THEN payments ELSE [NULL] END) AS p,
            generate_subscripts(CASE WHEN len(payments) > 0 THEN payments ELSE [NULL] END, 1)
                AS place
        FROM latest);
CREATE OR REPLACE TEMP TABLE hits AS
    -- A provider's own number says which payment of an order is meant; the shop's, which order.
    WITH keys AS (
        SELECT source, order_id, place, 1 AS rank, unnest([provider_no, aggregator_no]) AS number
        FROM entries
        UNION ALL
        SELECT source, order_id, place, 2, unnest([merchant_no, own_no]) FROM entries
        WHERE coalesce(channel, 'direct') <> 'balance')
    SELECT DISTINCT line, source, order_id, place, method, amount, currency FROM (
        SELECT line, source, order_id, place FROM keys JOIN numbers n USING (number)
        WHERE n.kind = 'payment'
        QUALIFY rank = min(rank) OVER (PARTITION BY line, source, order_id))
    JOIN entries USING (source, order_id, place);
INSERT INTO pairs SELECT * FROM hits;
"""

_UNPAID: Final = """
INSERT INTO unpaid
    SELECT source, order_id, provider_no, merchant_no, method, amount,
        (timezone($zone, make_timestamptz(latest_us)))::DATE
    FROM entries ANTI JOIN hits USING (source, order_id, place)
    WHERE earliest >= $start AND latest_us < $end AND coalesce(amount, 1) <> 0
        AND coalesce(channel, 'direct') NOT IN ('aggregator', 'balance')
        AND (coalesce(list_contains($methods, method), FALSE)
            OR ($words <> '' AND coalesce(regexp_matches(lower(method), $words), FALSE))
            OR ($form <> '' AND coalesce(regexp_matches(provider_no, $form), FALSE)));
"""

_REFUNDED: Final = """
INSERT INTO refunded
    SELECT DISTINCT n.line, k.source, k.order_id, l.outcome, l.money.paid,
        list_transform(coalesce(l.after_sales, []),
            lambda a: {'amount': a.amount, 'number': a.number})
    FROM (
        SELECT source, order_id, unnest([provider_no, aggregator_no, merchant_no, own_no])
            AS number FROM entries
        UNION ALL SELECT source, order_id, unnest(after_sales).number FROM latest) k
    JOIN numbers n USING (number) JOIN latest l USING (source, order_id)
    WHERE n.kind = 'refund';
INSERT INTO superseded SELECT DISTINCT source, order_id FROM latest WHERE revision > 1;
"""

_JUDGED: Final = """
CREATE TABLE linked AS SELECT *, count(*) OVER (PARTITION BY source, order_id, place) AS of_order
    FROM pairs;
CREATE TABLE found AS
    -- Payments that no order answers for.
    SELECT 'payment-without-order' AS kind, day, line, provider_no, merchant_no,
        NULL::VARCHAR AS refund_no, NULL::VARCHAR AS source, NULL::VARCHAR AS order_id,
        amount AS statement_amount, NULL::DECIMAL(18, 2) AS archive_amount
    FROM rows ANTI JOIN pairs USING (line)
    WHERE kind = 'payment' AND NOT list_contains($unsealed, day)
    UNION ALL
    SELECT 'order-without-payment', day, NULL, provider_no, merchant_no, NULL, source, order_id,
        NULL, amount FROM unpaid
    UNION ALL
    -- One payment, for one order or for several, e.g. a cart: all of them together.
    SELECT 'amount-differs', any_value(r.day), line, any_value(r.provider_no),
        any_value(r.merchant_no), NULL, min(p.source), min(p.order_id), any_value(r.amount),
        sum(p.amount)::DECIMAL(18, 2)
    FROM linked p JOIN rows r USING (line)
    GROUP BY line
    HAVING max(of_order) = 1 AND count(p.amount) = count(*)
        AND (sum(p.amount) <> any_value(r.amount)
            OR bool_or(coalesce(p.currency, $currency) <> $currency))
    UNION ALL
    -- Several payments for one order.
    SELECT 'amount-differs', min(r.day), min(line), min(r.provider_no), min(r.merchant_no),
        NULL, p.source, p.order_id, sum(r.amount)::DECIMAL(18, 2), any_value(p.amount)
    FROM linked p JOIN rows r USING (line)
    GROUP BY p.source, p.order_id, p.place
    HAVING count(*) > 1 AND sum(r.amount) <> any_value(p.amount)
    UNION ALL
    SELECT 'duplicate-differs', day, line, split_part(identity, '/', 1), NULL, NULL, NULL, NULL,
        amount, NULL
    FROM repeated WHERE differs AND kind <> 'other'
    UNION ALL
    SELECT 'refund-unknown', day, line, provider_no, merchant_no,
        coalesce(refund_no, provider_refund_no), u.source, u.order_id, r.amount, NULL
    FROM rows r JOIN unknown u USING (line);
"""

_DAYS: Final = """
SELECT day, channel, sum(payments)::BIGINT, sum(amount)::DECIMAL(38, 2), sum(matched)::BIGINT,
    sum(matched_amount)::DECIMAL(38, 2), sum(pending)::BIGINT, sum(refunds)::BIGINT,
    sum(refunded)::DECIMAL(38, 2)
FROM (
    SELECT r.day, coalesce(p.method, '') AS channel, 1 AS payments, r.amount AS amount,
        (p.line IS NOT NULL)::INT AS matched,
        CASE WHEN p.line IS NULL THEN 0 ELSE r.amount END AS matched_amount,
        (p.line IS NULL AND list_contains($unsealed, r.day))::INT AS pending,
        0 AS refunds, 0 AS refunded
    FROM rows r LEFT JOIN (SELECT line, min(coalesce(method, '')) AS method FROM pairs
        GROUP BY line) p USING (line) WHERE r.kind = 'payment'
    UNION ALL
    SELECT day, '', 0, 0, 0, 0, 0, 1, amount FROM rows WHERE kind = 'refund')
GROUP BY day, channel ORDER BY day, channel
"""


class Kinds(StrEnum):
    """Kinds of differences, the gravest first."""

    PAYMENT_WITHOUT_ORDER = "payment-without-order"
    ORDER_WITHOUT_PAYMENT = "order-without-payment"
    AMOUNT_DIFFERS = "amount-differs"
    REFUND_UNKNOWN = "refund-unknown"
    DUPLICATE_DIFFERS = "duplicate-differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One difference. Its numbers are personal data: they go to a local report only."""

    kind: Kinds
    day: date
    line: int | None
    provider_no: str | None
    merchant_no: str | None
    refund_no: str | None
    source: str | None
    order_id: str | None
    statement_amount: Decimal | None
    archive_amount: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTotal:
    """All differences of a kind."""

    kind: Kinds
    count: int
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLine:
    """Counts and sums of a day and channel."""

    day: date
    channel: str
    payments: int
    amount: Decimal
    matched: int
    matched_amount: Decimal
    pending: int
    refunds: int
    refunded: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Which orders the statement should have payments of."""

    start: datetime
    end: datetime
    channel: str
    methods: Sequence[str]
    """Sealed payment methods; if given, nothing else decides."""

    @property
    def decides(self) -> bool:
        """Whether anything is known of the orders' side."""
        return bool(self.methods) or self.channel in CHANNEL_WORDS


class TooLargeError(Exception):
    """The statement does not fit into `MEMORY_LIMIT`."""


class Judge:
    """One comparison: entries first, then orders from the newest to the oldest, then judgement.

    Any call may raise `TooLargeError`.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._unsealed: list[date] = []
        self._db = duckdb.connect(
            config={"memory_limit": MEMORY_LIMIT, "threads": THREADS, "temp_directory": ""}
        )
        self._db.execute(_TABLES)
        # Arrow tables are registered, never named by chance; no query of ours reads a file.
        self._db.execute(
            "SET python_enable_replacements = false; SET enable_external_access = false; "
            "SET lock_configuration = true"
        )

    def close(self) -> None:
        """Forget everything."""
        self._db.close()

    # --- the statement -----------------------------------------------------------------------

    def take_entries(self, entries: Iterable[Entry]) -> None:
        """Take the statement's entries, all of them, once."""
        source = iter(entries)
        while chunk := list(islice(source, CHUNK)):
            columns: dict[str, list[object]] = {
                name: [getattr(entry, name) for entry in chunk]
                for name in _SCHEMA.names
                if name not in ("kind", "day")
            }
            columns["kind"] = [entry.kind.value for entry in chunk]
            columns["day"] = [entry.at.astimezone(self._zone).date() for entry in chunk]
            self._given("given", pa.table(columns, schema=_SCHEMA), "INSERT INTO rows FROM given")
        self._execute(_SETTLED)

    def count(self, kind: Kind) -> int:
        """Return how many different entries of a kind there are."""
        return self._number("SELECT count(*) FROM rows WHERE kind = $kind", kind=kind.value)

    @property
    def duplicates(self) -> int:
        """How many rows repeat an earlier one."""
        return self._number("SELECT coalesce(sum(times - 1), 0)::BIGINT FROM repeated")

    # --- the orders --------------------------------------------------------------------------

    def take_orders(self, orders: pa.Table, cover: Coverage) -> None:
        """Compare the orders of one partition; later manifests must have been given before."""
        methods = list(cover.methods)
        words = "" if methods else CHANNEL_WORDS.get(cover.channel, "")
        form = "" if methods else CHANNEL_NUMBERS.get(cover.channel, "")
        self._db.register("sealed", orders)
        try:
            self._execute(_ENTRIES, proxy=_microseconds(PROXY_SPAN))
            if cover.decides:
                self._execute(
                    _UNPAID,
                    zone=self._zone.key,
                    start=int(cover.start.timestamp() * 1_000_000) + _microseconds(EDGE),
                    end=int(cover.end.timestamp() * 1_000_000) - _microseconds(EDGE),
                    methods=methods,
                    words=words,
                    form=form,
                )
            self._execute(_REFUNDED)
        finally:
            self._db.unregister("sealed")

    def payments_missing(self) -> bool:
        """Say whether a payment has found no order yet."""
        return bool(
            self._number(
                "SELECT count(*) FROM rows ANTI JOIN pairs USING (line) WHERE kind = 'payment'"
            )
        )

    def refunds_missing(self) -> bool:
        """Say whether a refund has found no order yet."""
        return bool(
            self._number(
                "SELECT count(*) FROM rows ANTI JOIN refunded USING (line) WHERE kind = 'refund'"
            )
        )

    # --- judgement ---------------------------------------------------------------------------

    def judge(self, unsealed: Sequence[date], currency: str) -> None:
        """Decide what is a difference; nothing more can be taken."""
        self._db.execute("CREATE TABLE unknown (line BIGINT, source VARCHAR, order_id VARCHAR)")
        rows = list(self._unknown())
        unknown = pa.table(
            {
                "line": pa.array([row[0] for row in rows], pa.int64()),
                "source": pa.array([row[1] for row in rows], pa.string()),
                "order_id": pa.array([row[2] for row in rows], pa.string()),
            }
        )
        self._given("given", unknown, "INSERT INTO unknown FROM given")
        self._execute(_JUDGED, unsealed=list(unsealed), currency=currency)
        self._unsealed = list(unsealed)

    def _unknown(self) -> Iterator[tuple[int, str | None, str | None]]:
        """Yield refunds that no order knows of."""
        lone = "SELECT line FROM rows ANTI JOIN refunded USING (line) WHERE kind = 'refund'"
        for (line,) in self._db.execute(lone).fetchall():
            yield line, None, None
        cursor = self._db.execute(
            "SELECT f.source, f.order_id, f.outcome, f.paid, f.after_sales, r.line, r.amount, "
            "r.refund_no, r.provider_refund_no FROM refunded f JOIN rows r USING (line) "
            "ORDER BY f.source, f.order_id, r.line"
        )
        for _, group in groupby(_fetched(cursor), key=lambda row: row[:2]):
            rows = list(group)
            source, order_id, outcome, paid, after_sales = rows[0][:5]
            known = [AfterSale(amount=one["amount"], number=one["number"]) for one in after_sales]
            refunds = [
                Refund(line=row[5], amount=row[6], numbers=tuple(n for n in row[7:9] if n))
                for row in rows
            ]
            for line in unknown_refunds(refunds, known, outcome=outcome, paid=paid):
                yield line, source, order_id

    def totals(self) -> list[FoundTotal]:
        """Return the differences by kind, the gravest first."""
        rows = self._db.execute(
            "SELECT kind, count(*), coalesce(sum(coalesce(statement_amount, archive_amount)), 0)"
            "::DECIMAL(38, 2) FROM found GROUP BY kind"
        ).fetchall()
        made = {kind: (count, amount) for kind, count, amount in rows}
        return [
            FoundTotal(kind=kind, count=made[kind][0], amount=made[kind][1])
            for kind in Kinds
            if kind in made
        ]

    def differences(self) -> Iterator[Found]:
        """Yield all differences, by kind, day and line."""
        order = ", ".join(f"'{kind.value}'" for kind in Kinds)
        cursor = self._db.cursor().execute(
            f"SELECT * FROM found ORDER BY list_position([{order}], kind), day, line, order_id"  # noqa: S608  our own words
        )
        names = [column[0] for column in cursor.description or ()]
        for row in _fetched(cursor):
            fields = dict(zip(names, row, strict=True))
            yield Found(**{**fields, "kind": Kinds(fields["kind"])})

    def days(self) -> list[DayLine]:
        """Return counts and sums by day and channel."""
        names = DayLine.__slots__
        rows = self._execute(_DAYS, unsealed=self._unsealed).fetchall()
        return [DayLine(**dict(zip(names, row, strict=True))) for row in rows]

    # --- small things ------------------------------------------------------------------------

    def _given(self, name: str, table: pa.Table, statement: str) -> None:
        self._db.register(name, table)
        try:
            self._run(statement)
        finally:
            self._db.unregister(name)

    def _execute(self, script: str, **parameters: object) -> duckdb.DuckDBPyConnection:
        """Run statements one by one, each with those parameters that it names."""
        done = self._db
        for statement in duckdb.extract_statements(script):
            own = {n: parameters[n] for n in statement.named_parameters}
            done = self._run(statement, own)
        return done

    def _run(
        self, statement: str | duckdb.Statement, parameters: dict[str, object] | None = None
    ) -> duckdb.DuckDBPyConnection:
        try:
            return self._db.execute(statement, parameters or {})
        except duckdb.OutOfMemoryException:
            raise TooLargeError from None

    def _number(self, query: str, **parameters: object) -> int:
        # All rows, though there is one: a result that is not read to its end blocks the next.
        ((number,),) = self._execute(query, **parameters).fetchall()
        return int(number)


def _fetched(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(10_000):
        yield from rows


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
