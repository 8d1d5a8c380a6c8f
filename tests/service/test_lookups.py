"""What the command line answers, the service answers, to whoever is logged in."""

from tests.service.world import World


def test_support_finds_an_order_by_its_payment_number_masked_and_on_record(world: World) -> None:
    sue = world.operator("sue")
    row = next(one for one in world.rows if one["channel"])
    answer = sue.find(payment_no=row["trade_no"])

    assert answer.status_code == 200, answer.text
    told = answer.json()
    (order,) = told["orders"]
    assert order["order_id"] == row["no"]
    assert "•••" in order["buyer"]["contact"]
    assert row["contact"].lower() not in answer.text.lower()
    assert (told["answer"], told["as_of"], told["partial"]) == ("found", "2026-03-03", [])
    assert told["access"] == f"main/{world.desk.access_log.head().number}"  # type: ignore[union-attr]
    entry = world.log(1)[0]
    assert (entry.operator, entry.origin, entry.purpose) == ("sue", "ip:203.0.113.7", "售后")


def test_pages_follow_one_another_and_have_every_order_once(world: World) -> None:
    carol, seen, cursor = world.operator("carol"), [], None
    while True:
        told = carol.find(merchant="m1", limit=3, cursor=cursor).json()
        seen += [one["order_id"] for one in told["orders"]]
        cursor = told["next"]
        if cursor is None:
            break
    wanted = {row["no"] for row in world.rows if row["merchant"] == "m1"}
    assert len(seen) == len(set(seen))
    assert set(seen) >= wanted


def test_the_dossier_the_diagnosis_and_the_period_of_one_order(world: World) -> None:
    carol, row = world.operator("carol"), world.rows[2]
    asked = {"order": row["no"], "case": "公调证字12号"}

    shown = carol.post("/v1/orders/show", asked).json()
    assert shown["order"]["buyer"]["contact"] == row["contact"]
    assert len(shown["order"]["timeline"]) == 5
    diagnosed = carol.post("/v1/orders/diagnose", asked, headers={"accept-language": "zh-CN"})
    assert isinstance(diagnosed.json()["findings"], list)
    why = carol.post("/v1/orders/why", asked, headers={"accept-language": "zh-CN"}).json()
    assert why["period"]["locked_until"].startswith("2029-03")
    assert "《电子商务法》" in why["period"]["articles"][0]


def test_a_no_says_what_it_covers(world: World) -> None:
    told = world.operator("sue").find(order="NEVER-WAS").json()
    assert told["answer"] == "not_yet_archived"
    assert told["orders"] == []
    assert told["days_covered"]["main"]["last"] == "2026-03-03"
