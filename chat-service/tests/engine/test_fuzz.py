"""Any input whatever: refused or understood, never a fault, and never another client's trouble."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from engine_clients import Http, frame, raw_websocket, until
from engine_logs import no_complaints
from engine_service import sockets
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_service.engine import Limits
from chat_service.engine.packets import PacketError, split_payload
from chat_service.realtime import codec
from chat_service.realtime.packets import BINARY_EVENT, CONNECT, EVENT, RESERVED_EVENTS, ClientPacket

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)

# What packets are made of, so that mutations get past the first character.
_PARTS = st.sampled_from(
    [
        *"0123456-/,?[]{}b\x1e²",
        "4",
        "42",
        "40",
        "45",
        "1-",
        "2-",
        "/chat",
        '"',
        '"x"',
        "[[",
        "AQ==",
        "\\ud800",
        "\\u",
        "null",
        "1e999",
        "NaN",
        '"_placeholder":true',
        '"num":0',
    ]
)
packet_texts = st.lists(_PARTS | st.text(max_size=3), max_size=14).map("".join)


@given(st.binary() | packet_texts.map(lambda text: text.encode("utf-8", "replace")))
def test_any_payload_is_split_or_refused(body: bytes) -> None:
    try:
        packets = split_payload(body, max_packets=20)
    except PacketError:
        return
    assert 1 <= len(packets) <= 20
    assert all(isinstance(data, (str, bytes)) for _, data in packets)


@given(packet_texts | st.text())
def test_any_packet_is_understood_or_refused(text: str) -> None:
    try:
        packet = ClientPacket(encoded_packet=text) if text else None
    except (ValueError, RecursionError):
        return
    if packet is None:
        return
    assert packet.namespace.startswith("/")
    if packet.packet_type in {EVENT, BINARY_EVENT}:
        assert isinstance(packet.data[0], str)
        assert packet.data[0] not in RESERVED_EVENTS
    elif packet.packet_type == CONNECT:
        assert packet.data is None or isinstance(packet.data, dict)


@given(json_values)
def test_json_means_what_it_meant(value: Any) -> None:
    assert codec.loads(json.dumps(value)) == value
    assert json.loads(codec.dumps(value)) == value


@given(st.text(alphabet=st.characters(), max_size=20), st.integers(0xD800, 0xDFFF))
def test_half_surrogate_pairs_become_replacement_characters(text: str, half: int) -> None:
    cut = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    found = codec.loads(json.dumps([text, f"a{chr(half)} b"]))
    assert found == [cut, "a\ufffd b"]
    codec.dumps(found)


@pytest.mark.parametrize("depth", [10, 900, 1_200, 100_000])
def test_depth(depth: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        text = opening * depth + "1" + closing * depth
        try:
            value = codec.loads(text)
        except RecursionError:
            assert depth > 900
            continue
        assert value


hostile_frames = st.lists(
    st.binary(max_size=40)
    | st.builds(
        frame, st.integers(0, 15), st.binary(max_size=130), final=st.booleans(), mask=st.just(b"\x00\x01\x02\x03")
    )
    | packet_texts.map(lambda text: frame(1, ("4" + text).encode("utf-8", "replace"))),
    max_size=8,
)
hostile_bodies = st.lists(
    st.binary(max_size=60) | packet_texts.map(lambda text: text.encode("utf-8", "replace")), max_size=4
)


@settings(max_examples=40, deadline=None)
@given(hostile_frames, hostile_bodies, st.booleans())
async def test_hostile_clients_touch_no_other(frames: list[bytes], bodies: list[bytes], connect: bool) -> None:
    limits = Limits(max_payload=2_000, close_timeout=0.1)
    with no_complaints():
        async with sockets(limits) as running, aiohttp.ClientSession() as session:
            http = Http(session)
            async with http.websocket(running.url) as good:
                await good.receive()
                await good.connect()
                await good.receive()
                await _hostile_websocket(running.port, frames, connect)
                await _hostile_polling(http, running.url, bodies, connect)
                await good.send('421["echo","fine"]')
                assert await good.receive() == '431["fine"]'
                answered = [args for name, args in running.main.received if name == "echo"]
                assert ["fine"] in answered
            await until(lambda: all(s.transport == "polling" for s in running.server.engine.sessions.values()))


async def _hostile_websocket(port: int, frames: list[bytes], connect: bool) -> None:
    async with raw_websocket(port, "socket.io") as (_, writer):
        if connect:
            writer.write(frame(1, b"40"))
        for data in frames:
            if writer.is_closing():
                return
            writer.write(data)
            await asyncio.sleep(0)


async def _hostile_polling(http: Http, url: str, bodies: list[bytes], connect: bool) -> None:
    sid = await http.open(url)
    if connect:
        await http.post(url, sid, "40")
    for body in bodies:
        status, _ = await http.post(url, sid, body)
        assert status in {200, 400, 413}


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["EIO", "transport", "sid", "j", "t", "b64"]),
        st.sampled_from(["4", "3", "polling", "websocket", "", "x", "\u00e9"]) | st.text(max_size=5),
    ),
    st.sampled_from(["GET", "POST", "PUT", "OPTIONS", "HEAD"]),
    st.booleans(),
)
async def test_hostile_requests(query: dict[str, str], method: str, upgrade: bool) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"} if upgrade else {}
    with no_complaints():
        async with sockets(Limits(close_timeout=0.05)) as running, aiohttp.ClientSession() as session:
            query = {key: value.encode("utf-8", "replace").decode() for key, value in query.items()}
            async with session.request(method, running.url, params=query, headers=headers) as response:
                assert response.status in {200, 204, 400}
                await response.read()
