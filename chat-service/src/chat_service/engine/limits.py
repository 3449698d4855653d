"""The bounds and times that every Engine.IO session lives within."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one engine. Times are seconds of the monotonic clock, sizes are bytes.

    ping_interval, ping_timeout: Engine.IO's heartbeat; 25 s and 20 s are the reference server's.
    max_payload: longest message, WebSocket frame or POST body accepted; 1,000,000 is the reference
        server's, and clients are told of it when they open a session.
    max_packets: most packets in one POST body. The official client puts everything that waits into
        one body, so this bounds work per request and not a client's habits.
    high_water: a session with more than this queued is congested: its socket is not read from.
    low_water: a congested session with at most this left is drained.
    hard_limit: a write that finds more than this queued closes the session as a slow reader, so
        the most that one session holds is this and one write.
    slow_reader_timeout: a congested session that has not drained an eighth of high_water in this
        time is closed as a slow reader.
    connect_timeout: time for the layer above to call a new session established; 45 s is the
        reference server's `connectTimeout`.
    upgrade_timeout: time from opening the WebSocket of an upgrade to its last packet; 10 s is the
        reference server's `upgradeTimeout`.
    close_timeout: how long the other side's part of a clean close is waited for.
    body_timeout: time for a POST body to arrive once it is read.
    """

    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    max_payload: int = 1_000_000
    max_packets: int = 4_096
    high_water: int = 256 * 1024
    low_water: int = 64 * 1024
    hard_limit: int = 1024 * 1024
    slow_reader_timeout: float = 30.0
    connect_timeout: float = 45.0
    upgrade_timeout: float = 10.0
    close_timeout: float = 5.0
    body_timeout: float = 20.0

    def __post_init__(self) -> None:
        """Refuse bounds that contradict each other.

        Raises:
            ValueError: when the three marks are out of order, or a value is not above zero.
        """
        if not 0 <= self.low_water <= self.high_water <= self.hard_limit:
            raise ValueError("low_water, high_water and hard_limit must be in this order")
        if min(self.ping_interval, self.ping_timeout, self.max_payload, self.max_packets) <= 0:
            raise ValueError("pings, max_payload and max_packets must be above zero")
