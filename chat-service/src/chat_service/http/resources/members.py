"""The members of a room: who they are, letting somebody in, what they are, removing them."""

import msgspec

from chat_service.http.endpoints import AnyEndpoint, Call, Endpoint
from chat_service.identity.profiles import Profiles
from chat_service.model.entries import Kind
from chat_service.model.errors import Code, not_found
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.requests import Limit, MemberAdd, Request, RoleChange, UserId
from chat_service.rooms.service import Rooms
from chat_service.rooms.views import MemberView

_WRITE = (Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, Code.KEY_REUSED, Code.OVERLOADED)


class Members(msgspec.Struct):
    """Some members by user id; `next` is the `after` of the next page, null at the end."""

    members: list[MemberView]
    next: str | None


class MembersQuery(Request):
    """`after` is the `next` of the page before."""

    after: UserId | None = None
    limit: Limit = 100


class MembersResource:
    """Endpoints below /rooms/{room}/members."""

    def __init__(self, rooms: Rooms, profiles: Profiles) -> None:
        self._rooms = rooms
        self._profiles = profiles

    async def list_members(self, call: Call[None, MembersQuery]) -> Members:
        """Show who is in a room."""
        asked = call.query
        page = await self._rooms.members(call.user, call.path["room"], asked.after or "", asked.limit)
        return Members(page.members, page.members[-1].user if page.more else None)

    async def add_member(self, call: Call[MemberAdd, None]) -> Receipt:
        """Let somebody in."""
        known = await self._profiles.by_ids([call.body.user])
        if not any(profile.active for profile in known.values()):
            raise not_found("There is no such person.")
        body = {"user": call.body.user, "role": call.body.role}
        return await self._rooms.act(call.user, call.path["room"], Kind.JOIN, body, key=call.key)

    async def change_role(self, call: Call[RoleChange, None]) -> Receipt:
        """Change what a member is."""
        body = {"user": call.path["user"], "role": call.body.role}
        return await self._rooms.act(call.user, call.path["room"], Kind.ROLE, body, key=call.key)

    async def remove_member(self, call: Call[None, None]) -> Receipt:
        """Remove a member."""
        body = {"user": call.path["user"]}
        return await self._rooms.act(call.user, call.path["room"], Kind.LEAVE, body, key=call.key)

    def endpoints(self) -> tuple[AnyEndpoint, ...]:
        """What is served."""
        return (
            Endpoint(
                "GET",
                "/rooms/{room}/members",
                self.list_members,
                "List the members of a room",
                tag="members",
                query=MembersQuery,
                answer=Members,
                refuses=(Code.FORBIDDEN, Code.NOT_FOUND),
            ),
            Endpoint(
                "POST",
                "/rooms/{room}/members",
                self.add_member,
                "Let somebody into a room",
                tag="members",
                body=MemberAdd,
                answer=Receipt,
                status=201,
                keyed=True,
                refuses=_WRITE,
            ),
            Endpoint(
                "PATCH",
                "/rooms/{room}/members/{user}",
                self.change_role,
                "Change a member's role",
                tag="members",
                body=RoleChange,
                answer=Receipt,
                keyed=True,
                refuses=_WRITE,
            ),
            Endpoint(
                "DELETE",
                "/rooms/{room}/members/{user}",
                self.remove_member,
                "Remove a member from a room",
                tag="members",
                answer=Receipt,
                keyed=True,
                refuses=_WRITE,
            ),
        )
