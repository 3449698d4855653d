"""The writer: two nodes, one room, and every interleaving of sends, repeats, races, failures and late inserts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from chat_service.model.entries import Kind
from chat_service.model.writes import Write
from chat_service.rooms import picture as picture_module
from chat_service.rooms import writer as writer_module

from .entries import ALICE, BOB, CAROL, DAVE, ROOM, say, write
from .gates import Fate
from .profiles import long, search
from .virtual_time import play
from .writer_world import WriterWorld

PEOPLE = (ALICE, BOB, CAROL, DAVE)


@pytest.fixture(autouse=True, scope="module")
def small_batches() -> Iterator[None]:
    """Few entries meet every limit of a batch and a page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer_module, "BATCH_LIMIT", 4)
        patch.setattr(picture_module, "CATCH_UP_PAGE", 2)
        yield


class Send(NamedTuple):
    """A new request; `what` chooses which, `about` which message it is about."""

    node: int
    who: int
    connection: int
    what: int
    about: int


class Repeat(NamedTuple):
    """A request sent before (of those in the history where there was none), on any node, as it was."""

    which: int
    node: int
    connection: int


class Reuse(NamedTuple):
    """An old key with another request."""

    which: int
    node: int


class Open(NamedTuple):
    """A call on the store goes on, and ends in some way."""

    which: int
    fate: Fate


class Late(NamedTuple):
    """Something that was given up is done after all."""

    which: int


class Pass(NamedTuple):
    """Time passes."""

    seconds: float


class Refresh(NamedTuple):
    """A node reads what others wrote."""

    node: int


class Deliver(NamedTuple):
    """What one node sent to the other arrives, or is lost, or arrives and will once more."""

    which: int
    lose: bool
    keep: bool


Step = Deliver | Send | Repeat | Reuse | Open | Late | Pass | Refresh

NODE = st.integers(0, 1)
SMALL = st.integers(0, 7)
STEP = st.one_of(
    st.builds(Send, NODE, st.integers(0, 3), NODE, st.integers(0, 11), st.integers(0, 3)),
    st.builds(Send, NODE, st.integers(0, 2), st.just(0), st.just(0), st.just(0)),
    st.builds(Send, NODE, st.just(0), st.just(0), st.integers(3, 9), st.integers(1, 3)),
    st.builds(Repeat, SMALL, NODE, NODE),
    st.builds(Reuse, SMALL, NODE),
    st.builds(Open, SMALL, st.just(Fate.DONE)),
    st.builds(Open, SMALL, st.just(Fate.DONE)),
    st.builds(Open, SMALL, st.sampled_from(Fate)),
    st.builds(Late, SMALL),
    st.builds(Pass, st.sampled_from((0.1, 1.0, 11.0))),
    st.builds(Refresh, NODE),
)
STEPS = long(STEP, 60)


def request(step: Send, world: WriterWorld, key: str) -> Write:
    """The request that a step means."""
    who = PEOPLE[step.who]
    whom = PEOPLE[step.about]
    messages = [one.seq for one in world.log.entries(ROOM) if one.kind is Kind.MESSAGE]
    about = messages[-1 - step.about % len(messages)]
    return (
        say(who, key),
        say(who, key, reply_to=about),
        write(Kind.EDIT, who, key, {"text": "edited"}, about),
        write(Kind.DELETE, who, key, {}, about),
        write(Kind.REACTION, who, key, {"emoji": "x", "on": True}, about),
        write(Kind.LEAVE, who, key, {"user": who}),
        write(Kind.LEAVE, who, key, {"user": whom}),
        write(Kind.JOIN, who, key, {"user": whom, "role": "member"}),
        write(Kind.JOIN, who, key, {"user": who, "role": "member"}),
        write(Kind.ROLE, who, key, {"user": whom, "role": ("owner", "admin", "guest")[step.about % 3]}),
        write(Kind.TOPIC, who, key, {"topic": key}),
        write(Kind.SETTINGS, who, key, {"visibility": ("public", "private")[step.about % 2]}),
    )[step.what]


def sent_before(world: WriterWorld, which: int) -> Write:
    """A request sent before, or the one that made an entry of the history."""
    if world.attempts:
        return world.attempts[-1 - which % len(world.attempts)].write
    return say(PEOPLE[which % 3], "old", f"text {4 + which % 3}")


def act(world: WriterWorld, step: Step) -> None:
    """Do one step."""
    if isinstance(step, Send):
        world.send(step.node, request(step, world, f"k{len(world.attempts)}"), step.connection)
    elif isinstance(step, Repeat):
        world.send(step.node, sent_before(world, step.which), step.connection)
    elif isinstance(step, Reuse):
        old = sent_before(world, step.which)
        world.send(step.node, say(old.sender, old.key, f"another {len(world.attempts)}"), 0)
    elif isinstance(step, Open):
        world.gates.let(step.which, step.fate)
    elif isinstance(step, Late):
        world.gates.do_late(step.which)
    elif isinstance(step, Refresh):
        world.refresh(step.node)
    elif isinstance(step, Deliver):
        world.post.deliver(step.which, lose=step.lose, keep=step.keep)


async def run(steps: Sequence[Step], make_world: Callable[[], WriterWorld]) -> None:
    """Do the steps in a new world, end what is under way, and check what must hold."""
    world = make_world()
    note(f"steps = {steps}")
    for step in steps:
        if isinstance(step, Pass):
            await asyncio.sleep(step.seconds)
        waiting = [call.name for call in world.gates.waiting]
        act(world, step)
        await world.look()
        note(f"{step}  at the gates: {waiting}")
    await world.quiesce()
    await world.check()


@pytest.mark.parametrize("refuses_repeated_keys", [True, False], ids=["key index", "no key index"])
@search(1200)
@given(steps=STEPS, second_knows=st.integers(3, 6))
def test_any_interleaving_keeps_one_order_and_every_key_single(
    steps: list[Step], second_knows: int, *, refuses_repeated_keys: bool
) -> None:
    """P1 to P3: what is acked is stored once, in order; what is refused is not; nobody waits for ever."""
    world = partial(WriterWorld, refuses_repeated_keys=refuses_repeated_keys, second_knows=second_knows)
    play(lambda: run(steps, world))
