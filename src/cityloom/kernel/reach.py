"""Keeps what the city calls for others from reaching what only this machine can reach: its services, private networks, metadata."""

import ipaddress
import socket
from collections.abc import Sequence

from cityloom.kernel.errors import Refused, Unavailable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
TUNNELS = (
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible, RFC 4291 2.5.5.1
)
"""IPv6 networks that hold an IPv4 address, and how many bits lie to the right of it."""
UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that IPv6 gives out to the public network (RFC 4291 2.4); the library takes fec0::, ::ffff:0:0:0 and others for it."""
SPECIAL = (ipaddress.ip_network("192.0.0.0/24"), ipaddress.ip_network("3fff::/20"))
"""Given out for special purposes (RFC 6890, RFC 9637) and not known as such to every version of the library."""


def resolve(host: str, port: int, allowed: Sequence[str]) -> str:
    """The address to connect to; connect to this and not to the name, which may say something else the next time.

    `allowed` are host names and networks that may be private. Every address of the name must be one that may be reached.
    Raises Unavailable `kernel.host_unknown`, Refused `kernel.address_private`.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable("kernel.host_unknown", host=host) from error
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    named = host.lower().rstrip(".") in {name.lower() for name in allowed}
    networks = _networks(allowed)
    for address in addresses:
        if not (named or is_public(address) or any(address in network for network in networks)):
            raise Refused("kernel.address_private", host=host, address=str(address))
    return str(addresses[0])


def is_public(address: Address) -> bool:
    """Whether the address is one of the public network, also when it is an IPv4 address within an IPv6 one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        for network, right in TUNNELS:
            if address in network:
                return is_public(ipaddress.IPv4Address(int(address) >> right & 0xFFFFFFFF))
        if address not in UNICAST:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in SPECIAL)


def _networks(allowed: Sequence[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found = []
    for text in allowed:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            continue  # a host name
    return found
