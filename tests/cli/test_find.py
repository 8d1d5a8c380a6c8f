"""Orders on the command line: asked for, recorded, masked, and a no that says what it covers."""

import fcntl
import json
import shutil
import subprocess
import sys
import unicodedata
from datetime import timedelta
from pathlib import Path

import pytest

from archiver.masking import MASK
from archiver.wiring import Installation
from tests.archives import Silent
from tests.cli.conftest import last_closed_day
from tests.cli.library import Library, library

__all__ = ["library"]

WHY = ("--purpose", "售后")
CASE = ("--case", "公调证字12号")
DONE = "SELECT * FROM orders WHERE status = 4 AND type = 1 ORDER BY id LIMIT 1 OFFSET {}"


def test_an_order_is_found_by_its_number_by_its_payment_and_by_its_buyer(library: Library) -> None:
    (row,) = library.rows(DONE.format(5))
    for asked in (
        ("--order", row["order_sn"]),
        ("--payment-no", row["trade_no"]),
        ("--contact", row["email"].upper(), "--amount", str(row["actual_price"])),
    ):
        ran = library.ask("sue", "find", *asked, *WHY)
        assert (ran.exit, ran.document["answer"]) == (0, "found"), ran.out
        assert row["order_sn"] in [one["order_id"] for one in ran.document["orders"]]


def test_support_sees_masks_and_compliance_sees_the_buyer(library: Library) -> None:
    (row,) = library.rows(DONE.format(5))
    asked = ("show", row["order_sn"], *WHY)

    masked = library.ask("sue", *asked).document["order"]
    whole = library.ask("carol", *asked).document["order"]

    assert MASK in masked["buyer"]["contact"]
    assert masked["buyer"]["contact"] != row["email"]
    assert MASK in masked["buyer"]["client_ip"]
    assert whole["buyer"]["contact"] == row["email"]
    assert whole["buyer"]["client_ip"] == row["buy_ip"]
    for seen in (masked, whole):
        assert row["info"] not in json.dumps(seen, ensure_ascii=False)
        assert all("secret" not in one for one in seen["deliveries"])
        assert row["info"].endswith(seen["deliveries"][0]["hint"])


def test_an_auditor_asks_nothing_about_orders_and_that_he_tried_is_on_record(
    library: Library,
) -> None:
    ran = library.ask("audrey", "find", "--order", "X", *WHY)
    assert (ran.exit, ran.codes) == (11, ["not-allowed"])
    last = library.log()[-1]
    assert (last["operator"], last["command"], last["outcome"]) == ("audrey", "find", "denied")


def test_nobody_asks_without_saying_why(library: Library) -> None:
    ran = library.ask("sue", "find", "--order", "X")
    assert (ran.exit, ran.codes) == (2, ["purpose-missing"])
    assert library.log()[-1]["detail"] == "purpose"


def test_a_contact_alone_is_not_enough_for_support(library: Library) -> None:
    (row,) = library.rows(DONE.format(2))
    asked = ("find", "--contact", row["email"], *WHY)
    assert library.ask("sue", *asked).codes == ["not-allowed"]
    assert library.ask("sue", *asked, "--from", "2020-01-01").exit == 0
    assert library.ask("sue", *asked, "--payment-no", row["trade_no"]).exit == 0
    assert library.ask("carol", *asked).document["answer"] == "found"


def test_a_card_is_asked_for_within_a_case_on_standard_input_only(library: Library) -> None:
    (row,) = library.rows(DONE.format(3))
    card = row["info"].splitlines()[0]
    case = ("--case", "公调证字12号")

    assert library.ask("carol", "find", "--card", card, *case).codes == ["request"]
    assert library.ask("carol", "find", "--card", "-", *WHY, stdin=card).codes == ["not-allowed"]
    assert library.ask("sue", "find", "--card", "-", *case, stdin=card).codes == ["not-allowed"]
    found = library.ask("carol", "find", "--card", "-", *case, stdin=f"{card.lower()}\n")
    assert [one["order_id"] for one in found.document["orders"]] == [row["order_sn"]]
    assert card not in found.out


