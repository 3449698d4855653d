"""The WebSocket transport: messages both ways, RFC 6455 kept strictly, closes in both directions."""

from __future__ import annotations

import asyncio

import pytest
from engine_clients import Http, frame, raw_websocket, read_frame, read_to_close, until
from engine_service import QUICK, echoing

from chat_service.engine import Frames, Limits, Reason


async def test_messages_come_back_in_order(http: Http) -> None:
    async with echoing() as running, http.websocket(running.url) as socket:
        await socket.receive()
        packets: list[str | bytes] = [
            "4hello",
            b"\x01\x02\x03\x04",
            "4\u20ac \U0001f600",
            "4",
            b"",
            "4" + "x" * 70_000,
        ]
        await socket.send(*packets)
        assert [await socket.receive() for _ in packets] == packets


async def test_pings_and_pongs(http: Http) -> None:
    async with echoing(QUICK) as running, http.websocket(running.url) as socket:
        await socket.receive()
        for _ in range(3):
            assert await socket.receive() == "2"
            await socket.send("3")


async def test_ping_timeout_closes(http: Http) -> None:
    async with echoing(QUICK) as running, http.websocket(running.url) as socket:
        assert await socket.closed() == 1001
        await until(lambda: not running.engine.sessions)
        assert [reason for _, reason in running.ended] == [Reason.PING_TIMEOUT]


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        ("abc", Reason.PARSE_ERROR),
        ("", Reason.PARSE_ERROR),
        ("0{}", Reason.PARSE_ERROR),
        ("2", Reason.TRANSPORT_ERROR),
        ("2probe", Reason.TRANSPORT_ERROR),
    ],
)
async def test_invalid_packets_close(http: Http, packet: str, reason: Reason) -> None:
    async with echoing() as running, http.websocket(running.url) as socket:
        await socket.send(packet, "4never")
        assert await socket.closed() == 1002
        assert [reason for _, reason in running.ended] == [reason]
        assert running.messages == []


async def test_late_upgrade_and_noop_packets_are_ignored(http: Http) -> None:
    async with echoing() as running, http.websocket(running.url) as socket:
        await socket.receive()
        await socket.send("5", "6", "3", "4hello")
        assert await socket.receive() == "4hello"


@pytest.mark.parametrize("last", [["1"], []])
async def test_close_by_the_client(http: Http, last: list[str]) -> None:
    async with echoing() as running:
        async with http.websocket(running.url) as socket:
            await socket.send("4hello", *last)
            if last:
                assert await socket.closed() == 1000
        await until(lambda: not running.engine.sessions)
        assert [reason for _, reason in running.ended] == [Reason.TRANSPORT_CLOSE]
        assert running.messages == ["hello"]


async def test_close_by_the_server_follows_what_is_queued(http: Http) -> None:
    async with echoing() as running, http.websocket(running.url) as socket:
        await socket.receive()
        session = running.session
        session.write(Frames((b"4bye",)))
        session.close(Reason.SERVER_SHUTDOWN)
        session.close(Reason.SERVER_ERROR)
        session.write(Frames((b"4never",)))
        assert await socket.receive() == "4bye"
        assert await socket.closed() == 1001
        assert running.ended == [(session.id, Reason.SERVER_SHUTDOWN)]


async def test_close_code_can_be_given(http: Http) -> None:
    async with echoing() as running, http.websocket(running.url) as socket:
        running.session.close(Reason.SERVER_SHUTDOWN, 1012)
        assert await socket.closed() == 1012


async def test_client_that_does_not_answer_the_close_is_cut() -> None:
    async with echoing(QUICK) as running, raw_websocket(running.port, running.path) as (reader, _):
        running.session.close()
        assert running.engine.sessions
        await until(lambda: not running.engine.sessions, 1)
        assert await read_to_close(reader) == 1000


async def test_client_that_vanishes_ends_its_session() -> None:
    async with echoing() as running:
        async with raw_websocket(running.port, running.path) as (_, writer):
            writer.transport.abort()
            await until(lambda: not running.engine.sessions)
        async with raw_websocket(running.port, running.path) as (_, writer):
            writer.write_eof()
            await until(lambda: not running.engine.sessions)
        assert [reason for _, reason in running.ended] == [Reason.TRANSPORT_CLOSE] * 2


