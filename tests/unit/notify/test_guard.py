"""Which addresses may be notified: the public internet, and what the operator allows, however an address is written."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

import pytest

from ingester.domain.errors import TransientError
from ingester.notify.guard import AddressRefused, Guard

REFUSED = [
    *("127.0.0.1", "127.8.9.1", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.1", "192.0.2.1"),
    *("198.18.0.1", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("192.88.99.1", "::1", "::", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::1", "2001::1", "2001:db8::1", "fe80::1"),
    *("fe80::1%eth0", "2606:4700::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "100::1", "5f00::1"),
    *("localhost", "", "1.1.1", "1.1.1.1.1", "0x7f000001"),
]


@pytest.mark.parametrize("address", REFUSED)
def test_what_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused):
        Guard().refuse(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111"])
def test_what_is_public_is_not(address: str) -> None:
    Guard().refuse(address)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd00::7"])
def test_an_operator_may_allow_a_network(address: str) -> None:
    guard = Guard((ip_network("10.1.0.0/16"), ip_network("fd00::/8")))
    guard.refuse(address)
    with pytest.raises(AddressRefused):
        guard.refuse("10.2.0.1")


def answering(*addresses: str) -> Any:
    def lookup(host: str, port: int, **_: object) -> Sequence[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return lookup


def test_a_name_that_leads_inside_is_refused() -> None:
    with pytest.raises(AddressRefused, match=r"10\.0\.0\.5 is not a public address"):
        Guard(lookup=answering("10.0.0.5")).addresses("innocent.example.com", 443)


def test_a_name_with_one_address_inside_is_refused_as_a_whole() -> None:
    with pytest.raises(AddressRefused):
        Guard(lookup=answering("1.1.1.1", "127.0.0.1")).addresses("innocent.example.com", 443)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "017700000001", "localhost", "::1"])
def test_odd_ways_of_writing_this_machine_are_seen_through(host: str) -> None:
    with pytest.raises(AddressRefused):
        Guard().addresses(host, 443)


def test_a_name_that_nobody_knows_may_be_known_later() -> None:
    def lookup(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(TransientError, match=r"nowhere\.example cannot be looked up"):
        Guard(lookup=lookup).addresses("nowhere.example", 443)
    with pytest.raises(TransientError):
        Guard().addresses("a" * 64 + ".example", 443)