def test_many_cards_are_asked_for_at_once_and_told_by_their_lines(library: Library) -> None:
    rows = [library.rows(DONE.format(n))[0] for n in range(6)]
    lines = [row["info"].splitlines()[0] for row in rows]
    lines.insert(2, "NO-SUCH-CARD-0000")
    case = ("--case", "公调证字12号")

    asked = ("find", "--cards-from", "-", *case)
    ran = library.ask("carol", *asked, stdin="\n".join(lines) + "\n")

    assert ran.exit == 0, ran.out
    told = [[one["order_id"] for one in card["orders"]] for card in ran.document["cards"]]
    expected = [[row["order_sn"]] for row in rows]
    expected.insert(2, [])
    assert told == expected
    assert [card["line"] for card in ran.document["cards"]] == list(range(1, 8))
    assert not [line for line in lines if line in ran.out]
    assert len(library.log()[-1]["question"]) == 7
    assert library.ask("sue", *asked, stdin="x1234\n").codes == ["not-allowed"]
    assert library.ask("carol", *asked, stdin="\n\n").codes == ["request"]
    assert library.ask("carol", *asked, "--order", "x", stdin="x\n").codes == ["request"]


def test_every_question_is_on_record_before_its_answer_and_as_tokens_only(
    library: Library,
) -> None:
    (row,) = library.rows(DONE.format(7))
    ran = library.ask("sue", "find", "--payment-no", row["trade_no"], *WHY)
    last = library.log()[-1]
    assert ran.document["access"] == f"{last['node']}/{last['number']}"
    assert last["purpose"] == "售后"
    assert last["count"] == 1
    assert [one["kind"] for one in last["question"]] == ["payment"]
    assert len(last["orders"]) == 1
    assert row["trade_no"] not in json.dumps(last)
    assert row["order_sn"] not in json.dumps(last)


