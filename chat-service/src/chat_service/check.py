"""`chat-service check`: comes to a running service as people do, and says what of it works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp

from chat_service.realtime.round_trip import RoundTripError, answered, delivered, refused

ROOM = "Check"
"""Name of the channel that an account's round trips go through; it is made once."""


class CheckError(Exception):
    """Something does not work; the message says what."""


async def check(url: str, *, account: Path | None, expected_version: str | None, timeout_s: float) -> None:
    """Ask for health, version and a Socket.IO round trip, and print what came of each. Raises CheckError."""
    limit = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with aiohttp.ClientSession(url.rstrip("/") + "/", timeout=limit) as http:
            print(f"health: {(await _answer(http, 'GET', 'readyz'))['status']}")
            about = await _answer(http, "GET", "api/v1/about")
            print(f"version: {about['version']}")
            if expected_version not in (None, about["version"]):
                raise CheckError(f"the version is {about['version']}, and not {expected_version}")
            came = await _round_trip(http, url, account, guests=about["guests"], within_s=timeout_s)
            print(f"round trip: {came}")
    except RoundTripError as problem:
        raise CheckError(str(problem)) from problem
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as problem:
        raise CheckError(f"no answer from {url}: {problem!r}") from problem


async def _round_trip(
    http: aiohttp.ClientSession, url: str, account: Path | None, *, guests: bool, within_s: float
) -> str:
    """As far as whoever checks may go: write a message, else be answered, else be refused by name."""
    if account is not None:
        token = await _enter(http, "sign-in", _account(account))
        seq = await delivered(url, token, await _room(http, token), within_s=within_s)
        return f"message {seq} was written and came back"
    if guests:
        token = await _enter(http, "guest", {"name": "Check"})
        return f"a guest was answered ({await answered(url, token, within_s=within_s)})"
    return f"a stranger was refused ({await refused(url, within_s=within_s)})"


async def _enter(http: aiohttp.ClientSession, how: str, who: dict[str, str]) -> str:
    return str((await _answer(http, "POST", f"api/v1/auth/{how}", json=who))["access_token"])


async def _room(http: aiohttp.ClientSession, token: str) -> str:
    mine = {"Authorization": f"Bearer {token}"}
    for room in (await _answer(http, "GET", "api/v1/rooms", headers=mine))["rooms"]:
        if room["name"] == ROOM:
            return str(room["room"])
    asked = {"name": ROOM, "visibility": "private"}
    return str((await _answer(http, "POST", "api/v1/rooms", json=asked, headers=mine))["room"])


async def _answer(http: aiohttp.ClientSession, method: str, path: str, **sent: Any) -> dict[str, Any]:
    async with http.request(method, path, **sent) as answer:
        if not answer.ok:
            said = (await answer.content.read(2000)).decode(errors="replace")
            raise CheckError(f"{method} /{path} was answered {answer.status}: {said}")
        try:
            body = await answer.json()
        except ValueError as problem:
            raise CheckError(f"{method} /{path} was answered with something that is no JSON") from problem
    if not isinstance(body, dict):
        raise CheckError(f"{method} /{path} was answered with something that is no object")
    return body


def _account(folder: Path) -> dict[str, str]:
    try:
        return {name: (folder / name).read_text(encoding="utf-8").strip() for name in ("username", "password")}
    except (OSError, ValueError) as problem:
        raise CheckError(f"the account cannot be read: {problem}") from problem
