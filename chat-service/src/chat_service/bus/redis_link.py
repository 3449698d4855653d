"""A link to one Redis endpoint: connected again and again, its channels with it, and probed through one of them.

It is well from when everything that was wanted at the connect is confirmed, until the connection is lost or
probes do not come back. Nothing that it cannot carry is kept.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable
from itertools import islice
from random import SystemRandom

import structlog

from chat_service.bus.redis_connection import RedisConnection, RedisRefusalError, connect
from chat_service.bus.redis_endpoints import RedisEndpoint

CONNECT_S = 2.0
"""Longest wait for a connection and its handshake."""

PROBE_EVERY_S = 0.5

PROBES_MISSED = 3
"""Turns of the probe without one coming back after which the link is lost: at most 2 s in all.

Turns and not seconds: after a pause of this process what has arrived is read before the next turn.
"""

ROLE_EVERY = 20
"""Turns of the probe between two looks at whether the server is still a primary."""

CHANNELS_A_COMMAND = 512
"""Channels in one command: bounds how long a server is busy with it."""

LINGER_S = 5.0
"""How long a channel stays subscribed that nobody wants any more: somebody may come back to it."""

BACKOFF_FIRST_S = 0.1
BACKOFF_MOST_S = 3.0

log = structlog.get_logger()
_random = SystemRandom()


class Backoff:
    """Pauses between attempts: doubled each time up to a limit, shortened at random so that no herd returns."""

    def __init__(self) -> None:
        self._next_s = BACKOFF_FIRST_S

    def pause_s(self) -> float:
        """How long to wait now."""
        pause, self._next_s = self._next_s, min(self._next_s * 2, BACKOFF_MOST_S)
        return pause * (0.5 + _random.random() / 2)

    def reset(self) -> None:
        """Begin with the shortest again."""
        self._next_s = BACKOFF_FIRST_S


class RedisLink:
    """`endpoint` gives where and how to sign in, looked up at each attempt: passwords change.

    `arrived(payload)` is called with what comes on any channel but the probe's, `changed()` when `well` does,
    `failed()` whenever a connection or an attempt at one ends.
    """

    def __init__(
        self,
        endpoint: Callable[[], RedisEndpoint],
        tls: ssl.SSLContext | None,
        *,
        name: str,
        own_channels: Iterable[bytes],
        probe_channel: bytes,
        arrived: Callable[[bytes], None],
        changed: Callable[[], None],
        failed: Callable[[], None],
    ) -> None:
        self.well = False
        self._endpoint = endpoint
        self._tls = tls
        self._name = name
        self._probe_channel = probe_channel
        self._arrived = arrived
        self._changed = changed
        self._failed = failed
        self._wanted: dict[bytes, None] = dict.fromkeys((probe_channel, *own_channels))
        self._confirmed: set[bytes] = set()
        self._missing: set[bytes] = set()
        self._waiters: dict[bytes, asyncio.Future[None]] = {}
        self._lingering: dict[bytes, float] = {}
        self._new: dict[bytes, None] = {}
        self._subscribing: asyncio.Handle | None = None
        self._connection: RedisConnection | None = None
        self._sharded = False
        self._probe = 0
        self._probed_at = time.monotonic()
        self._missed = 0
        self._lag_s = 0.0
        self._reason = ""
        self._attempted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def lag_s(self) -> float:
        """Seconds that the last probe took to come back, or has been away by now."""
        back = self.well and not self._missed
        return self._lag_s if back else max(self._lag_s, time.monotonic() - self._probed_at)

    # -- life -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to connect; returns once it is well or the first attempt failed."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"redis {self._endpoint().address}")
        await self._attempted.wait()

    async def stop(self) -> None:
        """Write what was published, and disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._settle()

    async def _run(self) -> None:
        backoff = Backoff()
        while True:
            reason = await self._serve(backoff)
            self._failed()
            self._fail(reason)
            await asyncio.sleep(backoff.pause_s())

    async def _serve(self, backoff: Backoff) -> str:
        """Connect and stay connected; returns why that ended."""
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await connect(
                    self._endpoint(), self._tls, self._name, message=self._take, confirmed=self._confirm
                )
        except TimeoutError:
            return f"no answer within {CONNECT_S:.0f} s"
        except (OSError, RedisRefusalError, ValueError) as problem:
            return str(problem) or type(problem).__name__
        try:
            self._adopt(connection)
            turn = 0
            while not connection.lost.done():
                self._turn(connection, turn)
                if self.well:
                    backoff.reset()
                await asyncio.wait((connection.lost,), timeout=PROBE_EVERY_S)
                turn += 1
            return connection.lost.result()
        except RedisRefusalError as refusal:
            connection.abort(str(refusal))
            return str(refusal)

    def _adopt(self, connection: RedisConnection) -> None:
        server = connection.server
        version = bytes(server.get(b"version", b"")).decode(errors="replace")
        major = int(version.partition(".")[0]) if version.partition(".")[0].isdigit() else 0
        # In a cluster a sharded channel is only on the node of its slot, a plain one on all of them.
        self._sharded = major >= 7 and server.get(b"mode") != b"cluster"
        self._connection = connection
        self._missed = 0
        self._confirmed.clear()
        self._lingering.clear()
        self._missing = set(self._wanted)
        self._new = dict.fromkeys(self._wanted)
        self._subscribe_new()

    # -- channels -------------------------------------------------------------------------------------

    def publish(self, channel: bytes, payload: bytes) -> bool:
        """Send something on a channel; False where it is lost."""
        connection = self._connection
        if connection is None:
            return False
        if connection.send(b"SPUBLISH" if self._sharded else b"PUBLISH", channel, payload):
            return True
        if not connection.lost.done():
            connection.abort("it takes too little of what is published")
            self._fail("it takes too little of what is published")
        return False

    async def subscribe(self, channel: bytes) -> None:
        """Return once the channel is subscribed, or the link unwell; it is again after each connect."""
        self._wanted[channel] = None
        self._lingering.pop(channel, None)
        if channel in self._confirmed or not self.well:
            if self._connection is not None and channel not in self._confirmed:
                self._ask_for(channel)
            return
        waiter = self._waiters.get(channel)
        if waiter is None:
            waiter = self._waiters[channel] = asyncio.get_running_loop().create_future()
            self._ask_for(channel)
        await asyncio.shield(waiter)

    def unsubscribe(self, channel: bytes) -> None:
        """Want nothing more of a channel; the server is told later, should nobody want it again."""
        if self._wanted.pop(channel, self) is None:
            self._missing.discard(channel)
            self._lingering[channel] = asyncio.get_running_loop().time() + LINGER_S

    def _ask_for(self, channel: bytes) -> None:
        self._new[channel] = None
        if self._subscribing is None:
            self._subscribing = asyncio.get_running_loop().call_soon(self._subscribe_new)

    def _subscribe_new(self) -> None:
        if self._subscribing is not None:
            self._subscribing.cancel()
            self._subscribing = None
        new, self._new = self._new, {}
        self._in_batches(b"SSUBSCRIBE" if self._sharded else b"SUBSCRIBE", new)

    def _in_batches(self, command: bytes, channels: Iterable[bytes]) -> None:
        remaining = iter(channels)
        while self._connection is not None and (batch := list(islice(remaining, CHANNELS_A_COMMAND))):
            if not self._connection.send(command, *batch):
                self._connection.abort("it takes too little of what is asked of it")
                return

    def _drop_lingering(self) -> None:
        now = asyncio.get_running_loop().time()
        # In the order of their time: the first that is not due ends it.
        due: list[bytes] = []
        for channel, at in self._lingering.items():
            if at > now:
                break
            due.append(channel)
        for channel in due:
            del self._lingering[channel]
            self._confirmed.discard(channel)
        self._in_batches(b"SUNSUBSCRIBE" if self._sharded else b"UNSUBSCRIBE", due)

    def _confirm(self, kind: bytes, channel: bytes) -> None:
        if kind not in {b"ssubscribe", b"subscribe"}:
            return
        self._confirmed.add(channel)
        waiter = self._waiters.pop(channel, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
        if self._missing:
            self._missing.discard(channel)

    # -- health ---------------------------------------------------------------------------------------

    def _turn(self, connection: RedisConnection, turn: int) -> None:
        if connection.server.get(b"role", b"master") != b"master":
            raise RedisRefusalError("this Redis is a replica: what is published here does not reach its primary")
        if self._missed >= PROBES_MISSED:
            raise RedisRefusalError("probes through its channels do not come back")
        self._drop_lingering()
        if self._missed == 0:
            self._probe += 1
            self._probed_at = time.monotonic()
            self.publish(self._probe_channel, b"%d" % self._probe)
        self._missed += 1
        if turn and turn % ROLE_EVERY == 0:
            connection.send(b"HELLO")

    def _take(self, channel: bytes, payload: bytes) -> None:
        if channel != self._probe_channel:
            self._arrived(payload)
        elif payload == b"%d" % self._probe:
            self._missed = 0
            self._lag_s = time.monotonic() - self._probed_at
            if not self._missing and not self.well:
                self._recover()

    def _recover(self) -> None:
        self.well = True
        self._reason = ""
        log.info("bus.well", endpoint=self._endpoint().address, channels=len(self._wanted))
        self._attempted.set()
        self._changed()

    def _fail(self, reason: str) -> None:
        self._connection = None
        if reason != self._reason:
            self._reason = reason
            log.warning("bus.unwell", endpoint=self._endpoint().address, reason=reason)
        self._attempted.set()
        was_well, self.well = self.well, False
        self._settle()
        if was_well:
            self._changed()

    def _settle(self) -> None:
        """Let go whoever waits for a confirmation that does not come."""
        waiters, self._waiters = self._waiters, {}
        for waiter in waiters.values():
            if not waiter.done():
                waiter.set_result(None)
