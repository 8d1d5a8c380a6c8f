"""The service runs in the same cage; what wakes somebody reads metrics that there are."""

import re
from typing import Any

import pytest

from archiver import metrics
from archiver.schedule import alert_rules, serve_unit
from archiver.schedule.alerts import RULES, Rule
from archiver.service.gauges import Gauges
from tests.schedule.plans import plan


def unit(**sections: Any) -> str:  # noqa: ANN401  as TOML gives them
    (text,) = serve_unit(plan(**sections), "zh").values()
    return text


def test_the_service_runs_in_the_cage_and_is_started_again_unless_it_has_to_be_mended() -> None:
    text = unit()
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "SystemCallFilter=~@privileged"):
        assert f"\n{line}\n" in text
    assert "RestartPreventExitStatus=2" in text
    assert "TimeoutStopSec=45" in text
    assert re.search(r"^ExecStart=.* serve --config ", text, re.MULTILINE)


def test_a_service_that_reveals_as_somebody_else_may_become_him_and_nothing_more() -> None:
    text = unit(reveal={"runner": ["sudo", "-n", "-u", "revealer"]})
    assert "NoNewPrivileges" not in text
    assert "ProtectSystem=strict" in text


@pytest.mark.parametrize("rule", RULES, ids=lambda one: one.name)
def test_a_rule_reads_metrics_that_somebody_writes(rule: Rule) -> None:
    ours = set(metrics._HELP) | set(
        re.findall(r"^# HELP (\S+)", Gauges().text().decode(), re.MULTILINE)
    )
    named = set(re.findall(r"archiver_\w+", rule.when))
    assert named
    assert named <= ours, named - ours


def test_the_file_of_rules_names_each_once() -> None:
    text = alert_rules()
    assert re.findall(r"alert: (\w+)", text) == [one.name for one in RULES]