async def test_fragments_and_control_frames_between_them() -> None:
    async with echoing() as running, raw_websocket(running.port, running.path) as (reader, writer):
        await read_frame(reader)
        writer.write(frame(1, b"4he", final=False) + frame(9, b"are you there") + frame(0, b"l", final=False))
        writer.write(frame(0, b"", final=False) + frame(0, b"lo") + frame(10, b"unasked"))
        assert await read_frame(reader) == (10, b"are you there")
        assert await read_frame(reader) == (1, b"4hello")


async def test_bytes_that_arrive_one_by_one() -> None:
    async with echoing() as running, raw_websocket(running.port, running.path) as (reader, writer):
        await read_frame(reader)
        for byte in frame(1, b"4" + b"x" * 200) + frame(2, b"\x00"):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert await read_frame(reader) == (1, b"4" + b"x" * 200)
        assert await read_frame(reader) == (2, b"\x00")


async def test_frames_in_one_segment_with_the_handshake(http: Http) -> None:
    async with echoing() as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(
            f"GET {running.url}?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
            + frame(1, b"4early")
        )
        await reader.readuntil(b"\r\n\r\n")
        assert (await read_frame(reader))[1].startswith(b"0{")
        assert await read_frame(reader) == (1, b"4early")
        writer.transport.abort()


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (bytes([0x81, 0x02]) + b"4x", 1002),  # not masked
        (bytes([0xC1]) + frame(1, b"4x")[1:], 1002),  # a reserved bit
        (frame(3, b""), 1002),  # an unknown data opcode
        (frame(11, b""), 1002),  # an unknown control opcode
        (frame(9, b"", final=False), 1002),  # a control frame in fragments
        (frame(9, b"x" * 126), 1002),  # a control frame too long
        (frame(0, b"4x"), 1002),  # a continuation of nothing
        (frame(1, b"4", final=False) + frame(1, b"x"), 1002),  # a message within a message
        (frame(1, b"4\xff"), 1007),  # not UTF-8
        (frame(1, b"4\xed\xa0\x80"), 1007),  # half a surrogate pair
        (frame(1, b"4" + b"x" * 2000), 1009),  # too long
        (frame(2, b"x" * 800, final=False) + frame(0, b"x" * 800), 1009),  # too long in fragments
        (bytes([0x81, 0xFF]) + (2**63).to_bytes(8) + b"mask", 1009),  # a length beyond all bounds
        (frame(8, b"\x03"), 1002),  # half a close code
        (frame(8, (1005).to_bytes(2)), 1002),  # a close code that is never sent
        (frame(8, (1000).to_bytes(2) + b"\xff"), 1007),  # a close reason that is not UTF-8
        (frame(8, (1000).to_bytes(2) + b"fine"), 1000),
        (frame(8, b""), 1005),
    ],
)
async def test_close_codes(sent: bytes, code: int) -> None:
    async with echoing(Limits(max_payload=1000)) as running:
        async with raw_websocket(running.port, running.path) as (reader, writer):
            writer.write(sent + frame(1, b"4never"))
            assert await read_to_close(reader) == code
        await until(lambda: not running.engine.sessions)
        assert running.messages == []


async def test_one_busy_client_leaves_the_loop_to_others(http: Http) -> None:
    async with echoing(echo=False) as running, raw_websocket(running.port, running.path) as (_, writer):
        sid = await http.open(running.url)
        writer.write(frame(1, b"4x") * 20_000)
        seen = []
        for _ in range(5):
            await http.post(running.url, sid, "4other")
            seen.append(len(running.messages))
        await until(lambda: len(running.messages) == 20_005)
        assert seen[0] < 20_000


async def test_frames_are_made_once_for_all(http: Http) -> None:
    frames = Frames((b"4one", b"4two"))
    async with echoing() as running, http.websocket(running.url) as first, http.websocket(running.url) as second:
        await first.receive()
        await second.receive()
        sid = await http.open(running.url)
        for session in running.engine.sessions.values():
            session.write(frames)
        assert [await first.receive(), await first.receive()] == ["4one", "4two"]
        assert [await second.receive(), await second.receive()] == ["4one", "4two"]
        assert await http.packets(running.url, sid) == ["4one", "4two"]
        assert frames.wire is frames.wire
        assert frames.payload is frames.payload
