"""`prove-lock`, the first proof of `init`, and what `status` says of it."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Terminal
from tests.lock_outcomes import HELD
from tests.servers.proxy import DROP_IF_NONE_MATCH, DROP_LOCKS, Refuse, S3Proxy, request
from tests.servers.seaweedfs import SECRET_KEY, S3Bucket

DENY = Refuse(403, "AccessDenied")


def on_s3(terminal: Terminal, bucket: S3Bucket, more: str = "") -> Terminal:
    """Let the terminal's archive be in a bucket, its credentials in the environment."""
    place = (
        f'url = "{bucket.url}/vault"\nendpoint = "{bucket.endpoint}"\n'
        f'region = "{bucket.region}"\n{more}'
    )
    terminal.configure(('url = "dir:vault"', place))
    terminal.environment.update(bucket.environment)
    return terminal


@pytest.fixture
def far(terminal: Terminal, s3_proxy: S3Proxy) -> Terminal:
    """A terminal whose archive is in a bucket behind a proxy that may lie."""
    return on_s3(terminal, s3_proxy.bucket)


def test_founding_on_a_real_server_proves_its_lock(far: Terminal) -> None:
    ran = far.json("init")

    assert (ran.exit, ran.codes) == (0, [])
    proof = ran.document["lock_proof"]
    assert (proof["verdict"], proof["worm"], proof["conditional_put"]) == ("proven", True, True)
    assert proof["proof"] == 1
    found = {one["attack"]: one["outcome"] for one in proof["attacks"]}
    assert found == {**HELD, "race": "honoured"}
    assert far.json("status").document["lock_proof_age_s"] < 60


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", ("refused by the lock", "delete it in a batch", "The lock is proven")),
        ("zh", ("被锁拒绝", "批量删除", "锁已得到证明")),
    ],
)
def test_people_get_a_table_of_attacks(far: Terminal, lang: str, said: tuple[str, ...]) -> None:
    assert "✓" in far.archiver("init", "--lang", lang).out

    ran = far.archiver("prove-lock", "--lang", lang)

    assert (ran.exit, ran.err) == (0, "")
    assert all(words in ran.out for words in said)
    assert "proofs/00000002.json" in ran.out
    assert SECRET_KEY not in ran.out


def test_a_store_that_drops_locks_is_an_alarm(far: Terminal, s3_proxy: S3Proxy) -> None:
    assert far.archiver("init").exit == 0
    s3_proxy.lie(DROP_LOCKS)

    ran = far.json("prove-lock")

    assert (ran.exit, ran.codes) == (20, ["lock-broken"])
    assert (ran.document["verdict"], ran.document["worm"]) == ("failed", False)
    s3_proxy.tell_the_truth()
    after = far.json("status")
    assert (after.exit, after.codes[0]) == (20, "lock-not-proven")


def test_a_store_without_a_fence_is_an_alarm(far: Terminal, s3_proxy: S3Proxy) -> None:
    assert far.archiver("init").exit == 0
    s3_proxy.lie(DROP_IF_NONE_MATCH)

    ran = far.json("prove-lock")

    assert (ran.exit, ran.codes) == (20, ["no-fence"])
    assert (ran.document["worm"], ran.document["conditional_put"]) == (True, False)
    assert far.json("status").codes[0] == "no-fence"
    # Where a database keeps runs apart, the store need not.
    path = far.folder / "archiver.toml"
    path.write_text(path.read_text() + '[state]\nurl = "postgresql://archiver@db/archiver"\n')
    ran = far.json("prove-lock")
    assert (ran.exit, ran.codes, ran.document["conditional_put"]) == (0, [], False)
    assert "no-fence" not in far.json("status").codes


def test_credentials_that_may_not_delete_found_an_archive_and_ask_for_better_ones(
    far: Terminal, s3_proxy: S3Proxy
) -> None:
    s3_proxy.lie(DENY, when=request("DELETE"))
    s3_proxy.lie(DENY, when=request("POST", query="delete"))

    ran = far.json("init")

    assert (ran.exit, ran.codes) == (2, ["lock-proof-inconclusive"])
    assert len(ran.document["keys"]) == 6
    assert ran.document["lock_proof"]["proof"] is None
    assert "[prover]" in ran.document["alarms"][0]["message"]
    assert ran.document["alarms"][0]["next"].startswith("archiver prove-lock")
    assert far.json("status").codes[0] == "lock-not-proven"
    again = far.archiver("prove-lock", "--lang", "zh")
    assert again.exit == 2
    assert "因权限被拒" in again.out
    s3_proxy.tell_the_truth()
    assert far.archiver("prove-lock").exit == 0


