"""Limits on sockets: who sends too much is told when to go on, and then goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from chat_node import ChatNode, running
from wire_client import Wire

from chat_service.rate import Rate

SLOW = Rate(20, 1, 5)
"""Five at once, then one every 50 ms."""


@dataclass
class Clock:
    """Seconds that pass only when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now

    def wait_as_told(self, error: dict[str, Any]) -> None:
        """Let the time pass that a refusal says."""
        assert (error["code"], error["retryable"]) == ("rate_limited", True)
        assert 0 < error["retry_after_ms"] <= 50
        self.now += error["retry_after_ms"] / 1000


@pytest.fixture
def clock() -> Clock:
    """The clock that every limit of the node goes by."""
    return Clock()


Start = Callable[..., AbstractAsyncContextManager[ChatNode]]


@pytest.fixture
def start(tmp_path: Path, clock: Clock) -> Start:
    """Start a node with some limit set low."""

    @asynccontextmanager
    async def start(**limits: Rate) -> AsyncIterator[ChatNode]:
        async with running(tmp_path, connect_timeout_s=0.5, **limits) as node:
            node.parts.chat._limits._clock = clock
            yield node

    return start


def refusals(node: ChatNode, limit: str) -> float:
    """How often a limit refused, as /metrics says."""
    value = node.lifecycle._metrics.registry.get_sample_value("chat_rate_limited_total", {"limit": limit})
    return value or 0.0


async def five_and_one_too_many(ask: Callable[[int], Any], clock: Clock) -> None:
    """Ask six times: five are done, the sixth is refused; after the time that it says the next is done."""
    answers = [await ask(number) for number in range(6)]
    assert [answer["ok"] for answer in answers] == [True] * 5 + [False]
    clock.wait_as_told(answers[5]["error"])
    assert (await ask(6))["ok"] is True


def sender(client: Wire, room: str) -> Callable[[int], Any]:
    """Sends the message of that number."""

    async def send(number: int) -> Any:
        return await client.ask("message:send", {"room": room, "key": f"k{number}", "body": {"text": "hi"}})

    return send


async def test_a_person_who_writes_too_fast_is_slowed_and_nobody_else_is(start: Start, clock: Clock) -> None:
    async with start(rate_send_per_user=SLOW) as node:
        room = await node.channel("ann", "bob")
        phone, laptop, bob = [await node.connect(who) for who in ("ann", "ann", "bob")]
        await five_and_one_too_many(sender(phone, room), clock)
        error = await laptop.refused(
            "rate_limited", "reaction:set", room=room, key="r", target=4, emoji="x", on=True
        )
        assert error["retry_after_ms"] > 0, "it is the person's limit, whatever they write, wherever from"
        assert (await sender(bob, room)(0))["ok"] is True
        assert await laptop.done("room:close", room=room) == {}, "what writes nothing is not counted"
        assert refusals(node, "send_per_user") == 2


async def test_a_room_that_is_written_to_too_fast_is_slowed_and_no_other_is(start: Start, clock: Clock) -> None:
    async with start(rate_send_per_room=SLOW) as node:
        busy, calm = await node.channel("ann", "bob"), await node.channel("bob")
        ann, bob = await node.connect("ann"), await node.connect("bob")
        await five_and_one_too_many(sender(ann, busy), clock)
        await bob.refused("rate_limited", "message:send", room=busy, key="one-more", body={"text": "hi"})
        assert (await sender(bob, calm)(1))["ok"] is True


async def test_an_address_that_asks_too_much_is_slowed_on_both_protocols(start: Start, clock: Clock) -> None:
    async with start(rate_events_per_address=SLOW) as node:
        room = await node.channel("ann")
        ann, passing = await node.connect("ann"), await node.enter()

        async def close(_number: int) -> Any:
            return await ann.ask("room:close", {"room": room})

        await five_and_one_too_many(close, clock)
        answer = await passing.ask("join-room", {"roomId": "tea", "username": "Ann"})
        assert answer["error"]["code"] == "rate_limited"
        assert await passing.next("error") == answer["error"]
        clock.wait_as_told(answer["error"])
        assert (await passing.ask("join-room", {"roomId": "tea", "username": "Ann"}))["ok"] is True


async def test_the_original_protocol_writes_no_faster(start: Start, clock: Clock) -> None:
    async with start(rate_send_per_user=SLOW) as node:
        passing = await node.enter()

        async def say(number: int) -> Any:
            # A new name for each message is still the same address.
            said = {"roomId": "tea", "username": f"Ann {number}", "message": "hi"}
            return await passing.ask("event:message", said)

        await five_and_one_too_many(say, clock)


async def test_an_address_that_connects_too_often_is_refused_for_a_moment(start: Start, clock: Clock) -> None:
    async with start(rate_connect_per_address=SLOW) as node:
        for _ in range(5):
            await node.wire()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await node.wire()
        assert refused.value.status == 429
        assert refused.value.headers is not None
        assert int(refused.value.headers["Retry-After"]) >= 1
        query = {"EIO": "4", "transport": "polling"}
        async with node.http.get(f"{node.url}/socket.io/", params=query) as answer:
            assert answer.status == 429
        clock.now += 0.05
        await node.enter()


async def test_an_address_has_at_most_so_many_connections(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections_per_address=2) as node:
        first, _ = await node.enter(), await node.connect("ann")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await node.wire()
        assert refused.value.status == 429
        await first.leave()
        await node.enter()


async def test_a_node_has_at_most_so_many_connections(tmp_path: Path) -> None:
    async with running(tmp_path, max_connections=2) as node:
        await node.enter()
        await node.enter()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await node.wire()
        assert refused.value.status == 503
        assert refusals(node, "max_connections") == 1


async def test_a_writer_that_has_too_much_waiting_says_so(tmp_path: Path) -> None:
    async with running(tmp_path, writer_queue_max_entries=5) as node:
        room = await node.channel("ann")
        ann = await node.connect("ann")
        await ann.done("room:open", room=room)
        numbers = [
            await ann.post("message:send", {"room": room, "key": f"k{number}", "body": {"text": str(number)}})
            for number in range(200)
        ]
        answers = [await ann.answer_to(number) for number in numbers]
        refused = [answer["error"] for answer in answers if not answer["ok"]]
        assert refused
        assert {error["code"] for error in refused} == {"overloaded"}
        assert all(error["retryable"] for error in refused)
        assert all(1000 <= error["retry_after_ms"] <= 2000 for error in refused), "not all at one moment"
        seqs = [answer["seq"] for answer in answers if answer["ok"]]
        assert seqs == sorted(seqs)


async def test_events_in_flight_are_bounded_without_losing_any(tmp_path: Path) -> None:
    async with running(tmp_path, max_inflight_events=4) as node:
        room = await node.channel("ann")
        ann = await node.connect("ann")
        numbers = [
            await ann.post("room:history", {"room": room, "before": 10})
            if number % 3 == 0
            else await ann.post("message:send", {"room": room, "key": f"k{number}", "body": {"text": "x"}})
            for number in range(300)
        ]
        answers = [await ann.answer_to(number) for number in numbers]
        assert all(answer["ok"] for answer in answers)
        seqs = [answer["seq"] for answer in answers if "seq" in answer]
        assert seqs == list(range(2, 202))
