"""Fills a room of the demo with many messages and members, straight into the store, before anything serves it."""

from __future__ import annotations

import asyncio
import os
import sys

from argon2 import PasswordHasher

from chat_service.app import Heart, open_heart
from chat_service.demo import make_demo
from chat_service.model.entries import Kind
from chat_service.model.rooms import Visibility
from chat_service.observability.logging import configure_logging
from chat_service.observability.metrics import Metrics
from chat_service.settings import Settings

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
AT_ONCE = 500
"""Few enough to be stored within the time that a write has, also on a busy machine."""
SENTENCES = (
    "The night build is green again.",
    "I would rather measure it than argue about it, and the measurement takes ten minutes.",
    "Ask forgiveness, not permission. But ask for the *review*, and give whoever does it the time that it takes.",
    "- one thing\n- another thing\n- and `code` in a list",
    "ok",
)


async def fill(heart: Heart, messages: int, members: int) -> None:
    """Make the room `Crowd`."""
    await make_demo(heart.identity, heart.rooms)
    ids = await heart.identity.profiles.ids_by_handles(["ada"])
    ada = ids["ada"]
    made = await heart.rooms.create_channel(ada, name="Crowd", visibility=Visibility.PUBLIC, key="crowd")
    heart.identity._passwords._hasher = QUICK
    people = [ada]
    for number in range(members - 1):
        person = await heart.identity.accounts.create(f"member{number}", f"Member {number}", "crowd-crowd")
        people.append(person.id)
    joins = [(user, Kind.JOIN, {"user": user, "role": "member"}) for user in people]
    said = [
        (people[number // 3 % len(people)], Kind.MESSAGE, {"text": f"No {number}: {SENTENCES[number % 5]}"})
        for number in range(messages)
    ]
    writes = joins + said
    for first in range(0, len(writes), AT_ONCE):
        some = writes[first : first + AT_ONCE]
        await asyncio.gather(*(heart.rooms.act(user, made.room, kind, body) for user, kind, body in some))


async def main(messages: int, members: int) -> None:
    """Open the store that the CHAT_* variables name, fill it, close it."""
    settings = Settings.from_environment(os.environ)
    configure_logging("warning", "console", settings.node_id)
    heart = await open_heart(settings, Metrics(), exclusive=True)
    try:
        await heart.identity.start()
        await heart.rooms.start()
        await fill(heart, messages, members)
        await heart.rooms.finish()
    finally:
        await heart.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
