"""Metrics: the `chat_*` series of one application, described in docs/metrics.md."""

from __future__ import annotations

from functools import partial

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

# From a commit to a fast disk up to the time limit of a send.
_STORE_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# 0.2 is what is promised (platform/observability): what is later is counted, not estimated.
_DELIVERY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LOOP_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)


class Metrics:
    """Every series of one application, in a registry of its own, so that a process can hold several.

    A counter is named here without the `_total` that its series ends in.
    """

    def __init__(self) -> None:
        """Register every series; those without labels are there from the first scrape."""
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry)

        self.connections = gauge("chat_connections", "Open connections of clients.")
        self.sends = counter("chat_sends", "Writes to rooms by how they ended.", ["outcome"])
        self.append_seconds = histogram("chat_append_seconds", "Time to store one batch.", buckets=_STORE_S)
        self.delivery_seconds = histogram(
            "chat_delivery_seconds",
            "Time from an entry's timestamp to its write to local sockets.",
            buckets=_DELIVERY_S,
        )
        self.writer_queue_entries = gauge("chat_writer_queue_entries", "Writes that wait for the store.")
        self.bus_lag_seconds = gauge("chat_bus_lag_seconds", "Round trip of the last probe of the bus.")
        self.bus_connections_lost = counter(
            "chat_bus_connections_lost", "Connections to the bus, and attempts at one, that ended."
        )
        self.bus_frames_dropped = counter("chat_bus_frames_dropped", "Frames of the bus dropped.", ["reason"])
        self.handovers = counter(
            "chat_handovers", "Batches handed over to other nodes by how it ended.", ["outcome"]
        )
        self.gap_repairs = counter("chat_gap_repairs", "Gaps in a room's live entries filled from the log.")
        self.resumes = counter("chat_resumes", "Rooms opened again by how it ended.", ["outcome"])
        self.slow_readers = counter("chat_slow_readers", "Connections whose live entries were cut.")
        self.dependency_up = gauge("chat_dependency_up", "Whether a dependency answers: 1 or 0.", ["dependency"])
        self.jobs_lag_entries = gauge("chat_jobs_lag_entries", "Entries that a job has still to see.", ["job"])
        self.jobs_waiting = gauge("chat_jobs_waiting", "Works that wait for a worker to take them.")
        self.webhook_deliveries = counter(
            "chat_webhook_deliveries", "Attempts to deliver to webhooks by how they ended.", ["outcome"]
        )
        self.webhook_dead_letters = gauge(
            "chat_webhook_dead_letters", "Deliveries that were given up and are kept."
        )
        self.event_loop_lag_seconds = histogram(
            "chat_event_loop_lag_seconds",
            "How much later than asked the event loop woke up.",
            buckets=_LOOP_S,
        )
        self.draining = gauge("chat_draining", "Whether this node is leaving: 1 or 0.")
        self.rate_limited = counter("chat_rate_limited", "Requests refused by a limit.", ["limit"])
