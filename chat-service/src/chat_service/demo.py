"""Demo data: a few people and rooms, so that a developer has something to look at."""

from __future__ import annotations

from dataclasses import dataclass

from chat_service.identity.service import Identity
from chat_service.model.entries import Kind
from chat_service.model.rooms import Visibility
from chat_service.rooms.service import Rooms

PASSWORD = "demo-demo-demo"  # noqa: S105 - only ever on a store that serves a loopback address
PEOPLE = {"ada": "Ada Lovelace", "grace": "Grace Hopper", "alan": "Alan Turing"}
CHANNELS = {
    "General": "Everything and everyone",
    "Engineering": "What we build, and why it broke",
    "Reading": "Papers worth an evening",
}
TALK = (
    ("ada", "Good morning! The nightly build is green again."),
    ("grace", "It was a moth. In the relay. I taped it into the log book."),
    ("alan", "Can machines review code? I propose to consider the question."),
    ("ada", "@alan they can, as long as somebody asks them the right things."),
    ("grace", "Ask forgiveness, not permission. But ask for the *review*."),
)


@dataclass(frozen=True, slots=True)
class Demo:
    """Whom to sign in as."""

    handles: tuple[str, ...]
    password: str


async def make_demo(identity: Identity, rooms: Rooms) -> Demo:
    """Make the demo people, channels and messages; those that are there stay as they are."""
    there = await identity.profiles.ids_by_handles(list(PEOPLE))
    for handle, name in PEOPLE.items():
        if handle not in there:
            there[handle] = (await identity.accounts.create(handle, name, PASSWORD, admin=handle == "ada")).id
    for name, topic in CHANNELS.items():
        await _channel(rooms, there, name, topic)
    await rooms.open_direct(there["ada"], there["grace"])
    return Demo(tuple(PEOPLE), PASSWORD)


async def _channel(rooms: Rooms, people: dict[str, str], name: str, topic: str) -> None:
    """One channel with everybody in it and the talk; the keys make a second time change nothing."""
    made = await rooms.create_channel(
        people["ada"], name=name, topic=topic, visibility=Visibility.PUBLIC, key=f"demo.{name}"
    )
    for handle, user in people.items():
        body = {"user": user, "role": "member"}
        await rooms.act(user, made.room, Kind.JOIN, body, key=f"demo.join.{handle}")
    for number, (handle, text) in enumerate(TALK):
        await rooms.act(people[handle], made.room, Kind.MESSAGE, {"text": text}, key=f"demo.{number}")
