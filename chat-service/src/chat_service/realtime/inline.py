"""Starting a coroutine at once instead of in the next turn of the loop.

Python 3.12 calls this an eager task. Here it is made of what the documentation calls "Extending
asyncio" (`_enter_task`, `_leave_task`), so that it is the same on every version that is supported.
"""

import asyncio
import contextvars
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine
from typing import Any


class _Started(Coroutine[Any, Any, None]):
    """A coroutine whose first step was taken; a Task goes on with it as if it had taken that step."""

    __slots__ = ("_coroutine", "_first")

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine
        self._first: list[Any] | BaseException | None = None

    def take_first_step(self) -> None:
        """Run up to the first wait, and keep what is waited for, or the end."""
        try:
            awaited = self._coroutine.send(None)
            _mark_awaited(awaited, mark=False)
            self._first = [awaited]
        except Exception as error:  # noqa: BLE001  # raised again for the task, at its own step
            self._first = error

    def send(self, value: Any) -> Any:
        """Go on; the first call is for the step already taken."""
        first, self._first = self._first, None
        if first is None:
            return self._coroutine.send(value)
        if isinstance(first, BaseException):
            raise first
        awaited = first[0]
        _mark_awaited(awaited, mark=True)
        return awaited

    def throw(self, *error: Any) -> Any:
        """Raise an error where the coroutine waits."""
        self._first = None
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """Close the coroutine."""
        self._coroutine.close()

    def __await__(self) -> Any:
        """Be awaited as the coroutine would be."""
        return self._coroutine.__await__()


def _mark_awaited(awaited: Any, *, mark: bool) -> None:
    """Set or take off the mark by which a future and the task that awaits it know of each other.

    A task takes it off when it is handed the future. The first step has no task that would, and the
    task that is handed the future later wants to find it.
    """
    if getattr(awaited, "_asyncio_future_blocking", None) is not None:
        awaited._asyncio_future_blocking = mark  # noqa: SLF001  # asyncio's name for it


def start_inline(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Run `coroutine` up to its first wait before returning, as a task of its own.

    The task must be kept by the caller until it is done. Inside, the coroutine sees its own task and
    a copy of the context, as it would in any task.
    """
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    started = _Started(coroutine)
    task = loop.create_task(started, context=context)
    outer = asyncio.current_task(loop)
    if outer is not None:
        _leave_task(loop, outer)
    _enter_task(loop, task)
    try:
        context.run(started.take_first_step)
    finally:
        _leave_task(loop, task)
        if outer is not None:
            _enter_task(loop, outer)
    return task


def run_now(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run to its end a coroutine that never waits.

    Raises:
        RuntimeError: when it does wait.
    """
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("a coroutine waited that must not")
