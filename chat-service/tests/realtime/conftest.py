"""A running node for every test of the sockets, and a log that must stay clean."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog
import uvloop
from chat_node import ChatNode, running
from misbehaving import Bystanders


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on the loop that serves; tests/engine runs on the other one as well."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[list[MutableMapping[str, Any]]]:
    """Give every log line, and fail where one tells of a defect, whoever wrote it."""
    with structlog.testing.capture_logs() as lines:
        yield lines
    defects = [line for line in lines if line["log_level"] in {"error", "critical"} or "exc_info" in line]
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    defects += [vars(record) for record in records if record.levelno >= logging.ERROR or record.exc_info]
    assert not defects


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ChatNode]:
    """A node with the defaults, but for rates."""
    async with running(tmp_path) as started:
        yield started


@pytest.fixture
async def bystanders(node: ChatNode) -> AsyncIterator[Bystanders]:
    """Ann and Bob, in a room that Mallory is in too (message 3 is hers)."""
    room = await node.channel("ann", "mallory", "bob")
    ann, bob = await node.connect("ann"), await node.connect("bob")
    for client in (ann, bob):
        await client.done("room:open", room=room)
    chatting = Bystanders(node, room, ann, bob)
    await chatting.go_on()
    yield chatting
    await chatting.go_on()
    await chatting.ready()
