"""docs/protocol.md says what the service does: every table of it is held against the code or a running node."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from chat_node import ChatNode

from chat_service import lifecycle
from chat_service.model.entries import Kind
from chat_service.model.errors import RETRYABLE, Code
from chat_service.realtime import events, legacy
from chat_service.realtime.events import ChatNamespace
from chat_service.rooms import delivery
from chat_service.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text()


def rows(heading: str, *columns: str) -> list[list[str]]:
    """The rows of the table below a heading that has these columns; cells as they stand."""
    section = re.split(rf"^#+ {re.escape(heading)}$", PAGE, flags=re.MULTILINE)[1]
    head = "| " + " | ".join(columns) + " |\n"
    table = section.split(head, 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in table.strip().splitlines()[1:]]


def words(cell: str) -> list[str]:
    """What a cell has between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def fields_of(kind: type[msgspec.Struct], before: str = "") -> Iterator[str]:
    """The fields of a request, inner ones with a dot, those that may be left out with a question mark."""
    for field in msgspec.structs.fields(kind):
        name = before + field.encode_name
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from fields_of(field.type, f"{name}.")
        else:
            yield name if field.required else f"{name}?"


def fits(found: dict[str, Any], promised: list[str]) -> bool:
    """Whether an object has the fields that are promised, and none besides."""
    needed = {name for name in promised if not name.endswith("?")}
    return needed <= found.keys() <= {name.removesuffix("?") for name in promised}


CLIENT_EVENTS = {
    words(event)[0]: (words(asked), words(answered))
    for event, asked, answered, _ in rows("What a client sends", "event", "with", "acknowledged with", "does")
}
SERVER_EVENTS = {
    words(event)[0]: words(told) for event, told, _ in rows("What the server sends", "event", "with", "when")
}


def test_every_event_of_a_client_is_described_with_its_fields(node: ChatNode) -> None:
    served: ChatNamespace = node.parts.chat
    assert {event: sorted(fields) for event, (fields, _) in CLIENT_EVENTS.items()} == {
        event: sorted(fields_of(kind)) for event, (kind, _) in served._events.items()
    }


async def test_every_acknowledgement_has_the_fields_that_are_described(node: ChatNode) -> None:
    room = await node.channel("ann")
    ann = await node.connect("ann")
    requests: dict[str, dict[str, Any]] = {
        "room:open": {"room": room},
        "message:send": {"room": room, "key": "1", "body": {"text": "hi"}},
        "message:edit": {"room": room, "key": "2", "target": 2, "body": {"text": "hello"}},
        "reaction:set": {"room": room, "key": "3", "target": 2, "emoji": "👍", "on": True},
        "pin:set": {"room": room, "key": "p", "target": 2, "on": True},
        "room:history": {"room": room, "before": 9},
        "read:mark": {"room": room, "seq": 2},
        "typing": {"room": room, "on": True},
        "message:delete": {"room": room, "key": "4", "target": 2},
        "auth:refresh": {"token": node.people["ann"].token},
        "room:close": {"room": room},
    }
    assert requests.keys() == CLIENT_EVENTS.keys()
    for event, request in requests.items():
        assert fits(await ann.done(event, **request), CLIENT_EVENTS[event][1]), event


async def test_every_event_of_the_server_has_the_fields_that_are_described(node: ChatNode) -> None:
    room = await node.channel("ann", "bob")
    ann, bob = await node.connect("ann"), await node.connect("bob")
    await node.say("bob", room, "unread")
    node.rooms.publisher._unread.report()
    told = {"unread": await ann.next("unread")}
    await ann.done("room:open", room=room)
    await bob.done("room:open", room=room)
    await bob.done("typing", room=room, on=True)
    await bob.done("read:mark", room=room, seq=1)
    await bob.done("message:send", room=room, key="1", body={"text": "hi"})
    await bob.done("message:delete", room=room, key="2", target=4)
    await node.rooms.personal.set_preferences(node.people["ann"].id, room, muted=True, favourite=None)
    await node.rooms.personal.renamed(node.people["bob"].id, "bob", "Robert")
    told |= {event: await ann.next(event) for event in ("typing", "presence", "read", "preferences", "person")}
    await node.remove("ann", room, node.people["bob"])
    told |= {event: await bob.next(event) for event in ("rooms", "notice")}
    assert told.keys() | {"entry"} == SERVER_EVENTS.keys()
    assert told.pop("notice").keys() >= {"kind"}
    for event, argument in told.items():
        assert fits(argument, SERVER_EVENTS[event]), (event, argument)
    for entry in await ann.entries(3):
        assert fits(entry, SERVER_EVENTS["entry"]), entry


def test_every_notice_is_described() -> None:
    described = {words(kind)[0]: set(words(told)) for kind, told, _ in rows("Notices", "`kind`", "with", "do")}
    sources = [Path(str(module.__file__)).read_text() for module in (events, delivery, lifecycle)]
    sent = {
        kind: set(re.findall(r'"(\w+)":', rest))
        for kind, rest in re.findall(r'{"kind": "(\w+)"([^}]*)}', "".join(sources))
    }
    assert described == sent


def test_every_error_is_described() -> None:
    described = {
        words(code)[0]: retryable == "yes"
        for code, retryable, _, _ in rows("Errors", "code", "retryable", "means", "do")
    }
    assert described == {str(code): code in RETRYABLE for code in Code}


def test_every_kind_of_entry_is_described() -> None:
    described = [
        kind for row in rows("What the server sends", "`kind`", "`target`", "`body`") for kind in words(row[0])
    ]
    assert sorted(described) == sorted(Kind)


@pytest.mark.parametrize("row", rows("Limits", "what", "default", "setting"), ids=lambda row: row[2])
def test_the_limits_are_those_of_the_settings(row: list[str]) -> None:
    setting = words(row[2])[0].removeprefix("CHAT_").lower()
    assert str(getattr(Settings(), setting)) == row[1]


def test_the_fixed_limits_are_those_of_the_code() -> None:
    assert f"A connection has at most {events.MAX_OPEN_ROOMS} rooms open" in PAGE
    assert f"A connection is in at most {legacy.MAX_ROOMS} rooms" in PAGE
    assert f"{events.EXPIRED_GRACE_S} s later the transport is closed" in PAGE
    assert f"within {delivery.PAUSED_MOST_S:.0f} s." in PAGE


def test_the_original_protocol_is_described_with_its_fields() -> None:
    described = {
        words(event)[0]: set(words(told)) for event, told in rows("The original protocol", "client sends", "with")
    }
    assert described == {
        "join-room": set(fields_of(legacy.JoinRequest)),
        "event:message": set(fields_of(legacy.MessageRequest)),
    }
