"""Opening a session: what is answered, what is refused, to whom, and in which words."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from engine_clients import Http
from engine_service import QUICK, echoing

from chat_service.engine import Reason, Refusal


async def test_polling_opens(http: Http) -> None:
    async with echoing(QUICK) as running:
        status, body = await http.get(running.url, EIO="4", transport="polling")
        opened = json.loads(body[1:])
        assert (status, body[0]) == (200, "0")
        assert opened == {
            "sid": running.session.id,
            "upgrades": ["websocket"],
            "pingInterval": 300,
            "pingTimeout": 200,
            "maxPayload": 1_000_000,
        }


async def test_websocket_opens_without_upgrades(http: Http) -> None:
    async with echoing(QUICK) as running, http.websocket(running.url) as socket:
        packet = await socket.receive()
        assert packet[0] == "0"
        assert json.loads(packet[1:])["upgrades"] == []
        assert running.session.transport == "websocket"


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ({"transport": "polling"}, 5, "Unsupported protocol version"),
        ({"EIO": "3", "transport": "polling"}, 5, "Unsupported protocol version"),
        ({"EIO": "4"}, 0, "Transport unknown"),
        ({"EIO": "4", "transport": "carrier-pigeon"}, 0, "Transport unknown"),
        ({"EIO": "4", "transport": "polling", "sid": "nobody"}, 1, "Session ID unknown"),
        ({"EIO": "4", "transport": "polling", "j": "0"}, 3, "Bad request"),
        ({"EIO": "4", "transport": "websocket"}, 3, "Bad request"),
    ],
)
async def test_wrong_requests(http: Http, query: dict[str, str], code: int, message: str) -> None:
    async with echoing() as running:
        status, body = await http.get(running.url, **query)
        assert (status, json.loads(body)) == (400, {"code": code, "message": message})
        assert not running.engine.sessions


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_wrong_methods(http: Http, method: str) -> None:
    async with echoing() as running:
        query = {"EIO": "4", "transport": "polling"}
        async with http.session.request(method, running.url, params=query) as response:
            assert response.status == 400
            assert await response.json() == {"code": 2, "message": "Bad handshake method"}
        query["sid"] = await http.open(running.url)
        if method != "POST":
            async with http.session.request(method, running.url, params=query) as response:
                assert (response.status, (await response.json())["code"]) == (400, 3)


@pytest.mark.parametrize(
    "changed",
    [
        {"Sec-WebSocket-Version": "12"},
        {"Sec-WebSocket-Key": "c2hvcnQ="},
        {"Sec-WebSocket-Key": "not base64!"},
        {"Connection": "keep-alive"},
    ],
)
async def test_wrong_websocket_handshakes(http: Http, changed: dict[str, str]) -> None:
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
    }
    async with echoing() as running:
        query = {"EIO": "4", "transport": "websocket"}
        async with http.session.get(running.url, params=query, headers=headers | changed) as response:
            assert response.status == 400
        assert not running.engine.sessions


@pytest.mark.parametrize(
    ("allowed", "origin", "status", "answer"),
    [
        ("*", "https://other.example", 200, "*"),
        (["https://chat.example"], "https://chat.example", 200, "https://chat.example"),
        (["https://chat.example"], "https://other.example", 403, None),
        ([], "https://other.example", 403, None),
        ([], "null", 403, None),
    ],
)
async def test_origins(http: Http, allowed: list[str], origin: str, status: int, answer: str | None) -> None:
    async with echoing(origins=allowed) as running:
        query = {"EIO": "4", "transport": "polling"}
        async with http.session.get(running.url, params=query, headers={"Origin": origin}) as response:
            assert response.status == status
            assert response.headers.get("Access-Control-Allow-Origin") == answer
            if answer == origin:
                assert response.headers["Access-Control-Allow-Credentials"] == "true"
                assert response.headers["Vary"] == "Origin"


async def test_own_origin_is_allowed(http: Http) -> None:
    async with echoing() as running:
        query = {"EIO": "4", "transport": "polling"}
        origin = f"https://127.0.0.1:{running.port}"
        async with http.session.get(running.url, params=query, headers={"Origin": origin}) as response:
            assert response.status == 200


async def test_errors_carry_cors_headers_and_preflights_are_answered(http: Http) -> None:
    async with echoing(origins="*") as running:
        headers = {"Origin": "https://other.example", "Access-Control-Request-Headers": "x-token"}
        async with http.session.get(running.url, headers=headers) as response:
            assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (400, "*")
        async with http.session.options(running.url, headers=headers) as response:
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Methods"] == "GET, POST"
            assert response.headers["Access-Control-Allow-Headers"] == "x-token"


async def test_admission_is_asked_for_new_sessions_only(http: Http) -> None:
    asked: list[str] = []

    def admit(request: web.Request) -> Refusal | None:
        asked.append(request.query["transport"])
        return None if len(asked) == 1 else Refusal(429, 3, "Too many connections", retry_after=1.5)

    async with echoing(admit=admit, client_address=lambda _: "192.0.2.7") as running:
        sid = await http.open(running.url)
        assert running.engine.sessions_from("192.0.2.7") == 1
        assert (await http.post(running.url, sid, "4hello"))[0] == 200
        async with http.session.get(running.url, params={"EIO": "4", "transport": "polling"}) as response:
            assert (response.status, response.headers["Retry-After"]) == (429, "2")
            assert await response.json() == {"code": 3, "message": "Too many connections"}
        with pytest.raises(Exception, match="429"):
            async with http.websocket(running.url):
                pass
        assert running.engine.counts.refused == {429: 2}
        assert (running.session.client.address, running.session.client.query["EIO"]) == ("192.0.2.7", "4")
    assert running.engine.sessions_from("192.0.2.7") == 0


async def test_session_that_is_never_established_is_closed(http: Http) -> None:
    limits = type(QUICK)(connect_timeout=0.2, close_timeout=0.2)
    async with echoing(limits) as running:
        async with http.websocket(running.url) as late, http.websocket(running.url) as early:
            (first, second) = running.engine.sessions.values()
            second.established()
            assert await late.closed() == 1008
            await asyncio.sleep(0.05)
            await early.receive()
            await early.send("4still here")
            assert await early.receive() == "4still here"
        assert running.ended[0] == (first.id, Reason.CONNECT_TIMEOUT)
