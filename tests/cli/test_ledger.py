"""`archiver ledger`, and what nights and status say of the ledger."""

import shutil

from tests.cli.conftest import Terminal


def test_the_ledger_is_shown_and_a_vault_that_was_set_back_is_told(founded: Terminal) -> None:
    empty = founded.json("ledger").document
    assert (empty["size"], empty["checkpoint"], empty["checkpoints"]) == (0, None, [])
    assert "empty" in founded.archiver("ledger").out
    founded.shop(days=3)
    night = founded.json("nightly").document["ledger"]
    assert (night["size"], night["entered"], night["checkpoint"]) == (4, 4, "checkpoints/4")
    assert founded.json("nightly").document["ledger"]["entered"] == 0
    vault, earlier = founded.folder / "vault", founded.folder / "earlier"
    shutil.copytree(vault, earlier)

    founded.json("prove-lock")
    told = founded.json("nightly")

    assert (told.exit, told.document["ledger"]["size"]) == (3 if told.codes else 0, 5)
    shown = founded.json("ledger").document
    assert [one["entries"] for one in shown["checkpoints"]] == [
        {"lock-proof": 1, "manifest": 3},
        {"lock-proof": 1},
    ]
    assert shown["checkpoint"]["note"].startswith(f"order-archive/{shown['archive']}\n5\n")
    status = founded.json("status").document["ledger"]
    assert (status["size"], status["root"], status["waiting"]) == (5, shown["root"], 0)
    assert 0 <= status["age_s"] < 60
    for lang, words in (("en_US.UTF-8", "5 entries, head"), ("zh_CN.UTF-8", "账本：5 条")):
        for command in ("ledger", "status"):
            assert words in founded.archiver(command, lang=lang).out

    shutil.rmtree(vault)
    shutil.copytree(earlier, vault)
    for command in ("ledger", "status", "nightly"):
        ran = founded.json(command)
        assert (ran.exit, ran.codes[0]) == (20, "rollback"), command
    assert founded.json("status").document["ledger"]["size"] == 5
    assert "与此前所见相矛盾" in founded.archiver("status", lang="zh_CN.UTF-8").err
