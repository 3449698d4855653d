"""Identity: the parts of this room, wired together, with the background work they need."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from chat_service.directory.meta import StoreMeta
from chat_service.directory.people import PeopleDirectory
from chat_service.identity.accounts import Accounts
from chat_service.identity.attempts import Attempts
from chat_service.identity.invites import Invites
from chat_service.identity.passwords import Passwords
from chat_service.identity.policy import Policy
from chat_service.identity.profiles import Profiles
from chat_service.identity.revocations import POLL_S, Revocations
from chat_service.identity.sessions import Sessions
from chat_service.identity.tokens import AccessTokens, TokenKeys, stored_token_keys

SWEEP_S = 3600.0
"""How often rows that no rule looks at any more are dropped; every node does it, which does no harm."""

REVOCATIONS_KEPT_S = 86_400
"""At least how long revocations stay in the store beyond an access token's life: for whoever looks back."""

log = structlog.get_logger()


class Identity:
    """Everything about who somebody is. `start` before serving, `stop` after."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        invites: Invites,
        profiles: Profiles,
        revocations: Revocations,
        passwords: Passwords,
        sweep: Callable[[], Awaitable[None]],
    ) -> None:
        self.accounts = accounts
        self.sessions = sessions
        self.invites = invites
        self.profiles = profiles
        self.revocations = revocations
        self._passwords = passwords
        self._sweep = sweep
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def open(
        cls,
        people: PeopleDirectory,
        meta: StoreMeta,
        policy: Policy,
        token_keys: Callable[[], str] | None = None,
        *,
        passwords: Passwords | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Identity:
        """Wire identity on a store.

        `token_keys` gives the current value of CHAT_TOKEN_KEYS (`Secret.current`); without it a key is made
        once and kept in the store. `clock` gives Unix seconds. Raises ValueError where the keys cannot be
        read, ChatError `unavailable`.
        """
        keys = TokenKeys(token_keys or await stored_token_keys(meta))
        passwords = passwords or Passwords()
        ttl_s = policy.access_token_ttl_s
        revocations = Revocations(people, ttl_s, clock)
        sessions = Sessions(
            people, AccessTokens(keys, ttl_s, clock), revocations, policy.refresh_token_ttl_s, clock
        )
        invites = Invites(people, clock)
        attempts = Attempts(people, clock)
        accounts = Accounts(people, policy, passwords, attempts, invites, sessions, revocations, clock)

        async def sweep() -> None:
            now = int(clock())
            await people.sweep(now, now - int(ttl_s) - REVOCATIONS_KEPT_S)

        return cls(accounts, sessions, invites, Profiles(people), revocations, passwords, sweep)

    async def start(self) -> None:
        """Read the revocations that matter, and keep reading new ones. Raises ChatError `unavailable`."""
        await self.revocations.load()
        self._tasks = [
            asyncio.create_task(_every(POLL_S, self.revocations.poll), name="revocations"),
            asyncio.create_task(_every(SWEEP_S, self._sweep), name="sweep-people"),
        ]

    async def stop(self) -> None:
        """End the background work and the threads that hash passwords."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._passwords.close()


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` again and again, whatever becomes of one time: what fails is logged and tried again."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except Exception:
            log.exception("identity.background_work_failed", work=getattr(work, "__qualname__", ""))
