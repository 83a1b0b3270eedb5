"""Which addresses of the internet a stranger may send us to."""

from collections.abc import Mapping, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_REFUSED: Mapping[str, str] = {
    # `is_global` says no to most of these too; that differs between Python's versions.
    "0.0.0.0/8": "this network",
    "10.0.0.0/8": "a private network",
    "100.64.0.0/10": "a provider's inner network",
    "127.0.0.0/8": "this machine itself",
    # Azure's host, which answers every machine of that cloud; the address looks public.
    "168.63.129.16/32": "a cloud's own service",
    "169.254.0.0/16": "link-local, where clouds keep their metadata",
    "172.16.0.0/12": "a private network",
    "192.0.0.0/24": "reserved for protocols",
    "192.0.2.0/24": "an example of documentation",
    "192.31.196.0/24": "anycast for protocols",
    "192.52.193.0/24": "anycast for protocols",
    "192.88.99.0/24": "a 6to4 relay",
    "192.168.0.0/16": "a private network",
    "192.175.48.0/24": "anycast for protocols",
    "198.18.0.0/15": "for measuring networks",
    "198.51.100.0/24": "an example of documentation",
    "203.0.113.0/24": "an example of documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
    "::/128": "no address",
    "::1/128": "this machine itself",
    # IPv4 inside IPv6 that no honest name resolves to: what is inside is not even looked at.
    "::/96": "an IPv4 address in an obsolete form",
    "::ffff:0:0:0/96": "an IPv4 address in a translated form",
    "64:ff9b:1::/48": "a translator's private network",
    "2001::/32": "a Teredo tunnel",
    "2002::/16": "a 6to4 tunnel",
    "100::/64": "a place where packets are dropped",
    "2001::/23": "reserved for protocols",
    "2001:db8::/32": "an example of documentation",
    "3fff::/20": "an example of documentation",
    "5f00::/16": "for segment routing",
    "fc00::/7": "a private network",
    "fe80::/10": "link-local",
    "fec0::/10": "a site's own network",
    "ff00::/8": "multicast",
}
_NETWORKS: Sequence[tuple[Network, str]] = [
    (ip_network(network), reason) for network, reason in _REFUSED.items()
]
_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The middle of an interface id that holds an IPv4 address (RFC 5214, section 6.1)."""


def read_address(text: str) -> Address:
    """Read an address as a resolver gives it; a zone behind `%` is left out.

    Raises:
        ValueError: It is none.
    """
    return ip_address(text.partition("%")[0])


def inner(address: Address) -> Address:
    """Return the IPv4 address that packets to this address reach, where that is what it says.

    Those are IPv4-mapped addresses, which an operating system turns into IPv4, and those of NAT64
    (RFC 6052), which a network without IPv4 gives for every host that has nothing else.
    """
    if not isinstance(address, IPv6Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def refusal(address: Address) -> str | None:
    """Check an address as the target of a stranger's request.

    Returns:
        What the address is, to be read after "is"; None when it is a public host's.
    """
    address = inner(address)
    for network, reason in _NETWORKS:
        if address.version == network.version and address in network:
            return reason
    if isinstance(address, IPv6Address):
        if address not in _UNICAST:
            return "not a public address"
        if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP:
            return "an IPv4 address in a tunnel's form"
    if not address.is_global or address.is_multicast or address.is_reserved:
        return "not a public address"
    return None
