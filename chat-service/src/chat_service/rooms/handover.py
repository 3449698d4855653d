"""Handing writes over: a node that keeps losing the race for a room asks the one that wins it to append them.

The bus may lose, repeat and reorder both the question and the answer, so no answer is an unknown outcome. A
hand-over is taken at most once: its numbers ascend, and one that is not above the last taken from that node is
dropped. Who takes it answers from the log alone; everything else counts as no answer.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
import structlog

from chat_service.bus import Bus, HandOver, HandOverAnswer, Life
from chat_service.model.entries import Kind
from chat_service.model.errors import ChatError, Code, LastingError
from chat_service.model.writes import Write
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.waiting import Doubts, Waiting

LOST_ROUNDS = 3
"""Rounds lost in a row after which a batch is handed over: two nodes beside each other rarely lose so many."""

TRY_AGAIN_S = 2.0
"""How long after the last lost round batches are handed over before the writer tries once more itself."""

FORGET_S = 10.0
"""How long after the last lost round the next one counts as the first."""

WAIT_S = 0.6
"""How long an answer is waited for: what is left of a write's time then is enough to try it here."""

SPARE_S = 0.3
"""What has to be left of a write's time when its hand-over is given up."""

MESSAGE_BYTES = 128 * 1024
"""Most bytes of writes in one hand-over. A batch that is larger is handed over in parts, one after the other."""

TAKEN_MOST = 100
"""Hand-overs of others that wait here at a time; of more than that nothing is taken."""

NODES_REMEMBERED = 1000
"""Lives of other nodes whose last number is kept."""

log = structlog.get_logger()


class _Asked(msgspec.Struct, frozen=True, array_like=True):
    """A write as it is handed over; `connection` tells those of one hand-over that come from the same one."""

    connection: int
    kind: Kind
    sender: str
    key: str
    digest: str
    body: dict[str, Any]
    target: int | None
    own_key: bool

    def write(self) -> Write:
        return Write(self.kind, self.sender, self.key, self.digest, self.body, self.target, self.own_key)


class _Outcome(msgspec.Struct, frozen=True, array_like=True):
    """Stored with a receipt, or refused by the log with a code; with neither it is not known."""

    receipt: Receipt | None = None
    code: Code | None = None
    message: str = ""
    lasting: bool = False

    def verdict(self) -> Receipt | ChatError | None:
        if self.code is None:
            return self.receipt
        kind = LastingError if self.lasting else ChatError
        return kind(self.code, self.message)


_pack = msgspec.msgpack.Encoder()
_unpack_writes = msgspec.msgpack.Decoder(list[_Asked])
_unpack_outcomes = msgspec.msgpack.Decoder(list[_Outcome])


class Races:
    """The rounds that a writer lost in a row to other nodes (times are the event loop's)."""

    def __init__(self) -> None:
        self._lost = 0
        self._last = 0.0

    def lost(self, now: float) -> None:
        """Another node was faster."""
        self._lost = 1 if now - self._last > FORGET_S else self._lost + 1
        self._last = now

    def over(self) -> None:
        """Something was stored, or nobody answered: the next lost round is the first."""
        self._lost = 0

    def due(self, now: float) -> bool:
        """Whether the next batch had better be handed over."""
        return self._lost >= LOST_ROUNDS and now - self._last <= TRY_AGAIN_S


class Queues(Protocol):
    """Where the writes that others hand over are queued."""

    async def epoch(self, room: str) -> str:
        """The epoch of a room, loaded where it is not in memory; raises ChatError where it cannot be read."""
        ...

    def enqueue(self, room: str, waiting: Waiting) -> None:
        """Queue a write; raises ChatError where too much waits."""
        ...


