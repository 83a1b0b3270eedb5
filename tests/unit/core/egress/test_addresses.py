"""Every kind of address that a stranger must not send us to, and those that are public."""

import ipaddress

import pytest

from core.egress.addresses import _REFUSED, inner, read_address, refusal

REFUSED = {
    "this network": ["0.0.0.0", "0.1.2.3"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12::1"],
    "a provider's": ["100.64.0.1", "100.127.255.255", "100.100.100.200"],
    "link-local and metadata": ["169.254.169.254", "169.254.170.2", "fe80::1", "fe80::a9fe:a9fe"],
    "a cloud's own": ["168.63.129.16", "fd00:ec2::254", "192.0.0.192"],
    "reserved": ["240.0.0.1", "255.255.255.255", "192.0.0.1", "198.18.0.1", "198.19.255.255"],
    "documentation": ["192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"],
    "multicast": ["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"],
    "a relay": ["192.88.99.1"],
    "unspecified": ["::"],
    "site-local": ["fec0::1"],
    "discarded": ["100::1"],
    "segment routing": ["5f00::1"],
    "unassigned": ["4000::1", "8000::1", "1::1"],
    "protocols": ["2001:2::1", "2001:10::1"],
    "IPv4-mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"],
    "IPv4-compatible": ["::a9fe:a9fe", "::127.0.0.1", "::8.8.8.8"],
    "IPv4-translated": ["::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"],
    "NAT64": ["64:ff9b::a9fe:a9fe", "64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1"],
    "NAT64 of a network": ["64:ff9b:1::1", "64:ff9b:1::8.8.8.8", "64:ff9b:1:a9fe:a9fe::"],
    "6to4": ["2002:a9fe:a9fe::", "2002:7f00:1::1", "2002:808:808::1"],
    "Teredo": ["2001:0:53aa:64c:0:1:5601:5601", "2001::1"],
    "ISATAP": ["2a00:1450::5efe:127.0.0.1", "2a00:1450::200:5efe:a00:1"],
}
PUBLIC = ["8.8.8.8", "1.1.1.1", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001::200e"]


@pytest.mark.parametrize(
    ("kind", "address"), [(kind, one) for kind, group in REFUSED.items() for one in group]
)
def test_an_address_that_is_nobodys_business_is_refused(kind: str, address: str):
    assert refusal(read_address(address)), kind


@pytest.mark.parametrize("network", _REFUSED)
def test_a_refused_network_is_refused_from_end_to_end(network: str):
    found = ipaddress.ip_network(network)
    for address in (found[0], found[found.num_addresses // 2], found[-1]):
        assert refusal(address), address


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str):
    assert refusal(read_address(address)) is None


@pytest.mark.parametrize("address", ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_a_public_ipv4_address_inside_is_allowed_where_a_network_puts_it_there(address: str):
    assert refusal(read_address(address)) is None
    assert inner(read_address(address)) == ipaddress.IPv4Address("8.8.8.8")


def test_a_zone_is_left_out_before_it_is_judged():
    assert read_address("fe80::1%eth0") == ipaddress.IPv6Address("fe80::1")


def test_the_ends_of_refused_networks_are_refused_and_their_neighbours_are_not():
    for network, outside in {
        "172.16.0.0/12": ["172.15.255.255", "172.32.0.0"],
        "100.64.0.0/10": ["100.63.255.255", "100.128.0.0"],
        "198.18.0.0/15": ["198.17.255.255", "198.20.0.0"],
    }.items():
        found = ipaddress.ip_network(network)
        assert refusal(found[0])
        assert refusal(found[-1])
        assert [refusal(read_address(one)) for one in outside] == [None, None]
