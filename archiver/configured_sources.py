"""The configured sources: `[[source]]` sections turned into shops that can be read.

Responsible for what a section means: its mapping, where its relative paths begin, where its
password is. Connects to nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from archiver.capture import MappedSource
from archiver.configuration import Configuration, SourceSection
from archiver.errors import ConfigurationError, Said
from archiver.ports import Purges
from archiver.sources.database import DatabaseSource
from archiver.sources.mappings import FILES, SQL, load_mapping


@dataclass(frozen=True)
class ConfiguredSources:
    """The `[[source]]` sections of a configuration."""

    configuration: Configuration
    folder: Path
    """Of the configuration file: relative paths start here."""
    environment: Mapping[str, str]

    def all(self) -> list[MappedSource]:
        """Return the configured sources; nothing is connected yet.

        Raises:
            ConfigurationError: There is none, or a mapping cannot be used.
        """
        if not self.configuration.source:
            raise ConfigurationError(detail=Said("there is no [[source]]", "没有 [[source]]"))
        return [self.one(section) for section in self.configuration.source]

    def one(self, section: SourceSection) -> MappedSource:
        """Return one source with its mapping; raises what `database` raises."""
        database = self.database(section)
        after = section.purges_after_days
        return MappedSource(
            source=database,
            mapping=database.mapping,
            session_zone=database.session_zone,
            purged=Purges(
                after=None if after is None else timedelta(days=after),
                through=section.purged_through,
            ),
        )

    def database(self, section: SourceSection) -> DatabaseSource:
        """Return one source as the database that it is.

        Raises:
            MappingError: There is no such mapping, or it cannot be used.
            ConfigurationError: The URL cannot be used, or the password is not there.
        """
        mapping = load_mapping(self._mapping_of(section), section.parameters, source=section.name)
        return DatabaseSource(
            section.name,
            self._absolute(section.url),
            self._password(section),
            mapping,
            timezone=section.timezone or self.configuration.archive.timezone,
            page_rows=section.page_rows,
            timeout=timedelta(seconds=section.timeout_seconds),
        )

    def _mapping_of(self, section: SourceSection) -> str | Path | Mapping[str, Any]:
        if section.preset not in (SQL, FILES):
            if section.mapping is not None:
                raise ConfigurationError(
                    detail=Said(
                        f"[[source]] {section.name}: preset {section.preset} brings its own "
                        'mapping; use preset = "sql" with another one',
                        f"[[source]] {section.name}：预设 {section.preset} 自带映射；"
                        '要用其他映射，请设 preset = "sql"',
                    )
                )
            return section.preset
        if section.mapping is None:
            raise ConfigurationError(
                detail=Said(
                    f'[[source]] {section.name}: preset = "{section.preset}" needs '
                    'mapping = "file.toml"',
                    f'[[source]] {section.name}：preset = "{section.preset}" 需要 '
                    'mapping = "文件.toml"',
                )
            )
        if isinstance(section.mapping, str):
            return self.folder / section.mapping
        return section.mapping

    def _absolute(self, url: str) -> str:
        """Return a source's URL with a relative path counted from the configuration."""
        if url.startswith("file:"):
            return f"file:{self.folder / url.removeprefix('file:')}"
        scheme, separator, path = url.partition(":///")
        if scheme == "sqlite" and separator:
            return f"sqlite:///{self.folder / path}"
        return url

    def _password(self, section: SourceSection) -> str | None:
        if section.password_env is not None:
            if section.password_env not in self.environment:
                raise ConfigurationError(
                    detail=Said(
                        f"[[source]] {section.name}: the environment has no {section.password_env}",
                        f"[[source]] {section.name}：没有环境变量 {section.password_env}",
                    )
                )
            return self.environment[section.password_env]
        if section.password_file is not None:
            path = self.folder / section.password_file
            try:
                return path.read_text("utf-8").rstrip("\r\n")
            except OSError as error:
                raise ConfigurationError(detail=f"{path}: {error.strerror}") from None
        return None
