"""An event loop whose clock is a number: waiting costs nothing, and what happens when is the same every time."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from typing import Any


class _Patience(selectors.SelectSelector):
    """Where the loop would wait, it is idle: whoever waits for that goes on, else the clock does."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout > 0:
            self.loop.pass_time(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`idle` returns once nothing can happen at this moment; a sleep lasts no time at all."""

    def __init__(self) -> None:
        selector = _Patience()
        selector.loop = self
        self._now = 1000.0
        self._idlers: list[asyncio.Future[None]] = []
        self.problems: list[dict[str, Any]] = []
        super().__init__(selector)
        self.set_exception_handler(lambda _, context: self.problems.append(context))

    def time(self) -> float:
        """See asyncio."""
        return self._now

    def pass_time(self, seconds: float | None) -> None:
        """Let the idlers go on; where there are none, turn the clock to the next timer."""
        idlers, self._idlers = self._idlers, []
        for idler in idlers:
            if not idler.done():
                idler.set_result(None)
        if idlers:
            return
        if seconds is None:
            raise RuntimeError("everybody waits for something that never comes")
        self._now += seconds

    def turn_clock(self, seconds: float) -> None:
        """Let time pass in the middle of a step, as slow code does."""
        self._now += seconds

    async def idle(self) -> None:
        """Return once everything that can happen without a timer has happened."""
        idler: asyncio.Future[None] = self.create_future()
        self._idlers.append(idler)
        await idler


def virtual_loop() -> VirtualLoop:
    """The running loop, which is a VirtualLoop."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def play(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `main` on a loop of its own; an error that nobody looked at is an error of the test."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        runner.run(main())
    assert not loop.problems, loop.problems


def played(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a test out of a coroutine function, on a virtual loop."""

    @functools.wraps(test)
    def run(*args: Any, **named: Any) -> None:
        play(lambda: test(*args, **named))

    return run