def test_without_a_record_there_is_no_answer(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    from archiver.access_log import AccessLog
    from archiver.refusals import AccessLogUnwritableError

    def full(*_: object) -> None:
        raise AccessLogUnwritableError(detail="no space left on device")

    (row,) = library.rows(DONE.format(7))
    monkeypatch.setattr(AccessLog, "record", full)
    ran = library.ask("sue", "find", "--order", row["order_sn"], *WHY)
    assert (ran.exit, ran.codes) == (10, ["access-log-unwritable"])
    assert row["title"] not in ran.out


def test_a_no_says_what_it_covers_and_ends_with_zero(library: Library) -> None:
    ran = library.ask("sue", "find", "--order", "NEVER-WAS", *WHY)
    assert (ran.exit, ran.document["answer"]) == (0, "never_archived")
    covered = ran.document["days_covered"]["main"]
    assert covered["last"] == str(last_closed_day())
    assert covered["missing"] == []
    assert library.log()[-1]["outcome"] == "missed"


def test_a_day_that_is_still_open_is_not_archived_yet(library: Library) -> None:
    tomorrow = str(last_closed_day() + timedelta(days=1))
    ran = library.ask("sue", "find", "--order", "NEVER-WAS", "--from", tomorrow, *WHY)
    assert ran.document["answer"] == "never_archived"  # every closed day is sealed
    ran = library.ask("sue", "find", "--order", "X", "--from", tomorrow, "--to", tomorrow, *WHY)
    assert ran.document["answer"] == "not_yet_archived"
    assert ran.document["days_unsealed"] == [tomorrow]


@pytest.mark.parametrize(
    ("asked", "exit_"),
    [
        (("--order", "%"), 0),
        (("--order", "' OR 1=1 --"), 0),
        (("--order", "_______________"), 0),
        (("--order", ""), 2),
        (("--order", "   "), 2),
        (("--order", "x" * 100_000), 2),
        (("--payment-no", "\x1b[31m"), 0),
        (("--from", "2026-03-05", "--to", "2026-03-01", "--order", "x"), 2),
        (("--from", "yesterday", "--order", "x"), 2),
        (("--status", "done", "--order", "x"), 2),
        (("--amount", "ten", "--order", "x"), 2),
        (("--source", "other", "--order", "x"), 2),
        (("--cursor", "x", "--order", "x"), 2),
        (("--limit", "0", "--order", "x"), 2),
        (("--order", "-", "--contact", "-"), 2),
    ],
    ids=lambda value: str(value)[:30],
)
def test_odd_questions_find_nothing_or_say_what_is_wrong(
    library: Library, asked: tuple[str, ...], exit_: int
) -> None:
    ran = library.ask("carol", "find", *asked, *WHY)
    assert ran.exit == exit_, ran.out
    if exit_ == 0:
        assert ran.document["orders"] == []
    assert "x" * 1_000 not in ran.out


def test_a_keyword_in_another_composition_is_the_same_word(library: Library) -> None:
    (row,) = library.rows(DONE.format(4))
    asked = ("find", "--order", row["order_sn"], *WHY, "--product")
    composed = row["title"][:4]
    for word in (composed, unicodedata.normalize("NFD", composed), composed.lower()):
        assert len(library.ask("sue", *asked, word).document["orders"]) == 1
    assert library.ask("sue", *asked, "%").document["orders"] == []


def test_an_order_that_is_not_there_has_no_dossier(library: Library) -> None:
    for name in ("show", "why", "diagnose"):
        ran = library.ask("sue", name, "NEVER-WAS", *WHY)
        assert (ran.exit, ran.document["order"]) == (0, None)
        assert ran.document["answer"] == "never_archived"
        seen = library.see("sue", name, "NEVER-WAS", *WHY, lang="zh_CN.UTF-8")
        assert "从未归档" in seen.out


def test_the_dossier_draws_the_stages_and_shows_no_secret(library: Library) -> None:
    (row,) = library.rows(DONE.format(5))
    seen = library.see("carol", "show", row["order_sn"], *WHY, lang="zh_CN.UTF-8")
    assert seen.exit == 0
    places = [seen.out.rindex(word) for word in ("待支付", "支付中", "处理中", "已发货", "已完成")]
    assert places == sorted(places)
    assert row["trade_no"] in seen.out
    assert row["info"] not in seen.out
    assert MASK in seen.out


def test_why_shows_the_arithmetic_and_the_articles(library: Library) -> None:
    (row,) = library.rows(DONE.format(5))
    period = library.ask("sue", "why", row["order_sn"], *WHY).document["period"]
    assert (period["years"], period["margin_days"]) == (3, 10)
    assert period["locked_until"] >= period["free_at"]
    seen = library.see("sue", "why", row["order_sn"], *WHY, lang="zh_CN.UTF-8")
    assert "电子商务法" in seen.out
    assert period["last_day"] in seen.out


def test_a_sound_order_has_no_findings(library: Library) -> None:
    (row,) = library.rows(DONE.format(5))
    assert library.ask("sue", "diagnose", row["order_sn"], *WHY).document["findings"] == []
    assert "✓" in library.see("sue", "diagnose", row["order_sn"], *WHY).out


def test_pages_follow_one_another(library: Library) -> None:
    asked = ("find", "--from", "2020-01-01", "--limit", "2", *WHY)
    (row,) = library.rows(
        "SELECT email, count(*) FROM orders WHERE status = 4 GROUP BY email ORDER BY 2 DESC LIMIT 1"
    )
    seen: list[str] = []
    more: tuple[str, ...] = ()
    while True:
        page = library.ask("carol", *asked, "--contact", row["email"], *more).document
        seen += [one["order_id"] for one in page["orders"]]
        if page["next"] is None:
            break
        more = ("--cursor", page["next"])
    assert len(seen) == len(set(seen))
    assert len(seen) >= row[1] - 3  # three of the shop's orders are broken


def test_days_alone_are_scanned_and_no_question_at_all_is_refused(library: Library) -> None:
    day = str(last_closed_day() - timedelta(days=2))
    rows = library.rows(
        f"SELECT order_sn FROM orders WHERE status IN (4, 5) AND date(updated_at) = '{day}'"
    )
    asked = ("find", "--from", day, "--to", day, "--limit", "1000", *WHY)
    found = library.ask("sue", *asked)
    assert {one["order_id"] for one in found.document["orders"]} <= {row[0] for row in rows}
    assert len(found.document["orders"]) >= len(rows) - 3
    assert library.ask("sue", "find", *WHY).codes == ["request"]
    assert library.ask("sue", "find", "--status", "completed", *WHY).codes == ["request"]


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet", "jsonl"])
def test_what_is_exported_is_what_the_role_sees_with_its_record(
    library: Library, tmp_path: Path, kind: str
) -> None:
    (row,) = library.rows(DONE.format(5))
    path = tmp_path / f"orders.{kind}"
    asked = ("find", "--from", "2020-01-01", "--contact", row["email"], *WHY)
    ran = library.ask("carol", *asked, "--output", str(path))
    assert ran.exit == 0, ran.out
    assert ran.document["count"] >= 1
    assert ran.document["orders"] == []
    last = library.log()[-1]
    assert (last["command"], last["count"]) == ("export", ran.document["count"])
    if kind in ("csv", "jsonl"):
        text = path.read_text("utf-8-sig")
        assert text.count(ran.document["access"]) == ran.document["count"]
        assert row["info"] not in text
    assert library.ask("carol", *asked, "--output", str(path)).codes == ["request"]


def test_support_exports_after_approval_only(library: Library, tmp_path: Path) -> None:
    asked = ("find", "--from", "2020-01-01", *WHY, "--output", str(tmp_path / "orders.csv"))
    waiting = library.ask("sue", *asked)
    assert waiting.codes == ["approval-needed"]
    (request,) = library.ask("dora", "approvals").document["approvals"]
    assert library.ask("dora", "approve", str(request["number"])).exit == 0
    ran = library.ask("sue", *asked)
    assert ran.exit == 0, ran.out
    assert MASK in (tmp_path / "orders.csv").read_text("utf-8-sig")


def test_the_command_is_there_at_once(library: Library) -> None:
    """Nothing of a night is imported to ask a question."""
    code = (
        "import sys; from cli.main import program; "
        "program(['find', '--order', 'x', '--purpose', 'y', '--config', sys.argv[1], '--json'],"
        " standalone_mode=False); "
        "print([m for m in ('archiver.nightly', 'archiver.capture', 'connectorx', 'openpyxl', "
        "'xlsxwriter', 'archiver.sealing') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(library.terminal.config)],
        capture_output=True,
        text=True,
        check=True,
        env={
            "HOME": str(library.terminal.environment["HOME"]),
            "PATH": "/usr/bin:/bin",
            "ARCHIVER_OPERATOR": "sue",
        },
    )
    assert ran.stdout.splitlines()[-1] == "[]"


def test_a_report_sums_up_and_shows_no_buyer(library: Library) -> None:
    quarter = f"{last_closed_day():%Y}Q{(last_closed_day().month + 2) // 3}"
    asked = ("report", "--merchant", "m1", "--quarter", quarter)
    assert library.ask("sue", *asked, *WHY).codes == ["not-allowed"]
    assert library.ask("audrey", *asked).codes == ["purpose-missing"]
    ran = library.ask("audrey", *asked, *WHY)
    assert (ran.exit, ran.document["months"]) == (0, [])  # dujiaoka has no merchants
    last = library.log()[-1]
    assert (last["command"], last["outcome"]) == ("report", "missed")
    assert library.ask("audrey", *asked[:3], "--quarter", "2026", *WHY).codes == ["request"]


def test_an_index_behind_the_store_says_so_and_knows_no_never(library: Library) -> None:
    installation = Installation.load(library.terminal.config)
    archive = installation.archive()
    catalog = installation.catalog(archive)
    catalog.refresh()
    installation.index_builder(archive, Silent()).rebuild(catalog.entries[:-1])
    lock = installation.index_folder / "search" / "build.lock"
    with lock.open("ab") as file:  # somebody else is building it
        fcntl.flock(file, fcntl.LOCK_EX)
        ran = library.ask("carol", "find", "--order", "NEVER-WAS", *CASE)
        assert (ran.exit, ran.document["answer"]) == (10, "not_yet_archived")
        assert "index-stale" in ran.codes
    ran = library.ask("carol", "find", "--order", "NEVER-WAS", *CASE)
    assert (ran.exit, ran.document["answer"], ran.codes) == (0, "never_archived", [])


def test_a_host_without_an_index_makes_one_before_it_answers(library: Library) -> None:
    folder = library.terminal.folder / "index" / "search"
    shutil.rmtree(folder)
    ran = library.ask("carol", "find", "--order", "NEVER-WAS", *CASE)
    assert (ran.exit, ran.document["answer"], ran.codes) == (0, "never_archived", [])
    assert (folder / "current-1.json").exists()


def test_a_damaged_index_gives_no_answer_but_the_command_that_makes_it_anew(
    library: Library,
) -> None:
    pointer = library.terminal.folder / "index" / "search" / "current-1.json"
    whole = pointer.read_bytes()
    pointer.write_bytes(whole[: len(whole) // 2])
    try:
        ran = library.ask("carol", "find", "--order", "X", *CASE)
        assert (ran.exit, ran.codes) == (2, ["index-unusable"])
        assert ran.document["alarms"][0]["next"].startswith("archiver rebuild-index")
    finally:
        pointer.write_bytes(whole)
