"""Whatever a client sends gets one typed error or ends its own session, and nobody else notices."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from bad_input import EVENT_NAMES, NOT_THERE, VALUES, packets
from chat_node import ChatNode
from misbehaving import (
    LEGACY_REQUESTS,
    NAMESPACES,
    Bystanders,
    all_answered,
    answers_or_is_over,
    mallory,
    requests_of,
    v1_requests,
)


def corrupted(request: dict[str, Any]) -> Iterator[Any]:
    """The request with every value of the corpus in every place."""
    for value in VALUES:
        yield value
        yield {**request, "surplus": value}
        for name, usual in request.items():
            yield {**request, name: value}
            if isinstance(usual, dict):
                yield from ({**request, name: {**usual, inner: value}} for inner in (*usual, "surplus"))


@pytest.mark.parametrize("event", v1_requests(NOT_THERE))
async def test_every_field_of_v1_takes_any_value(node: ChatNode, bystanders: Bystanders, event: str) -> None:
    await _take_any_value(node, bystanders, "/chat", event)


@pytest.mark.parametrize("event", LEGACY_REQUESTS)
async def test_every_field_of_the_original_protocol_takes_any_value(
    node: ChatNode, bystanders: Bystanders, event: str
) -> None:
    await _take_any_value(node, bystanders, "/", event)


async def _take_any_value(node: ChatNode, bystanders: Bystanders, namespace: str, event: str) -> None:
    client = await mallory(node, namespace)
    requests = list(corrupted(requests_of(namespace, bystanders.room)[event]))
    for start in range(0, len(requests), 50):
        await all_answered(client, [(event, [request]) for request in requests[start : start + 50]])
    await bystanders.go_on()


@pytest.mark.parametrize("namespace", NAMESPACES, ids=NAMESPACES.get)
async def test_arguments_and_fields_may_be_missing_or_too_many(
    node: ChatNode, bystanders: Bystanders, namespace: str
) -> None:
    client = await mallory(node, namespace)
    optional = {"after", "after_id", "epoch", "limit", "reply_to"}
    for event, request in requests_of(namespace, bystanders.room).items():
        lists = [[], [request, request], [[request]], [request] * 100]
        answers = await all_answered(client, [(event, arguments) for arguments in lists])
        refused = answers if namespace == "/chat" else [answers[0], answers[2]]
        assert all(answer["error"]["code"] == "invalid" for answer in refused)
        for name in request.keys() - optional:
            less = {key: value for key, value in request.items() if key != name}
            (answer,) = await all_answered(client, [(event, [less])])
            assert answer["error"]["code"] == "invalid"
            assert answer["error"]["field"] == name


@pytest.mark.parametrize("namespace", NAMESPACES, ids=NAMESPACES.get)
async def test_an_event_that_there_is_not_is_refused(
    node: ChatNode, bystanders: Bystanders, namespace: str
) -> None:
    client = await mallory(node, namespace)
    for name in EVENT_NAMES:
        for arguments in ([], [{}], [None], list(range(50))):
            (answer,) = await all_answered(client, [(name, arguments)])
            assert answer["error"]["code"] == "invalid"
    await bystanders.go_on()


@pytest.mark.parametrize("namespace", NAMESPACES, ids=NAMESPACES.get)
async def test_a_packet_out_of_order_ends_at_most_its_own_session(
    node: ChatNode, bystanders: Bystanders, namespace: str
) -> None:
    event = next(iter(requests_of(namespace, bystanders.room)))
    for group in packets("" if namespace == "/" else f"{namespace},", event):
        client = await mallory(node, namespace)
        for packet in group:
            await client.send(packet)
        await answers_or_is_over(node, client)
        await client.leave()
        await bystanders.go_on()


async def test_events_before_a_namespace_is_joined_close_the_session(
    node: ChatNode, bystanders: Bystanders
) -> None:
    for packet in ('42["join-room",{}]', '42/chat,0["room:open",{}]', "41/chat,", "43/chat,1[]"):
        client = await node.wire()
        await client.send(packet)
        await client.over()
        assert client.answers == {}
    await bystanders.go_on()


@pytest.mark.parametrize("namespace", NAMESPACES, ids=NAMESPACES.get)
async def test_bytes_are_refused_wherever_text_is_expected(
    node: ChatNode, bystanders: Bystanders, namespace: str
) -> None:
    client = await mallory(node, namespace)
    space = "" if namespace == "/" else f"{namespace},"
    placeholder = {"_placeholder": True, "num": 0}
    number = itertools.count(1000)
    for event, request in requests_of(namespace, bystanders.room).items():
        for name in request:
            ack = str(next(number))
            await client.send(f"451-{space}{ack}{json.dumps([event, {**request, name: placeholder}])}")
            await client.send(b"\x00\xff")
            answer = await client.answer_to(ack)
            assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", name)
