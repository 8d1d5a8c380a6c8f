"""`archiver prove-lock`: attack the store's lock, and store what came of it, signed."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from archiver.errors import ArchiverError, Exit
from cli.commands.init import lock_word
from cli.commands.nightly import instant
from cli.options import Call, command
from cli.report import Alarm, Report, alarm_of

if TYPE_CHECKING:
    from rich.console import Console

    from archiver.archive import Archive
    from archiver.lockproof import Trial
    from archiver.wiring import Installation


@command(
    "prove-lock",
    short="Attack the store's lock 攻击存储的锁以证明其有效",
    text=(
        "Try to delete, shorten, lift and bypass the lock of objects made for it, and store the "
        "signed result. Nights need a proof that is at most 35 days old; make one every week. "
        "Uses the credentials of [prover], which should be allowed to delete.\n\n"
        "对专门创建的对象尝试删除、缩短、解除与绕过保留锁，并将结果签名存档。夜间任务要求 35 天"
        "以内的证明，请每周执行一次。使用 [prover] 中的凭证，该凭证应具有删除权限。"
    ),
    examples=(
        "archiver prove-lock             # once a week, and when the bucket was changed 每周一次",
        "archiver prove-lock --lang zh",
        "archiver prove-lock --json      # verdict, worm, attacks, findings 供脚本使用",
    ),
)
def prove_lock(call: Call) -> Report:
    """Prove the lock."""
    installation = call.installation()
    archive = installation.archive(to_seal=True)
    call.archive = archive.id
    trial = installation.prove_lock(archive)
    failure = trial.failure_where(fenced=installation.fenced)
    alarms = trial_alarms(call, trial, failure)

    def show(console: "Console") -> None:
        from cli.views.proofs import show_trial

        show_trial(console, call, archive, trial)

    return Report(
        exit=trial_exit(trial, failure),
        alarms=alarms,
        fields=trial_fields(archive, trial),
        show=show,
    )


def first_proof(call: Call, installation: "Installation", archive: "Archive") -> Report:
    """Make the proof of a new archive and report on it; an error becomes an alarm."""
    try:
        trial = installation.prove_lock(archive)
    except ArchiverError as error:
        alarm = alarm_of(error, call.language, call.named_config)
        next_command = call.next("archiver prove-lock")
        return Report(exit=error.exit, alarms=[replace(alarm, next=next_command)])

    def show(console: "Console") -> None:
        from cli.views.proofs import show_verdict

        if trial.verdict != "advisory":  # that has been said
            show_verdict(console, call, trial)

    failure = trial.failure_where(fenced=installation.fenced)
    return Report(
        exit=trial_exit(trial, failure),
        alarms=trial_alarms(call, trial, failure),
        fields=trial_fields(archive, trial),
        show=show,
    )


def trial_exit(trial: "Trial", failure: ArchiverError | None) -> Exit:
    """Return the exit code: an alarm if the lock or the bucket's settings are at fault."""
    if any(finding.severity == "alarm" for finding in trial.findings):
        return Exit.ALARM
    return failure.exit if failure else Exit.DONE


def trial_alarms(call: Call, trial: "Trial", failure: ArchiverError | None) -> list[Alarm]:
    """Return what somebody must know."""
    alarms = []
    if failure:
        alarms.append(alarm_of(failure, call.language, call.named_config))
    for finding in trial.findings:
        if finding.severity == "alarm":
            message = call.words(f"finding.{finding.code}", detail=finding.detail)
            alarms.append(
                Alarm(code=finding.code, message=message, next=call.next("archiver prove-lock"))
            )
    return alarms


def trial_fields(archive: "Archive", trial: "Trial") -> dict[str, Any]:
    """Return what the document says of a trial."""
    proof = trial.proof
    return {
        "store": archive.settings.description,
        "lock": lock_word(archive),
        "verdict": trial.verdict,
        "worm": trial.verdict == "proven",
        "conditional_put": trial.conditional_put,
        "attacks": [one.model_dump(mode="json") for one in trial.attacks],
        "findings": [one.model_dump(mode="json") for one in trial.findings],
        "proof": proof.document.number if proof else None,
        "proof_version_id": proof.version_id if proof else None,
        "proof_sha256": proof.sha256 if proof else None,
        "proof_at": instant(proof.document.created_at) if proof else None,
    }
