"""Rendezvous hashing: which of several endpoints carries a channel, the same on every node."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b


def place(channel: bytes, endpoints: Sequence[bytes]) -> int:
    """The index of the endpoint that a channel belongs to.

    It depends on the endpoints' names, not on their order; one more takes an equal share of the channels from
    each of the others and moves no channel between those.
    """
    if len(endpoints) == 1:
        return 0
    return max(range(len(endpoints)), key=lambda at: _weight(channel, endpoints[at]))


def _weight(channel: bytes, endpoint: bytes) -> bytes:
    # The endpoint as the key, and the name itself behind the hash, so that equal hashes decide alike everywhere.
    return blake2b(channel, key=blake2b(endpoint, digest_size=32).digest(), digest_size=8).digest() + endpoint
