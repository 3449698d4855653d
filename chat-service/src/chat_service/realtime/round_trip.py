"""A round trip: a client's way to a running service and back, over Socket.IO as clients use it."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import socketio  # type: ignore[import-untyped]

from chat_service.realtime.dialects import V1_NAMESPACE

_UNKNOWN_ROOM = "c" + "a" * 21


class RoundTripError(Exception):
    """The service did not answer as it should; the message says to what."""


async def refused(url: str, *, within_s: float) -> str:
    """Come with a token that is none and return the code of the refusal. Raises RoundTripError."""
    refusal = ""

    def note(problem: object) -> None:
        nonlocal refusal
        data = problem.get("data") if isinstance(problem, dict) else None
        refusal = str(data.get("code")) if isinstance(data, dict) else repr(problem)

    client = _client()
    client.on("connect_error", note, namespace=V1_NAMESPACE)
    try:
        await _connect(client, url, "none", within_s)
    except RoundTripError:
        if refusal != "unauthenticated":
            raise
        return refusal
    finally:
        await client.disconnect()
    raise RoundTripError("a token that is none was taken")


async def answered(url: str, token: str, *, within_s: float) -> str:
    """Connect, ask for a room that does not exist, and return the code of the answer. Raises RoundTripError."""
    client = _client()
    try:
        await _connect(client, url, token, within_s)
        answer = await _ask(client, "room:open", {"room": _UNKNOWN_ROOM}, within_s)
    finally:
        await client.disconnect()
    code = (answer.get("error") or {}).get("code")
    if code != "not_found":
        raise RoundTripError(f"opening a room that does not exist was answered {answer}")
    return str(code)


async def delivered(url: str, token: str, room: str, *, within_s: float) -> int:
    """Write into a room and return the message's seq when it has come back live. Raises RoundTripError."""
    key = secrets.token_hex(16)
    arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    written: set[int] = set()
    seen: set[int] = set()

    def entry(received: dict[str, Any]) -> None:
        seen.add(received["seq"])
        if written & seen and not arrived.done():
            arrived.set_result(None)

    client = _client()
    client.on("entry", entry, namespace=V1_NAMESPACE)
    try:
        await _connect(client, url, token, within_s)
        opened = await _succeed(client, "room:open", {"room": room}, within_s)
        while opened["more"]:
            after = {"after": opened["entries"][-1]["seq"], "after_id": opened["entries"][-1]["id"]}
            opened = await _succeed(
                client, "room:open", {"room": room, "epoch": opened["epoch"], **after}, within_s
            )
        sent = await _succeed(
            client, "message:send", {"room": room, "key": key, "body": {"text": "check"}}, within_s
        )
        written.add(sent["seq"])
        if not written & seen:
            async with asyncio.timeout(within_s):
                await arrived
    except TimeoutError:
        raise RoundTripError("a message was stored, and did not come back live") from None
    finally:
        await client.disconnect()
    return int(sent["seq"])


def _client() -> socketio.AsyncClient:
    return socketio.AsyncClient(reconnection=False, handle_sigint=False)


async def _connect(client: socketio.AsyncClient, url: str, token: str, within_s: float) -> None:
    try:
        await client.connect(
            url,
            auth={"token": token},
            namespaces=[V1_NAMESPACE],
            transports=["websocket"],
            wait_timeout=within_s,
        )
    except socketio.exceptions.ConnectionError as problem:
        raise RoundTripError(f"no connection to {V1_NAMESPACE}: {problem}") from problem


async def _ask(client: socketio.AsyncClient, event: str, data: object, within_s: float) -> dict[str, Any]:
    try:
        answer = await client.call(event, data, namespace=V1_NAMESPACE, timeout=within_s)
    except (socketio.exceptions.SocketIOError, TimeoutError) as problem:
        raise RoundTripError(f"no answer to {event}") from problem
    if not isinstance(answer, dict):
        raise RoundTripError(f"{event} was answered {answer!r}")
    return answer


async def _succeed(client: socketio.AsyncClient, event: str, data: object, within_s: float) -> dict[str, Any]:
    answer = await _ask(client, event, data, within_s)
    if answer.get("ok") is not True:
        raise RoundTripError(f"{event} was answered {answer}")
    return answer
