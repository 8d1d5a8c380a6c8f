"""Nights, status and source checks on a small shop in SQLite, sealed into a folder."""

import io
import re
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from archiver.stores.directory import DirectoryStore
from tests.cli.conftest import Terminal, last_closed_day
from tests.clock import FrozenClock
from tests.servers.seaweedfs import S3Bucket

COUNTED = (
    *("orders", "revisions", "unchanged", "duplicates", "rejects", "rejected_before", "expired"),
)


def test_a_first_night_tells_every_day_and_the_next_one_has_nothing_to_do(
    founded: Terminal,
) -> None:
    founded.shop(orders=60, days=5)
    ran = founded.json("nightly")
    days = ran.document["days"]
    assert [day["day"] for day in days] == [
        str(last_closed_day() - timedelta(days=ago)) for ago in (4, 3, 2, 1, 0)
    ]
    assert [day["manifest"] for day in days] == [1, 2, 3, 4, 5]
    assert ran.document["lock"] == "advisory"
    for day in days:
        assert day["source"] == "main"
        assert day["read"] == sum(day[name] for name in COUNTED)
        assert sum(day["outcomes"].values()) == day["orders"]
        assert sum(part["rows"] for part in day["partitions"]) == day["orders"] + day["rejects"]
        assert {part["kind"] for part in day["objects"]} >= {"segments", "known"}
        for part in day["partitions"]:
            assert part["kind"] in ("orders", "rejects")
            assert re.fullmatch(r"[0-9a-f]{64}", part["sha256"])
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT16:00:00Z", part["retain_until"])
            assert part["version_id"]
        for one in day["sums"]:
            assert re.fullmatch(r"\d+\.\d\d", one["source_amount"])
            assert one["source_amount"] == one["sealed_amount"]

    again = founded.json("nightly")
    assert again.exit == 0
    assert again.document["outcome"] == "done"
    assert [day["manifest"] for day in again.document["days"]] == [None]
    assert again.document["days"][0]["orders"] == 0
    assert again.document["days"][0]["partitions"] == []


def test_rejected_rows_are_an_alarm_with_reasons_and_a_next_command(founded: Terminal) -> None:
    founded.shop()
    ran = founded.json("nightly")
    assert ran.exit == 3
    assert ran.document["outcome"] == "rejects"
    reasons: Counter[str] = Counter()
    for day in ran.document["days"]:
        reasons.update(day["reject_reasons"])
    assert reasons == {"bad-time": 1, "negative-money": 1, "unknown-status": 1}
    alarms = ran.document["alarms"]
    assert {alarm["code"] for alarm in alarms} == {"rejects"}
    assert f"source check --source main --config {founded.config}" in alarms[0]["next"]


def test_as_of_is_the_last_day_to_seal(founded: Terminal) -> None:
    founded.shop(days=5)
    last = last_closed_day() - timedelta(days=2)
    days = founded.json("nightly", "--as-of", str(last)).document["days"]
    assert [day["day"] for day in days][-1] == str(last)
    assert len(days) == 3


def test_people_see_days_totals_and_what_the_lock_means(founded: Terminal) -> None:
    founded.shop(orders=200, days=40)
    ran = founded.archiver("nightly")
    assert ran.exit == 3
    # 40 days are shown by month, the last three apart.
    assert f"{last_closed_day()}" in ran.out
    assert f"{last_closed_day() - timedelta(days=20)} " not in ran.out
    assert f"{last_closed_day() - timedelta(days=20):%Y-%m}: " in ran.out
    assert "total" in ran.out
    assert "lock: advisory" in ran.out
    assert "root of its host can delete" in ran.out
    assert "negative-money 1" in ran.err
    assert "→ next: archiver source check --source main" in ran.err


def test_an_empty_night_says_that_nothing_is_new(founded: Terminal) -> None:
    founded.shop(days=3)
    founded.archiver("nightly")
    ran = founded.archiver("nightly", "--lang", "zh")
    assert ran.exit == 0
    assert "没有新内容" in ran.out
    assert ran.err == ""


def test_status_before_the_first_night_asks_for_one(founded: Terminal) -> None:
    ran = founded.json("status")
    assert (ran.exit, ran.codes) == (10, ["missing-days"])
    assert ran.document["days_sealed"] == {"main": []}
    assert ran.document["days_missing"] == {"main": [str(last_closed_day())]}
    assert ran.document["last_manifest"] is None
    assert 0 <= ran.document["lock_proof_age_s"] < 60


