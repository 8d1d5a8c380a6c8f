"""What a configuration of the service may say, and what its routes take where."""

from collections.abc import Mapping
from typing import Any

import pytest

from archiver.configuration import Configuration, parse_configuration
from archiver.errors import ConfigurationError
from tests.service.world import World

FIELDS: Mapping[str, Any] = {
    "archive": {"name": "a", "role": "shop", "legal_basis": "合同"},
    "store": {"url": "dir:vault"},
}


def parsed(**sections: Any) -> Configuration:  # noqa: ANN401
    return parse_configuration({**FIELDS, **sections})


def test_who_is_reached_from_other_hosts_speaks_tls_or_names_who_does() -> None:
    assert parsed().service.host == "127.0.0.1"
    tls = {"tls_certificate": "c.pem", "tls_key": "k.pem"}
    for sound in ({"proxies": ["10.0.0.0/8"]}, tls):
        assert parsed(service={"host": "0.0.0.0", **sound}).service.port == 8080  # noqa: S104
    for bad in (
        {"host": "0.0.0.0"},  # noqa: S104
        {"tls_certificate": "c.pem"},
        {"proxies": ["nowhere"]},
        {"monitors": ["x"]},
    ):
        with pytest.raises(ConfigurationError):
            parsed(service=bad)


@pytest.mark.parametrize(
    "section",
    [
        {"sendmail": "/usr/sbin/sendmail"},  # from whom?
        {"smtp_host": "mail.example.com", "sender": "a@b.cn", "smtp_tls": "none"},
        {"webhook_url": "https://a.cn/x", "sendmail": "/bin/x", "sender": "a@b.cn"},
        {"webhook_url": "ftp://a.cn/x"},
    ],
)
def test_codes_are_carried_one_way_and_not_in_the_open(section: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        parsed(codes=section)


def test_no_route_takes_a_value_of_an_order_in_its_address(world: World) -> None:
    """An address stands in the logs of everything that it passes."""
    taken = {
        parameter["name"]
        for path in world.app.openapi()["paths"].values()
        for operation in path.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] in ("path", "query")
    }
    assert taken == {"number", "name", "everything", "since", "operator", "limit", "cursor"} | {
        "export"
    }
