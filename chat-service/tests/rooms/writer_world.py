"""Two nodes that write to one room through gates, and what must hold of everything they answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from itertools import cycle

from chat_service.bus import HandOver, HandOverAnswer, Life, Message
from chat_service.bus.local import LocalBus
from chat_service.model.entries import Entry
from chat_service.model.errors import ChatError, Code
from chat_service.model.redaction import Redactions
from chat_service.model.rooms import STATE_KINDS, RoomState
from chat_service.model.writes import Write, same_request
from chat_service.observability.metrics import Metrics
from chat_service.rooms.attachments import NoAttachments
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.handover import Handovers
from chat_service.rooms.publishing import People, Publisher
from chat_service.rooms.recent import Recent
from chat_service.rooms.unread import UnreadReports
from chat_service.rooms.waiting import Alone, Waiting, WriterLimits
from chat_service.rooms.writer import RoomWriter

from .entries import ALICE, BOB, CAROL, ROOM, created, entry, joined
from .gates import Fate, Gated, Gates
from .judging import check_log, fold_all, refusal_after
from .memory_directory import MemoryDirectory
from .memory_log import MemoryLog
from .virtual_time import virtual_loop

HISTORY = (
    created(),
    joined(2, BOB),
    joined(3, CAROL),
    entry(4, key="old"),
    entry(5, sender=BOB, key="old"),
    entry(6, sender=CAROL, key="old"),
)
REMEMBERED = 3
"""Entries that the writers hold in memory here, so that most repeats are about what they have forgotten."""


@cache
def metrics() -> Metrics:
    """Metrics that nobody reads."""
    return Metrics()


def nobody() -> People:
    """An identity that knows nobody."""

    async def none(_: object) -> dict[str, str]:
        return {}

    return People(ids=none, names=none)


@dataclass(eq=False)
class Attempt:
    """One request on its way: who sent it where, when (in steps), and what became of it."""

    write: Write
    origin: object
    sent: int
    log_length: int
    answer: asyncio.Future[Receipt]
    answered: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.write.sender, self.write.key

    @property
    def receipt(self) -> Receipt | None:
        return self.answer.result() if self.answer.done() and self.answer.exception() is None else None

    @property
    def error(self) -> ChatError | None:
        problem = self.answer.exception() if self.answer.done() else None
        assert problem is None or isinstance(problem, ChatError), f"no typed error: {problem!r}"
        return problem


class JumpingClock:
    """A clock in milliseconds that somebody sets all the time, also back: nothing may depend on it."""

    def __init__(self) -> None:
        self._jumps = cycle((0, 3_600_000, -86_400_000, 5, 31_536_000_000, -7_200_000, -1))

    def __call__(self) -> int:
        """The time of day, as somebody has just set it."""
        return 1_800_000_000_000 + int(asyncio.get_running_loop().time() * 1000) + next(self._jumps)


class Post(LocalBus):
    """What nodes send to each other: it lies here until the test delivers, repeats or loses it."""

    def __init__(self) -> None:
        super().__init__()
        self.letters: list[HandOver | HandOverAnswer] = []
        self.boxes: dict[str, Handovers] = {}

    def publish(self, message: Message) -> None:
        """See Bus."""
        if isinstance(message, HandOver | HandOverAnswer):
            self.letters.append(message)

    def deliver(self, which: int, *, lose: bool = False, keep: bool = False) -> None:
        """Deliver a letter, or lose it; one that is kept comes again. Nothing where there is none."""
        if not self.letters:
            return
        which %= len(self.letters)
        letter = self.letters[which] if keep else self.letters.pop(which)
        if lose:
            return
        if isinstance(letter, HandOver):
            self.boxes[letter.to_node].take(letter)
        else:
            self.boxes[letter.to_node].answered(letter)

    def deliver_all(self) -> None:
        """Deliver everything, the oldest first."""
        while self.letters:
            self.deliver(0)


class OneQueue:
    """`handover.Queues` of one room."""

    def __init__(self, writer: RoomWriter) -> None:
        self._writer = writer

    async def epoch(self, room: str) -> str:
        """See Queues."""
        assert room == ROOM
        return self._writer.epoch

    def enqueue(self, room: str, waiting: Waiting) -> None:
        """See Queues."""
        assert room == ROOM
        self._writer.enqueue(waiting)


class WriterWorld:
    """`step` counts what the test did; after each of its steps call `look`."""

    def __init__(self, *, refuses_repeated_keys: bool, second_knows: int, hands_over: bool = False) -> None:
        self.gates = Gates()
        self.post = Post()
        self.clock = JumpingClock()
        self.handovers: list[Handovers] = []
        self._hands_over = hands_over
        self.log = MemoryLog(refuses_repeated_keys=refuses_repeated_keys)
        self.log.insert(ROOM, HISTORY)
        self.directory = MemoryDirectory()
        self.directory.write(fold_all(HISTORY), [ALICE, BOB, CAROL])
        self.writers = [self._writer("A", HISTORY), self._writer("B", HISTORY[:second_knows])]
        self.attempts: list[Attempt] = []
        self.refreshing: list[asyncio.Task[None]] = []
        self.step = 0
        self._origins: dict[tuple[int, str, int], object] = {}

    def _writer(self, node: str, known: tuple[Entry, ...]) -> RoomWriter:
        bus = LocalBus()
        directory = Gated(self.directory, self.gates, node)
        writer = RoomWriter(
            Gated(self.log, self.gates, node),
            fold_all(known),
            Publisher(bus, directory, UnreadReports(bus, node), nobody(), NoAttachments(), self.log, "world"),
            node=node,
            clock_ms=self.clock,
            limits=WriterLimits(timeout_s=10.0),
            metrics=metrics(),
            handovers=self._handovers_of(node) if self._hands_over else None,
        )
        for handovers in self.handovers[-1:]:
            handovers.serve(OneQueue(writer))
        writer.picture.recent = Recent(len(known), REMEMBERED)
        return writer

    def _handovers_of(self, node: str) -> Handovers:
        handovers = Handovers(self.post, Life(node, 1), b"secret")
        handovers.is_live = lambda other: other in {"A", "B"}
        self.handovers.append(handovers)
        self.post.boxes[node] = handovers
        return handovers

    def send(self, node: int, write: Write, connection: int) -> None:
        """Send a request over one of the sender's connections to a node."""
        origin = self._origin(node, write.sender, connection)
        try:
            answer = self.writers[node].submit(write, origin)
        except ChatError as refusal:
            answer = asyncio.get_running_loop().create_future()
            answer.set_exception(refusal)
        self.attempts.append(Attempt(write, origin, self.step, len(self.log.entries(ROOM)), answer))

    def _origin(self, node: int, user: str, connection: int) -> object:
        return self._origins.setdefault((node, user, connection), Alone())

    def refresh(self, node: int) -> None:
        """Have a node look what others wrote."""

        async def refresh() -> None:
            try:
                await self.writers[node].refresh()
            except ChatError as problem:
                if problem.code is not Code.UNAVAILABLE:
                    raise

        self.refreshing.append(asyncio.get_running_loop().create_task(refresh()))

    async def look(self) -> None:
        """Let everything happen that can, and check what was answered now."""
        await virtual_loop().idle()
        stored = {(one.sender, one.key): one for one in self.log.entries(ROOM)}
        for attempt in self.attempts:
            if attempt.answered is None and attempt.answer.done():
                attempt.answered = self.step
                self._check_answer(attempt, stored.get(attempt.key))
        self.step += 1

    def _check_answer(self, attempt: Attempt, stored: Entry | None) -> None:
        receipt, error = attempt.receipt, attempt.error
        if receipt is not None:
            assert stored is not None, "acked and not stored"
            assert (stored.seq, stored.id, stored.ts) == (receipt.seq, receipt.id, receipt.ts)
            # Of what was redacted only kind and target are compared: its words are to be forgotten.
            shown = Redactions.of(self.log.entries(ROOM)).mask(stored)
            assert same_request(shown, attempt.write), "acked with another request's result"
            projected = self.directory.rooms[ROOM].head.seq
            assert stored.kind not in STATE_KINDS or projected >= stored.seq, "acked before it was projected"
        elif error is not None and error.code is Code.KEY_REUSED:
            assert stored is not None
            assert not same_request(stored, attempt.write), "key_reused for the same request"
        elif error is not None and not error.retryable:
            self._check_refusal(attempt, error)

    def _check_refusal(self, attempt: Attempt, error: ChatError) -> None:
        """A refusal was right at some moment since the request was sent, and its key not stored then."""
        entries = self.log.entries(ROOM)
        for length in range(attempt.log_length, len(entries) + 1):
            before = entries[:length]
            if all((one.sender, one.key) != attempt.key for one in before) and refusal_after(
                before, attempt.write
            ):
                return
        raise AssertionError(f"refused although it was stored or allowed all the time: {error}")

    async def quiesce(self) -> None:
        """Open every gate, let all time-outs pass, and do what is late."""
        self.gates.open_all()
        for _ in range(60):
            await self.look()
            self.post.deliver_all()
            if all(attempt.answered is not None for attempt in self.attempts):
                break
            await asyncio.sleep(1.0)
        for writer in self.writers:
            await writer.finish()
        await asyncio.gather(*self.refreshing)
        for handovers in self.handovers:
            self.post.deliver_all()
            await handovers.stop()
        self.gates.finish_late()
        await self.look()

    async def check(self) -> None:
        """Assert everything that must hold at the end."""
        entries = self.log.entries(ROOM)
        check_log(entries)
        assert entries[: len(HISTORY)] == list(HISTORY)
        self._check_keys({(one.sender, one.key): one for one in entries})
        for origin in {attempt.origin for attempt in self.attempts}:
            self._check_order([attempt for attempt in self.attempts if attempt.origin == origin], entries)
        await self._check_directory(entries)
        for writer in self.writers:
            await writer.refresh()
            assert writer.state == fold_all(entries)

    def _check_keys(self, stored: dict[tuple[str, str], Entry]) -> None:
        keys = [attempt.key for attempt in self.attempts]
        for attempt in self.attempts:
            assert attempt.answered is not None, "nobody answered"
            not_tried = attempt.error is not None and attempt.error.code is Code.ABORTED
            assert not not_tried or attempt.key not in stored or keys.count(attempt.key) > 1, (
                "said not to have been tried, and stored"
            )
            self._check_answer_stands(attempt, stored.get(attempt.key))
        for key in {attempt.key for attempt in self.attempts} & stored.keys():
            errors = [one.error for one in self.attempts if one.key == key]
            assert key[1] == "old" or any(error is None or error.retryable for error in errors), (
                "refused for good each time, and stored after all"
            )

    def _check_answer_stands(self, attempt: Attempt, stored: Entry | None) -> None:
        receipt = attempt.receipt
        if receipt is not None:
            assert stored is not None, "acked and lost"
            assert (stored.seq, stored.id, stored.ts) == (receipt.seq, receipt.id, receipt.ts)

    def _check_order(self, attempts: list[Attempt], entries: list[Entry]) -> None:
        """What one connection sent is stored in that order, and a failure takes what waited behind it along."""
        keys = [attempt.key for attempt in self.attempts]
        seqs = {(one.sender, one.key): one.seq for one in entries}
        once = [seqs[one.key] for one in attempts if keys.count(one.key) == 1 and one.key in seqs]
        once = [seq for seq in once if seq > len(HISTORY)]
        assert once == sorted(once), "stored in another order than sent"
        for position, failed in enumerate(attempts):
            if failed.error is None:
                continue
            for later in attempts[position + 1 :]:
                waited = later.sent <= (failed.answered or 0) and later.sent < (later.answered or 0)
                repeat = later.receipt is not None and later.receipt.duplicate
                if waited and not repeat:
                    assert later.error is not None, "stored although what it was sent behind had failed"

    async def _check_directory(self, entries: list[Entry]) -> None:
        """A node that starts now sees the room as the log says it is."""
        state = await self.directory.snapshot(ROOM) or RoomState(ROOM)
        changes = await self.log.read_kinds(ROOM, state.head.seq, STATE_KINDS)
        state.catch_up(changes, await self.log.head(ROOM))
        assert state == fold_all(entries), "the directory has lost a change"


def two_nodes(
    second_knows: int = len(HISTORY), *, refuses_repeated_keys: bool = True, hands_over: bool = False
) -> WriterWorld:
    """Nodes A and B; B may know only the beginning of the room's history."""
    return WriterWorld(
        refuses_repeated_keys=refuses_repeated_keys, second_knows=second_knows, hands_over=hands_over
    )


async def let(it: WriterWorld, *fates: Fate) -> None:
    """Open the gates one after the other, in the order of the calls."""
    for fate in fates:
        await virtual_loop().idle()
        assert it.gates.waiting, "no call waits"
        it.gates.let(0, fate)
    await virtual_loop().idle()


async def flow(it: WriterWorld) -> None:
    """Let every call through."""
    await virtual_loop().idle()
    while it.gates.waiting:
        await let(it, Fate.DONE)


def error(it: WriterWorld, attempt: int) -> Code:
    """The code of the error that an attempt got."""
    problem = it.attempts[attempt].error
    assert problem is not None
    return problem.code


def receipt(it: WriterWorld, attempt: int) -> Receipt:
    """The receipt that an attempt got."""
    found = it.attempts[attempt].receipt
    assert found is not None, it.attempts[attempt].error
    return found
