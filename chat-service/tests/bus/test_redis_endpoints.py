"""The Redis endpoints as they are written, and which of them a channel belongs to."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from chat_service.bus.redis_endpoints import ENDPOINTS_MOST, RedisEndpoint, parse_endpoints
from chat_service.bus.rendezvous import place

PASSWORD = "hunter2"


def test_endpoints_are_read_from_urls() -> None:
    urls = "redis://chat:p%40ss%2C%2F@one.example.org:6380/2, rediss://:secret@two.example.org,redis://[::1]:7000/"
    one, two, three = parse_endpoints(urls)
    assert one == RedisEndpoint("one.example.org", 6380, False, "chat", "p@ss,/", 2)
    assert two == RedisEndpoint("two.example.org", 6379, True, "", "secret")
    assert three == RedisEndpoint("::1", 7000, False, "", "")
    assert [endpoint.address for endpoint in (one, two, three)] == [
        "one.example.org:6380",
        "two.example.org:6379",
        "[::1]:7000",
    ]


@pytest.mark.parametrize(
    ("urls", "says"),
    [
        ("", "got none"),
        (" , ", "got none"),
        (f"http://:{PASSWORD}@host", "does not begin with redis"),
        (f"host:6379,{PASSWORD}", "URL 1"),
        (f"redis://:{PASSWORD}@", "names no host"),
        (f"redis://user:{PASSWORD}@host:port", "cannot be read"),
        (f"redis://user:{PASSWORD}@host:99999", "cannot be read"),
        (f"redis://user:{PASSWORD}/@host", "cannot be read"),
        (f"redis://a,redis://:{PASSWORD}@host/one", "URL 2"),
        (f"redis://:{PASSWORD}@host/-1", "no database number"),
        (f"redis://:{PASSWORD}@host?ssl=no", "after"),
        (f"redis://host#{PASSWORD}", "after"),
        ("redis://user@host", "no password"),
        (f"redis://:{PASSWORD}@host,rediss://host:6379", "host:6379 is there more than once"),
        (",".join(f"redis://h{number}" for number in range(ENDPOINTS_MOST + 1)), "at most 64"),
    ],
)
def test_what_is_wrong_is_said_and_no_password_is(urls: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        parse_endpoints(urls)
    assert PASSWORD not in str(caught.value)


def test_a_password_is_not_shown() -> None:
    (endpoint,) = parse_endpoints(f"redis://chat:{PASSWORD}@host")
    assert PASSWORD not in repr(endpoint)


CHANNELS = [f"chat:w:room:{number}".encode() for number in range(6000)]


def placed(*endpoints: bytes) -> list[bytes]:
    return [endpoints[place(channel, endpoints)] for channel in CHANNELS]


def test_channels_are_spread_evenly() -> None:
    shares = Counter(placed(b"a:1", b"b:1", b"c:1"))
    assert all(1800 < share < 2200 for share in shares.values())
    assert set(placed(b"a:1")) == {b"a:1"}


def test_the_order_of_the_endpoints_does_not_matter() -> None:
    assert placed(b"a:1", b"b:1", b"c:1") == placed(b"c:1", b"a:1", b"b:1")


def test_another_endpoint_takes_its_share_and_moves_nothing_else() -> None:
    before, after = placed(b"a:1", b"b:1"), placed(b"a:1", b"b:1", b"c:1")
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {b"c:1"}
    assert 1800 < len(moved) < 2200
