"""Rate limits in memory: token buckets per key, for this node alone."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache

from chat_service.model.errors import ChatError, Code
from chat_service.rate import Rate

MAX_KEYS = 100_000
"""Buckets kept of each kind, at about 250 bytes each."""

_ROUNDING_S = 1e-6
"""What adding up a burst of intervals may be off by."""

_NO_ADDRESS = "-"

_ADDRESSES = 16_384
"""Addresses whose key is remembered: parsing one costs more than all the rest of a check."""

_SWEPT_PER_CHECK = 2
"""Full buckets dropped with every check: more than the one it may add, so that idle ones do not pile up."""


class RateLimits:
    """Token buckets, one for each (kind, key); kinds are named by whoever makes this.

    A bucket is one number, the moment at which it will be full again (the "theoretical arrival time" of the
    generic cell rate algorithm); a bucket that is full is the same as none. Of each kind at most `max_keys`
    are kept: beyond that the one used least recently is forgotten, so that no number of addresses takes
    more memory, and whoever hammers stays known. `refused` is told the kind of every refusal, for a metric.
    `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        rates: Mapping[str, Rate],
        *,
        max_keys: int = MAX_KEYS,
        refused: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._buckets = {kind: _Buckets(rate, max_keys) for kind, rate in rates.items()}
        self._refused = refused
        self._clock = clock

    def check(self, kind: str, key: str, cost: int = 1) -> None:
        """Take `cost` from the bucket, or raise ChatError `rate_limited` with `retry_after_ms`.

        A cost beyond the whole burst is refused whenever it comes. KeyError for a kind that has no rate.
        """
        wait_s = self._buckets[kind].take(key, cost, self._clock())
        if not wait_s:
            return
        if self._refused is not None:
            self._refused(kind)
        raise ChatError(
            Code.RATE_LIMITED,
            f"Too many requests. Try again in {max(1, math.ceil(wait_s))} s.",
            retry_after_ms=math.ceil(wait_s * 1000),
        )

    def __len__(self) -> int:
        """How many buckets are kept."""
        return sum(len(buckets) for buckets in self._buckets.values())


class _Buckets:
    """The buckets of one kind, the least recently used first."""

    def __init__(self, rate: Rate, max_keys: int) -> None:
        self._interval_s = rate.period_s / rate.count
        self._depth_s = self._interval_s * rate.burst
        self._max_keys = max_keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str, cost: int, now: float) -> float:
        """Take `cost`; 0, or for how many seconds it cannot be taken. A refusal takes nothing."""
        full_at = max(self._full_at.get(key, now), now)
        after = full_at + cost * self._interval_s
        wait_s = after - now - self._depth_s
        refused = wait_s > _ROUNDING_S
        self._full_at[key] = full_at if refused else after
        self._full_at.move_to_end(key)
        self._forget(now)
        return wait_s if refused else 0.0

    def _forget(self, now: float) -> None:
        for _ in range(min(_SWEPT_PER_CHECK, len(self._full_at))):
            oldest = next(iter(self._full_at))
            if len(self._full_at) <= self._max_keys and self._full_at[oldest] > now:
                return
            del self._full_at[oldest]


@lru_cache(maxsize=_ADDRESSES)
def address_key(address: str) -> str:
    """The key of a client address for limits.

    IPv6 counts by its /64, which is what one subscriber is given (RFC 6177); IPv4 inside IPv6 counts as
    IPv4. What is no address (a Unix socket, garbage of a proxy) counts as one.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return _NO_ADDRESS
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
