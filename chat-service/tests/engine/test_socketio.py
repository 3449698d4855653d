"""Socket.IO v5 over both transports: connecting, events, refusals, and what ends a session."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from engine_clients import Http, WebSocketClient, until
from engine_logs import no_complaints
from engine_service import RunningSockets, sockets

from chat_service.engine import Limits, Reason
from chat_service.realtime.connection import Connection
from chat_service.realtime.packets import event_frames
from chat_service.realtime.peer import SocketLimits


async def start(socket: WebSocketClient, namespace: str = "/") -> None:
    """Connect to a namespace and take the welcome."""
    if namespace == "/":
        await socket.receive()
    await socket.connect(namespace)
    await socket.receive()


@pytest.mark.parametrize("namespace", ["/", "/chat"])
@pytest.mark.parametrize("wait", [0, 0.05])
async def test_connect_is_answered_before_what_admission_writes(http: Http, namespace: str, wait: float) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        await socket.receive()
        space = "" if namespace == "/" else f"{namespace},"
        sid = await socket.connect(namespace, {"wait": wait})
        assert (await socket.receive()).startswith(f'42{space}["welcome",')
        recorder = running.main if namespace == "/" else running.chat
        (connection,) = recorder.connections
        assert (connection.id, connection.namespace, connection.is_open) == (sid, namespace, True)
        assert connection.address == "127.0.0.1"
        assert connection.headers["host"] == f"127.0.0.1:{running.port}"
        assert connection.query["EIO"] == "4"
        assert list(running.server.connections(namespace)) == [connection]


async def test_connect_over_polling(http: Http) -> None:
    async with sockets() as running:
        sid = await http.open(running.url)
        await http.post(running.url, sid, '40{"token":"x"}')
        first, second = await http.packets(running.url, sid)
        assert first.startswith('40{"sid":"')
        assert second == '42["welcome",{"token":"x"}]'


async def test_two_namespaces_on_one_session(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        await start(socket)
        await start(socket, "/chat")
        await socket.send('42/chat,1["echo",1]', '422["echo",2]', "41/chat", '42/chat,["late"]', '423["echo",3]')
        assert [await socket.receive() for _ in range(3)] == ["43/chat,1[1]", "432[2]", "433[3]"]
        assert running.chat.gone_for == ["client disconnect"]
        assert running.main.gone_for == []
        await socket.connect("/chat")
    await until(lambda: running.main.gone_for)
    assert running.main.gone_for == ["transport close"]
    assert running.chat.gone_for == ["client disconnect", "transport close"]


async def test_unknown_namespace(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        await socket.receive()
        await socket.send("40/random,{}")
        assert await socket.receive() == '44/random,{"message":"Invalid namespace"}'
        await start(socket, "/chat")


async def test_refusal_says_why(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        await socket.receive()
        await socket.send('40/chat,{"refuse":"Not today"}')
        assert await socket.receive() == '44/chat,{"message":"Not today","data":{"code":"unauthorized"}}'
        await start(socket, "/chat")
        assert running.chat.gone_for == []


async def test_fault_in_admission_says_nothing_of_itself(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        await socket.receive()
        await socket.send('40/chat,{"fail":true}')
        assert await socket.receive() == '44/chat,{"message":"Internal error"}'


async def test_client_that_goes_during_admission_is_forgotten(http: Http) -> None:
    async with sockets() as running:
        async with http.websocket(running.url) as socket:
            await socket.send('40/chat,{"wait":5}')
            await until(lambda: running.server.manager.connections)
        await until(lambda: not running.server.engine.sessions)
        assert not running.server.manager.connections
        assert not running.server.environ
        await until(lambda: not running.server._tasks)
        assert running.chat.gone_for == []


async def test_session_without_connect_is_closed(http: Http) -> None:
    async with sockets(Limits(connect_timeout=0.2, close_timeout=0.2)) as running:
        async with http.websocket(running.url) as idle, http.websocket(running.url) as greeted:
            await start(greeted)
            assert await idle.closed() == 1008
            await asyncio.sleep(0.1)
            await greeted.send('421["echo"]')
            assert await greeted.receive() == "431[]"
        counts = running.server.engine.counts
        assert counts.ended[Reason.CONNECT_TIMEOUT] == 1


@pytest.mark.parametrize(
    "packet",
    [
        "4abc",
        "4",
        "42",
        "42{}",
        "42[]",
        '42"x"',
        "42[null]",
        "42[true]",
        "42[{}]",
        '42abc["message"]',
        '42["connect"]',
        '42["connect_error",1]',
        '42["disconnect"]',
        '42["disconnecting"]',
        '42["newListener"]',
        '42["removeListener"]',
        '42["never ends',
        '42["x",NaN]',
        '42["x",1e400]',
        '42["x",-Infinity]',
        '42["x"]trailing',
        "42" + "[" * 5_000 + "]" * 5_000,
        '42["x",' + "[" * 100_000 + "]" * 100_000 + "]",
        "42" + "1" * 200 + '["x"]',
        '42/other,["never connected"]',
        '421-["no attachments to a plain event"]',
        '4599999-["too many",{"_placeholder":true,"num":0}]',
        '4599999999999-["far too many"]',
        '451-["placeholder for nothing",{"_placeholder":true,"num":1}]',
        '451-["placeholder below nothing",{"_placeholder":true,"num":-1}]',
        '451-["placeholder of no number",{"_placeholder":true,"num":"0"}]',
        '451-["x",{"_placeholder":true,"num":0}]+text',
        "40",
        "40[1]",
        "41{}",
        "43",
        "431{}",
        '44{"message":"not for servers"}',
        "47",
        "49",
        "bAQID",
    ],
)
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_what_socketio_forbids_closes_the_session_and_no_other(
    http: Http, packet: str, transport: str
) -> None:
    packets: list[str | bytes] = [packet]
    if packet.endswith("+text"):
        packets = [packet.removesuffix("+text"), '42["x"]']
    elif packet.startswith("451-"):
        packets.append(b"\x01")
    elif packet == "bAQID":
        packets = [b"\x01\x02\x03"]
    with no_complaints():
        await _forbidden(http, packets, transport)


async def _forbidden(http: Http, packets: list[str | bytes], transport: str) -> None:
    async with sockets() as running, http.websocket(running.url) as other:
        await start(other)
        if transport == "websocket":
            async with http.websocket(running.url) as socket:
                await start(socket)
                await socket.send(*packets, '42["never"]')
                assert await socket.closed() == 1002
        else:
            sid = await http.open(running.url)
            await http.post(running.url, sid, "40")
            body = "\x1e".join("bAQ==" if isinstance(part, bytes) else part for part in packets)
            assert (await http.post(running.url, sid, body + '\x1e42["never"]'))[0] == 400
            assert (await http.poll(running.url, sid))[0] == 400
        assert running.main.gone_for == ["parse error"]
        assert running.main.received == []
        await other.send('421["echo","fine"]')
        assert await other.receive() == '431["fine"]'


async def test_events_before_connect_close_the_session(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        await socket.send('40/chat,{"wait":0.2}', '42/chat,["too early"]')
        assert await socket.closed() == 1002
        assert running.chat.received == []


async def test_odd_texts_arrive_as_unicode(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        await start(socket)
        await socket.send('421["echo","\\ud83d","a\\ud83d\\ude00b","\\\\ud800","\\udc00x\\u0000"]')
        assert await socket.receive() == '431["\ufffd","a\U0001f600b","\\\\ud800","\ufffdx\\u0000"]'
        await socket.send('422["echo",123456789012345678901234567890,1e308,-0.0,5E-324]')
        assert await socket.receive() == "432[123456789012345678901234567890,1e308,-0.0,5e-324]"
        await socket.send('423["x",1,"\\ud83d",NaN]')
        assert await socket.closed() == 1002


async def test_numbers_as_event_names(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        await start(socket)
        await socket.send("421[7,true]")
        assert await socket.receive() == "431[]"
        assert running.main.received == [("7", [True])]


async def test_attachments_both_ways(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        await start(socket, "/")
        text = '["echo",{"a":[{"_placeholder":true,"num":1}],"b":{"_placeholder":true,"num":0}},"plain"]'
        await socket.send(f"452-789{text}", b"\x01\x02", b"")
        assert running.main.received == [] or running.main.received[0][1][0]["a"] == [b""]
        answer = '462-789[{"a":[{"_placeholder":true,"num":0}],"b":{"_placeholder":true,"num":1}},"plain"]'
        assert [await socket.receive() for _ in range(3)] == [answer, b"", b"\x01\x02"]
        assert running.main.received == [("echo", [{"a": [b""], "b": b"\x01\x02"}, "plain"])]
        running.main.connections[0].emit("file", b"\x07", "name")
        assert await socket.receive() == '451-["file",{"_placeholder":true,"num":0},"name"]'
        assert await socket.receive() == b"\x07"


async def test_attachments_are_bounded(http: Http) -> None:
    async with sockets(Limits(max_payload=1000), SocketLimits(max_attachments=3)) as running:
        async with http.websocket(running.url) as socket:
            await start(socket)
            await socket.send('453-["x"]', b"x" * 900, b"y" * 101, b"z")
            assert await socket.closed() == 1002
        async with http.websocket(running.url) as socket:
            await start(socket)
            await socket.send('454-["x"]')
            assert await socket.closed() == 1002
        assert running.main.received == []


async def test_acknowledgements_from_clients_are_taken_and_dropped(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        await start(socket)
        await socket.send("437[1]", '461-8[{"_placeholder":true,"num":0}]', b"\x01", '421["echo"]')
        assert await socket.receive() == "431[]"


async def test_disconnect_by_the_server(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        await start(socket)
        await start(socket, "/chat")
        (connection,) = running.chat.connections
        connection.disconnect()
        connection.disconnect()
        connection.emit("never")
        assert await socket.receive() == "41/chat,"
        assert running.chat.gone_for == ["server disconnect"]
        await socket.send('42/chat,["sent before it knew"]', "41/chat", '421["echo"]')
        assert await socket.receive() == "431[]"
        running.main.connections[0].close(Reason.SERVER_SHUTDOWN, 1012)
        assert await socket.closed() == 1012
        assert running.main.gone_for == ["server shutdown"]


async def test_spliced_frames_are_what_encoding_gives(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        await start(socket)
        await start(socket, "/chat")
        running.chat.connections[0].write(event_frames("/chat", "entry", [b'{"seq":1}', b'{"seq":2}']))
        running.main.connections[0].write(event_frames("/", "message", b'"{}"'))
        assert [await socket.receive() for _ in range(3)] == [
            '42/chat,["entry",{"seq":1}]',
            '42/chat,["entry",{"seq":2}]',
            '42["message","{}"]',
        ]


async def test_the_librarys_own_emit_and_disconnect(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as first, http.websocket(running.url) as second:
        await start(first)
        await start(second)
        one, two = running.main.connections
        await running.server.emit("all", ("a", {"b": 1}), namespace="/")
        await running.server.emit("only", to=one.id)
        await running.server.emit("others", "x", skip_sid=one.id)
        await first.send('429["echo"]')
        assert [await first.receive() for _ in range(3)] == ['42["all","a",{"b":1}]', '42["only"]', "439[]"]
        assert [await second.receive() for _ in range(2)] == ['42["all","a",{"b":1}]', '42["others","x"]']
        assert running.server.transport(two.id) == "websocket"
        await running.server.disconnect(two.id)
        assert await second.receive() == "41"
        with pytest.raises(NotImplementedError):
            await running.server.enter_room(one.id, "room")
        with pytest.raises(NotImplementedError):
            await running.server.emit("x", to=one.id, callback=print)


async def test_drain_reaches_every_namespace(http: Http) -> None:
    limits = Limits(high_water=10_000, low_water=5_000, close_timeout=0.2)
    async with sockets(limits) as running:
        sid = await http.open(running.url)
        await http.post(running.url, sid, "40\x1e40/chat,")
        await http.packets(running.url, sid)
        (connection,) = running.main.connections
        for _ in range(15):
            connection.emit("x", "y" * 1000)
        assert connection.congested
        assert connection.queued_bytes > 10_000
        assert len(await http.packets(running.url, sid)) == 15
        poll = asyncio.create_task(http.packets(running.url, sid))
        await until(lambda: (running.main.drains, running.chat.drains) == (1, 1))
        connection.emit("next")
        assert await poll == ['42["next"]']


async def test_shutdown_answers_what_was_read_and_then_closes(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        sid = await http.open(running.url)
        await http.post(running.url, sid, "40")
        await http.packets(running.url, sid)
        await start(socket)

        async def slow(_connection: Connection, value: Any) -> object:
            await asyncio.sleep(0.1)
            return value

        running.main.answers["slow"] = slow
        await socket.send('421["slow","a"]')
        await http.post(running.url, sid, '422["slow","b"]')
        await until(lambda: len(running.main.received) == 2)
        poll = asyncio.create_task(http.packets(running.url, sid))
        shutdown = asyncio.create_task(running.server.shutdown())
        assert await socket.receive() == '431["a"]'
        assert await socket.closed() == 1001
        assert await poll == ['432["b"]']
        assert await http.packets(running.url, sid) == ["1"]
        await shutdown
        assert running.main.gone_for == ["server shutdown"] * 2
        assert (await http.get(running.url, EIO="4", transport="polling"))[0] == 503


async def test_shutdown_does_not_wait_for_ever(http: Http) -> None:
    async with sockets() as running, http.websocket(running.url) as socket:
        await start(socket)
        running.main.answers["hang"] = lambda _: asyncio.sleep(60)
        await socket.send('421["hang"]')
        await until(lambda: running.main.received)
        (session,) = running.server.engine.sessions.values()
        await running.server.finish(session, patience=0.1)
        assert await socket.closed() == 1001
        await running.server.shutdown()
        assert not running.server._tasks


def _quiet(running: RunningSockets) -> bool:
    return not running.server.engine.sessions


async def test_nothing_is_left_of_a_session(http: Http) -> None:
    async with sockets() as running:
        for _ in range(3):
            async with http.websocket(running.url) as socket:
                await start(socket)
                await start(socket, "/chat")
        await until(lambda: _quiet(running))
        server = running.server
        assert not server.manager.connections
        assert not server.environ
        assert not server._tasks
        engine = server.engine
        for deadlines in (engine.pings, engine.pongs, engine.greetings, engine.slow, engine.upgrades):
            assert deadlines.next_due() is None
        assert len(running.main.gone_for) == len(running.chat.gone_for) == 3
