"""Which addresses a notification may be sent to: the public internet, and networks that the operator allows.

A tenant's target must not reach what only this machine can. Names are looked up once, and what was checked is what is
connected to: a name that answers otherwise a moment later changes nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from ingester.domain.errors import PermanentError, TransientError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
#: As `socket.getaddrinfo`.
Lookup = Callable[..., Sequence[tuple[Any, ...]]]

#: Addresses of IPv4 inside those of IPv6, which lead wherever a gateway takes them, and more that is not public.
_TRANSLATED = tuple(
    IPv6Network(text)
    for text in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "fec0::/10", "100:0:0:1::/64")
)
#: Global by the registry, and still of one machine or network: the metadata service of Azure and Alibaba's.
_METADATA = (IPv4Network("168.63.129.16/32"), IPv4Network("100.100.100.200/32"), IPv4Network("192.88.99.0/24"))


class AddressRefused(PermanentError):
    """The address is not one that notifications may be sent to."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Answers for one set of allowed networks."""

    allowed: tuple[Network, ...] = ()
    lookup: Lookup = socket.getaddrinfo

    def addresses(self, host: str, port: int) -> list[tuple[int, str]]:
        """The (family, address) pairs that `host` may be reached at now; raises AddressRefused if any is out of bounds.

        TransientError if the name cannot be looked up.
        """
        try:
            found = self.lookup(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise TransientError(f"the host {host} cannot be looked up: {error}") from None
        pairs = list(dict.fromkeys((int(family), str(sockaddr[0])) for family, _, _, _, sockaddr in found))
        for _, address in pairs:
            self.refuse(address)
        return pairs

    def refuse(self, address: str) -> None:
        """AddressRefused unless the numeric address is public or allowed."""
        if not self.permits(address):
            raise AddressRefused(
                f"{address.partition('%')[0]} is not a public address",
                fix="An operator may allow its network with notify.allow_networks.",
            )

    def permits(self, address: str) -> bool:
        """Whether a numeric address is public or allowed."""
        try:
            # A zone (fe80::1%eth0) is of this machine's own making.
            ip = _plain(ip_address(address.partition("%")[0]))
        except ValueError:
            return False
        return self.is_allowed(address) or (_is_public(ip) and "%" not in address)

    def is_allowed(self, address: str) -> bool:
        """Whether a numeric address is in a network that the operator named."""
        try:
            ip = _plain(ip_address(address.partition("%")[0]))
        except ValueError:
            return False
        return any(ip in network for network in self.allowed if network.version == ip.version)


def _plain(ip: Address) -> Address:
    """An address of IPv4 that is written as one of IPv6 is what it stands for."""
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return mapped if mapped is not None else ip


def _is_public(ip: Address) -> bool:
    odd = _METADATA if isinstance(ip, IPv4Address) else _TRANSLATED
    return (
        ip.is_global
        and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified or ip.is_loopback or ip.is_link_local)
        and not any(ip in network for network in odd)
    )
