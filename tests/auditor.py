"""An auditor with both roots, who trusts nothing but FORMAT.md.

Everything is checked again, slowly and without our own code (the store and the schemas apart):
signatures, the chain, counts and sums, every object's lock, digest and dates, every leaf and
Merkle root, tokens, segments, and that exactly one manifest names each revision of an order.
What is wrong ends in an AssertionError.
"""

import hashlib
import hmac
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from archiver.errors import TamperedError
from archiver.ports import ObjectStore
from tests import format_reader, search_oracle
from tests.archives import Place
from tests.ledger_auditor import audit_ledger
from tests.slow_canonical import commitment, order_leaf, reject_leaf, tree_hash

Row = Mapping[str, Any]
SHANGHAI = ZoneInfo("Asia/Shanghai")
COUNTED = (
    *("orders", "revisions", "unchanged", "duplicates"),
    *("rejects", "rejected_before", "expired"),
)


@dataclass(frozen=True, slots=True)
class Named:
    """An object that a manifest names, opened."""

    number: int
    day: date
    about: Mapping[str, Any]
    """What the manifest says about it."""
    rows: Sequence[Row]


@dataclass(slots=True)
class Audit:
    """What an archive holds."""

    manifests: list[Mapping[str, Any]] = field(default_factory=list)
    objects: list[Named] = field(default_factory=list)
    ledger: list[Mapping[str, Any]] = field(default_factory=list)
    """Its entries; it may be behind the manifests."""

    def of(self, kind: str) -> list[Named]:
        """Return the objects of a kind."""
        return [named for named in self.objects if named.about["kind"] == kind]

    @property
    def orders(self) -> list[Row]:
        """All orders in the order in which they were sealed."""
        return [row for named in self.of("orders") for row in named.rows]

    @property
    def rejects(self) -> list[Row]:
        """All rejects in the order in which they were sealed."""
        return [row for named in self.of("rejects") for row in named.rows]

    def revisions(self, order_id: str, source: str = "main") -> list[Row]:
        """Return the revisions of an order, oldest first."""
        return [r for r in self.orders if (r["source"], r["order_id"]) == (source, order_id)]

    @property
    def names(self) -> Counter[tuple[str, str, int]]:
        """How often each revision of each order was sealed."""
        return Counter((r["source"], r["order_id"], r["revision"]) for r in self.orders)


def audit(place: Place, store: ObjectStore) -> Audit:
    """Check a whole archive and return what it holds."""
    return _Auditor(place, store).run()


def lawful_date(ended: datetime, years: int = 3, margin_days: int = 10) -> datetime:
    """Return when an order may be destroyed, counted on the fingers."""
    end = ended.astimezone(SHANGHAI).date()
    leap = (end.month, end.day) == (2, 29)
    last = date(end.year + years, 2, 28) if leap and (end.year + years) % 4 else None
    last = last or date(end.year + years, end.month, end.day)
    free = last + timedelta(days=1 + margin_days)
    return datetime(free.year, free.month, free.day, tzinfo=SHANGHAI).astimezone(UTC)


