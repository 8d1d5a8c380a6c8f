"""The console through its forms and links, without a window."""

from tests.service.surfer import surfer
from tests.service.world import World


def test_support_finds_an_order_by_its_payment_number_and_reads_its_dossier(world: World) -> None:
    row = next(one for one in world.rows if one["channel"])
    sue = surfer(world, "sue")
    assert sue.path == "/search"
    sue.find(row["trade_no"])
    assert sue.status == 200
    assert row["no"] in sue
    assert row["contact"] not in sue.page.text
    entry = world.log(1)[0]
    assert (entry.command, entry.purpose) == ("find", "售后")
    assert [one.kind for one in entry.question] == ["payment"]
    sue.follow(row["no"])
    assert sue.path == "/order"
    assert row["no"] in sue
    assert "待支付" in sue
    assert world.log(1)[0].command == "show"
