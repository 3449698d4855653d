"""Managing webhooks: who may make, see, change and replay them, and what that does to their cursors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from chat_service.directory.cursors import JobCursors
from chat_service.directory.webhooks import EVERY_ROOM, Delivery, DeliveryState, Webhook, WebhookDirectory
from chat_service.identity.principal import Principal
from chat_service.jobs.addresses import AddressRules
from chat_service.jobs.delivering import Deliverer
from chat_service.jobs.signing import new_secret
from chat_service.jobs.webhooks import cursor_name
from chat_service.log import RoomLog
from chat_service.model.entries import Kind
from chat_service.model.errors import ChatError, Code, not_found
from chat_service.model.ids import new_webhook_id
from chat_service.model.permissions import Action
from chat_service.rooms.service import Rooms
from chat_service.secret import Secret

WEBHOOKS_MOST = 20
"""Webhooks of one room, and of all rooms together."""

PINGS_MOST = 8
"""Pings that a node has on their way at once: deliveries need connections too."""

ROOMS_PAGE = 500


class Pinged(msgspec.Struct, frozen=True, kw_only=True):
    """What came of asking a receiver whether it is there; `status` is null where it did not answer."""

    arrived: bool
    status: int | None
    error: str
    duration_ms: int


class Webhooks:
    """Webhooks as their administrators see them.

    Those of a room are its owners' and admins', and those of all rooms the service's administrators', who may
    also see to the webhooks of any room. Every method raises ChatError: `not_found`, `forbidden`, `invalid`,
    `unavailable`.
    """

    def __init__(
        self,
        hooks: WebhookDirectory,
        cursors: JobCursors,
        room_log: RoomLog,
        rooms: Rooms,
        rules: AddressRules,
        deliverer: Deliverer,
        clock_ms: Callable[[], int],
    ) -> None:
        self._hooks = hooks
        self._cursors = cursors
        self._log = room_log
        self._rooms = rooms
        self._rules = rules
        self._deliverer = deliverer
        self._clock_ms = clock_ms
        self._pings = 0
        self.changed: Callable[[str], None] = _nobody

    async def make(self, who: Principal, room: str | None, url: str, events: Sequence[Kind]) -> Webhook:
        """A new webhook, for what is written from now on. Raises `conflict` where there are too many."""
        of = EVERY_ROOM if room is None else room
        await self._check(who, of)
        hook = Webhook(
            id=new_webhook_id(),
            room=of,
            url=str(self._rules.check_url(url)),
            secret=Secret(new_secret()),
            events=tuple(dict.fromkeys(events)),
            enabled=True,
            reason="",
            created_by=who.user,
            created_ts=self._clock_ms(),
        )
        # Before anybody can see the webhook: without cursors it would be sent everything there ever was.
        await self._begin_here(hook)
        if not await self._hooks.add(hook, WEBHOOKS_MOST):
            await self._cursors.forget(cursor_name(hook.id))
            raise ChatError(Code.CONFLICT, f"There are {WEBHOOKS_MOST} webhooks already. Remove one first.")
        self.changed(hook.id)
        return hook

    async def _begin_here(self, hook: Webhook) -> None:
        if hook.room != EVERY_ROOM:
            head = await self._log.head(hook.room)
            await self._cursors.put(cursor_name(hook.id), {hook.room: head.seq})
            return
        after = ""
        while found := await self._log.changed_rooms(after, ROOMS_PAGE):
            after = found[-1][0]
            heads = await self._log.heads([room for room, _ in found])
            await self._cursors.put(cursor_name(hook.id), {room: head.seq for room, head in heads.items()})

    async def list_of(self, who: Principal, room: str | None) -> list[Webhook]:
        """The webhooks of a room, or with None those of all rooms."""
        of = EVERY_ROOM if room is None else room
        await self._check(who, of)
        return await self._hooks.of_room(of)

    async def get(self, who: Principal, webhook: str) -> Webhook:
        """One webhook."""
        hook = await self._hooks.get(webhook)
        if hook is None:
            raise _no_webhook()
        await self._check(who, hook.room)
        return hook

    async def change(
        self,
        who: Principal,
        webhook: str,
        *,
        url: str | None = None,
        events: Sequence[Kind] | None = None,
        enabled: bool | None = None,
        new_secret_too: bool = False,
    ) -> Webhook:
        """Change what is given. Whatever waited for its next attempt is attempted anew."""
        before = await self.get(who, webhook)
        hook = msgspec.structs.replace(
            before,
            url=before.url if url is None else str(self._rules.check_url(url)),
            events=before.events if events is None else tuple(dict.fromkeys(events)),
            enabled=before.enabled if enabled is None else enabled,
            reason=before.reason if enabled is None else "",
            secret=Secret(new_secret()) if new_secret_too else before.secret,
        )
        if not await self._hooks.change(hook):
            raise _no_webhook()
        await self._hooks.forget_retries(webhook)
        self.changed(webhook)
        return hook

    async def remove(self, who: Principal, webhook: str) -> None:
        """Remove a webhook, its deliveries and dead letters."""
        hook = await self.get(who, webhook)
        await self._hooks.remove(hook.id)
        await self._cursors.forget(cursor_name(hook.id))

    async def ping(self, who: Principal, webhook: str) -> Pinged:
        """Ask the receiver whether it is there, once, also where the webhook is disabled."""
        hook = await self.get(who, webhook)
        if self._pings >= PINGS_MOST:
            raise ChatError(Code.OVERLOADED, "Too many receivers are asked at once.", retry_after_ms=1000)
        began = time.monotonic()
        self._pings += 1
        try:
            answer = await self._deliverer.ping(hook)
        finally:
            self._pings -= 1
        took_ms = int((time.monotonic() - began) * 1000)
        return Pinged(arrived=answer.taken, status=answer.status, error=answer.error, duration_ms=took_ms)

    async def deliveries(
        self, who: Principal, webhook: str, state: DeliveryState | None, before: tuple[int, str] | None, limit: int
    ) -> list[Delivery]:
        """What became of deliveries, the newest first."""
        hook = await self.get(who, webhook)
        return await self._hooks.deliveries(hook.id, state, before, limit)

    async def replay(self, who: Principal, webhook: str, delivery: str) -> Delivery:
        """Have a dead letter delivered again, beside what is new. Raises `conflict` for one that is not dead."""
        hook = await self.get(who, webhook)
        found = await self._hooks.delivery(delivery)
        if found is None or found.webhook != hook.id:
            raise not_found("This webhook has no such delivery.")
        if found.state is not DeliveryState.DEAD:
            raise ChatError(Code.CONFLICT, f"Only dead letters are replayed; this delivery is {found.state}.")
        now = self._clock_ms()
        again = msgspec.structs.replace(
            found, state=DeliveryState.REPLAYING, attempts=0, first_ts=now, ts=now, next_ts=now
        )
        await self._hooks.put([again])
        self.changed(hook.id)
        return again

    async def replay_all(self, who: Principal, webhook: str) -> int:
        """`replay` of every dead letter; returns how many there were."""
        hook = await self.get(who, webhook)
        count = await self._hooks.replay_dead(hook.id, self._clock_ms())
        self.changed(hook.id)
        return count

    async def replay_from(self, who: Principal, webhook: str, room: str | None, seq: int) -> str:
        """Have a room's entries from `seq` on delivered again, in order, before what is new; returns the room.

        `room` is needed where the webhook is of all rooms. A room's admin gets nothing again that they may not
        read themselves.
        """
        hook = await self.get(who, webhook)
        of = hook.room or room
        if of is None or room not in {None, of}:
            raise ChatError(Code.INVALID, "room: expected the id of a room that this webhook is for.")
        if who.admin:
            await self._check(who, of)
        else:
            state = await self._rooms.browsing.state(who.user, of, Action.CONFIGURE)
            if seq < state.readable_from(who.user):
                raise not_found(f"You may read this room from entry {state.readable_from(who.user)} on.")
        await self._hooks.forget_from(hook.id, of, seq)
        await self._cursors.put(cursor_name(hook.id), {of: seq - 1})
        self.changed(hook.id)
        return of

    async def _check(self, who: Principal, room: str) -> None:
        """Raise unless `who` may see to the webhooks of `room`."""
        if not who.admin:
            if room == EVERY_ROOM:
                raise _no_webhook()
            await self._rooms.browsing.state(who.user, room, Action.CONFIGURE)
        elif room != EVERY_ROOM:
            head = await self._log.head(room)
            if head.seq == 0:
                raise not_found("There is no such room.")


def _no_webhook() -> ChatError:
    return not_found("There is no such webhook.")


def _nobody(webhook: str) -> None:
    del webhook
