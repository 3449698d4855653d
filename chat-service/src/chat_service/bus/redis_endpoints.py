"""The Redis endpoints of a chat world, as they are written in one value: URLs separated by commas."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

DEFAULT_PORT = 6379

ENDPOINTS_MOST = 64
"""More is a mistake: a node keeps a connection to each."""

_FORM = "redis://user:password@host:port/database (rediss:// for TLS)"


@dataclass(frozen=True, slots=True)
class RedisEndpoint:
    """One Redis server and how to sign in to it. The password is not shown in its `repr`."""

    host: str
    port: int
    tls: bool
    username: str
    password: str = field(repr=False)
    database: int = 0

    @property
    def address(self) -> str:
        """What it is called in logs, and what places channels on it: `host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_endpoints(urls: str) -> tuple[RedisEndpoint, ...]:
    """The endpoints of `redis://…,rediss://…`.

    Raises ValueError that says which of them is wrong and how, and never what is in it: passwords are.
    """
    texts = [text.strip() for text in urls.split(",") if text.strip()]
    if not texts:
        raise ValueError(f"expected one or more URLs separated by commas, each {_FORM}, got none")
    if len(texts) > ENDPOINTS_MOST:
        raise ValueError(f"expected at most {ENDPOINTS_MOST} endpoints, got {len(texts)}")
    endpoints = tuple(_parse(text, at) for at, text in enumerate(texts, start=1))
    addresses = [endpoint.address for endpoint in endpoints]
    for address in addresses:
        if addresses.count(address) > 1:
            raise ValueError(f"the endpoint {address} is there more than once")
    return endpoints


def _parse(text: str, number: int) -> RedisEndpoint:
    which = f"URL {number} of the Redis endpoints"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:  # its message may quote the password
        raise ValueError(f"{which} cannot be read: expected {_FORM}, special characters as %XX") from None
    if url.scheme not in {"redis", "rediss"}:
        raise ValueError(f"{which} does not begin with redis:// or rediss://")
    if not url.hostname:
        raise ValueError(f"{which} names no host: expected {_FORM}")
    if url.query or url.fragment:
        raise ValueError(f"{which} has something after ? or #: expected {_FORM}, special characters as %XX")
    if url.username and not url.password:
        raise ValueError(f"{which} has a user and no password")
    return RedisEndpoint(
        host=url.hostname,
        port=DEFAULT_PORT if port is None else port,
        tls=url.scheme == "rediss",
        username=unquote(url.username or ""),
        password=unquote(url.password or ""),
        database=_database(url, which),
    )


def _database(url: SplitResult, which: str) -> int:
    number = url.path.removeprefix("/")
    if not number:
        return 0
    if not (number.isascii() and number.isdigit() and len(number) <= 3):
        raise ValueError(f"{which} has a path that is no database number")
    return int(number)
