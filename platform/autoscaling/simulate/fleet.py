"""The gateways: pods that start, take connections, fall behind, drain and end, a second at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from simulate.hpa import Pods
from simulate.parameters import Scaling

START_S = 12
"""From a pod being made to its first connection, where an image and a node are there."""

CORES = 1.0
"""What one process can use: it is one thread."""


class Phase(Enum):
    """Where a pod is in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"
    GONE = "gone"


@dataclass
class Pod:
    """One gateway."""

    made_s: int
    ready_s: int
    connections: float = 0.0
    backlog_s: float = 0.0
    """Work that waits, in CPU seconds: what arrives now is served after it."""
    used: float = 0.0
    """CPU used in the last second."""
    leaving_s: int | None = None
    ended_s: int | None = None
    held: float = 0.0
    """What it held when it was asked to leave."""
    cut: float = 0.0
    """Connections that its end broke."""

    def phase(self, now_s: int) -> Phase:
        """Where it is."""
        if self.ended_s is not None:
            return Phase.GONE
        if self.leaving_s is not None:
            return Phase.DRAINING
        return Phase.SERVING if now_s >= self.ready_s else Phase.STARTING


@dataclass
class Fleet:
    """All gateways of a release, with everybody who is connected or on the way."""

    scaling: Scaling
    start_s: int = START_S
    pods: list[Pod] = field(default_factory=list)
    left: list[Pod] = field(default_factory=list)
    """Those that were asked to leave and have ended."""
    returning: deque[tuple[int, float]] = field(default_factory=deque)
    """Who is between two connections: when they come, and how many."""
    outside: float = 0.0
    """Who was refused because every gateway was full, and tries again."""

    def begin(self, replicas: int) -> None:
        """Have so many pods that serve already."""
        self.pods = [Pod(-self.start_s, 0) for _ in range(replicas)]

    def at(self, now_s: int, *phases: Phase) -> list[Pod]:
        """The pods in any of these phases."""
        return [pod for pod in self.pods if pod.phase(now_s) in phases]

    def seen(self, now_s: int) -> Pods:
        """What the autoscaler sees: a pod that drains does not count any more."""
        ready = len(self.at(now_s, Phase.SERVING))
        return Pods(ready + len(self.at(now_s, Phase.STARTING)), ready)

    @property
    def connections(self) -> float:
        """Of all pods, those that drain too: Prometheus reads them to the end."""
        return sum(pod.connections for pod in self.pods)

    def scale(self, now_s: int, replicas: int) -> None:
        """Make pods, or ask some to leave: first those that do not serve yet, then the youngest."""
        there = self.at(now_s, Phase.STARTING, Phase.SERVING)
        for _ in range(replicas - len(there)):
            self.pods.append(Pod(now_s, now_s + self.start_s))
        surplus = sorted(there, key=lambda pod: (pod.phase(now_s) is Phase.SERVING, -pod.made_s))
        for pod in surplus[: max(0, len(there) - replicas)]:
            pod.leaving_s, pod.held = now_s, pod.connections

    def lose(self, now_s: int, share: float, within_s: float) -> int:
        """Lose a share of the pods without a word; their clients are back within so many seconds."""
        serving = self.at(now_s, Phase.SERVING)
        lost = serving[: round(len(serving) * share)]
        for pod in lost:
            self._back(now_s, pod.connections, within_s)
            pod.connections, pod.ended_s = 0.0, now_s
        self.pods = [pod for pod in self.pods if pod not in lost]
        # The ReplicaSet makes as many again at once.
        self.pods += [Pod(now_s, now_s + self.start_s) for _ in lost]
        return len(lost)

    def step(self, now_s: int) -> float:
        """Let a second pass for those who leave and those who return; how many connections are opened in it."""
        for pod in self.at(now_s, Phase.DRAINING):
            self._drain(pod, now_s)
        arriving = self.outside
        self.outside = 0.0
        while self.returning and self.returning[0][0] <= now_s:
            arriving += self.returning.popleft()[1]
        return self.take(now_s, arriving)

    def take(self, now_s: int, people: float) -> float:
        """Spread people over the pods that serve, as far as they take more; how many got in."""
        serving = self.at(now_s, Phase.SERVING)
        room = [(pod, self.scaling.most_connections - pod.connections) for pod in serving]
        opened, waiting = 0.0, people
        while waiting > 1e-6 and (free := [(pod, left) for pod, left in room if left > 1e-6]):
            share = waiting / len(free)
            room = []
            for pod, left in free:
                taken = min(share, left)
                pod.connections += taken
                opened += taken
                waiting -= taken
                room.append((pod, left - taken))
        self.outside += waiting if waiting > 1e-6 else 0.0
        return opened

    def go(self, people: float) -> None:
        """Have people leave, from every pod alike."""
        total = self.connections
        kept = max(0.0, 1 - people / total) if total else 0.0
        for pod in self.pods:
            pod.connections *= kept

    def work(self, now_s: int, each_s: float, opening_s: float) -> None:
        """Put a second's work on the pods: `each_s` CPU seconds for each connection, `opening_s` in all."""
        serving = self.at(now_s, Phase.SERVING, Phase.DRAINING)
        for pod in serving:
            pod.backlog_s += pod.connections * each_s + opening_s / len(serving)
            pod.used = min(CORES, pod.backlog_s)
            pod.backlog_s -= pod.used

    def _drain(self, pod: Pod, now_s: int) -> None:
        drain = self.scaling.drain
        since = now_s - (now_s if pod.leaving_s is None else pod.leaving_s)
        if since >= drain.grace_s and pod.connections > 0.5:
            pod.cut, pod.ended_s = pod.connections, now_s
            self._back(now_s, pod.connections, 2.0)
            pod.connections = 0.0
        elif since >= drain.close_from_s:
            left = max(0.0, 1 - (since - drain.close_from_s + 1) / (drain.closed_s - drain.close_from_s))
            closed = pod.connections - min(pod.connections, pod.held * left)
            pod.connections -= closed
            self._back(now_s, closed, 1.0)
            if pod.connections < 0.5:
                pod.connections = 0.0
                pod.ended_s = now_s
        if pod.ended_s is not None:
            self.pods.remove(pod)
            self.left.append(pod)

    def _back(self, now_s: int, people: float, within_s: float) -> None:
        """Have people come back, spread over so many seconds."""
        pieces = max(1, round(within_s))
        self.returning.extend((now_s + 1 + piece, people / pieces) for piece in range(pieces))
        self.returning = deque(sorted(self.returning))
