"""Writes that wait to be stored: who waits and until when, what may be said to them, how many may wait."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from chat_service.model.errors import ChatError, Code, LastingError, unavailable
from chat_service.model.writes import Write
from chat_service.rooms.backoff import overloaded, retry_after_ms
from chat_service.rooms.deciding import Receipt

NODE_CHARS = 64 * 1024 * 1024
"""Characters of text that may wait on one node: with all that is around them far below the memory it is given."""


@dataclass(slots=True, frozen=True)
class WriterLimits:
    """How much may wait, for one room and for all of a node, and for how long (seconds).

    Of the two seconds within which a send fails while the store is away (DESIGN: P6) some are left for the rest.
    """

    queue_entries: int = 10_000
    timeout_s: float = 1.5
    node_entries: int = 50_000
    node_chars: int = NODE_CHARS

    def check(self, waiting: int) -> None:
        """Raise ChatError `overloaded` where one more would be too many for a room."""
        if waiting >= self.queue_entries:
            raise overloaded("Too much waits for this room. Try again.")


def unknown() -> ChatError:
    """The answer for a write that may be stored or not: its key makes a repeat safe."""
    message = "It is not known yet whether this was stored. Repeat it with the same key."
    return unavailable(message, retry_after_ms())


def not_answering() -> ChatError:
    """The answer for a write that was not stored, because the store does not answer."""
    return unavailable("The store does not answer. Try again.", retry_after_ms())


class Alone:
    """The origin of a write that no other one stands behind."""


@dataclass(slots=True, eq=False)
class Waiting:
    """A write in a queue: where it came from, who waits for it, and until when (event loop time).

    `origin` stands for a connection, and is remembered by a weak reference.
    """

    write: Write
    origin: object
    answer: asyncio.Future[Receipt]
    deadline: float
    foreign: bool = False
    """Whether another node handed it over: only the log may refuse it, and it is never handed on."""
    tried: bool = False
    """Whether an insert or a hand-over of it went out: from then on only the log can say that it is not stored."""
    doubts: Doubts | None = None
    """Set once it was handed over: whoever took it may store it behind what its connection sends next."""
    doubtful: bool = False
    """Whether a hand-over of it had no answer: then the log, as read here, refuses it only where that lasts."""

    @classmethod
    def now(cls, write: Write, origin: object, limits: WriterLimits, *, foreign: bool = False) -> Waiting:
        """A write that begins to wait."""
        loop = asyncio.get_running_loop()
        return cls(write, origin, loop.create_future(), loop.time() + limits.timeout_s, foreign)

    def accept(self, receipt: Receipt) -> None:
        """Say that it is stored."""
        if self.doubts is not None:
            self.doubts.settle(self)
        if not self.answer.done():
            self.answer.set_result(receipt)

    def refuse(self, problem: ChatError) -> bool:
        """Say that the log refuses it; returns whether that is final, as it is without a doubt or if it lasts.

        Whoever took a write that is in doubt decides over it anew as the log goes on (ADR 0011).
        """
        lasting = isinstance(problem, LastingError)
        if self.doubtful and not lasting:
            self.give_up()
            return False
        if lasting and self.doubts is not None:
            self.doubts.settle(self)
        self._answer(problem)
        return True

    def fail(self, problem: ChatError, *, final: bool = False) -> None:
        """Refuse it for a reason that is not in the log: what may be stored all the same is told so.

        `final` where it is the log that refused what it was sent behind. Without that a node cannot know of
        what another one handed over: an insert of it may be on its way there.
        """
        if self.tried or (self.foreign and not final):
            self.give_up()
        else:
            self._answer(problem)

    def give_up(self) -> None:
        """Say that its outcome is unknown."""
        if self.doubts is not None and not self.answer.done():
            self.doubts.add(self)
        self._answer(unknown())

    def _answer(self, problem: ChatError) -> None:
        if not self.answer.done():
            self.answer.set_exception(problem)


Request = tuple[str, str, str]
"""Sender, key and digest. Another request under the same key says nothing about this one."""


class Doubts:
    """The connections with a write of unknown outcome that another node may yet store in this room.

    No entry of the log fences such a write off. So its connection may send nothing to the room but that same
    write again, until it is known to be stored, or never to be (ADR 0005): else the two might be stored in the
    other order.
    """

    def __init__(self) -> None:
        self._requests: WeakKeyDictionary[object, set[Request]] = WeakKeyDictionary()

    def __bool__(self) -> bool:
        return len(self._requests) > 0

    def add(self, waiting: Waiting) -> None:
        """Note a write; one whose key the server made cannot be sent again, and holds nothing up."""
        if waiting.write.own_key:
            self._requests.setdefault(waiting.origin, set()).add(_request(waiting.write))

    def settle(self, waiting: Waiting) -> None:
        """Note that a write is stored, or can never be."""
        requests = self._requests.get(waiting.origin, set())
        requests.discard(_request(waiting.write))
        if not requests:
            self._requests.pop(waiting.origin, None)

    def admit(self, waiting: Waiting) -> None:
        """Let a write through where its connection may go on, and the doubt stay with one that is sent again.

        Raises ChatError `aborted` where another write has to be sent again first.
        """
        requests = self._requests.get(waiting.origin) if self._requests else None
        if requests is None:
            return
        if _request(waiting.write) not in requests:
            message = "It is not known yet whether an earlier write was stored. Repeat that one first."
            raise ChatError(Code.ABORTED, message)
        waiting.tried = waiting.doubtful = True
        waiting.doubts = self


class Load:
    """What waits to be stored on this node, in all rooms together."""

    def __init__(self, limits: WriterLimits) -> None:
        self.entries = 0
        self.chars = 0
        self._limits = limits

    def take(self, waiting: Waiting) -> None:
        """Count a write until it has its answer; raises ChatError `overloaded` where one more is too much."""
        chars = len(waiting.write.body.get("text", ""))
        if self.entries >= self._limits.node_entries or self.chars + chars > self._limits.node_chars:
            raise overloaded("Too much waits to be stored on this node. Try again.")
        self.entries += 1
        self.chars += chars
        waiting.answer.add_done_callback(lambda _: self._give_back(chars))

    def _give_back(self, chars: int) -> None:
        self.entries -= 1
        self.chars -= chars


def _request(write: Write) -> Request:
    return write.sender, write.key, write.digest
