"""A store with people, rooms, running jobs and a receiver of webhooks, for tests inside one process."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from chat_service.app import Heart, open_heart
from chat_service.directory.webhooks import Delivery, DeliveryState, Webhook
from chat_service.identity.principal import Principal, UserKind
from chat_service.model.entries import Kind
from chat_service.model.ids import new_user_id
from chat_service.observability.metrics import Metrics
from chat_service.settings import Settings
from servers.webhook_receiver import Receiver, receiver

SOON_S = 60.0
"""For whatever has to come true on a slow and busy machine."""

QUICK: dict[str, Any] = {
    "webhook_allowed_networks": (ip_network("127.0.0.0/8"),),
    "webhook_timeout_s": 2.0,
    "webhook_retry_first_s": 0.01,
    "webhook_retry_most_s": 0.05,
    "webhook_attempts": 1000,
}


def principal(user: str, *, admin: bool = False) -> Principal:
    """Somebody signed in."""
    kind = UserKind.REGISTERED
    return Principal(user=user, session="s", kind=kind, handle="h", name="N", admin=admin, issued=0, expires=2**40)


@dataclass
class Backstage:
    """`ann` owns what rooms there are, `root` administrates the service."""

    heart: Heart
    metrics: Metrics
    receiver: Receiver
    ann: Principal
    root: Principal

    async def room(self) -> str:
        """A new room of Ann's."""
        return (await self.heart.rooms.create_channel(self.ann.user, name="room")).room

    async def say(self, room: str, *texts: str) -> list[int]:
        """Have Ann say something; returns the seqs."""
        said = [self.heart.rooms.act(self.ann.user, room, Kind.MESSAGE, {"text": text}) for text in texts]
        return [receipt.seq for receipt in await asyncio.gather(*said)]

    async def webhook(
        self, room: str | None, path: str = "/hook", *, url: str = "", events: Sequence[Kind] = ()
    ) -> Webhook:
        """A webhook to the receiver, which knows its secret."""
        who = self.root if room is None else self.ann
        hook = await self.heart.background.webhooks.make(who, room, url or self.receiver.url + path, events)
        self.receiver.secrets[hook.id] = hook.secret.current()
        return hook

    async def deliveries(self, hook: Webhook, state: DeliveryState | None = None) -> list[Delivery]:
        """What became of deliveries, the newest first."""
        return await self.heart.background.webhooks.deliveries(self.root, hook.id, state, None, 1000)

    def sample(self, name: str, **labels: str) -> float:
        """A metric's value, 0 where there is none yet."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def opened(
    folder: Path, at: Receiver, ann: Principal | None = None, *, working: bool = True, **changed: Any
) -> AsyncIterator[Backstage]:
    """Open the store of `folder`, and run jobs on it where it is `working`."""
    metrics = Metrics()
    settings = Settings(**{"data_dir": folder, **QUICK, **changed})
    heart = await open_heart(settings, metrics, exclusive=True)
    people = ann or principal(new_user_id()), principal(new_user_id(), admin=True)
    try:
        await heart.rooms.start()
        if working:
            await heart.background.start()
        yield Backstage(heart, metrics, at, *people)
        await heart.background.stop(3)
        await heart.rooms.finish()
    finally:
        await heart.close()


@asynccontextmanager
async def backstage(folder: Path, **changed: Any) -> AsyncIterator[Backstage]:
    """`opened`, with a receiver of its own, where every signature was right in the end."""
    async with receiver() as at, opened(folder, at, **changed) as made:
        yield made
        at.check()


async def until(condition: Callable[[], Any]) -> None:
    """Wait until `condition` is true; where it gives an awaitable, what that brings."""
    async with asyncio.timeout(SOON_S):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.02)