def test_a_store_that_goes_away_after_the_founding_can_be_proven_later(
    far: Terminal, s3_proxy: S3Proxy
) -> None:
    s3_proxy.lie(Refuse(400, "ExpiredToken"), when=request("DELETE"))

    ran = far.json("init")

    assert (ran.exit, ran.codes) == (2, ["store-access"])
    assert ran.document["lock_proof"] is None
    assert ran.document["alarms"][0]["next"].startswith("archiver prove-lock")
    s3_proxy.tell_the_truth()
    assert far.archiver("prove-lock").exit == 0


def test_the_prover_has_credentials_of_its_own(terminal: Terminal, s3_bucket: S3Bucket) -> None:
    keys = 'access_key_env = "PROVER_KEY"\nsecret_key_env = "PROVER_SECRET"'
    far = on_s3(terminal, s3_bucket, f"[prover]\n{keys}")
    missing = far.json("init")
    assert (missing.exit, missing.codes) == (2, ["configuration"])
    assert "PROVER_KEY" in missing.document["alarms"][0]["message"]

    far.environment.update(PROVER_KEY=s3_bucket.access_key, PROVER_SECRET="canary-wrong-9921")
    wrong = far.json("prove-lock")
    assert (wrong.exit, wrong.codes) == (2, ["store-access"])
    assert "9921" not in wrong.out

    far.environment.update(PROVER_SECRET=s3_bucket.secret_key)
    assert far.json("prove-lock").document["verdict"] == "proven"


@pytest.mark.parametrize(
    "section",
    [
        'access_key_env = "A"',
        'secret_key_env = "A"',
        'session_token_env = "A"',
        'profile = "p"\naccess_key_env = "A"\nsecret_key_env = "B"',
        'secret = "AKIA"',
    ],
)
def test_half_a_prover_is_refused(terminal: Terminal, section: str) -> None:
    terminal.configure(("[[source]]", f"[prover]\n{section}\n[[source]]"))

    ran = terminal.json("prove-lock")

    assert (ran.exit, ran.codes) == (2, ["configuration"])
    assert "[prover]" in ran.document["alarms"][0]["message"]


def test_findings_stand_in_the_report(terminal: Terminal, s3_bucket: S3Bucket) -> None:
    far = on_s3(terminal, s3_bucket)
    client = s3_bucket.client()
    anybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}
    statement = {**anybody, "Resource": f"arn:aws:s3:::{s3_bucket.name}/*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    client.put_bucket_policy(Bucket=s3_bucket.name, Policy=json.dumps(policy))

    ran = far.json("init")

    assert (ran.exit, ran.codes) == (20, ["policy-public"])
    assert ran.document["lock_proof"]["verdict"] == "proven"
    shown = far.archiver("prove-lock")
    assert shown.exit == 20
    assert "lets anybody in" in shown.out
    assert "never completed" in shown.out


def test_a_folder_is_advisory_and_no_alarm(founded: Terminal) -> None:
    ran = founded.json("prove-lock")

    assert (ran.exit, ran.codes) == (0, [])
    told = ran.document
    assert (told["verdict"], told["worm"], told["lock"]) == ("advisory", False, "advisory")
    assert (told["attacks"], told["findings"], told["proof"]) == ([], [], 2)
    assert "lock: advisory" in founded.archiver("prove-lock").out
    assert "advisory" in founded.archiver("prove-lock", "--lang", "zh").out


def test_a_host_without_a_signing_key_cannot_prove(founded: Terminal) -> None:
    Path(founded.folder / "signer.key").rename(founded.folder / "elsewhere.key")

    ran = founded.json("prove-lock")

    assert (ran.exit, ran.codes) == (2, ["key-unavailable"])
