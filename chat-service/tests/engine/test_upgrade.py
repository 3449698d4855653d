"""From polling to WebSocket: each step, each way to fail, and no packet lost, doubled or moved."""

from __future__ import annotations

import asyncio

import pytest
from engine_clients import Http, WebSocketClient, until
from engine_service import QUICK, Running, echoing

from chat_service.engine import Frames, Limits, Reason, State, message_frames


async def test_the_whole_way(http: Http) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        async with http.websocket(running.url, sid) as socket:
            assert running.session.state is State.PROBING
            await socket.send("2probe")
            assert await socket.receive() == "3probe"
            assert running.session.state is State.UPGRADING
            assert await http.packets(running.url, sid) == ["6"]
            await socket.send("5", "4hello")
            assert await socket.receive() == "4hello"
            assert (running.session.state, running.session.transport) == (State.WEBSOCKET, "websocket")
            assert (await http.poll(running.url, sid))[0] == 400
            assert (await http.post(running.url, sid, "4x"))[0] == 400
            await socket.send("4again")
            assert await socket.receive() == "4again"
            assert running.engine.counts.upgraded == 1


async def test_waiting_poll_is_let_go_by_the_probe(http: Http) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        poll = asyncio.create_task(http.packets(running.url, sid))
        async with http.websocket(running.url, sid) as socket:
            await asyncio.sleep(0.05)
            assert not poll.done()
            await socket.send("2probe")
            assert await poll == ["6"]


async def test_poll_that_comes_with_the_last_packet_is_refused(http: Http) -> None:
    async with echoing() as running:
        for _ in range(10):
            sid = await http.open(running.url)
            async with http.websocket(running.url, sid) as socket:
                await socket.send("2probe", "5")
                assert (await http.poll(running.url, sid))[0] == 400


async def test_what_no_poll_took_comes_first_on_the_websocket(http: Http) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        async with http.websocket(running.url, sid) as socket:
            session = running.session
            session.write(Frames((b"4one", b"4two")))
            await socket.send("2probe")
            assert await socket.receive() == "3probe"
            session.write(message_frames(b"\x03"))
            await socket.send("5", "4four")
            assert [await socket.receive() for _ in range(4)] == ["4one", "4two", b"\x03", "4four"]
            assert session.queued_bytes == 0


@pytest.mark.parametrize("stage", [[], ["2probe"], ["2probe", "5"]])
async def test_second_websocket_is_closed_and_the_first_goes_on(http: Http, stage: list[str]) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        async with http.websocket(running.url, sid) as first:
            await first.send(*stage)
            await asyncio.sleep(0.02)
            async with http.websocket(running.url, sid) as second:
                assert await second.closed() == 1008
            rest = ["2probe", "5"][len(stage) :]
            await first.send(*rest, "4hello")
            assert await first.receive() == "3probe"
            assert await first.receive() == "4hello"


@pytest.mark.parametrize("packet", ["5", "4hello", "2", "", b"2probe"])
async def test_wrong_packets_end_the_attempt_and_not_the_session(http: Http, packet: str | bytes) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        async with http.websocket(running.url, sid) as socket:
            await socket.send(packet, "2probe", "5")
            assert await socket.closed() == 1002
        await still_polls(http, running, sid)


async def test_websocket_that_goes_away_leaves_the_session_polling(http: Http) -> None:
    async with echoing() as running:
        sid = await http.open(running.url)
        async with http.websocket(running.url, sid) as socket:
            await socket.send("2probe")
            assert await socket.receive() == "3probe"
        await until(lambda: running.session.state is State.POLLING)
        await still_polls(http, running, sid)
        async with http.websocket(running.url, sid) as socket:
            await socket.send("2probe", "5", "4hello")
            assert await socket.receive() == "3probe"
            assert await socket.receive() == "4hello"


async def test_upgrade_that_is_not_completed_is_given_up(http: Http) -> None:
    async with echoing(Limits(upgrade_timeout=0.1, close_timeout=0.2)) as running:
        sid = await http.open(running.url)
        async with http.websocket(running.url, sid) as socket:
            await socket.send("2probe")
            assert await socket.receive() == "3probe"
            assert await socket.closed() == 1008
        await still_polls(http, running, sid)


async def test_session_that_ends_takes_the_attempt_along(http: Http) -> None:
    async with echoing(QUICK) as running:
        sid = await http.open(running.url)
        async with http.websocket(running.url, sid) as socket:
            await socket.send("2probe")
            assert await socket.receive() == "3probe"
            assert (await http.post(running.url, sid, "1"))[0] == 200
            assert await socket.closed() == 1001
        assert running.ended == [(sid, Reason.TRANSPORT_CLOSE)]


async def test_websocket_for_an_unknown_session_is_refused(http: Http) -> None:
    async with echoing() as running:
        with pytest.raises(Exception, match="400"):
            async with http.websocket(running.url, "nobody"):
                pass


async def still_polls(http: Http, running: Running, sid: str) -> None:
    await until(lambda: running.session.state is State.POLLING)
    await http.post(running.url, sid, "4still here")
    assert await http.packets(running.url, sid) == ["4still here"]


@pytest.mark.parametrize("run", range(3))
async def test_order_across_the_upgrade_under_load(http: Http, run: int) -> None:
    """A client as the official one: it polls until its probe is answered, and posts all the while."""
    async with echoing() as running:
        sid = await http.open(running.url)
        session = running.session
        sent = 0
        writing = True

        async def write() -> None:
            nonlocal sent
            while writing:
                for _ in range(run * 7 + 1):
                    session.write(message_frames(f"s{sent}"))
                    sent += 1
                await asyncio.sleep(0)

        received: list[str] = []
        writer = asyncio.create_task(write())
        async with http.websocket(running.url, sid) as socket:
            client = _UpgradingClient(http, running, sid, socket, received)
            await client.run()
            writing = False
            await writer
            await socket.send("4end")
            while received[-1:] != ["4end"]:
                received.append(await socket.receive())
        from_server = [packet for packet in received if packet.startswith("4s")]
        echoed = [packet for packet in received if packet.startswith("4c")]
        assert from_server == [f"4s{number}" for number in range(sent)]
        assert echoed == [f"4c{number}" for number in range(client.posted)]
        assert client.posted > 5


class _UpgradingClient:
    def __init__(
        self, http: Http, running: Running, sid: str, socket: WebSocketClient, received: list[str]
    ) -> None:
        self.http, self.running, self.sid, self.socket = http, running, sid, socket
        self.received = received
        self.posted = 0
        self._probed = False

    async def run(self) -> None:
        polling = asyncio.create_task(self._poll())
        posting = asyncio.create_task(self._post())
        await asyncio.sleep(0.05)
        await self.socket.send("2probe")
        assert await self.socket.receive() == "3probe"
        self._probed = True
        await polling
        await posting
        await self.socket.send("5")
        for _ in range(20):
            await self.socket.send(f"4c{self.posted}")
            self.posted += 1

    async def _poll(self) -> None:
        while not self._probed:
            self.received += await self.http.packets(self.running.url, self.sid)

    async def _post(self) -> None:
        while not self._probed:
            body = "\x1e".join(f"4c{self.posted + number}" for number in range(3))
            assert await self.http.post(self.running.url, self.sid, body) == (200, "ok")
            self.posted += 3
            await asyncio.sleep(0.001)
