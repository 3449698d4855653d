"""Which addresses a webhook may reach: public ones, and what the operator allows beside them.

Checked on the very addresses that are connected to, at every connection: a name that meant another address when
it was looked up before gains nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from chat_service.model.errors import invalid

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

LONGEST_URL = 2000
_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: what is sent there comes out at the IPv4 address in the last 32 bits."""


class AddressRefusedError(OSError):
    """A name leads only to addresses that webhooks must not reach."""


class AddressRules:
    """Decides over addresses; `allowed` are networks that may be reached though they are not public."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = tuple(allowed)

    def permit(self, address: Address) -> bool:
        """Whether a webhook may connect to `address`."""
        if any(address in network for network in self._allowed):
            return True
        inner = _inside(address)
        if inner is not None:
            return self.permit(inner)
        return address.is_global and not address.is_multicast

    def check_url(self, text: str) -> URL:
        """The URL, if a webhook may have it. Raises ChatError `invalid`.

        Whatever its name means is checked when it is connected to.
        """
        try:
            url = URL(text)
            port = url.port
        except ValueError as problem:
            raise invalid(f"url: expected an address such as https://example.org/hook ({problem}).") from problem
        if len(text) > LONGEST_URL or url.scheme not in {"http", "https"} or not url.host or not port:
            raise invalid("url: expected an address such as https://example.org/hook.")
        if url.user is not None or url.password is not None:
            raise invalid("url: must not hold a user or a password; deliveries are signed instead.")
        address = _literal(url.host)
        if address is not None and not self.permit(address):
            raise invalid("url: this address is not public. CHAT_WEBHOOK_ALLOWED_NETWORKS can allow it.")
        return url.with_fragment(None)

    def check_literal(self, url: URL) -> None:
        """Raise AddressRefusedError for an address in the URL itself: no resolver is asked about one."""
        address = _literal(url.host or "")
        if address is not None and not self.permit(address):
            raise AddressRefusedError("the address is not public")


class CheckedResolver(AbstractResolver):
    """Resolves names with the system's resolver, to what the rules permit."""

    def __init__(self, rules: AddressRules) -> None:
        self._rules = rules
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The permitted addresses of `host`. Raises AddressRefusedError where none of them is."""
        found = await self._resolver.resolve(host, port, family)
        permitted = [one for one in found if self._rules.permit(_address(one["host"]))]
        if not permitted:
            raise AddressRefusedError("the name leads to no public address")
        return permitted

    async def close(self) -> None:
        """Let go of the system's resolver."""
        await self._resolver.close()


def _address(text: str) -> Address:
    return ip_address(text.partition("%")[0])


def _literal(host: str) -> Address | None:
    """The address that `host` is, in any form that the system would connect to; None for a name."""
    try:
        return _address(host.strip("[]"))
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))  # 127.1, 0x7f000001 and the like
    except OSError:
        return None


def _inside(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour
