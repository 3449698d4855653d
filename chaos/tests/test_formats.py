"""Today's code understands what every recorded version left behind: stores, conversations, frames, documents."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from chaos.formats import FIXTURES, SENDER, Said, converse, frame_of, serving, sign_in
from chat_service import bus
from chat_service.bus import frames
from chat_service.log.mongo_documents import entry_of
from chat_service.model.entries import Entry

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = sorted(folder for folder in FIXTURES.iterdir() if folder.is_dir())
OF_THE_MOMENT = {"online"}
KINDS = {kind.__name__: kind for kind in typing.get_args(bus.Message)}

every_version = pytest.mark.parametrize("folder", VERSIONS, ids=lambda folder: folder.name)


def lacking(recorded: Any, now: Any, where: str = "") -> list[str]:
    """What was recorded and is not so now; what is there besides is what later versions may add."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        names = recorded.keys() - OF_THE_MOMENT
        return [one for name in names for one in lacking(recorded[name], now.get(name), f"{where}.{name}")]
    if isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        pairs = enumerate(zip(recorded, now, strict=True))
        return [one for place, pair in pairs for one in lacking(*pair, f"{where}[{place}]")]
    return [] if recorded == now else [f"{where}: was {recorded!r}, is {now!r}"]


def test_what_is_lacking_is_found() -> None:
    assert lacking({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2, "new": 3}], "c": 4}) == []
    assert lacking({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == [".a[1].b: was 2, is 3"]
    assert lacking({"a": [1]}, {"a": [1, 2]}) == [".a: was [1], is [1, 2]"]


def test_there_is_something_to_read() -> None:
    assert VERSIONS


@every_version
async def test_a_client_goes_on_with_its_store(folder: Path, tmp_path: Path) -> None:
    recorded = msgspec.json.decode((folder / "conversation.json").read_bytes())
    said: list[Said] = [(event, payload) for event, payload in (one["said"] for one in recorded)]
    async with serving(tmp_path / "node", (folder / "store.sql").read_text()) as node:
        answers = await converse(node, await sign_in(node), said)
    for one, answer in zip(recorded, answers, strict=True):
        assert lacking(one["answer"], answer) == [], one["said"]


@every_version
def test_frames_between_nodes_are_read(folder: Path) -> None:
    for name, frame in msgspec.json.decode((folder / "frames.json").read_bytes()).items():
        recorded = bytes.fromhex(frame)
        message = frames.decode(recorded, b"another.")
        assert type(message) is KINDS[name]
        # The other way round: whoever knows fewer fields finds those that they know in the same places.
        then, now = (msgspec.msgpack.decode(one[1 + len(SENDER) :]) for one in (recorded, frame_of(KINDS[name])))
        assert now[: len(then)] == then, name
        assert recorded[0] == frame_of(KINDS[name])[0], "a frame of another version is not looked at"


@every_version
def test_entries_in_mongodb_are_read(folder: Path) -> None:
    for one in msgspec.json.decode((folder / "documents.json").read_bytes()):
        assert entry_of(one["document"]) == msgspec.convert(one["entry"], Entry)
