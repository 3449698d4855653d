"""People and rooms over REST: what a test sets up before its clients connect, and what it reads at the end."""

from __future__ import annotations

import asyncio
import secrets
import time
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

PASSWORD = "correct horse battery staple"
_PAGE = 200
PATIENCE_S = 60.0
"""How long a read is repeated that is refused for now."""


class LogEntry(msgspec.Struct, frozen=True, gc=False):
    """One entry of a room's log as a full read shows it."""

    seq: int
    id: str
    kind: str
    sender: str
    key: str = ""
    body: dict[str, Any] = {}


class _EntriesPage(msgspec.Struct):
    entries: list[LogEntry]
    last_seq: int
    last_id: str
    epoch: str
    more: bool


_decode_page = msgspec.json.Decoder(_EntriesPage).decode


class RestRefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Person:
    """Somebody signed in at a service, over a connection of their own. `url` may change between processes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.user = ""
        self.username = ""
        self.access_token = ""
        self._refresh_token = ""
        self._http = aiohttp.ClientSession(json_serialize=lambda value: msgspec.json.encode(value).decode())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connection; they stay signed in."""
        await self._http.close()

    # -- signing in and out ---------------------------------------------------------------------------

    async def register(self) -> Self:
        """Make an account with a name that nobody has."""
        self.username = f"p{secrets.token_hex(6)}"
        account = {"username": self.username, "password": PASSWORD}
        self._signed_in(await self.ask("POST", "/auth/register", account))
        return self

    async def refresh(self) -> str:
        """Exchange the refresh token; return the new access token."""
        self._signed_in(await self.ask("POST", "/auth/refresh", {"refresh_token": self._refresh_token}))
        return self.access_token

    async def sign_out(self) -> None:
        """End the session."""
        await self.ask("POST", "/auth/sign-out")

    def _signed_in(self, answer: dict[str, Any]) -> None:
        self.user = answer["user"]["id"]
        self.access_token = answer["access_token"]
        self._refresh_token = answer["refresh_token"]

    # -- rooms ----------------------------------------------------------------------------------------

    async def make_room(self, *members: Person) -> str:
        """Make a private channel, let `members` in, and return its id."""
        room = str((await self.ask("POST", "/rooms", {"name": f"room {secrets.token_hex(4)}"}))["room"])
        for member in members:
            await self.ask("POST", f"/rooms/{room}/members", {"user": member.user})
        return room

    async def say(self, room: str, text: str) -> dict[str, Any]:
        """Write a message; return its receipt."""
        answer: dict[str, Any] = await self.ask("POST", f"/rooms/{room}/messages", {"body": {"text": text}})
        return answer

    async def read_log(self, room: str) -> list[LogEntry]:
        """The whole log of a room, page by page."""
        entries: list[LogEntry] = []
        while True:
            after = entries[-1].seq if entries else 0
            page = _decode_page(await self._read(f"/rooms/{room}/entries?after={after}&limit={_PAGE}"))
            entries += page.entries
            if not page.more:
                assert (page.last_seq, page.last_id) == (entries[-1].seq, entries[-1].id)
                return entries

    async def _read(self, path: str) -> bytes:
        """Read, again where a store is too slow to answer in time: FerretDB scans, and machines are busy."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await self.ask_raw("GET", path)
            except RestRefusedError as refused:
                if refused.status != 503 or time.monotonic() > until:
                    raise
            await asyncio.sleep(1)

    # -- requests -------------------------------------------------------------------------------------

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request; return the decoded answer. RestRefusedError where it is no success."""
        raw = await self.ask_raw(method, path, body)
        return msgspec.json.decode(raw) if raw else None

    async def ask_raw(self, method: str, path: str, body: object = None) -> bytes:
        """`ask`, without decoding the answer."""
        headers = {"Authorization": f"Bearer {self.access_token}"} if self.access_token else {}
        async with self._http.request(method, f"{self.url}/api/v1{path}", json=body, headers=headers) as answer:
            raw = await answer.read()
            if answer.status >= 400:
                raise RestRefusedError(answer.status, raw.decode(errors="replace"))
            return raw
