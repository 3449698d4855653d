"""Administration of people: deactivating, signing out, erasing what somebody wrote."""

import msgspec

from chat_service.http.endpoints import Access, AnyEndpoint, Call, Endpoint
from chat_service.http.resources.auth import Ended
from chat_service.http.resources.users import People, PeopleQuery, person
from chat_service.identity.service import Identity
from chat_service.model.errors import ChatError, Code, not_found
from chat_service.rooms.service import Rooms


class Erased(msgspec.Struct):
    """In how many rooms something was erased."""

    rooms: int


class AdminResource:
    """Endpoints below /admin/users."""

    def __init__(self, identity: Identity, rooms: Rooms) -> None:
        self._identity = identity
        self._rooms = rooms

    async def list_users(self, call: Call[None, PeopleQuery]) -> People:
        """Show the accounts, those of the deactivated too."""
        asked = call.query
        page = await self._identity.profiles.search(asked.q, after=asked.after, limit=asked.limit, inactive=True)
        return People([person(profile) for profile in page.profiles], page.next)

    async def deactivate_user(self, call: Call[None, None]) -> None:
        """Lock somebody out, and end their sessions."""
        if call.path["user"] == call.user:
            raise ChatError(Code.CONFLICT, "Nobody can lock themselves out: ask another administrator.")
        await self._identity.accounts.set_active(call.path["user"], active=False)

    async def activate_user(self, call: Call[None, None]) -> None:
        """Let somebody in again."""
        await self._identity.accounts.set_active(call.path["user"], active=True)

    async def sign_user_out(self, call: Call[None, None]) -> Ended:
        """End all of somebody's sessions."""
        await self._must_exist(call.path["user"])
        return Ended(await self._identity.sessions.end_all(call.path["user"]))

    async def erase_user(self, call: Call[None, None]) -> Erased:
        """Redact whatever somebody wrote until now, everywhere."""
        await self._must_exist(call.path["user"])
        return Erased(await self._rooms.erase_user(call.path["user"]))

    async def _must_exist(self, user: str) -> None:
        if user not in await self._identity.profiles.by_ids([user]):
            raise not_found("There is no such person.")

    def endpoints(self) -> tuple[AnyEndpoint, ...]:
        """What is served."""
        user = "/admin/users/{user}"
        return (
            Endpoint(
                "GET",
                "/admin/users",
                self.list_users,
                "List accounts by how their name begins, deactivated ones too",
                tag="admin",
                access=Access.ADMIN,
                query=PeopleQuery,
                answer=People,
            ),
            Endpoint(
                "POST",
                user + "/deactivate",
                self.deactivate_user,
                "Lock somebody out and end their sessions",
                tag="admin",
                access=Access.ADMIN,
                refuses=(Code.NOT_FOUND, Code.CONFLICT),
            ),
            Endpoint(
                "POST",
                user + "/activate",
                self.activate_user,
                "Let somebody in again",
                tag="admin",
                access=Access.ADMIN,
                refuses=(Code.NOT_FOUND,),
            ),
            Endpoint(
                "POST",
                user + "/sign-out",
                self.sign_user_out,
                "End all sessions of somebody",
                tag="admin",
                access=Access.ADMIN,
                answer=Ended,
                refuses=(Code.NOT_FOUND,),
            ),
            Endpoint(
                "POST",
                user + "/erase",
                self.erase_user,
                "Erase everything somebody wrote",
                tag="admin",
                access=Access.ADMIN,
                answer=Erased,
                refuses=(Code.NOT_FOUND, Code.OVERLOADED),
            ),
        )