class Handovers:
    """The hand-overs of one node, given and taken.

    `life` is this run of the node, `secret` what all nodes of the world share. `is_live` says whether a node
    is there to be asked; until somebody sets it none is, and nothing is handed over.
    """

    def __init__(self, bus: Bus, life: Life, secret: bytes) -> None:
        self._bus = bus
        self._life = life
        self._secret = secret
        self.is_live: Callable[[str], bool] = _nobody
        self._queues: Queues | None = None
        self._number = 0
        self._asked: dict[int, asyncio.Future[list[_Outcome]]] = {}
        self._last_taken: OrderedDict[Life, int] = OrderedDict()
        self._taken: set[asyncio.Task[None]] = set()

    def serve(self, queues: Queues) -> None:
        """Say where what others hand over goes; before that nothing is taken."""
        self._queues = queues

    def reach(self, node: str) -> bool:
        """Whether `node` is another one that can be asked now."""
        return node not in {"", self._life.node} and self._bus.healthy and self.is_live(node)

    async def stop(self) -> None:
        """Answer nobody any more."""
        for task in self._taken:
            task.cancel()
        await asyncio.gather(*self._taken, return_exceptions=True)

    # -- given ----------------------------------------------------------------------------------------

    async def give(
        self, node: str, room: str, epoch: str, batch: Sequence[Waiting], doubts: Doubts
    ) -> list[tuple[Waiting, Receipt | ChatError]] | None:
        """Hand the beginning of `batch` over to `node`; returns what became of each of which that is known.

        None where there was no answer, or nothing could be asked.
        """
        loop = asyncio.get_running_loop()
        wait_s = min(WAIT_S, min(waiting.deadline for waiting in batch) - loop.time() - SPARE_S)
        part, packed = _fitting(batch)
        if not part or wait_s <= 0:
            return None
        for waiting in part:
            waiting.tried = True
            waiting.doubts = doubts
        self._number = number = self._number + 1
        answer = self._asked[number] = loop.create_future()
        question = HandOver(node, self._life, number, room, epoch, int(wait_s * 1000), packed, b"")
        self._bus.publish(msgspec.structs.replace(question, proof=self._proof(question)))
        try:
            async with asyncio.timeout(wait_s):
                outcomes = await answer
        except TimeoutError:
            outcomes = []
        finally:
            del self._asked[number]
        known = []
        for position, waiting in enumerate(part):
            verdict = outcomes[position].verdict() if position < len(outcomes) else None
            if verdict is None:
                waiting.doubtful = True
            else:
                known.append((waiting, verdict))
        return known or None

    def answered(self, answer: HandOverAnswer) -> None:
        """Take an answer; one that nobody waits for any more, or that was not made by a node, is dropped."""
        asked = self._asked.get(answer.number)
        if asked is None or asked.done() or answer.life != self._life or not self._is_proven(answer):
            return
        asked.set_result(_unpack_outcomes.decode(answer.outcomes))

    # -- taken ----------------------------------------------------------------------------------------

    def take(self, question: HandOver) -> None:
        """Take another node's hand-over, unless it, or a later one of that node, was taken before."""
        if question.to_node != self._life.node or not self._is_proven(question):
            return
        if question.number <= self._last_taken.get(question.life, 0):
            return
        self._last_taken[question.life] = question.number
        self._last_taken.move_to_end(question.life)
        if len(self._last_taken) > NODES_REMEMBERED:
            self._last_taken.popitem(last=False)
        if self._queues is None or len(self._taken) >= TAKEN_MOST:
            return
        appending = self._append(self._queues, question)
        task = asyncio.get_running_loop().create_task(appending, name=f"hand-over {question.room}")
        self._taken.add(task)
        task.add_done_callback(self._done)

    async def _append(self, queues: Queues, question: HandOver) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(WAIT_S, question.wait_ms / 1000)
        asked = _unpack_writes.decode(question.writes)
        origins: dict[int, object] = {}
        taken: list[Waiting] = []
        try:
            async with asyncio.timeout_at(deadline):
                epoch = await queues.epoch(question.room)
            if epoch == question.epoch:
                for one in asked:
                    origin = origins.setdefault(one.connection, _Connection())
                    waiting = Waiting(one.write(), origin, loop.create_future(), deadline, foreign=True)
                    waiting.answer.add_done_callback(_look)  # nobody may be left who waits for it
                    queues.enqueue(question.room, waiting)
                    taken.append(waiting)
        except (ChatError, TimeoutError) as problem:
            # What did not find its place is not known, like what has no answer; the rest is answered.
            log.info("handover.not_taken", room=question.room, taken=len(taken), error=str(problem))
        if taken:
            await asyncio.wait([waiting.answer for waiting in taken])
        outcomes = [_outcome(waiting.answer) for waiting in taken]
        outcomes += [_Outcome()] * (len(asked) - len(taken))
        answer = HandOverAnswer(question.life.node, question.life, question.number, _pack.encode(outcomes), b"")
        self._bus.publish(msgspec.structs.replace(answer, proof=self._proof(answer)))

    def _done(self, task: asyncio.Task[None]) -> None:
        self._taken.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("handover.failed", task=task.get_name(), exc_info=task.exception())

    # -- proof ----------------------------------------------------------------------------------------

    def _proof(self, message: HandOver | HandOverAnswer) -> bytes:
        """Keyed BLAKE2b-256 of a message: whoever can write to the bus cannot write to rooms by that alone."""
        unproven = _pack.encode(msgspec.structs.replace(message, proof=b""))
        return hashlib.blake2b(unproven, key=self._secret, digest_size=32, person=b"chat-hand-over").digest()

    def _is_proven(self, message: HandOver | HandOverAnswer) -> bool:
        proven = hmac.compare_digest(message.proof, self._proof(message))
        if not proven:
            log.warning("handover.not_proven", room=getattr(message, "room", ""))
        return proven


def _nobody(node: str) -> bool:
    del node
    return False


class _Connection:
    """Stands for a connection of another node."""


def _fitting(batch: Sequence[Waiting]) -> tuple[Sequence[Waiting], bytes]:
    """The beginning of `batch` that one message can carry, and how it is carried."""
    connections: dict[int, int] = {}
    asked: list[_Asked] = []
    size = 0
    for waiting in batch:
        write = waiting.write
        one = _Asked(
            connections.setdefault(id(waiting.origin), len(connections)),
            write.kind,
            write.sender,
            write.key,
            write.digest,
            write.body,
            write.target,
            write.own_key,
        )
        size += len(_pack.encode(one))
        if size > MESSAGE_BYTES:
            break
        asked.append(one)
    return batch[: len(asked)], _pack.encode(asked)


def _look(answer: asyncio.Future[Receipt]) -> None:
    if not answer.cancelled():
        answer.exception()


def _outcome(answer: asyncio.Future[Receipt]) -> _Outcome:
    problem = answer.exception()
    if problem is None:
        return _Outcome(answer.result())
    if isinstance(problem, ChatError) and problem.code is not Code.UNAVAILABLE:
        return _Outcome(code=problem.code, message=problem.message, lasting=isinstance(problem, LastingError))
    return _Outcome()
