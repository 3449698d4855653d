"""Invites: links into a room or to an account, made, shown, followed and revoked."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from chat_service.http.endpoints import Access, AnyEndpoint, Call, Endpoint, Keyed
from chat_service.identity.invites import Invites, InviteView, NewInvite
from chat_service.model.entries import Kind
from chat_service.model.errors import ChatError, Code, not_found
from chat_service.model.permissions import Action, Role
from chat_service.model.rooms import RoomState
from chat_service.rooms.requests import Request
from chat_service.rooms.service import Rooms
from chat_service.rooms.views import RoomView

_DAY_S = 86_400

Lifetime = Annotated[int, Meta(ge=60, le=365 * _DAY_S, description="Seconds until it ends.")]
Uses = Annotated[int, Meta(ge=1, le=1000, description="How many people it lets in.")]


class RoomInvite(Request):
    """A link into a room. Guests who follow it come in as guests, whatever its role."""

    role: Literal["member", "guest"] = "member"
    lifetime_s: Lifetime = 7 * _DAY_S
    max_uses: Uses = 1


class AccountInvite(Request):
    """A link to an account on a service whose registration needs one."""

    lifetime_s: Lifetime = 7 * _DAY_S
    max_uses: Uses = 1


class InviteList(msgspec.Struct):
    """Invites that still work, newest first."""

    invites: list[InviteView]


class InviteOffer(msgspec.Struct, kw_only=True):
    """What a link is for: the room it leads into, empty where it only registers. `expires` in Unix seconds."""

    room: str
    room_name: str
    role: Role
    registers: bool
    expires: int


class InvitesResource:
    """Endpoints about invites, of rooms, of accounts, and of whoever has a link."""

    def __init__(self, invites: Invites, rooms: Rooms) -> None:
        self._invites = invites
        self._rooms = rooms

    async def invite_to_room(self, call: Call[RoomInvite, None]) -> NewInvite:
        """Make a link into a room."""
        await self._rooms.browsing.state(call.user, call.path["room"], Action.INVITE_LINK)
        return await self._invites.create(
            call.principal,
            room=call.path["room"],
            role=Role(call.body.role),
            lifetime_s=call.body.lifetime_s,
            max_uses=call.body.max_uses,
        )

    async def list_room_invites(self, call: Call[None, None]) -> InviteList:
        """Show a room's links."""
        await self._rooms.browsing.state(call.user, call.path["room"], Action.INVITE_LINK)
        return InviteList(await self._invites.of_room(call.path["room"]))

    async def revoke_room_invite(self, call: Call[None, None]) -> None:
        """End a link into a room."""
        await self._rooms.browsing.state(call.user, call.path["room"], Action.INVITE_LINK)
        await self._invites.revoke(call.path["room"], call.path["invite"])

    async def invite_to_register(self, call: Call[AccountInvite, None]) -> NewInvite:
        """Make a link to an account."""
        return await self._invites.create(
            call.principal,
            registers=True,
            lifetime_s=call.body.lifetime_s,
            max_uses=call.body.max_uses,
        )

    async def list_account_invites(self, _: Call[None, None]) -> InviteList:
        """Show the links to an account."""
        return InviteList(await self._invites.of_room(""))

    async def revoke_account_invite(self, call: Call[None, None]) -> None:
        """End a link to an account."""
        await self._invites.revoke("", call.path["invite"])

    async def show_invite(self, call: Call[None, None]) -> InviteOffer:
        """Show what a link is for, to anybody who has it."""
        invite = await self._invites.look(call.path["token"])
        room = await self._room_of(invite)
        return InviteOffer(
            room=invite.room,
            room_name="" if room is None else room.name,
            role=invite.role,
            registers=invite.registers,
            expires=invite.expires,
        )

    async def accept_invite(self, call: Call[Keyed, None]) -> RoomView:
        """Follow a link into its room: its maker lets the caller in."""
        await self._room_of(await self._invites.look(call.path["token"]))
        invite = await self._invites.redeem(call.path["token"], call.principal)
        role = Role.GUEST if call.principal.guest else invite.role
        # A key is one sender's, and the sender is the link's maker: no client can make one with a slash.
        key = None if call.key is None else f"{call.key}/{call.user}"
        body = {"user": call.user, "role": str(role)}
        await self._rooms.act(invite.creator, invite.room, Kind.JOIN, body, key=key)
        return await self._rooms.browsing.view(call.user, invite.room)

    async def _room_of(self, invite: InviteView) -> RoomState | None:
        """The room a link leads into, None where it only registers.

        Raises `not_found` where its maker may not invite into the room any more: a link is worth no more
        than whoever made it.
        """
        if not invite.room:
            return None
        try:
            return await self._rooms.browsing.state(invite.creator, invite.room, Action.INVITE_LINK)
        except ChatError as problem:
            if problem.code in {Code.FORBIDDEN, Code.NOT_FOUND}:
                raise not_found("This invite does not work any more. Ask for a new one.") from problem
            raise

    def endpoints(self) -> tuple[AnyEndpoint, ...]:
        """What is served."""
        return (*self._of_rooms(), *self._of_accounts(), *self._of_links())

    def _of_rooms(self) -> tuple[AnyEndpoint, ...]:
        refuses = (Code.FORBIDDEN, Code.NOT_FOUND)
        return (
            Endpoint(
                "POST",
                "/rooms/{room}/invites",
                self.invite_to_room,
                "Make an invite link into a room",
                tag="invites",
                body=RoomInvite,
                answer=NewInvite,
                status=201,
                refuses=refuses,
            ),
            Endpoint(
                "GET",
                "/rooms/{room}/invites",
                self.list_room_invites,
                "List a room's invite links",
                tag="invites",
                answer=InviteList,
                refuses=refuses,
            ),
            Endpoint(
                "DELETE",
                "/rooms/{room}/invites/{invite}",
                self.revoke_room_invite,
                "End a room's invite link",
                tag="invites",
                refuses=refuses,
            ),
        )

    def _of_accounts(self) -> tuple[AnyEndpoint, ...]:
        return (
            Endpoint(
                "POST",
                "/admin/invites",
                self.invite_to_register,
                "Make an invite link to an account",
                tag="admin",
                access=Access.ADMIN,
                body=AccountInvite,
                answer=NewInvite,
                status=201,
            ),
            Endpoint(
                "GET",
                "/admin/invites",
                self.list_account_invites,
                "List the invite links to an account",
                tag="admin",
                access=Access.ADMIN,
                answer=InviteList,
            ),
            Endpoint(
                "DELETE",
                "/admin/invites/{invite}",
                self.revoke_account_invite,
                "End an invite link to an account",
                tag="admin",
                access=Access.ADMIN,
                refuses=(Code.NOT_FOUND,),
            ),
        )

    def _of_links(self) -> tuple[AnyEndpoint, ...]:
        return (
            Endpoint(
                "GET",
                "/invites/{token}",
                self.show_invite,
                "Show what an invite link is for",
                tag="invites",
                access=Access.ANYBODY,
                answer=InviteOffer,
                refuses=(Code.FORBIDDEN, Code.NOT_FOUND),
            ),
            Endpoint(
                "POST",
                "/invites/{token}/accept",
                self.accept_invite,
                "Follow an invite link into its room",
                tag="invites",
                body=Keyed,
                answer=RoomView,
                keyed=True,
                refuses=(Code.FORBIDDEN, Code.NOT_FOUND, Code.KEY_REUSED, Code.OVERLOADED),
            ),
        )
