"""Sharing work out among workers by a Redis stream with a consumer group.

Redis knows nothing that is not in the store: whatever it forgets, a sweep offers again. Work whose worker has
said nothing for a while is given to another one; that the first may still be at it is what cursors are moved by
comparison for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, cast

import structlog
from redis.asyncio import Redis
from redis.credentials import CredentialProvider
from redis.exceptions import RedisError, ResponseError

from chat_service.bus.redis_endpoints import RedisEndpoint
from chat_service.jobs import Claim, Work

T = TypeVar("T")

GROUP = "workers"
LONGEST = 10_000
"""Entries of the stream; a sweep finds again what is cut off."""

OFFERED_MOST = 500
"""Works in one step of Redis, which does nothing else meanwhile."""

WAITING_S = 60.0
"""So long it is believed that what was offered still waits in the stream."""

STALLED_S = 30.0
"""After so long without a word from its worker, work is given to another one."""

READ_S = 1.0
FORGOTTEN_S = 3600.0
"""Workers that were not heard of for so long are struck off the group."""

TIMEOUT_S = 5.0
PAUSE_FIRST_S, PAUSE_MOST_S = 0.1, 2.0
"""Pauses between attempts while Redis does not answer: doubled from the first to the most."""

_SEPARATOR = "/"
_FORGOTTEN = ("NOGROUP", "no such key")
"""What Redis says of a stream, or of its group, that is gone."""

log = structlog.get_logger()


class RedisQueue:
    """`WorkQueue` on a Redis server, for the worker of that name. While Redis is away, nobody is given work."""

    def __init__(
        self,
        endpoint: Callable[[], RedisEndpoint],
        *,
        world: str,
        worker: str,
        tls_ca: Path | None = None,
        stalled_s: float = STALLED_S,
    ) -> None:
        """Prepare for a server, whose user and password are asked for again at every connection.

        `world` is the store's incarnation: worlds that share a server do not share work. No other running worker
        has the name `worker`.
        """
        at = endpoint()
        tls: dict[str, Any] = {"ssl": True} if at.tls else {}
        if at.tls and tls_ca is not None:
            tls["ssl_ca_certs"] = str(tls_ca)
        self._redis: Any = Redis(
            host=at.host,
            port=at.port,
            db=at.database,
            credential_provider=_Credentials(endpoint) if at.password else None,
            protocol=2,
            decode_responses=True,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            **tls,
        )
        self._worker = worker
        self._stalled_s = stalled_s
        # The braces keep all of them in one slot of a cluster.
        keys = (f"chat:{{{world}}}:jobs:{name}" for name in ("due", "waiting", "running", "again", "owners"))
        self._stream, self._waiting, self._running, self._again, self._owners = keys
        self._held: dict[str, str] = {}
        self._next_stalled = 0.0
        self._pause_s = 0.0
        self._renewing: asyncio.Task[None] | None = None
        self._offer = self._script("offer")
        self._claim = self._script("claim")
        self._renew = self._script("renew")
        self._finish = self._script("finish")

    @property
    def healthy(self) -> bool:
        """See WorkQueue."""
        return self._pause_s == 0

    async def start(self) -> None:
        """See WorkQueue."""
        self._renewing = asyncio.get_running_loop().create_task(self._renew_held(), name="jobs renewing")
        await self._try(self._strike_off())

    async def stop(self) -> None:
        """See WorkQueue."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        for entry, text in list(self._held.items()):
            await self.release(Claim(_work(text), entry))
        if self.healthy:  # else what it still holds is claimed by others once it is stalled
            await self._try(self._strike_off_self())
        await self._redis.aclose()

    async def offer(self, works: Sequence[Work]) -> None:
        """See WorkQueue. While Redis is away the next sweep offers it again."""
        keys = [self._stream, self._waiting, self._running, self._again]
        for start in range(0, len(works), OFFERED_MOST):
            some = [_text(work) for work in works[start : start + OFFERED_MOST]]
            await self._try(self._offer(keys, [WAITING_S, self._stalled_s, LONGEST, *some]))

    async def waiting(self) -> int | None:
        """See WorkQueue. Work that is done leaves the stream, so what is in it is waiting or in hand."""
        found = await self._try(self._in_stream())
        return None if found is None else max(0, found)

    async def take(self) -> Claim:
        """See WorkQueue."""
        while True:
            found = await self._try(self._next())
            if found is None:
                await asyncio.sleep(self._pause_s)
                continue
            entry, text = found
            begun = await self._try(
                self._claim(
                    [self._stream, self._waiting, self._running, self._again, self._owners],
                    [GROUP, entry, text, self._worker, self._stalled_s],
                )
            )
            if begun:
                self._held[entry] = text
                return Claim(_work(text), entry)

    async def done(self, claim: Claim) -> None:
        """See WorkQueue."""
        await self._give_back(claim, again=False)

    async def release(self, claim: Claim) -> None:
        """See WorkQueue."""
        await self._give_back(claim, again=True)

    async def _give_back(self, claim: Claim, *, again: bool) -> None:
        self._held.pop(claim.ticket, None)
        await self._try(
            self._finish(
                [self._stream, self._waiting, self._running, self._again, self._owners],
                [GROUP, claim.ticket, _text(claim.work), self._worker, LONGEST, int(again)],
            )
        )

    async def _next(self) -> tuple[str, str] | None:
        """An entry of the stream and its text: one whose worker fell silent, else the next that nobody had."""
        now = time.monotonic()
        if now >= self._next_stalled:
            idle_ms = int(self._stalled_s * 1000)
            _, entries, *_ = await self._redis.xautoclaim(
                self._stream, GROUP, self._worker, idle_ms, "0-0", count=1
            )
            for entry, fields in entries:
                if fields:
                    log.info("jobs.taken_over", work=fields["work"])
                    return entry, fields["work"]
                # Cut off the stream while it was in hand; Redis 6.2 lists it all the same.
                await self._redis.xack(self._stream, GROUP, entry)
            self._next_stalled = now + self._stalled_s / 3
        streams = await self._redis.xreadgroup(
            GROUP, self._worker, {self._stream: ">"}, count=1, block=int(READ_S * 1000)
        )
        for _, entries in streams:
            for entry, fields in entries:
                return entry, fields["work"]
        return None

    async def _in_stream(self) -> int:
        stream = await self._redis.xinfo_stream(self._stream)
        groups = await self._redis.xinfo_groups(self._stream)
        in_hand = sum(group["pending"] for group in groups if group["name"] == GROUP)
        return int(stream["length"]) - int(in_hand)

    async def _renew_held(self) -> None:
        while True:
            await asyncio.sleep(self._stalled_s / 4)
            if self._held:
                pairs = [part for held in self._held.items() for part in held]
                await self._try(
                    self._renew([self._stream, self._running, self._owners], [GROUP, self._worker, *pairs])
                )

    async def _strike_off_self(self) -> None:
        for consumer in await self._redis.xinfo_consumers(self._stream, GROUP):
            if consumer["name"] == self._worker and consumer["pending"] == 0:
                await self._redis.xgroup_delconsumer(self._stream, GROUP, self._worker)

    async def _strike_off(self) -> None:
        await self._make_group()
        for consumer in await self._redis.xinfo_consumers(self._stream, GROUP):
            if consumer["pending"] == 0 and consumer["idle"] > FORGOTTEN_S * 1000:
                await self._redis.xgroup_delconsumer(self._stream, GROUP, consumer["name"])

    async def _make_group(self) -> None:
        try:
            await self._redis.xgroup_create(self._stream, GROUP, id="0", mkstream=True)
        except ResponseError as problem:
            if not str(problem).startswith("BUSYGROUP"):
                raise

    async def _try(self, asked: Awaitable[T]) -> T | None:
        """The answer of Redis; None where it gives none now. What it forgot it is told again."""
        try:
            answer = await asked
        except ResponseError as problem:
            if not str(problem).startswith(_FORGOTTEN):
                self._failed(problem)
                return None
            return await self._try(cast("Awaitable[T]", self._make_group()))
        except (RedisError, OSError) as problem:
            self._failed(problem)
            return None
        if self._pause_s:
            self._pause_s = 0.0
            log.info("jobs.redis_back")
        return answer

    def _failed(self, problem: Exception) -> None:
        if not self._pause_s:
            log.warning("jobs.redis_away", error=type(problem).__name__)
        self._pause_s = min(max(self._pause_s * 2, PAUSE_FIRST_S), PAUSE_MOST_S)

    def _script(self, name: str) -> Any:
        text = files(__package__).joinpath("scripts", f"{name}.lua").read_text(encoding="utf-8")
        return self._redis.register_script(text)


class _Credentials(CredentialProvider):
    """User and password of an endpoint as they are at the moment."""

    def __init__(self, endpoint: Callable[[], RedisEndpoint]) -> None:
        self._endpoint = endpoint

    def get_credentials(self) -> tuple[str, str]:
        """See CredentialProvider."""
        now = self._endpoint()
        return now.username or "default", now.password

    async def get_credentials_async(self) -> tuple[str, str]:
        """See CredentialProvider."""
        return self.get_credentials()


def _text(work: Work) -> str:
    return _SEPARATOR.join((work.job, work.subject, work.room))


def _work(text: str) -> Work:
    return Work(*text.split(_SEPARATOR, 2))
