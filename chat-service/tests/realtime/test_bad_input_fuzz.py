"""Requests that are nearly in order, any JSON, and any packet at all: found by a fuzzer, shrunk when they fail."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
from bad_input import VALUES
from chat_node import ChatNode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from misbehaving import (
    NAMESPACES,
    Bystanders,
    all_answered,
    answers_or_is_over,
    mallory,
    requests_of,
)
from wire_client import Wire

FUZZ = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=200)
ROOM = "<the room>"
NUMBER = "<a number of its own>"
RESERVED = {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}

# Surrogates too: a text that was cut in the middle of an emoji has half a pair.
texts = st.text(st.characters(codec=None, exclude_categories=()), max_size=30)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
anything = st.recursive(
    scalars | st.sampled_from([value for value in VALUES if len(json.dumps(value)) < 2000]).map(deepcopy),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)


@st.composite
def nearly_in_order(draw: st.DrawFn, namespace: str) -> tuple[str, list[Any]]:
    """A request of which one to three parts were replaced, dropped or added."""
    requests = requests_of(namespace, ROOM)
    event = draw(st.sampled_from(sorted(requests)))
    request: dict[str, Any] = json.loads(json.dumps(requests[event]))
    for _ in range(draw(st.integers(1, 3))):
        places = [request, *(value for value in request.values() if isinstance(value, dict))]
        place = draw(st.sampled_from(places))
        name = draw(st.sampled_from([*place, "surplus", "room", "text", "__proto__"]))
        if draw(st.booleans()):
            place[name] = draw(anything)
        else:
            place.pop(name, None)
    return event, draw(st.sampled_from([[request], [request], [request], [], [request, None], [[request]]]))


def packets(namespace: str) -> st.SearchStrategy[str | bytes]:
    """Something like a packet."""
    space = "" if namespace == "/" else f"{namespace},"
    heads = ["4", "40", "42", f"42{space}", f"42{space}{NUMBER}", f"451-{space}", f"43{space}", ""]
    tails = st.text(st.characters(codec="utf-8"), max_size=40) | anything.map(lambda value: json.dumps([value]))
    return st.builds(str.__add__, st.sampled_from(heads), tails) | st.binary(max_size=20)


@dataclass
class Mallory:
    """Somebody whose connection is made anew whenever the server has ended it."""

    node: ChatNode
    wires: dict[str, Wire] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def on(self, namespace: str) -> Wire:
        """A connection that is open."""
        wire = self.wires.get(namespace)
        if wire is None or wire.ended or wire.disconnected:
            wire = self.wires[namespace] = await mallory(self.node, namespace)
        return wire


@pytest.fixture
def spoiler(node: ChatNode) -> Mallory:
    """Whoever sends what the fuzzer makes up."""
    return Mallory(node)


@pytest.mark.parametrize("namespace", NAMESPACES, ids=NAMESPACES.get)
@FUZZ
@given(data=st.data())
async def test_requests_that_are_nearly_in_order_are_answered(
    bystanders: Bystanders, spoiler: Mallory, namespace: str, data: st.DataObject
) -> None:
    batch = data.draw(st.lists(nearly_in_order(namespace), min_size=1, max_size=8))
    for _, arguments in batch:
        if arguments and isinstance(arguments[0], dict) and arguments[0].get("room") == ROOM:
            arguments[0]["room"] = bystanders.room
    await all_answered(await spoiler.on(namespace), batch)
    await bystanders.go_on()


@pytest.mark.parametrize("namespace", NAMESPACES, ids=NAMESPACES.get)
@FUZZ
@given(data=st.data())
async def test_any_json_is_answered(
    bystanders: Bystanders, spoiler: Mallory, namespace: str, data: st.DataObject
) -> None:
    names = st.sampled_from(sorted(requests_of(namespace, ROOM))) | texts.filter(lambda name: name not in RESERVED)
    asked = data.draw(st.tuples(names, st.lists(anything, max_size=4)))
    await all_answered(await spoiler.on(namespace), [asked])
    await bystanders.go_on()


@pytest.mark.parametrize("namespace", NAMESPACES, ids=NAMESPACES.get)
@FUZZ
@given(data=st.data())
async def test_any_packet_at_all_ends_at_most_its_own_session(
    bystanders: Bystanders, spoiler: Mallory, namespace: str, data: st.DataObject
) -> None:
    client = await spoiler.on(namespace)
    for packet in data.draw(st.lists(packets(namespace), min_size=1, max_size=4)):
        # A number so long that no other acknowledgement has it, whatever digits follow.
        number = str(10**10 + next(spoiler.numbers))
        await client.send(packet.replace(NUMBER, number) if isinstance(packet, str) else packet)
    await answers_or_is_over(spoiler.node, client)
    await bystanders.go_on()
