"""Whose address counts: the peer's, or what trusted proxies say, read from the end of the list."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from rest_client import client_of, somebody
from rest_service import running

from chat_service.http.client_address import TrustedProxies
from chat_service.rate import Rate

TRUSTED = tuple(map(ip_network, ("10.0.0.0/8", "192.0.2.1/32", "fd00::/8")))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.2.3.4", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1, 192.0.2.1,10.9.9.9", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.2, 10.0.0.3", "10.0.0.2"),
        ("10.0.0.1", "rubbish", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, rubbish, 10.0.0.7", "10.0.0.7"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", '"[2001:db8::1]:4711"', "2001:db8::1"),
        ("10.0.0.1", "[2001:db8::1]", "2001:db8::1"),
        ("fd00::1", "2001:DB8::0001", "2001:db8::1"),
        ("fd00::1%eth0", "198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", ",,", "10.0.0.1"),
        ("10.0.0.1", ", ".join(["10.0.0.2"] * 5000), "10.0.0.2"),
        ("somewhere", "198.51.100.1", "somewhere"),
    ],
)
def test_the_first_hop_from_the_end_that_is_no_proxy_is_the_client(peer: str, forwarded: str, client: str) -> None:
    assert TrustedProxies(TRUSTED).resolve(peer, forwarded.split(",")) == client


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert TrustedProxies(()).resolve("127.0.0.1", ["198.51.100.1"]) == "127.0.0.1"


async def test_sessions_and_limits_count_by_the_address_behind_the_proxy(tmp_path: Path) -> None:
    proxy = {"trusted_proxies": (ip_network("127.0.0.0/8"),), "rate_rest_per_address": Rate(1, 60, 3)}
    async with running(tmp_path, **proxy) as service, client_of(service) as nobody:
        nobody.http.headers["X-Forwarded-For"] = "198.51.100.7"  # sent with every request
        ann = await somebody(nobody)
        (session,) = (await ann.expect(200, "GET", "/auth/sessions"))["sessions"]
        assert session["address"] == "198.51.100.7"
        await ann.expect(200, "GET", "/users/me")
        reply = await ann.call("GET", "/users/me")
        assert (reply.status, reply.code) == (429, "rate_limited")
        assert int(reply.headers["Retry-After"]) >= 1
        elsewhere = {"X-Forwarded-For": "198.51.100.8"}
        await ann.expect(200, "GET", "/users/me", headers=elsewhere)
        for _ in range(10):
            assert (await ann.raw("GET", "/livez")).status == 200, "probes are never limited"


async def test_whoever_comes_without_a_proxy_cannot_choose_an_address(tmp_path: Path) -> None:
    async with running(tmp_path) as service, client_of(service) as nobody:
        nobody.http.headers["X-Forwarded-For"] = "198.51.100.7"  # sent with every request
        ann = await somebody(nobody)
        (session,) = (await ann.expect(200, "GET", "/auth/sessions"))["sessions"]
        assert session["address"] == "127.0.0.1"
