"""Requests in order of every event, whoever spoils them, and the bystanders who must not notice."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chat_node import ChatNode
from wire_client import Closed, Wire

from chat_service.model.errors import RETRYABLE, Code


def v1_requests(room: str) -> dict[str, dict[str, Any]]:
    """A request of every event of protocol v1 that is in order."""
    return {
        "room:open": {"room": room, "after": 1, "after_id": "x", "epoch": "x"},
        "room:close": {"room": room},
        "room:history": {"room": room, "before": 10, "limit": 5},
        "message:send": {"room": room, "key": "k", "body": {"text": "hi"}, "reply_to": 3},
        "message:edit": {"room": room, "key": "k", "target": 3, "body": {"text": "hi"}},
        "message:delete": {"room": room, "key": "k", "target": 3},
        "reaction:set": {"room": room, "key": "k", "target": 3, "emoji": "👍", "on": True},
        "read:mark": {"room": room, "seq": 1},
        "typing": {"room": room, "on": True},
        "auth:refresh": {"token": "x"},
    }


LEGACY_REQUESTS: dict[str, dict[str, Any]] = {
    "join-room": {"roomId": "tea", "username": "Mallory"},
    "event:message": {"roomId": "tea", "username": "Mallory", "message": "hi"},
}
NAMESPACES = {"/chat": "v1", "/": "original"}


@dataclass
class Bystanders:
    """Two people who chat while somebody else misbehaves."""

    node: ChatNode
    room: str
    ann: Wire
    bob: Wire
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def go_on(self) -> None:
        """One says something, the other hears it."""
        key = f"b{next(self._numbers)}"
        await self.ann.done("message:send", room=self.room, key=key, body={"text": key})
        while (await self.bob.next("entry"))["body"] != {"text": key}:
            pass

    async def ready(self) -> None:
        """The node says that it is well."""
        async with self.node.http.get(f"{self.node.url}/readyz") as answer:
            assert (answer.status, (await answer.json())["status"]) == (200, "ok")


async def mallory(node: ChatNode, namespace: str) -> Wire:
    """Somebody who may do everything that others may."""
    return await (node.connect("mallory") if namespace == "/chat" else node.enter())


def requests_of(namespace: str, room: str) -> dict[str, dict[str, Any]]:
    """A request in order of every event."""
    return v1_requests(room) if namespace == "/chat" else LEGACY_REQUESTS


def well_formed(answer: Any) -> bool:
    """Whether an acknowledgement has the shape that is promised; returns whether it is a refusal."""
    assert isinstance(answer, dict), answer
    if answer["ok"] is True:
        return False
    assert answer.keys() == {"ok", "error"}
    error = answer["error"]
    assert error.keys() - {"retry_after_ms", "field"} == {"code", "message", "retryable"}
    code = Code(error["code"])
    assert code is not Code.INTERNAL
    assert error["retryable"] is (code in RETRYABLE)
    assert 0 < len(error["message"]) < 400, error["message"][:1000]
    assert "Traceback" not in error["message"]
    return True


async def all_answered(client: Wire, asked: list[tuple[str, list[Any]]]) -> list[Any]:
    """Send events, all at once, and return their acknowledgements, of which each has exactly one."""
    numbers = [await client.post(event, *arguments) for event, arguments in asked]
    answers = []
    for number, what in zip(numbers, asked, strict=True):
        try:
            answers.append(await client.answer_to(number))
            well_formed(answers[-1])
        except (AssertionError, TimeoutError, Closed) as problem:
            problem.add_note(f"the answer to {str(what)[:500]}")
            raise
    return answers


async def answers_or_is_over(node: ChatNode, client: Wire) -> None:
    """After bad packets a session is closed, has left its namespace, or goes on as if nothing had been."""
    number = await client.post("typing", {})
    async with asyncio.timeout(5):
        while client.id in node.parts.sockets.manager.connections and not client.ended:
            if number in client.answers:
                assert well_formed(client.answers[number][0]) is True
                return
            await asyncio.sleep(0.001)
