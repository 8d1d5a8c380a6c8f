"""Compliance is shown a card: in a case, with somebody else's approval and a fresh code."""

from archiver.access_log import Outcome
from tests.service.world import World

CASE = "公调证字12号"


def test_a_card_is_shown_after_a_colleagues_approval_and_a_fresh_code(world: World) -> None:
    carol, dora, row = world.operator("carol"), world.operator("dora"), world.rows[20]
    asked = {"order": row["no"], "case": CASE}
    path = "/v1/orders/reveal"

    first = carol.post(path, asked)
    assert (first.status_code, first.json()["title"]) == (403, "approval-needed")
    number = first.json()["number"]
    own = carol.post(f"/v1/approvals/{number}", {"granted": True})
    assert own.json()["title"] == "not-allowed"
    assert dora.post(f"/v1/approvals/{number}", {"granted": True}).status_code == 200
    assert carol.post(path, asked).json()["title"] == "code-needed"
    wrong = carol.post(path, {**asked, "code": "000000"})
    assert wrong.json()["title"] == "code-refused"

    code = world.code("carol")
    shown = carol.post(path, {**asked, "code": code})
    assert shown.status_code == 200, shown.text
    told = shown.json()
    assert [one["secret"] for one in told["order"]["deliveries"]] == row["secret"].splitlines()
    assert told["show_seconds"] == 60
    assert shown.headers["cache-control"] == "no-store"
    revealed = [one for one in world.log() if one.outcome is Outcome.REVEALED][-1]
    assert (revealed.operator, revealed.case, revealed.approval) == ("carol", CASE, number)
    again = carol.post(path, {**asked, "code": code})
    assert again.json()["title"] == "approval-needed"  # one use


def test_support_reveals_nothing_and_nobody_without_a_case(world: World) -> None:
    sue, carol, row = world.operator("sue"), world.operator("carol"), world.rows[21]
    body = {"order": row["no"], "case": CASE}
    assert sue.post("/v1/orders/reveal", body).json()["title"] == "not-allowed"
    refused = carol.post("/v1/orders/reveal", {"order": row["no"], "purpose": "x"})
    assert refused.json()["title"] == "not-allowed"
    assert world.log(1)[0].detail == "case"


def test_a_decision_sent_again_with_its_key_is_made_once_and_answered_alike(world: World) -> None:
    carol, dora, row = world.operator("carol"), world.operator("dora"), world.rows[22]
    asked = {"order": row["no"], "case": CASE}
    number = carol.post("/v1/orders/reveal", asked).json()["number"]
    key = {"idempotency-key": "one"}
    path = f"/v1/approvals/{number}"

    answers = [dora.post(path, {"granted": True}, headers=key) for _ in range(2)]
    assert answers[0].content == answers[1].content
    acts = [one for one in world.log() if one.command == "approve"]
    assert len([one for one in acts if one.approval == number]) == 1
    other = dora.post(path, {"granted": False}, headers=key)
    assert (other.status_code, other.json()["title"]) == (422, "idempotency-key")
    root = world.operator("root")
    key = {"idempotency-key": f"token-{number}"}
    body = {"name": f"once-{number}"}
    assert root.post("/v1/tokens", body, headers=key).status_code == 201
    again = root.post("/v1/tokens", body, headers=key)  # its secret is not given twice
    assert (again.status_code, again.json()["title"]) == (409, "done-already")


def test_no_secret_that_was_shown_stands_in_a_file_of_this_host(world: World) -> None:
    """Whatever was shown before: state, journal, index, unsent reports."""
    folder = world.installation.folder
    secrets = [line for row in world.rows for line in row["secret"].splitlines()]
    for path in folder.rglob("*"):
        if path.is_file() and "vault" not in path.parts:
            content = path.read_bytes()
            assert not any(one.encode() in content for one in secrets), path
