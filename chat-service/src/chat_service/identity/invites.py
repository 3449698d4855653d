"""Invites: links that let somebody into a room, or let them register, a limited number of times."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable

import msgspec

from chat_service.directory.people import Invite, InviteRows
from chat_service.identity.principal import Principal
from chat_service.model.errors import ChatError, forbidden, invalid, not_found
from chat_service.model.ids import is_room_id, new_token
from chat_service.model.permissions import Role

ROLES = frozenset({Role.MEMBER, Role.GUEST})
"""What somebody may be let in as: more is given to people one knows, not to whoever holds a link."""

MIN_LIFETIME_S = 60
MAX_LIFETIME_S = 365 * 86_400
MAX_USES = 1000
"""An adapter may keep who used an invite in its row: this bounds it."""

LIST_LIMIT = 200
"""Most invites of one list."""

_ID_BITS = 96
_MAX_TOKEN_CHARS = 128


class InviteView(msgspec.Struct, frozen=True, kw_only=True):
    """An invite as it is shown: without its token, which is known only when it is made.

    `room` is empty for an invite that only registers. Times are Unix seconds.
    """

    id: str
    room: str
    role: Role
    registers: bool
    creator: str
    created: int
    expires: int
    uses: int
    max_uses: int


class NewInvite(msgspec.Struct, frozen=True, kw_only=True):
    """An invite just made: `token` is what its link carries and is never shown again."""

    token: str
    invite: InviteView

    def __repr__(self) -> str:
        """Say which invite it is, never its token."""
        return f"NewInvite(masked, {self.invite.id})"


class Invites:
    """Makes, redeems and revokes invites. All methods raise ChatError `unavailable` without the store.

    `clock` gives Unix seconds.
    """

    def __init__(self, rows: InviteRows, clock: Callable[[], float] = time.time) -> None:
        self._rows = rows
        self._clock = clock

    async def create(
        self,
        principal: Principal,
        *,
        room: str = "",
        role: Role = Role.MEMBER,
        registers: bool = False,
        lifetime_s: int = 7 * 86_400,
        max_uses: int = 1,
    ) -> NewInvite:
        """Make an invite. The caller has checked that `principal` may invite into `room`.

        `registers` lets whoever has the link make an account under the policy `invite`: only an
        administrator may make such a one. `role` is member or guest. Raises ChatError `invalid`, `forbidden`.
        """
        if registers and not principal.admin:
            raise forbidden("Only administrators may make invites to register.")
        if not room and not registers:
            raise invalid("An invite is for a room, or to register, or both.")
        if room and not is_room_id(room):
            raise invalid(f"{room!r} is not the id of a room.")
        if role not in ROLES:
            raise invalid("An invite lets people in as member or as guest.")
        if not MIN_LIFETIME_S <= lifetime_s <= MAX_LIFETIME_S:
            raise invalid(f"An invite lasts {MIN_LIFETIME_S} to {MAX_LIFETIME_S} seconds, not {lifetime_s}.")
        if not 1 <= max_uses <= MAX_USES:
            raise invalid(f"An invite is good for 1 to {MAX_USES} people, not {max_uses}.")
        token = new_token()
        now = int(self._clock())
        invite = Invite(
            id=new_token(_ID_BITS),
            token_digest=_digest(token),
            room=room,
            role=str(role),
            registers=registers,
            creator=principal.user,
            created=now,
            expires=now + lifetime_s,
            max_uses=max_uses,
        )
        await self._rows.add_invite(invite)
        return NewInvite(token=token, invite=_view(invite))

    async def look(self, token: str) -> InviteView:
        """What the link would do, without using it. Raises `not_found`: unknown, ended or used up."""
        invite = await self._rows.invite(_digest(token))
        if invite is None or invite.revoked or invite.expires <= self._clock() or invite.uses >= invite.max_uses:
            raise _not_working()
        return _view(invite)

    async def redeem(self, token: str, principal: Principal) -> InviteView:
        """Take one use for this person, who may then join `room` with `role`.

        Redeeming again takes no second use, so that a repeat after a lost answer is safe, and it works for
        as long as the invite does. Raises `not_found`: unknown, ended or used up, or not for a room.
        """
        digest = _digest(token)
        invite = await self._rows.invite(digest)
        if invite is None or not invite.room:
            raise _not_working()
        taken = await self._rows.take_invite(digest, principal.user, int(self._clock()))
        if taken is None:
            raise _not_working()
        return _view(taken)

    async def take_for_registration(self, token: str, user: str) -> Invite:
        """Take one use for an account about to be made. Raises `not_found`, `forbidden`: it is for a room only."""
        digest = _digest(token)
        invite = await self._rows.invite(digest)
        if invite is None:
            raise _not_working()
        if not invite.registers:
            raise forbidden("This invite is for people who have an account. Ask for one to register.")
        taken = await self._rows.take_invite(digest, user, int(self._clock()))
        if taken is None:
            raise _not_working()
        return taken

    async def of_room(self, room: str) -> list[InviteView]:
        """The room's invites that still work, newest first; with room "" those that only register."""
        found = await self._rows.invites_of(room, int(self._clock()), LIST_LIMIT)
        return [_view(invite) for invite in found]

    async def revoke(self, room: str, invite: str) -> None:
        """End an invite of `room` (or "" for one that only registers). Raises `not_found`."""
        if not await self._rows.revoke_invite(room, invite):
            raise not_found("There is no such invite.")


def _digest(token: str) -> bytes:
    """What the store finds an invite by. The token is random, so its digest tells nothing about it."""
    return hashlib.sha256(token[:_MAX_TOKEN_CHARS].encode("utf-8", "surrogatepass")).digest()


def _view(invite: Invite) -> InviteView:
    return InviteView(
        id=invite.id,
        room=invite.room,
        role=Role(invite.role),
        registers=invite.registers,
        creator=invite.creator,
        created=invite.created,
        expires=invite.expires,
        uses=invite.uses,
        max_uses=invite.max_uses,
    )


def _not_working() -> ChatError:
    return not_found("This invite does not exist, has ended or was used up. Ask for a new one.")
