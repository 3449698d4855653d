"""A meter: time, the server's CPU time and memory, and the generator's own CPU time."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Span:
    """What passed between two readings, in seconds."""

    wall: float
    server: float
    generator: float
    machine: float

    @property
    def server_share(self) -> float:
        """The server's CPU seconds per second."""
        return self.server / self.wall

    @property
    def generator_share(self) -> float:
        """The generator's CPU seconds per second: near 1, it was the limit."""
        return self.generator / self.wall

    @property
    def others_share(self) -> float:
        """CPU seconds per second that everybody else took on this machine, a hypervisor included."""
        return max(0.0, self.machine - self.server - self.generator) / self.wall


class Meter:
    """Reads a server from outside; `span` is what passed since `start`."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        # Linux has a clock of the CPU time of any process, exact to nanoseconds and with all its threads; the
        # id is made as glibc's clock_getcpuclockid makes it. Elsewhere the time is counted in ticks of 10 ms.
        self._clock = (~pid << 3) | 2 if sys.platform == "linux" else None
        self.start()

    def start(self) -> None:
        """Begin a span."""
        self._began = self._now()

    def span(self) -> Span:
        """What passed since the start."""
        return Span(*(now - began for began, now in zip(self._began, self._now(), strict=True)))

    def resident_bytes(self) -> int:
        """The server's memory that is in RAM."""
        return int(self._process.memory_info().rss)

    def _now(self) -> tuple[float, float, float, float]:
        return time.perf_counter(), self._server_s(), time.process_time(), _machine_s()

    def _server_s(self) -> float:
        if self._clock is not None:
            return time.clock_gettime(self._clock)
        times = self._process.cpu_times()
        return float(times.user + times.system)


def _machine_s() -> float:
    """CPU seconds that anything but idling took, on all cores."""
    times = psutil.cpu_times()
    # The time of guests is in that of users already.
    idling = ("idle", "iowait", "guest", "guest_nice")
    return float(sum(spent for name, spent in times._asdict().items() if name not in idling))
