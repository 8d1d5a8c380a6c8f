"""When nights run and in what cage: systemd units and crontab lines, as text.

Pure. What is planned here is printed by `archiver schedule`; installing it is the operator's.
"""

from archiver.schedule.alerts import alert_rules
from archiver.schedule.cron import crontab
from archiver.schedule.plan import Places, Plan, plan_schedule
from archiver.schedule.systemd import serve_unit, systemd_units

__all__ = [
    "Places",
    "Plan",
    "alert_rules",
    "crontab",
    "plan_schedule",
    "serve_unit",
    "systemd_units",
]
