"""Who is at the other end: the address that counts, past proxies that are known. Pure.

`X-Forwarded-For` is whatever its sender wrote. It is read from its end, and only for as long as
whoever has written the entry before is a proxy that the configuration lists.
"""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
UNKNOWN = "unknown"
"""A peer without an address: a Unix socket."""


def networks(listed: Sequence[str]) -> tuple[Network, ...]:
    """Return the listed proxies as networks."""
    return tuple(ipaddress.ip_network(one, strict=False) for one in listed)


def address_of(peer: str | None, forwarded: Sequence[str], proxies: Sequence[Network]) -> str:
    """Return the address of whoever asks.

    Args:
        peer: Of the connection.
        forwarded: Values of X-Forwarded-For, in the order of their headers.
        proxies: Whose word counts.
    """
    if (found := plain(peer)) is None:
        return UNKNOWN
    entries = [one.strip() for value in forwarded for one in value.split(",")]
    while entries and is_listed(found, proxies):
        told = plain(entries.pop())
        if told is None:
            break  # a proxy of ours has passed on what nobody can read: count it as the proxy's own
        found = told
    return found


def is_listed(address: str | None, proxies: Sequence[Network]) -> bool:
    """Tell whether an address is a listed proxy's."""
    if (text := plain(address)) is None:
        return False
    parsed = ipaddress.ip_address(text)
    return any(parsed in one for one in proxies if one.version == parsed.version)


def plain(text: str | None) -> str | None:
    """Return an address in its one spelling, IPv4 where it is only wrapped; None for none."""
    try:
        parsed = ipaddress.ip_address((text or "").strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)
