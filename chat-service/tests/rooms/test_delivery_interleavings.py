"""Delivery: readers on two nodes, a bus that loses, repeats and reorders, slow readers, redactions, removals."""

from __future__ import annotations

import asyncio
from random import Random
from typing import NamedTuple

from hypothesis import given, note
from hypothesis import strategies as st

from chat_service.model.entries import Kind

from .entries import ALICE, BOB, CAROL, ROOM
from .gates import Fate
from .hub_world import SYSTEM, HubWorld, tails
from .profiles import long, search
from .virtual_time import play

READERS = ((ALICE, 0), (BOB, 0), (CAROL, 0), (BOB, 1))


class Say(NamedTuple):
    """Somebody writes messages on a node."""

    node: int
    who: int
    count: int


class Redact(NamedTuple):
    """A message is deleted, the oldest are retained no longer, or somebody is erased."""

    node: int
    how: int
    which: int


class Member(NamedTuple):
    """Alice removes Bob or Carol, or lets them in again."""

    node: int
    who: int
    back: bool


class Ask(NamedTuple):
    """A client asks to open the room, or for the next page of it."""

    client: int


class Fill(NamedTuple):
    """A client stops reading."""

    client: int


class Drain(NamedTuple):
    """A client reads on."""

    client: int


class Close(NamedTuple):
    """A client closes the room."""

    client: int


class Reconnect(NamedTuple):
    """A client's connection goes, and it comes back with what it holds."""

    client: int


class Open(NamedTuple):
    """A call on the store goes on, and ends in some way."""

    which: int
    fate: Fate


class Flow(NamedTuple):
    """Everything under way ends well, then time passes."""

    seconds: float


class Tails(NamedTuple):
    """A node compares its open rooms with the log."""

    node: int


Step = Say | Redact | Member | Ask | Fill | Drain | Close | Reconnect | Open | Flow | Tails

NODE = st.integers(0, 1)
CLIENT = st.integers(0, len(READERS) - 1)
SMALL = st.integers(0, 7)
STEP = st.one_of(
    st.builds(Say, NODE, st.integers(0, 2), st.integers(1, 3)),
    st.builds(Say, NODE, st.just(0), st.sampled_from((1, 6, 14))),
    st.builds(Redact, NODE, st.integers(0, 2), SMALL),
    st.builds(Redact, NODE, st.just(0), st.integers(0, 1)),
    st.builds(Member, NODE, st.integers(1, 2), st.booleans()),
    st.builds(Ask, CLIENT),
    st.builds(Ask, CLIENT),
    st.builds(Fill, CLIENT),
    st.builds(Drain, CLIENT),
    st.builds(Close, CLIENT),
    st.builds(Reconnect, CLIENT),
    st.builds(Open, SMALL, st.just(Fate.DONE)),
    st.builds(Open, SMALL, st.sampled_from((Fate.SLOW, Fate.FAILED, Fate.LOST))),
    st.builds(Flow, st.sampled_from((0.0, 0.1, 2.0))),
    st.builds(Flow, st.just(0.0)),
    st.builds(Tails, NODE),
)
STEPS = long(STEP, 50)
CHANCE = st.sampled_from((0.0, 0.0, 0.3, 0.6))
WRITERS = (ALICE, BOB, CAROL)


def act(world: HubWorld, step: Step) -> None:
    """Do one step."""
    if isinstance(step, Say):
        for number in range(step.count):
            world.send(step.node, WRITERS[step.who], Kind.MESSAGE, {"text": f"{number}"})
    elif isinstance(step, Redact):
        redact(world, step)
    elif isinstance(step, Member):
        kind = Kind.JOIN if step.back else Kind.LEAVE
        body = {"user": WRITERS[step.who]} | ({"role": "member"} if step.back else {})
        world.send(step.node, ALICE, kind, body)
    elif isinstance(step, Open):
        world.gates.let(step.which, step.fate)
    elif not isinstance(step, Flow | Tails):
        act_as_client(world, step)


def redact(world: HubWorld, step: Redact) -> None:
    """Redact something that is there."""
    messages = world.messages()
    subject = messages[-1 - step.which % len(messages)]
    if step.how == 0:
        world.send(step.node, ALICE, Kind.DELETE, {}, subject.seq)
    elif step.how == 1:
        world.send(step.node, SYSTEM, Kind.RETAIN, {"upto": subject.seq})
    else:
        world.send(step.node, SYSTEM, Kind.ERASE, {"user": subject.sender, "upto": subject.seq})


def act_as_client(world: HubWorld, step: Ask | Fill | Drain | Close | Reconnect) -> None:
    """Do what a client does."""
    client = world.clients[step.client]
    if isinstance(step, Ask):
        if not client.live:
            client.ask_to_open()
    elif isinstance(step, Fill):
        client.congest()
    elif isinstance(step, Drain):
        client.drain()
    elif isinstance(step, Close):
        if client.opening is None or client.opening.done():
            client.rooms.close(client, ROOM)
            client.live = False
    else:
        client.went()
        user, node = READERS[step.client]
        world.clients[step.client] = world.connect(user, node, client)


async def run(steps: list[Step], random: Random, faults: tuple[float, float, float]) -> None:
    world = HubWorld(random, faults)
    await world.start()
    world.clients.extend(world.connect(user, node) for user, node in READERS)
    checking: list[asyncio.Task[None]] = []
    note(f"steps = {steps}")
    for step in steps:
        waiting = [call.name for call in world.gates.waiting]
        act(world, step)
        if isinstance(step, Flow):
            await world.flow(step.seconds)
        elif isinstance(step, Tails):
            checking.append(asyncio.get_running_loop().create_task(tails(world.nodes[step.node])))
        await world.look()
        held = [(client.live, client.held.after) for client in world.clients]
        note(f"{step}  log {len(world.log.entries(ROOM))}  clients {held}  at the gates: {waiting}")
    await world.quiesce()
    await asyncio.gather(*checking)
    world.check()
    await world.stop()


@search(1500)
@given(
    steps=STEPS,
    random=st.randoms(use_true_random=False),
    faults=st.tuples(CHANCE, CHANCE, CHANCE),
)
def test_any_interleaving_brings_every_reader_the_log_in_order(
    steps: list[Step], random: Random, faults: tuple[float, float, float]
) -> None:
    """P2, P4, P5: whatever a bus does, a reader holds the log from its beginning on, without hole or repeat."""
    play(lambda: run(steps, random, faults))
