"""Rules for Prometheus: what somebody has to be woken for. Pure, as text.

They read what the commands write for the node exporter (`[alarms] prometheus_textfile`) and what
the service gives at `/v1/metrics`. A rule whose metric is not collected never fires: the first one
of each kind notices that.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_TOLD: Final = "archiver_service_told_total"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One alert."""

    name: str
    when: str
    lasts: str
    severity: str
    en: str
    zh: str


RULES: Final = (
    Rule(
        name="ArchiverDayNotSealed",
        when="time() - archiver_last_sealed_day_end_timestamp_seconds > 36 * 3600",
        lasts="10m",
        severity="page",
        en="a closed day is not sealed: archiver nightly",
        zh="有已结束的日期尚未封存：archiver nightly",
    ),
    Rule(
        name="ArchiverNightsNotSeen",
        when="absent(archiver_last_sealed_day_end_timestamp_seconds)",
        lasts="30m",
        severity="page",
        en="nothing is known of the nights: is the text file collected?",
        zh="没有夜间任务的数据：文本文件是否被采集？",
    ),
    Rule(
        name="ArchiverRunAlarm",
        when="archiver_last_run_exit_code == 20",
        lasts="1m",
        severity="page",
        en="a command has raised the alarm: see its report",
        zh="命令发出警报：请查看其报告",
    ),
    Rule(
        name="ArchiverLockDrift",
        when='archiver_lock_info{lock!="COMPLIANCE"} == 1 '
        "or archiver_service_lock_proof_age_seconds > 7 * 86400 "
        "or archiver_service_lock_proof_age_seconds < 0",
        lasts="10m",
        severity="page",
        en="the lock is not what it was, or its proof is older than a week: archiver prove-lock",
        zh="锁已变化，或其证明超过一周：archiver prove-lock",
    ),
    Rule(
        name="ArchiverWitnessLag",
        when="archiver_witness_behind_seconds > 86400 or archiver_timestamp_behind_seconds > 86400",
        lasts="10m",
        severity="ticket",
        en="a witness or authority is a day behind the last checkpoint",
        zh="见证方或时间戳机构落后最新检查点超过一天",
    ),
    Rule(
        name="ArchiverRejectRate",
        when="archiver_service_rejects "
        "/ (archiver_service_rejects + archiver_service_orders) > 0.01",
        lasts="1h",
        severity="ticket",
        en="more than one row in a hundred of the last week was rejected: archiver source check",
        zh="最近一周的拒收率超过百分之一：archiver source check",
    ),
    Rule(
        name="ArchiverServiceDown",
        when="absent(archiver_service_index_manifest)",
        lasts="5m",
        severity="page",
        en="no node of the service is seen",
        zh="看不到任何服务节点",
    ),
    Rule(
        name="ArchiverServiceFails",
        when='sum(increase(archiver_service_requests_total{status=~"5.."}[5m])) > 5',
        lasts="1m",
        severity="page",
        en="the service fails: store, state, or an access log that cannot be written",
        zh="服务出错：存储、状态库，或访问日志无法写入",
    ),
    Rule(
        name="ArchiverIndexStale",
        when="archiver_service_index_stale == 1",
        lasts="30m",
        severity="ticket",
        en="the service does not find what was sealed last: archiver update-index",
        zh="服务查不到最近封存的内容：archiver update-index",
    ),
    Rule(
        name="ArchiverHarvesting",
        when=f'sum(increase({_TOLD}{{code=~"watch|decoy|blocked|second-factor-needed"}}[10m])) > 0',
        lasts="0m",
        severity="page",
        en="somebody asks too much: archiver access log",
        zh="有人查询过多：archiver access log",
    ),
)


def alert_rules() -> str:
    """Return a file of rules; strings as JSON, which is YAML."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "groups:"
    yield "  - name: archiver"
    yield "    rules:"
    for rule in RULES:
        yield f"      - alert: {rule.name}"
        yield f"        expr: {json.dumps(rule.when)}"
        yield f"        for: {rule.lasts}"
        yield f"        labels: {{severity: {rule.severity}}}"
        said = json.dumps(f"{rule.en} · {rule.zh}", ensure_ascii=False)
        yield f"        annotations: {{summary: {said}}}"
