"""Webhooks: making, changing and removing them, what became of their deliveries, and having them again."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chat_service.directory.webhooks import Delivery, DeliveryState, Webhook
from chat_service.http.endpoints import AnyEndpoint, Call, Endpoint
from chat_service.jobs.managing import Pinged, Webhooks
from chat_service.model.entries import Kind
from chat_service.model.errors import Code, invalid
from chat_service.rooms.requests import Limit, Request, RoomId, Seq

Url = Annotated[str, Meta(min_length=8, max_length=2000, description="Where deliveries go: http or https.")]
Events = Annotated[list[Kind], Meta(max_length=len(Kind), description="Kinds of entries; none: all.")]
Place = Annotated[
    str,
    Meta(pattern=r"^[0-9]{1,15}\.v[a-z2-7]{21}$", max_length=40, description="The `next` of the page before."),
]
_ONE = (Code.FORBIDDEN, Code.NOT_FOUND)


class WebhookCreate(Request):
    """A new webhook: of one room, or without `room` of all of them."""

    url: Url
    room: RoomId | UnsetType = UNSET
    events: Events | UnsetType = UNSET


class WebhookChange(Request):
    """What is to change; what is left out stays. `new_secret` makes one, which the answer shows."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    new_secret: bool = False


class WebhookView(msgspec.Struct, kw_only=True):
    """A webhook. `room` is null for one of all rooms.

    `reason` says why it is not enabled, where the service decided so. `secret` is there in the answer that made
    it, and never again.
    """

    id: str
    room: str | None
    url: str
    events: list[Kind]
    enabled: bool
    reason: str
    created_by: str
    created_ts: int
    secret: str | None = None


class WebhookList(msgspec.Struct):
    """Webhooks, the oldest first."""

    webhooks: list[WebhookView]


class WebhooksQuery(Request):
    """Whose webhooks: a room's, or without `room` those of all rooms."""

    room: RoomId | UnsetType = UNSET


class Deliveries(msgspec.Struct):
    """Deliveries, the newest first; `next` is the `before` of the next page, null at the end."""

    deliveries: list[Delivery]
    next: str | None


class DeliveriesQuery(Request):
    """Which deliveries: in one state or in any, those before a place."""

    state: DeliveryState | UnsetType = UNSET
    before: Place | UnsetType = UNSET
    limit: Limit = 50


class ReplayFrom(Request):
    """From where a room is delivered again. `room` is needed for a webhook of all rooms."""

    seq: Seq
    room: RoomId | UnsetType = UNSET


class Replaying(msgspec.Struct):
    """How many deliveries are made again."""

    deliveries: int


class ReplayingFrom(msgspec.Struct):
    """The room that is delivered again, and from where."""

    room: str
    seq: int


