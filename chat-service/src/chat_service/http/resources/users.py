"""People: oneself, others by id, and looking for somebody."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from msgspec import Meta

from chat_service.http.endpoints import AnyEndpoint, Call, Endpoint
from chat_service.identity.accounts import Accounts
from chat_service.identity.names import MAX_NAME_CHARS
from chat_service.identity.principal import UserKind
from chat_service.identity.profiles import MAX_PAGE, Profile, Profiles
from chat_service.model.errors import Code, forbidden, not_found
from chat_service.rooms.requests import Request, UserId

MAX_LOOKUP = 100

PersonName = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
Looked = Annotated[str, Meta(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$", description="How it begins.")]
PeopleLimit = Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Most people to return.")]


class Person(msgspec.Struct, kw_only=True):
    """A person as others see them. `active` is false once the account was deactivated."""

    id: str
    username: str
    name: str
    kind: UserKind
    admin: bool
    active: bool = True


class People(msgspec.Struct):
    """Some people; `next` is the `after` of the next page, null at the end."""

    users: list[Person]
    next: str | None = None


class Found(msgspec.Struct):
    """Those of the asked for who exist."""

    users: list[Person]


class ProfileChange(Request):
    """What is to change of one's own profile."""

    name: PersonName


class Lookup(Request):
    """The ids of people to be shown."""

    ids: Annotated[list[UserId], Meta(max_length=MAX_LOOKUP)]


class PeopleQuery(Request):
    """`q` is how a username or a name begins; `after` is the `next` of the page before."""

    q: Looked = ""
    after: Looked = ""
    limit: PeopleLimit = 20


Renamed = Callable[[str, str, str], Awaitable[None]]
"""Told of whoever has another name now: id, username, name."""


class UsersResource:
    """Endpoints below /users."""

    def __init__(self, accounts: Accounts, profiles: Profiles, renamed: Renamed) -> None:
        self._accounts = accounts
        self._profiles = profiles
        self._renamed = renamed

    async def show_me(self, call: Call[None, None]) -> Person:
        """Show the caller's own profile as it is now."""
        return await self._person(call.user)

    async def change_me(self, call: Call[ProfileChange, None]) -> Person:
        """Change the caller's own profile."""
        await self._accounts.change_name(call.principal, call.body.name)
        changed = await self._person(call.user)
        await self._renamed(changed.id, changed.username, changed.name)
        return changed

    async def show_user(self, call: Call[None, None]) -> Person:
        """Show somebody."""
        return await self._person(call.path["user"])

    async def search_users(self, call: Call[None, PeopleQuery]) -> People:
        """Find registered people."""
        if call.principal.guest:
            raise forbidden("Guests cannot search for people.")
        asked = call.query
        page = await self._profiles.search(asked.q, after=asked.after, limit=asked.limit)
        return People([person(profile) for profile in page.profiles], page.next)

    async def look_up_users(self, call: Call[Lookup, None]) -> Found:
        """Show several people."""
        found = await self._profiles.by_ids(dict.fromkeys(call.body.ids))
        return Found([person(profile) for profile in found.values()])

    async def _person(self, user: str) -> Person:
        found = await self._profiles.by_ids([user])
        if user not in found:
            raise not_found("There is no such person.")
        return person(found[user])

    def endpoints(self) -> tuple[AnyEndpoint, ...]:
        """What is served."""
        return (
            Endpoint("GET", "/users/me", self.show_me, "Show me", tag="users", answer=Person),
            Endpoint(
                "PATCH",
                "/users/me",
                self.change_me,
                "Change my name",
                tag="users",
                body=ProfileChange,
                answer=Person,
                refuses=(Code.CONFLICT,),
            ),
            Endpoint(
                "GET",
                "/users",
                self.search_users,
                "Find people by how their name begins",
                tag="users",
                query=PeopleQuery,
                answer=People,
                refuses=(Code.FORBIDDEN,),
            ),
            Endpoint(
                "GET",
                "/users/{user}",
                self.show_user,
                "Show somebody",
                tag="users",
                answer=Person,
                refuses=(Code.NOT_FOUND,),
            ),
            Endpoint(
                "POST",
                "/users/lookup",
                self.look_up_users,
                "Show several people by id",
                tag="users",
                body=Lookup,
                answer=Found,
            ),
        )


def person(profile: Profile) -> Person:
    """A profile as REST shows it."""
    return Person(
        id=profile.id,
        username=profile.handle,
        name=profile.name,
        kind=profile.kind,
        admin=profile.admin,
        active=profile.active,
    )
