"""The client's address: the peer's, or what proxies that are trusted say it is."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

UNKNOWN = "unknown"
"""The address of a peer that has none, on a Unix socket."""

_MOST_HOPS = 32


class TrustedProxies:
    """Reads X-Forwarded-For only from peers within `networks`.

    Each proxy appends whom it heard from, so the list is read from its end: the first hop that is no
    trusted proxy is the client, and whatever stands before it could have been made up by that client.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)

    def client_address(self, request: web.BaseRequest) -> str:
        """The address that limits, logs and sessions know the client by."""
        peer = request.transport.get_extra_info("peername") if request.transport else None
        if not isinstance(peer, tuple):
            return UNKNOWN
        hops = ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")
        return self.resolve(str(peer[0]), hops)

    def resolve(self, peer: str, hops: Sequence[str]) -> str:
        """The client behind `peer`, given the X-Forwarded-For hops in the order of the header."""
        address = _address(peer)
        if address is None:
            return peer
        for hop in hops[: -_MOST_HOPS - 1 : -1]:
            if not self._trusts(address):
                break
            before = _address(hop)
            if before is None:
                break
            address = before
        return str(address)

    def trusts(self, request: web.BaseRequest) -> bool:
        """Whether the peer is one of the proxies, so that what it adds to a request can be believed."""
        peer = request.transport.get_extra_info("peername") if request.transport else None
        address = _address(str(peer[0])) if isinstance(peer, tuple) else None
        return address is not None and self._trusts(address)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _address(text: str) -> Address | None:
    """Read an address with or without a port, brackets or zone; IPv4 inside IPv6 as IPv4. None: neither."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
