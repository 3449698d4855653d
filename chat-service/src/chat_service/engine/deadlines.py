"""Deadlines of many sessions on one timer."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

# Deadlines this close together fire together: one wake-up of the loop for many sessions.
RESOLUTION = 0.005


class Deadlines(Generic[T]):
    """Items that are due one fixed delay after each was started.

    The delay is the same for all, so the order of starting is the order of falling due, and
    starting, stopping and finding the next one take the same time however many there are.
    """

    __slots__ = ("_due", "_expired", "_timer", "delay")

    def __init__(self, timer: "Timer", delay: float, expired: Callable[[T, float], None]) -> None:
        """Call `expired(item, due)` on `timer` when an item was started `delay` seconds ago."""
        self.delay = delay
        self._due: OrderedDict[T, float] = OrderedDict()
        self._expired = expired
        self._timer = timer
        timer.watch(self)

    def start(self, item: T, since: float | None = None) -> None:
        """Start or restart `item`, from now or from `since`, which must not be before earlier starts."""
        due = (self._timer.now() if since is None else since) + self.delay
        self._due.pop(item, None)
        self._due[item] = due
        self._timer.expect(due)

    def stop(self, item: T) -> bool:
        """Forget `item`; return whether it was running."""
        return self._due.pop(item, None) is not None

    def next_due(self) -> float | None:
        """When the next item falls due, None when there is none."""
        return next(iter(self._due.values()), None)

    def run(self, now: float) -> None:
        """Call `expired` for every item due by `now`."""
        while self._due:
            item, due = next(iter(self._due.items()))
            if due > now:
                return
            del self._due[item]
            self._expired(item, due)


class Timer:
    """One timer of the event loop for any number of Deadlines; idle when nothing is started."""

    __slots__ = ("_due", "_handle", "_loop", "_watched")

    def __init__(self) -> None:
        """Start idle; the running loop is taken at first use."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._watched: list[Deadlines[object]] = []

    def watch(self, deadlines: "Deadlines[T]") -> None:
        """Run `deadlines` from now on."""
        self._watched.append(deadlines)  # type: ignore[arg-type]  # each is run with its own items only

    def now(self) -> float:
        """Return the monotonic time that deadlines are in."""
        return self._running_loop().time()

    def expect(self, due: float) -> None:
        """Make sure that the timer fires for `due`."""
        if self._handle is None or due < self._due - RESOLUTION:
            self._arm(due)

    def run_due(self) -> None:
        """Run what is due now, before the timer gets to it."""
        now = self.now()
        for deadlines in self._watched:
            deadlines.run(now)

    def stop(self) -> None:
        """Fire no more, until something is started again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _fire(self) -> None:
        self._handle = None
        self.run_due()
        dues = [due for deadlines in self._watched if (due := deadlines.next_due()) is not None]
        if dues:
            self.expect(min(dues))

    def _arm(self, due: float) -> None:
        self.stop()
        loop = self._running_loop()
        self._due = max(due, loop.time() + RESOLUTION)
        self._handle = loop.call_at(self._due, self._fire)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop
