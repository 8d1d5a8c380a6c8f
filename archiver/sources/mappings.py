"""Mappings from presets, files or tables of the configuration."""

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

from archiver.errors import MappingError, Said
from archiver.mapping import OrderMapping, parse_mapping

_NAME: Final = re.compile(r"[a-z0-9-]+")
SQL: Final = "sql"
"""The preset without a mapping of its own: the configuration gives one."""
FILES: Final = "files"
"""The same for files."""


def load_mapping(
    preset_or_path: str | Path | Mapping[str, Any],
    parameters: Mapping[str, str] | None = None,
    *,
    source: str = "",
) -> OrderMapping:
    """Return a mapping.

    Args:
        preset_or_path: A preset's name (`dujiaoka`), the path of a TOML file (a `Path`, or text
            that ends in `.toml`), or a table of the configuration, already parsed.
        parameters: Values for the mapping's parameters (`prefix`).
        source: The source's name, for errors.

    Raises:
        MappingError: There is no such mapping, or it cannot be used.
    """
    if isinstance(preset_or_path, Mapping):
        return parse_mapping(preset_or_path, parameters, source=source)
    if isinstance(preset_or_path, Path) or preset_or_path.endswith(".toml"):
        try:
            text = Path(preset_or_path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            detail = Said(
                f"{preset_or_path} cannot be read: {type(error).__name__}",
                f"无法读取 {preset_or_path}：{type(error).__name__}",
            )
            raise MappingError(source=source, detail=detail) from None
        return parse_mapping(text, parameters, source=source)
    folder = resources.files("archiver.sources.presets")
    file = folder / f"{preset_or_path}.toml"
    if not _NAME.fullmatch(preset_or_path) or not file.is_file():
        known = sorted(presets())
        detail = Said(
            f"there is no preset {preset_or_path}; there are {', '.join(known)}, "
            "and sql and files with a mapping",
            f"没有预设 {preset_or_path}；可用的有 {'、'.join(known)}，以及自带映射的 sql 与 files",
        )
        raise MappingError(source=source, detail=detail)
    return parse_mapping(file.read_text(encoding="utf-8"), parameters, source=source)


def presets() -> list[str]:
    """Return the names of the presets that bring their mapping."""
    folder = resources.files("archiver.sources.presets")
    return [Path(file.name).stem for file in folder.iterdir() if file.name.endswith(".toml")]
