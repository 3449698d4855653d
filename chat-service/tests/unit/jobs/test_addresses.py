"""Which addresses webhooks may reach."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network

import pytest
from aiohttp.abc import ResolveResult

from chat_service.jobs.addresses import AddressRefusedError, AddressRules, CheckedResolver
from chat_service.model.errors import ChatError

PUBLIC = AddressRules(())
OWN = AddressRules((ip_network("10.20.0.0/16"), ip_network("fd00:20::/32")))


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::1.1.1.1"])
def test_public_addresses_are_permitted(address: str) -> None:
    assert PUBLIC.permit(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.200.1.1",
        "0.0.0.0",
        "10.20.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "192.0.2.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00:20::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:7f00:1::",
        "2001:0:0:0:0:0:80ff:fffe",
    ],
)
def test_no_other_address_is(address: str) -> None:
    assert not PUBLIC.permit(ip_address(address))


def test_the_operator_permits_networks_and_no_more() -> None:
    assert OWN.permit(ip_address("10.20.3.4"))
    assert OWN.permit(ip_address("::ffff:10.20.3.4"))
    assert OWN.permit(ip_address("fd00:20::1"))
    assert not OWN.permit(ip_address("10.21.0.1"))
    assert OWN.permit(ip_address("1.1.1.1"))


def test_a_url_keeps_what_matters() -> None:
    assert str(PUBLIC.check_url("https://example.org:8443/a?b=c#d")) == "https://example.org:8443/a?b=c"


@pytest.mark.parametrize(
    "url", ["http://127.1/", "http://0x7f000001/", "http://017700000001/", "http://2130706433/"]
)
def test_no_spelling_of_an_address_gets_past(url: str) -> None:
    with pytest.raises(ChatError, match="not public"):
        PUBLIC.check_url(url)


class Changing:
    """A resolver whose name means another address every time."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    async def resolve(self, host: str, port: int, family: int) -> list[ResolveResult]:
        del family
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in self._answers.pop(0)
        ]


async def test_a_name_is_checked_whenever_it_is_looked_up() -> None:
    resolver = CheckedResolver(PUBLIC)
    resolver._resolver = Changing(["1.1.1.1", "127.0.0.1"], ["127.0.0.1"])  # type: ignore[assignment]
    assert [one["host"] for one in await resolver.resolve("rebound.example", 80)] == ["1.1.1.1"]
    with pytest.raises(AddressRefusedError):
        await resolver.resolve("rebound.example", 80)