class WebhooksResource:
    """Endpoints below /webhooks."""

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    async def create_webhook(self, call: Call[WebhookCreate, None]) -> WebhookView:
        """Make a webhook."""
        asked = call.body
        room = None if asked.room is UNSET else asked.room
        events = () if asked.events is UNSET else asked.events
        return _view(await self._webhooks.make(call.principal, room, asked.url, events), with_secret=True)

    async def list_webhooks(self, call: Call[None, WebhooksQuery]) -> WebhookList:
        """Show webhooks."""
        room = None if call.query.room is UNSET else call.query.room
        return WebhookList([_view(hook) for hook in await self._webhooks.list_of(call.principal, room)])

    async def show_webhook(self, call: Call[None, None]) -> WebhookView:
        """Show one webhook."""
        return _view(await self._webhooks.get(call.principal, call.path["webhook"]))

    async def change_webhook(self, call: Call[WebhookChange, None]) -> WebhookView:
        """Change a webhook."""
        asked = call.body
        if asked.url is UNSET and asked.events is UNSET and asked.enabled is UNSET and not asked.new_secret:
            raise invalid("Expected at least one of url, events, enabled and new_secret.")
        hook = await self._webhooks.change(
            call.principal,
            call.path["webhook"],
            url=None if asked.url is UNSET else asked.url,
            events=None if asked.events is UNSET else asked.events,
            enabled=None if asked.enabled is UNSET else asked.enabled,
            new_secret_too=asked.new_secret,
        )
        return _view(hook, with_secret=asked.new_secret)

    async def remove_webhook(self, call: Call[None, None]) -> None:
        """Remove a webhook."""
        await self._webhooks.remove(call.principal, call.path["webhook"])

    async def ping_webhook(self, call: Call[None, None]) -> Pinged:
        """Ask a receiver whether it is there."""
        return await self._webhooks.ping(call.principal, call.path["webhook"])

    async def list_deliveries(self, call: Call[None, DeliveriesQuery]) -> Deliveries:
        """Show what became of deliveries."""
        asked = call.query
        state = None if asked.state is UNSET else asked.state
        before = None
        if asked.before is not UNSET:
            ts, _, delivery = asked.before.partition(".")
            before = int(ts), delivery
        found = await self._webhooks.deliveries(
            call.principal, call.path["webhook"], state, before, asked.limit + 1
        )
        page = found[: asked.limit]
        return Deliveries(page, f"{page[-1].ts}.{page[-1].id}" if len(found) > len(page) else None)

    async def replay_delivery(self, call: Call[None, None]) -> Delivery:
        """Have a dead letter delivered again."""
        return await self._webhooks.replay(call.principal, call.path["webhook"], call.path["delivery"])

    async def replay_dead_letters(self, call: Call[None, None]) -> Replaying:
        """Have every dead letter delivered again."""
        return Replaying(await self._webhooks.replay_all(call.principal, call.path["webhook"]))

    async def replay_room(self, call: Call[ReplayFrom, None]) -> ReplayingFrom:
        """Have a stretch of a room delivered again."""
        room = None if call.body.room is UNSET else call.body.room
        of = await self._webhooks.replay_from(call.principal, call.path["webhook"], room, call.body.seq)
        return ReplayingFrom(of, call.body.seq)

    def endpoints(self) -> tuple[AnyEndpoint, ...]:
        """What is served."""
        return (*self._keeping(), *self._delivering())

    def _keeping(self) -> tuple[AnyEndpoint, ...]:
        one = "/webhooks/{webhook}"
        return (
            Endpoint(
                "POST",
                "/webhooks",
                self.create_webhook,
                "Have the entries of a room, or of all rooms, delivered to a URL",
                tag="webhooks",
                body=WebhookCreate,
                answer=WebhookView,
                status=201,
                refuses=(*_ONE, Code.CONFLICT),
            ),
            Endpoint(
                "GET",
                "/webhooks",
                self.list_webhooks,
                "List the webhooks of a room, or those of all rooms",
                tag="webhooks",
                query=WebhooksQuery,
                answer=WebhookList,
                refuses=_ONE,
            ),
            Endpoint(
                "GET", one, self.show_webhook, "Show a webhook", tag="webhooks", answer=WebhookView, refuses=_ONE
            ),
            Endpoint(
                "PATCH",
                one,
                self.change_webhook,
                "Change a webhook, enable or disable it, give it a new secret",
                tag="webhooks",
                body=WebhookChange,
                answer=WebhookView,
                refuses=_ONE,
            ),
            Endpoint("DELETE", one, self.remove_webhook, "Remove a webhook", tag="webhooks", refuses=_ONE),
            Endpoint(
                "POST",
                one + "/ping",
                self.ping_webhook,
                "Send a test delivery and see what comes of it",
                tag="webhooks",
                answer=Pinged,
                refuses=(*_ONE, Code.OVERLOADED),
            ),
        )

    def _delivering(self) -> tuple[AnyEndpoint, ...]:
        one = "/webhooks/{webhook}"
        return (
            Endpoint(
                "GET",
                one + "/deliveries",
                self.list_deliveries,
                "List deliveries; with state=dead the dead letters",
                tag="webhooks",
                query=DeliveriesQuery,
                answer=Deliveries,
                refuses=_ONE,
            ),
            Endpoint(
                "POST",
                one + "/deliveries/{delivery}/replay",
                self.replay_delivery,
                "Deliver a dead letter again",
                tag="webhooks",
                answer=Delivery,
                refuses=(*_ONE, Code.CONFLICT),
            ),
            Endpoint(
                "POST",
                one + "/replay-dead",
                self.replay_dead_letters,
                "Deliver every dead letter again",
                tag="webhooks",
                answer=Replaying,
                refuses=_ONE,
            ),
            Endpoint(
                "POST",
                one + "/replay",
                self.replay_room,
                "Deliver a room again from a seq on",
                tag="webhooks",
                body=ReplayFrom,
                answer=ReplayingFrom,
                refuses=_ONE,
            ),
        )


def _view(hook: Webhook, *, with_secret: bool = False) -> WebhookView:
    return WebhookView(
        id=hook.id,
        room=hook.room or None,
        url=hook.url,
        events=list(hook.events),
        enabled=hook.enabled,
        reason=hook.reason,
        created_by=hook.created_by,
        created_ts=hook.created_ts,
        secret=hook.secret.current() if with_secret else None,
    )
