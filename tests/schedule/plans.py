"""Plans for tests."""

from datetime import date
from pathlib import Path
from typing import Any

from archiver.configuration import parse_configuration
from archiver.schedule import Places, Plan, plan_schedule

TODAY = date(2026, 11, 20)
CONFIG = Path("/etc/archiver/archiver.toml")


def plan(
    *,
    config: Path = CONFIG,
    program: tuple[Path | str, ...] = (Path("/opt/archiver/bin/archiver"),),
    store: str = "s3://bucket/shop",
    home: str = "/var/lib/archiver",
    name: str = "shop-1",
    archive: dict[str, Any] | None = None,
    **sections: Any,  # noqa: ANN401  as TOML gives them
) -> Plan:
    """Plan a schedule for a configuration."""
    basis = {"name": name, "role": "platform", "legal_basis": "电子商务法第三十一条"}
    fields = {"archive": {**basis, **(archive or {})}, "store": {"url": store}, **sections}
    places = Places(program=program, config=config, user="archiver", home=Path(home))
    return plan_schedule(parse_configuration(fields), places, TODAY)