def test_status_counts_what_is_sealed(founded: Terminal) -> None:
    founded.shop(days=5)
    night = founded.json("nightly").document
    ran = founded.json("status")
    assert (ran.exit, ran.codes) == (0, [])
    told = ran.document
    assert told["days_sealed"] == {"main": [day["day"] for day in night["days"]]}
    assert told["days_missing"] == {"main": []}
    assert told["lock"] == "advisory"
    assert told["last_manifest"] == 5
    assert told["counts"]["orders"] == sum(day["orders"] for day in night["days"])
    assert told["counts"]["rejects"] == 3


def test_a_sealed_source_that_is_no_longer_configured_is_told(founded: Terminal) -> None:
    founded.shop()
    founded.archiver("nightly")
    founded.configure(('name = "main"', 'name = "renamed"'))

    ran = founded.json("status")

    # The new name has no night yet, which comes first.
    assert ran.exit == 10
    assert ran.codes == ["missing-days", "source-gone"]
    night = founded.json("nightly")
    assert (night.exit, night.codes[0]) == (2, "source-gone")
    assert founded.json("status").exit == 2
    assert "main" in founded.archiver("status", "--lang", "zh").err


def test_status_does_not_take_a_later_since_for_an_answer(founded: Terminal) -> None:
    founded.shop(days=5)
    before = last_closed_day() - timedelta(days=2)
    founded.archiver("nightly", "--as-of", str(before))
    founded.configure(("[store]", "since = 2099-01-01\n[store]"))
    told = founded.json("status").document
    assert [len(told["days_sealed"]["main"]), len(told["days_missing"]["main"])] == [3, 2]
    assert founded.json("nightly").codes == ["configuration"]


def test_status_names_missing_days(founded: Terminal) -> None:
    founded.shop(days=5)
    last = last_closed_day()
    founded.archiver("nightly", "--as-of", str(last - timedelta(days=2)))
    ran = founded.json("status")
    assert (ran.exit, ran.codes) == (10, ["missing-days"])
    assert ran.document["outcome"] == "retry"
    missing = [str(last - timedelta(days=1)), str(last)]
    assert ran.document["days_missing"] == {"main": missing}
    assert ran.document["alarms"][0]["next"] == f"archiver nightly --config {founded.config}"
    shown = founded.archiver("status")
    assert shown.out.count("✗") == 2 + 1  # two days and the legend
    assert ", ".join(missing) in shown.err


def test_days_since_the_configured_first_one_are_due(founded: Terminal) -> None:
    since = last_closed_day() - timedelta(days=9)
    founded.configure(("[store]", f"since = {since}\n[store]"))
    assert len(founded.json("status").document["days_missing"]["main"]) == 10


def test_a_source_that_is_no_longer_configured_misses_nothing(founded: Terminal) -> None:
    founded.shop(days=3)
    founded.archiver("nightly", "--as-of", str(last_closed_day() - timedelta(days=1)))
    founded.configure(('name = "main"', 'name = "other"'))
    told = founded.json("status").document
    assert told["days_missing"]["main"] == []
    assert len(told["days_sealed"]["main"]) == 2
    assert told["days_missing"]["other"] == [str(last_closed_day())]


def test_the_calendar_fits_a_narrow_terminal(founded: Terminal) -> None:
    founded.environment["COLUMNS"] = "80"
    since = last_closed_day() - timedelta(days=500)
    founded.configure(("[store]", f"since = {since}\n[store]"))
    shown = founded.archiver("status").out
    months = re.findall(r"^(\d{4}-\d\d)  (.*)$", shown, re.MULTILINE)
    drawn = [line for line in months if "missing" not in line[1]]
    assert len(drawn) == 13
    assert all(len(line) <= 80 for line in shown.splitlines() if line[:4].isdigit())
    assert all(one[0] < two[0] for one, two in pairwise(months))


