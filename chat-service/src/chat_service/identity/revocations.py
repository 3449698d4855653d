"""Revocations: sessions and tokens that ended early, as every node learns of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from chat_service.directory.people import Revocation, RevocationKind, SessionRows
from chat_service.identity.principal import Principal
from chat_service.identity.tokens import LEEWAY_S
from chat_service.model.errors import ChatError, Code

POLL_S = 2.0
"""How often the store is read: with it, a revocation reaches every socket within 5 s (DESIGN §6)."""

CLOCK_SLACK_S = 60
"""How far the clock of the node that revoked may be apart from ours, for what is read and forgotten."""

_PAGE = 1000
_FORGET_EVERY_S = 60

log = structlog.get_logger()


def covers(revocation: Revocation, principal: Principal) -> bool:
    """Whether `revocation` ends the token that `principal` came with."""
    if revocation.kind is RevocationKind.SESSION:
        return revocation.id == principal.session
    return revocation.id == principal.user and principal.issued <= revocation.at


class Revocations:
    """The revocations that an unexpired access token may fall under, in memory.

    One is forgotten when every token it could end has expired: what is kept is bounded by how many are made
    in `ttl_s`, the life of an access token. `clock` gives Unix seconds.
    """

    def __init__(self, rows: SessionRows, ttl_s: float, clock: Callable[[], float] = time.time) -> None:
        self._rows = rows
        self._keep_s = int(ttl_s) + LEEWAY_S + CLOCK_SLACK_S
        self._clock = clock
        self._sessions: dict[str, int] = {}
        self._users: dict[str, int] = {}
        self._last: Revocation | None = None
        self._receivers: list[Callable[[Revocation], None]] = []
        self._reading = asyncio.Lock()
        self._read_at: float | None = None
        self._failing = False
        self._forgotten_at = 0.0

    def listen(self, receive: Callable[[Revocation], None]) -> None:
        """Call `receive`, in the event loop, with every revocation found from now on."""
        self._receivers.append(receive)

    def check(self, principal: Principal) -> None:
        """Raise ChatError `unauthenticated` if the principal's session or tokens were revoked."""
        if self.revoked(principal.session):
            raise ChatError(Code.UNAUTHENTICATED, "This session has ended. Sign in again.")
        if principal.issued <= self._users.get(principal.user, -1):
            raise ChatError(Code.UNAUTHENTICATED, "The access token was revoked. Refresh it.")

    def revoked(self, session: str) -> bool:
        """Whether this session was ended within the life of its access tokens."""
        return session in self._sessions

    @property
    def behind_s(self) -> float:
        """For how long (monotonic seconds) the store could not be read; infinite before it first was."""
        return float("inf") if self._read_at is None else time.monotonic() - self._read_at

    def __len__(self) -> int:
        """How many revocations are kept."""
        return len(self._sessions) + len(self._users)

    async def load(self) -> None:
        """Read what is new in the store, once. Raises ChatError `unavailable`."""
        async with self._reading:
            await self._read()
            self._read_at = time.monotonic()

    async def poll(self) -> None:
        """`load`, but an unreachable store is logged (once until it is back) and what is known stays."""
        try:
            await self.load()
        except ChatError as problem:
            if not self._failing:
                log.warning("revocations.unreadable", error=problem.message)
            self._failing = True
            return
        if self._failing:
            log.info("revocations.readable")
        self._failing = False

    async def _read(self) -> None:
        now = self._clock()
        if self._last is not None and not await self._continues(self._last):
            log.warning("revocations.started_over", last=self._last.n)
            self._last = None
        while True:
            first, since = (0, int(now) - self._keep_s) if self._last is None else (self._last.n + 1, 0)
            page = await self._rows.revocations(first, since, _PAGE)
            for revocation in page:
                self._keep(revocation)
            if len(page) < _PAGE:
                break
        if now - self._forgotten_at >= _FORGET_EVERY_S:
            self._forget(now)

    async def _continues(self, last: Revocation) -> bool:
        """Whether the log still has what we read last: not where an older copy was restored in its place."""
        return await self._rows.revocations(last.n, 0, 1) == [last]

    def _keep(self, revocation: Revocation) -> None:
        self._last = revocation
        known = self._sessions if revocation.kind is RevocationKind.SESSION else self._users
        if known.get(revocation.id, -1) >= revocation.at:
            return
        known[revocation.id] = revocation.at
        for receive in self._receivers:
            try:
                receive(revocation)
            except Exception:
                # One receiver's mistake must not keep the others, or the next revocation, from being heard.
                log.exception("revocations.receiver_failed", n=revocation.n)

    def _forget(self, now: float) -> None:
        self._forgotten_at = now
        oldest = now - self._keep_s
        self._sessions = {id_: at for id_, at in self._sessions.items() if at >= oldest}
        self._users = {id_: at for id_, at in self._users.items() if at >= oldest}
