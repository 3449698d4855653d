"""People and rooms over REST: made before a round, changed in it, and read whole at its end."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from chaos.clients.wire import WireEntry, WireMessage
from chaos.history import Acked, Attempt, LogEntry, Message, Operation, Refused, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PAGE = 200
ASK_S = 10.0
"""How long a request may take."""

PATIENCE_S = 60.0
"""How long one is repeated where a node or its store is not there."""


@dataclass(slots=True)
class Person:
    """Somebody signed in."""

    user: str
    token: str


class NotAnsweredError(Exception):
    """A request was refused, or not answered however often it was repeated."""


class _Page(msgspec.Struct):
    entries: list[WireEntry]
    epoch: str
    more: bool


class _History(msgspec.Struct):
    messages: list[WireMessage]
    as_of: int


_decode_page = msgspec.json.Decoder(_Page).decode
_decode_history = msgspec.json.Decoder(_History).decode


class Rest:
    """Requests to nodes. `url_of` gives a node's origin now; a request is repeated while it is not answered."""

    def __init__(self, url_of: Callable[[str], str]) -> None:
        self._url_of = url_of
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_S))

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.close()

    async def register(self, node: str) -> Person:
        """Make an account with a name that nobody has."""
        account = {"username": f"p{secrets.token_hex(6)}", "password": secrets.token_urlsafe(12)}
        answer = await self._json(node, "POST", "/auth/register", None, account)
        return Person(answer["user"]["id"], answer["access_token"])

    async def make_room(self, node: str, owner: Person, members: Sequence[Person]) -> str:
        """Make a private channel, let `members` in, and return its id."""
        name = f"room {secrets.token_hex(4)}"
        room = str((await self._json(node, "POST", "/rooms", owner, {"name": name}))["room"])
        for member in members:
            await self._json(node, "POST", f"/rooms/{room}/members", owner, {"user": member.user})
        return room

    async def change_member(self, node: str, asking: Person, operation: Operation) -> None:
        """Carry out a join or a removal, repeated with the same key until it is answered for good."""
        path = f"/rooms/{operation.room}/members"
        body = {"user": operation.person} if operation.kind.value == "join" else None
        method, path = ("POST", path) if body is not None else ("DELETE", f"{path}/{operation.person}")
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            operation.attempts.append(Attempt(f"rest {operation.key}", node, time.monotonic()))
            try:
                status, raw = await self._once(node, method, path, asking, body, operation.key)
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(0.3)
                continue
            told = msgspec.json.decode(raw)
            if status < 400:
                ack = Acked(told["seq"], told["id"], told.get("duplicate", False), node, time.monotonic())
                operation.acks.append(ack)
                return
            error = told["error"]
            refused = Refused(error["code"], error.get("retryable", False), node, time.monotonic())
            operation.refusals.append(refused)
            if not refused.retryable:
                return
            await asyncio.sleep(0.3)

    # -- the end of a round ---------------------------------------------------------------------------

    async def log(self, node: str, person: Person, room: str) -> tuple[list[LogEntry], str]:
        """The whole log of a room as a node reads it, and its epoch."""
        entries: list[LogEntry] = []
        while True:
            after = entries[-1].seq if entries else 0
            path = f"/rooms/{room}/entries?after={after}&limit={PAGE}"
            page = _decode_page(await self._raw(node, "GET", path, person))
            entries += [entry.recorded() for entry in page.entries]
            if not page.more:
                return entries, page.epoch

    async def folded(self, node: str, person: Person, room: str) -> tuple[int, tuple[Message, ...]]:
        """The newest messages of a room as the service folds them, and the seq they are as of."""
        path = f"/rooms/{room}/messages?limit={PAGE}"
        page = _decode_history(await self._raw(node, "GET", path, person))
        return page.as_of, tuple(message.recorded() for message in page.messages)

    async def standings(self, node: str, person: Person) -> list[Standing]:
        """Somebody's list of rooms."""
        listed = (await self._json(node, "GET", "/rooms", person))["rooms"]
        return [
            Standing(node, person.user, one["room"], one["last_seq"], one["read_seq"], one["unread"])
            for one in listed
        ]

    # -- requests -------------------------------------------------------------------------------------

    async def _json(self, node: str, method: str, path: str, person: Person | None, body: object = None) -> Any:
        return msgspec.json.decode(await self._raw(node, method, path, person, body))

    async def _raw(self, node: str, method: str, path: str, person: Person | None, body: object = None) -> bytes:
        end = time.monotonic() + PATIENCE_S
        why = ""
        while time.monotonic() < end:
            try:
                status, raw = await self._once(node, method, path, person, body)
            except (aiohttp.ClientError, TimeoutError) as problem:
                why = repr(problem)
            else:
                if status < 400:
                    return raw
                why = f"{status}: {raw.decode(errors='replace')[:300]}"
                if status not in {429, 500, 503, 504}:
                    break
            await asyncio.sleep(0.3)
        raise NotAnsweredError(f"{method} {path} at {node}: {why}")

    async def _once(
        self, node: str, method: str, path: str, person: Person | None, body: object, key: str = ""
    ) -> tuple[int, bytes]:
        headers = {} if person is None else {"Authorization": f"Bearer {person.token}"}
        if key:
            headers["Idempotency-Key"] = key
        url = f"{self._url_of(node)}/api/v1{path}"
        async with self._http.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.read()
