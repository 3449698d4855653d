"""The members of a room: who they are, letting somebody in, what they are, removing them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from chat_service.http.endpoints import AnyEndpoint, Call, Endpoint
from chat_service.identity.principal import UserKind
from chat_service.identity.profiles import MAX_BATCH, MAX_PAGE, Profile, Profiles
from chat_service.model.entries import Kind
from chat_service.model.errors import Code, not_found
from chat_service.model.ids import USER_GUEST
from chat_service.model.permissions import Role
from chat_service.rooms.deciding import Receipt
from chat_service.rooms.requests import MemberAdd, Request, RoleChange
from chat_service.rooms.service import Rooms
from chat_service.rooms.views import MemberView

Looked = Annotated[str, Meta(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$", description="How it begins.")]
_WRITE = (Code.FORBIDDEN, Code.NOT_FOUND, Code.CONFLICT, Code.KEY_REUSED, Code.OVERLOADED)


LOOK_AHEAD_PAGES = 20
"""Pages of people that are looked through for members in one request: bounds what a search costs."""


class Member(msgspec.Struct, kw_only=True):
    """A member of a room as its list shows them; `since` is the seq of the entry that let them in."""

    user: str
    role: Role
    since: int
    username: str
    name: str
    kind: UserKind
    active: bool


class Members(msgspec.Struct):
    """Some members; `next` is the `after` of the next page, null at the end."""

    members: list[Member]
    next: str | None


class MembersQuery(Request):
    """`q` is how a username or a name begins; `after` is the `next` of the page before."""

    q: Looked = ""
    after: Looked = ""
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Most members to return.")] = 100


class MembersResource:
    """Endpoints below /rooms/{room}/members."""

    def __init__(self, rooms: Rooms, profiles: Profiles) -> None:
        self._rooms = rooms
        self._profiles = profiles

    async def list_members(self, call: Call[None, MembersQuery]) -> Members:
        """Show who is in a room."""
        asked, room = call.query, call.path["room"]
        if asked.q:
            return await self._find_members(call.user, room, asked)
        page = await self._rooms.browsing.members(call.user, room, asked.after, asked.limit)
        profiles = await self._profiles.by_ids([member.user for member in page.members])
        members = [_member(one, profiles[one.user]) for one in page.members if one.user in profiles]
        return Members(members, page.members[-1].user if page.more else None)

    async def _find_members(self, user: str, room: str, asked: MembersQuery) -> Members:
        """Members whose username or name begins with `q`, by username; a page can be short before the end."""
        members = [] if asked.after else await self._find_guests(user, room, asked.q)
        after: str | None = asked.after
        for _ in range(LOOK_AHEAD_PAGES):
            page = await self._profiles.search(asked.q, after=after or "", limit=MAX_PAGE)
            found = {profile.id: profile for profile in page.profiles}
            among = await self._rooms.browsing.members_among(user, room, list(found))
            members.extend(_member(one, found[one.user]) for one in among)
            after = page.next
            if len(members) > asked.limit:
                members = members[: asked.limit]
                return Members(members, members[-1].username)
            if after is None:
                break
        return Members(members, after)

    async def _find_guests(self, user: str, room: str, begins: str) -> list[Member]:
        """Guests are in no list of people: their names are compared here, of the first in the room."""
        page = await self._rooms.browsing.members(user, room, "", MAX_BATCH)
        guests = [member for member in page.members if member.user[:1] == USER_GUEST]
        profiles = await self._profiles.by_ids([guest.user for guest in guests])
        shown = [_member(guest, profiles[guest.user]) for guest in guests if guest.user in profiles]
        wanted = begins.strip().casefold()
        return [guest for guest in shown if guest.name.casefold().startswith(wanted)]

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


def _member(member: MemberView, profile: Profile) -> Member:
    return Member(
        user=member.user,
        role=member.role,
        since=member.since,
        username=profile.handle,
        name=profile.name,
        kind=profile.kind,
        active=profile.active,
    )