def test_a_source_check_says_what_a_night_would_do(founded: Terminal) -> None:
    shop = founded.shop(orders=80, days=5)
    before = founded.files()
    ran = founded.json("source", "check", "--rows", "80")
    (told,) = ran.document["sources"]
    assert ran.exit == 3
    assert told["source"] == "main"
    assert told["read"] == 80
    left_out = sum(told["not_archived"].values())
    assert told["sealed"] + left_out + len(told["rejects"]) == 80
    assert told["reject_reasons"] == {"bad-time": 1, "negative-money": 1, "unknown-status": 1}
    assert {row["column"] for row in told["rejects"]} == {"updated_at", "actual_price", "status"}
    assert founded.files() == before
    night = founded.json("nightly").document
    assert told["sealed"] == sum(day["orders"] for day in night["days"])
    secrets = [
        secret
        for (info,) in rows(shop.path, "SELECT info FROM orders WHERE type = 1 AND status = 4")
        for secret in info.splitlines()
    ]
    people = [email for (email,) in rows(shop.path, "SELECT email FROM orders")]
    shown = founded.archiver("source", "check")
    for text in (*secrets, *people):
        assert text not in ran.out + shown.out + shown.err
    assert told["orders"][-1]["deliveries"][0]["secret"].startswith("•••")


def test_a_source_check_shows_rejects_and_dropped_lines(founded: Terminal) -> None:
    founded.shop()
    shown = founded.archiver("source", "check", "--lang", "zh")
    assert shown.exit == 3
    for said in ("将被拒：3 行", "negative-money", "actual_price", "-00.0", "info"):
        assert said in shown.out


def rows(path: object, query: str) -> list[tuple[str, ...]]:
    connection = sqlite3.connect(str(path))
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_a_bucket_with_object_lock_is_told_as_such(terminal: Terminal, s3_bucket: S3Bucket) -> None:
    terminal.environment.update(s3_bucket.environment)
    terminal.configure(
        ('"dir:vault"', f'"{s3_bucket.url}/shop-1"\nendpoint = "{s3_bucket.endpoint}"')
    )
    assert terminal.json("init").document["lock"] == "COMPLIANCE"
    terminal.shop(days=2)
    night = terminal.json("nightly")
    assert night.document["lock"] == "COMPLIANCE"
    assert all(part["version_id"] for day in night.document["days"] for part in day["partitions"])
    shown = terminal.archiver("status")
    assert shown.exit == 0
    assert "lock: COMPLIANCE" in shown.out
    assert "nobody can lift it" in shown.out

    terminal.environment["AWS_SECRET_ACCESS_KEY"] = "another"
    refused = terminal.json("nightly")
    assert (refused.exit, refused.codes) == (2, ["store-access"])
    assert s3_bucket.secret_key not in refused.out + night.out


def test_status_lists_what_no_manifest_names(founded: Terminal) -> None:
    founded.shop()
    assert founded.archiver("nightly").exit == 3
    none = founded.json("status", "--orphans")
    assert (none.exit, none.document["orphans"]) == (0, [])
    assert "named by a manifest" in founded.archiver("status", "--orphans").out

    # A night that was killed before its manifest left these, long ago and just now.
    store = DirectoryStore(founded.folder / "vault", FrozenClock(datetime(2026, 3, 5, tzinfo=UTC)))
    name = "0" * 32 + ".parquet"
    until = datetime(2039, 1, 1, tzinfo=UTC)
    old = store.put(f"orders/main/2026/03/04/{name}", io.BytesIO(b"old"), retain_until=until)
    now = DirectoryStore(founded.folder / "vault", FrozenClock(datetime.now(UTC)))
    now.put(f"known/main/2026/03/04/{name}", io.BytesIO(b"new"), retain_until=until)

    ran = founded.json("status", "--orphans")

    assert ran.exit == 0
    assert [one["kind"] for one in ran.document["orphans"]] == ["recent", "orphan"]
    orphan = ran.document["orphans"][1]
    assert orphan.pop("age_s") > 86_400
    assert orphan == {
        "kind": "orphan",
        "key": old.key,
        "version_id": old.version_id,
        "size_bytes": 3,
        "written_at": "2026-03-05T00:00:00Z",
        "holds": "orders",
        "source": "main",
        "day": "2026-03-04",
    }
    assert ran.document["orphan_counts"]["orphan"] == {"objects": 1, "size_bytes": 3}
    assert "orphans" not in founded.json("status").document
    shown = founded.archiver("status", "--orphans").out
    assert old.key in shown
    assert "nobody can read them" in shown
    assert "孤立" in founded.archiver("status", "--orphans", "--lang", "zh").out