def derived(secret: bytes, purpose: str) -> bytes:
    """Return HKDF-SHA-256 of a secret without salt, 32 bytes (RFC 5869, written out)."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, b"archiver/v1/" + purpose.encode() + b"\x01", "sha256")


def token(key: bytes, value: bytes) -> bytes:
    """Return the CMAC of a value as FORMAT.md 6 says."""
    mac = CMAC(AES(key))
    mac.update(b"\x00" + value if len(value) <= 240 else b"\x01" + hashlib.sha256(value).digest())
    return mac.finalize()


def instant(value: str) -> datetime:
    """Return an instant of a document."""
    return datetime.fromisoformat(value)


class _Auditor:
    def __init__(self, place: Place, store: ObjectStore) -> None:
        self.store = store
        self.fetch = format_reader.fetch_from(store)
        self.anchor = place.keys.anchor.read_bytes()
        self.names = format_reader.names()
        fields = json.loads(b64decode(json.loads(self.anchor)["payload"]))
        self.archive = self.names["verified"](self.anchor, "archive", fields["identity_public_key"])
        self.zone = ZoneInfo(self.archive["timezone"])
        self.roots = {
            "base": secret_in(place.folder / "root.key", "seed"),
            "reveal": secret_in(place.folder / "reveal-root.key", "seed"),
        }
        self.token_key = secret_in(place.keys.token, "secret")
        self.seeds: dict[tuple[str, str], bytes] = {}
        self.rows: dict[str, list[Row]] = {}
        self.search_keys: dict[str, bytes] = {}
        self.found = Audit()
        self.predecessors = self._predecessors()

    def run(self) -> Audit:
        assert self.fetch("archive.json", None) == self.anchor
        sealed_token_key = self.names["unsealed"](
            self.roots["base"],
            self.archive["token_key"],
            "archiver/v1/token-key",
            self.archive["archive"],
        )
        assert sealed_token_key == self.token_key
        keys = {v.key for v in self.store.list_versions("manifests/") if not v.is_delete_marker}
        assert keys == {f"manifests/{n:08d}.json" for n in range(1, len(keys) + 1)}
        previous = None
        for number in range(1, len(keys) + 1):
            previous = self._manifest(number, previous)
        self._require_once()
        self.found.ledger = audit_ledger(self.store, self.archive)
        assert sum(one["kind"] == "manifest" for one in self.found.ledger) <= len(keys)
        return self.found

    def _predecessors(self) -> dict[str, str]:
        """Return which source each one continues, as the store's documents say."""
        found: dict[str, str] = {}
        for version in self.store.list_versions("retirements/"):
            envelope = self.store.get(version.key, version.version_id)
            if not envelope.startswith(b"{"):
                continue
            signer = self.fetch("signers/0001.json", None)
            public = self.names["verified"](signer, "signer", self.archive["identity_public_key"])[
                "public_key"
            ]
            said = self.names["verified"](envelope, "retirement", public)
            assert version.key == f"retirements/{said['source']}.json"
            assert said["archive"] == self.archive["archive"]
            found[said["successor"]] = said["source"]
        return found

    def _manifest(self, number: int, previous: str | None) -> str:
        key = f"manifests/{number:08d}.json"
        version = self._earliest(key)
        envelope = self.store.get(key, version)
        signer = self.fetch(f"signers/{json.loads(envelope)['signatures'][0]['keyid']}.json", None)
        self.signer = self.names["verified"](signer, "signer", self.archive["identity_public_key"])[
            "public_key"
        ]
        said = self.names["verified"](envelope, "manifest", self.signer)
        assert (said["archive"], said["number"]) == (self.archive["archive"], number)
        assert said["previous"] == previous
        assert said["timezone"] == self.archive["timezone"]
        evidence = lawful_date(
            instant(said["created_at"]),
            said["retention_years"] + 3,
            said["retention_margin_days"],
        )
        assert self.store.head(key, version).retain_until == evidence
        opened = [self._open(said, about) for about in said["objects"]]
        self._require_counts(said, opened)
        self.found.manifests.append(said)
        self.found.objects += opened
        return hashlib.sha256(envelope).hexdigest()

    def _earliest(self, key: str) -> str:
        versions = [v for v in self.store.list_versions(key) if v.key == key]
        *_, earliest = (v for v in versions if not v.is_delete_marker)
        return earliest.version_id

    def _open(self, said: Mapping[str, Any], about: Mapping[str, Any]) -> Named:
        day = date.fromisoformat(said["day"])
        prefix = f"{about['kind']}/{said['source']}/{day:%Y/%m/%d}/"
        assert about["key"].startswith(prefix), about["key"]
        head = self.store.head(about["key"], about["version_id"])
        assert head.retain_until == instant(about["retain_until"])
        assert (head.mode, head.sha256) == (said["lock"], about["sha256"])
        content = self.store.get(about["key"], about["version_id"])
        assert len(content) == head.size_bytes == about["size_bytes"]
        assert hashlib.sha256(content).hexdigest() == about["sha256"]
        footer = content[-about["footer"]["length"] :]
        assert hashlib.sha256(footer).hexdigest() == about["footer"]["sha256"]
        assert int.from_bytes(content[-8:-4], "little") + 8 == len(footer)
        self._require_cohort(about)
        keks = self._keks(about)
        table = opened(content, keks, self.names["Unwrap"])
        assert about["rows"] == len(table)
        named = Named(said["number"], day, about, table.to_pylist())
        self.rows[about["key"]] = list(named.rows)
        match about["kind"]:
            case "orders":
                self._require_orders(said, named, keks)
            case "rejects":
                self._require_rejects(said, named, keks)
            case "segments":
                self._require_segment(said, named, table)
            case "known":
                self._require_known(said, named)
            case _:
                raise AssertionError(about["kind"])
        return named

    # --- keys --------------------------------------------------------------------------------

    def _keks(self, about: Mapping[str, Any]) -> dict[str, bytes]:
        if about["kind"] == "known":
            return {"known": derived(self.token_key, f"known/{about['key']}")}
        return {
            name: self.names["unsealed"](
                self._seed(about["cohort"], name),
                sealed,
                "archiver/v1/kek",
                self.archive["archive"],
                name,
                about["key"],
            )
            for name, sealed in about["keys"].items()
        }

    def _seed(self, cohort: str, name: str) -> bytes:
        if (cohort, name) not in self.seeds:
            document = self.names["verified"](
                self.fetch(f"cohorts/{cohort}.json", None), "cohort", self.signer
            )
            assert document["cohort"] == cohort
            self.seeds[cohort, name] = self.names["unsealed"](
                self.roots["reveal" if name == "reveal" else "base"],
                document["keys"][name]["sealed_seed"],
                "archiver/v1/cohort",
                self.archive["archive"],
                name,
                cohort,
            )
        return self.seeds[cohort, name]

    def _require_cohort(self, about: Mapping[str, Any]) -> None:
        """The cohort is that of the object's end, and its keys are locked as long as that."""
        until = instant(about["retain_until"])
        record_class = "rejects" if about["cohort"].startswith("rejects") else "orders"
        month, _, made = about["cohort"].rpartition("-")
        assert month == f"{record_class}-{until.astimezone(SHANGHAI):%Y-%m}"
        assert len(made) == 8
        key = f"cohorts/{about['cohort']}.json"
        assert self.store.head(key, self._earliest(key)).retain_until >= until

    # --- contents ----------------------------------------------------------------------------

    def _require_orders(
        self, said: Mapping[str, Any], named: Named, keks: Mapping[str, bytes]
    ) -> None:
        years, margin = said["retention_years"], said["retention_margin_days"]
        assert named.rows
        dates = [lawful_date(_kept_from(row), years, margin) for row in named.rows]
        assert max(dates) == instant(named.about["retain_until"])
        assert {f"{at.astimezone(SHANGHAI):%Y-%m}" for at in dates} == {_month(named.about)}
        for position, row in enumerate(named.rows):
            assert row["archive"] == said["archive"]
            assert row["source"] == said["source"]
            assert row["mapping_digest"] == said["mapping_digest"]
            assert (row["completed_at"] is None) == (row["outcome"] == "open")
            if row["completed_at"]:
                assert row["completed_at"].astimezone(self.zone).date() <= named.day
            assert row["secret_commitment"] == commitment(row, position, keks["reveal"])
            for delivery in row["deliveries"]:
                assert delivery["card_token"] == self._card_token(delivery["secret"])
        leaves = [order_leaf(row, i, keks["base"]) for i, row in enumerate(named.rows)]
        assert named.about["merkle_root"] == tree_hash(leaves).hex()
        assert named.about["of"] is None

    def _require_rejects(
        self, said: Mapping[str, Any], named: Named, keks: Mapping[str, bytes]
    ) -> None:
        assert set(named.about["keys"]) == {"reveal"}
        years, margin = said["retention_years"], said["retention_margin_days"]
        dates = [lawful_date(row["first_seen_at"], years, margin) for row in named.rows]
        assert max(dates) == instant(named.about["retain_until"])
        leaves = [reject_leaf(row, i, keks["reveal"]) for i, row in enumerate(named.rows)]
        assert named.about["merkle_root"] == tree_hash(leaves).hex()

    def _require_segment(self, said: Mapping[str, Any], named: Named, table: pa.Table) -> None:
        of = self._object(said, named.about["of"])
        rows = self._rows_of(of)
        assert named.about["retain_until"] == of["retain_until"]
        about = json.loads(table.schema.metadata[b"partition"])
        assert (about["orders"], about["version_id"]) == (of["key"], of["version_id"])
        assert (about["size_bytes"], about["footer"]) == (of["size_bytes"], of["footer"])
        places = [
            (group, row)
            for group, (_, _, count) in enumerate(about["row_groups"])
            for row in range(count)
        ]
        assert len(places) == of["rows"]
        assert sum(length for _, length, _ in about["row_groups"]) + 4 == (
            of["size_bytes"] - of["footer"]["length"]
        )
        search = json.loads(table.schema.metadata.get(b"search", b'{"kinds": [1]}'))
        expected = sorted(
            (
                kind,
                self._search_token(of, kind, value),
                *places[position],
                *((row["revision"], row["completed_at"]) if kind == 1 else (0, None)),
            )
            for position, row in enumerate(rows)
            for kind, value in search_oracle.wanted(row)
            if kind in search["kinds"]
        )
        columns = ("kind", "token", "row_group", "row", "revision", "completed_at")
        found = [tuple(row[name] for name in columns) for row in named.rows]
        assert sorted(found, key=lambda one: one[:4]) == expected
        assert [one[:2] for one in found] == sorted(one[:2] for one in found)
        for name, (outer, inner) in search_oracle.NAMES.items():
            names = {str(row[outer][inner]) for row in rows if (row[outer] or {}).get(inner)}
            assert search.get("names", {name: sorted(names)})[name] == sorted(names)

    def _search_token(self, of: Mapping[str, Any], kind: int, value: str) -> int:
        purpose = "card" if kind == 8 else f"search/{_month(of)[:4]}/{kind}"
        if purpose not in self.search_keys:
            self.search_keys[purpose] = derived(self.token_key, purpose)
        return int.from_bytes(token(self.search_keys[purpose], value.encode())[:8], "big")

    def _require_known(self, said: Mapping[str, Any], named: Named) -> None:
        if named.about["of"] is None:
            # Orders of a source that this one continues, known under its name from now on.
            assert said["source"] in self.predecessors
            assert all(row["revision"] >= 1 for row in named.rows)
            return
        of = self._object(said, named.about["of"])
        assert named.about["retain_until"] == of["retain_until"]
        key = derived(self.token_key, "known-token")
        source = said["source"].encode()
        if of["kind"] == "orders":
            expected = [
                (
                    token(key, source + b"\0" + row["order_id"].encode()),
                    row["revision"],
                    row["completed_at"],
                    row["first_seen_at"],
                )
                for row in self._rows_of(of)
            ]
        else:
            expected = [
                (
                    token(key, source + b"\0reject\0" + row["row_key"]),
                    0,
                    None,
                    row["first_seen_at"],
                )
                for row in self._rows_of(of)
            ]
        found = [
            (row["token"], row["revision"], row["completed_at"], row["first_seen_at"])
            for row in named.rows
        ]
        assert [row[0] for row in found] == sorted(row[0] for row in found)
        assert Counter(found) == Counter(expected)

    def _card_token(self, secret: str | None) -> bytes | None:
        if secret is None:
            return None
        normal = "".join(secret.replace("-", "").split()).upper()
        return token(derived(self.token_key, "card"), normal.encode())

    def _object(self, said: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        (about,) = (one for one in said["objects"] if one["key"] == key)
        assert isinstance(about, dict)
        return about

    def _rows_of(self, about: Mapping[str, Any]) -> list[Row]:
        return self.rows[about["key"]]  # a manifest names rows before what describes them

    # --- the statement as a whole -------------------------------------------------------------

    def _require_counts(self, said: Mapping[str, Any], objects: Sequence[Named]) -> None:
        counts = said["counts"]
        assert counts["read"] == sum(counts[name] for name in COUNTED)
        orders = [row for one in objects if one.about["kind"] == "orders" for row in one.rows]
        rejects = [row for one in objects if one.about["kind"] == "rejects" for row in one.rows]
        assert counts["orders"] == sum(row["revision"] == 1 for row in orders)
        assert counts["revisions"] == sum(row["revision"] > 1 for row in orders)
        assert counts["rejects"] == len(rejects)
        assert said["outcomes"] == Counter(row["outcome"] for row in orders)
        assert said["reject_reasons"] == Counter(row["reason"] for row in rejects)
        sealed: dict[tuple[str, str], tuple[int, Decimal]] = {}
        for row in orders:
            method = row["payments"][0]["method"] if row["payments"] else None
            key = (method or "", row["money"]["currency"] or "")
            count, amount = sealed.get(key, (0, Decimal(0)))
            sealed[key] = (count + 1, amount + (row["money"]["paid"] or 0))
        for line in said["sums"]:
            count, amount = sealed.pop((line["channel"], line["currency"]), (0, Decimal(0)))
            assert (line["sealed_orders"], Decimal(line["sealed_amount"])) == (count, amount)
            assert line["source_orders"] == count + line["known_orders"]
            assert Decimal(line["source_amount"]) == amount + Decimal(line["known_amount"])
        assert not sealed
        known = sum(line["known_orders"] for line in said["sums"])
        assert known == counts["unchanged"] + counts["duplicates"] + counts["expired"]

    def _require_once(self) -> None:
        """Each revision is named once, in ascending order, with the same first sight."""
        assert set(self.found.names.values()) <= {1}
        latest: dict[tuple[str, str], Row] = {}
        for row in self.found.orders:
            key = (row["source"], row["order_id"])
            before = latest.get(key)
            if before is None and row["revision"] > 1:
                old = self.predecessors[row["source"]]
                before = latest[old, row["order_id"]]
            assert row["revision"] == (before["revision"] + 1 if before else 1)
            if before:
                assert row["first_seen_at"] == before["first_seen_at"]
                assert row["outcome"] != "open"
                assert row["completed_at"] >= (before["completed_at"] or row["completed_at"])
            latest[key] = row


def secret_in(path: Path, name: str) -> bytes:
    """Return the secret in a key file."""
    return bytes.fromhex(json.loads(path.read_text())[name])


def opened(content: bytes, keks: Mapping[str, bytes], unwrap: Any) -> pa.Table:  # noqa: ANN401
    """Return all rows of an encrypted file; the same bytes under the same keys are read once."""
    return _opened(content, tuple(sorted(keks.items())), unwrap)


@lru_cache(maxsize=256)
def _opened(content: bytes, keks: tuple[tuple[str, bytes], ...], unwrap: Any) -> pa.Table:  # noqa: ANN401
    factory = pe.CryptoFactory(lambda _connection: unwrap(dict(keks)))
    keys = factory.file_decryption_properties(
        pe.KmsConnectionConfig(), pe.DecryptionConfiguration()
    )
    try:
        return pq.ParquetFile(pa.BufferReader(content), decryption_properties=keys).read()
    except OSError as error:
        raise TamperedError(key="object", detail=str(error)) from error


def _kept_from(row: Row) -> datetime:
    """Return from when on an order is kept: an open one from when it was first seen."""
    end = row["completed_at"] or row["first_seen_at"]
    assert isinstance(end, datetime)
    return end


def _month(about: Mapping[str, Any]) -> str:
    """Return the month in an object's cohort, `2029-03`."""
    return str(about["cohort"])[-16:-9]
