"""Whose word counts about where a request comes from."""

import pytest

from archiver.service.peers import UNKNOWN, address_of, networks

PROXIES = networks(["10.0.0.0/8", "2001:db8:ffff::/48"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["8.8.8.8"], "203.0.113.7"),  # nobody's proxy
        ("10.0.0.1", ["8.8.8.8"], "8.8.8.8"),
        ("10.0.0.1", ["1.1.1.1, 8.8.8.8"], "8.8.8.8"),  # the first one is what he wrote himself
        ("10.0.0.1", ["1.1.1.1", "8.8.8.8, 10.0.0.2"], "8.8.8.8"),
        ("10.0.0.1", ["10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", ["8.8.8.8, nonsense"], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["[2001:db8::7]"], "2001:db8::7"),
        ("2001:db8:ffff::1", ["2001:DB8::0007"], "2001:db8::7"),
        (None, ["8.8.8.8"], UNKNOWN),
        ("testclient", ["8.8.8.8"], UNKNOWN),
    ],
)
def test_only_listed_proxies_are_believed_from_the_end(
    peer: str | None, forwarded: list[str], address: str
) -> None:
    assert address_of(peer, forwarded, PROXIES) == address
