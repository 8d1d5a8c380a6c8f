"""The configured witnesses and authorities: `[[witness]]` and `[[timestamp]]` sections opened.

Responsible for what a section means: where its relative paths begin, where its credentials and
certificates are. Connects to nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from archiver.archive import Archive
from archiver.configuration import Configuration, TimestampSection, WitnessSection
from archiver.errors import ConfigurationError, Said, StoreAccessError
from archiver.ports import ObjectStore
from archiver.signed_note import COSIGNATURE, VerifierKey
from archiver.spreading import Circle
from archiver.stores.directory import DirectoryStore
from archiver.timestamps import Authority, read_trust
from archiver.witnesses import EndpointWitness, FileWitness, StoreWitness, Witness


@dataclass(frozen=True)
class ConfiguredWitnesses:
    """The sections of a configuration."""

    configuration: Configuration
    folder: Path
    """Of the configuration file: relative paths start here."""
    environment: Mapping[str, str]

    def circle(self, archive: Archive) -> Circle:
        """Return all who are told of checkpoints.

        Raises:
            ConfigurationError: A key, a certificate or a variable cannot be used.
        """
        return Circle(
            witnesses=[self._witness(one, archive) for one in self.configuration.witness],
            authorities=[self._authority(one) for one in self.configuration.timestamp],
        )

    def _witness(self, section: WitnessSection, archive: Archive) -> Witness:
        if section.is_server:
            keys = [verifier_key(section.name, text) for text in section.keys]
            return EndpointWitness(name=section.name, url=section.url, keys=keys)
        if section.url.startswith("file:"):
            path = self.folder / section.url.removeprefix("file:")
            return FileWitness(name=section.name, path=path)
        return StoreWitness(
            name=section.name,
            place=f"{section.endpoint or ''} {section.url}",
            archive=archive.id,
            store=self._store(section, archive),
            retain_until=archive.evidence_until(),
        )

    def _store(self, section: WitnessSection, archive: Archive) -> ObjectStore:
        if section.url.startswith("dir:"):
            return DirectoryStore(self.folder / section.url.removeprefix("dir:"), archive.clock)
        from archiver.stores.s3 import S3Store
        from archiver.stores.s3_bucket import BRIEF, Login, open_bucket

        login = Login(
            profile=section.profile,
            access_key=self._variable(section.name, section.access_key_env),
            secret_key=self._variable(section.name, section.secret_key_env),
            session_token=self._variable(section.name, section.session_token_env),
        )
        try:
            bucket = open_bucket(section.url, section.endpoint, section.region, BRIEF, login)
        except (ConfigurationError, StoreAccessError) as error:
            said = Said(
                f"{section.name}: {error.text('en')}", f"{section.name}：{error.text('zh')}"
            )
            raise ConfigurationError(detail=said) from None
        return S3Store(bucket)

    def _authority(self, section: TimestampSection) -> Authority:
        return Authority(
            name=section.name,
            url=section.url,
            trust=read_trust(self.folder / section.ca),
            authorization=self._variable(section.name, section.authorization_env),
        )

    def _variable(self, place: str, name: str | None) -> str | None:
        if name is None:
            return None
        if name not in self.environment:
            said = Said(f"{place}: the environment has no {name}", f"{place}：没有环境变量 {name}")
            raise ConfigurationError(detail=said)
        return self.environment[name]


def verifier_key(witness: str, text: str) -> VerifierKey:
    """Return a configured key of a witness.

    Raises:
        ConfigurationError: It is none.
    """
    try:
        key = VerifierKey.parse(text)
    except ValueError:
        key = None
    if key is None or key.signs != COSIGNATURE:
        said = Said(
            f"[[witness]] {witness}: keys holds no verifier key of a witness (name+id+base64, "
            "signature type 4)",
            f"[[witness]] {witness}：keys 中不是见证方公钥（name+id+base64，签名类型 4）",
        )
        raise ConfigurationError(detail=said)
    return key
