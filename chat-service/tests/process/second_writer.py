"""Another process that writes to a store while it is served: `python second_writer.py WHAT ARGUMENT...`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable

from chat_service.app import Heart, open_heart
from chat_service.model.entries import Kind
from chat_service.observability.metrics import Metrics
from chat_service.settings import Settings


async def send(heart: Heart, room: str, user: str, text: str, count: str) -> None:
    """Write `count` messages."""
    for number in range(int(count)):
        await heart.rooms.act(user, room, Kind.MESSAGE, {"text": f"{text} {number}"})


async def remove(heart: Heart, room: str, owner: str, member: str) -> None:
    """Remove a member."""
    await heart.rooms.act(owner, room, Kind.LEAVE, {"user": member})


async def add(heart: Heart, room: str, owner: str, user: str) -> None:
    """Let somebody in."""
    await heart.rooms.act(owner, room, Kind.JOIN, {"user": user, "role": "member"})


async def sign_out(heart: Heart, user: str) -> None:
    """End all of somebody's sessions."""
    await heart.identity.sessions.end_all(user)


WRITES: dict[str, Callable[..., Awaitable[None]]] = {
    "send": send,
    "remove": remove,
    "add": add,
    "sign-out": sign_out,
}


async def main(what: str, *arguments: str) -> None:
    """Do one of WRITES."""
    heart = await open_heart(Settings.from_environment(os.environ), Metrics(), exclusive=False)
    try:
        await WRITES[what](heart, *arguments)
    finally:
        await heart.rooms.stop()
        await heart.identity.stop()
        await heart.stores.database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
