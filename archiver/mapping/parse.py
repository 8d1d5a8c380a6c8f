"""The text of a mapping file, with its parameters, into a mapping."""

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import ValidationError

from archiver.complaints import complaints
from archiver.errors import MappingError, Said
from archiver.mapping.model import OrderMapping

_PARAMETER: Final = re.compile(r"\{([a-z_]+)\}")
_IDENTIFIER_PART: Final = re.compile(r"[A-Za-z0-9_]{0,48}")
"""A parameter becomes part of a table's name and nothing else: no quotes, dots or spaces."""
_ZONE: Final = "zone"
"""But for this one, which becomes the zone of times that say `zone = "{zone}"`."""


def parse_mapping(
    text: str | Mapping[str, Any], parameters: Mapping[str, str] | None = None, *, source: str = ""
) -> OrderMapping:
    """Return the mapping that a TOML text, or a table already parsed, states.

    Args:
        text: The mapping. Its table `parameters` holds names and defaults; `{name}` in a query
            stands for the value, and as the zone of a time, `{zone}` for the parameter `zone`.
        parameters: Values given by the configuration.
        source: The source's name, for errors.

    Raises:
        MappingError: It is no TOML, says something unknown or contradictory, or a parameter is
            unknown, no part of an identifier or no zone.
    """
    try:
        table = dict(tomllib.loads(text) if isinstance(text, str) else text)
    except tomllib.TOMLDecodeError as error:
        detail = Said(f"it is no TOML: {error}", f"不是有效的 TOML：{error}")
        raise MappingError(source=source, detail=detail) from None
    defaults = table.pop("parameters", {})
    given = dict(parameters or {})
    unknown = given.keys() - defaults.keys()
    if unknown:
        detail = Said(
            f"it has no parameter {', '.join(sorted(unknown))}",
            f"没有参数 {'、'.join(sorted(unknown))}",
        )
        raise MappingError(source=source, detail=detail)
    values = {name: str(value) for name, value in {**defaults, **given}.items()}
    if (zone := values.pop(_ZONE, None)) is not None:
        table = _in_zone(table, _checked_zone(zone, source))
    for name, value in values.items():
        if not _IDENTIFIER_PART.fullmatch(value):
            detail = Said(
                f"parameter {name} may hold letters, digits and underscores only",
                f"参数 {name} 只能包含字母、数字和下划线",
            )
            raise MappingError(source=source, detail=detail)
    for part in (table, *table.get("lookups", ()), *table.get("children", ())):
        if isinstance(part, dict) and isinstance(part.get("query"), str):
            part["query"] = _filled_in(part["query"], values, source)
    try:
        # By way of JSON, because TOML's arrays are lists and the model's are tuples.
        return OrderMapping.model_validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        raise MappingError(source=source, detail=_first(error)) from None


def _checked_zone(zone: str, source: str) -> str:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        detail = Said(f"no time zone is called {zone}", f"没有名为 {zone} 的时区")
        raise MappingError(source=source, detail=detail) from None
    return zone


def _in_zone(part: Any, zone: str) -> Any:  # noqa: ANN401  (a TOML value)
    """Return a part of a mapping with its times in the zone of the parameter."""
    if isinstance(part, list):
        return [_in_zone(inner, zone) for inner in part]
    if not isinstance(part, dict):
        return part
    return {
        name: zone if (name, inner) == (_ZONE, f"{{{_ZONE}}}") else _in_zone(inner, zone)
        for name, inner in part.items()
    }


def _filled_in(query: str, values: Mapping[str, str], source: str) -> str:
    for name in _PARAMETER.findall(query):
        if name not in values:
            raise MappingError(
                source=source,
                detail=Said(
                    f"the query uses {{{name}}}, which has no value",
                    f"查询使用了 {{{name}}}，但没有给出它的值",
                ),
            )
    return _PARAMETER.sub(lambda match: values[match[1]], query).strip().rstrip(";")


def _first(error: ValidationError) -> Said:
    """Return the first complaint in one line; a mapping holds no secrets, but long queries."""
    parts, said = complaints(error)[0]
    place = ".".join(str(part) for part in parts)
    return Said(f"{place}: {said}", f"{place}：{said.zh}") if place else said
