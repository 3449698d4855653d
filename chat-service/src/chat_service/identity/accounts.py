"""Accounts: people come in (register, sign in, as a guest), and their accounts change."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from chat_service.directory.people import Credential, Invite, PeopleDirectory, User
from chat_service.identity.attempts import Attempts
from chat_service.identity.invites import Invites
from chat_service.identity.limits import address_key
from chat_service.identity.names import canonical_handle, display_name, new_handle
from chat_service.identity.passwords import Passwords
from chat_service.identity.policy import Policy, Registration
from chat_service.identity.principal import Caller, Principal
from chat_service.identity.revocations import Revocations
from chat_service.identity.sessions import Sessions, Tokens
from chat_service.model.errors import ChatError, Code, forbidden, not_found
from chat_service.model.ids import new_user_id

log = structlog.get_logger()


class Accounts:
    """Makes and changes accounts, and opens sessions for whoever proves to own one.

    Besides what each method names, all raise ChatError `invalid` for values outside the rules,
    `unavailable` when the store cannot be reached and `overloaded` when too many passwords are being
    checked at once; both of the latter may be tried again. `clock` gives Unix seconds.
    """

    def __init__(
        self,
        people: PeopleDirectory,
        policy: Policy,
        passwords: Passwords,
        attempts: Attempts,
        invites: Invites,
        sessions: Sessions,
        revocations: Revocations,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._people = people
        self.policy = policy
        self._passwords = passwords
        self._attempts = attempts
        self._invites = invites
        self._sessions = sessions
        self._revocations = revocations
        self._clock = clock

    async def register(
        self, handle: str, name: str, password: str, caller: Caller, invite: str | None = None
    ) -> Tokens:
        """Make an account and sign it in; `invite` is the token of an invite link.

        Under the policy `invite` one use of the invite is taken. The room of an invite is not joined here:
        see `Invites.redeem`, which takes no second use. Raises ChatError `forbidden` (policy, or an invite
        that does not let anybody register), `not_found` (invite unknown, ended or used up), `conflict`
        (handle taken), `rate_limited`.
        """
        if self.policy.registration is Registration.CLOSED:
            raise forbidden("Nobody can register here. Ask an administrator for an account.")
        if self.policy.registration is Registration.INVITE and not invite:
            raise forbidden("An invite is needed to register here. Ask for a link.")
        user = self._new_user(handle, name)
        await self._attempts.take(self.policy.register_attempts, f"register:address:{address_key(caller.address)}")
        await self._need_free(user.handle)
        password_hash = await self._passwords.hash(password)
        taken: Invite | None = None
        if self.policy.registration is Registration.INVITE and invite:
            taken = await self._invites.take_for_registration(invite, user.id)
        if not await self._people.add_user(user, password_hash):
            if taken is not None:
                await self._people.give_back_invite(taken.id, user.id)
            raise _handle_taken(user.handle)
        log.info("accounts.registered", user=user.id, invite=None if taken is None else taken.id)
        return await self._sessions.open(user, caller)

    async def sign_in(self, handle: str, password: str, caller: Caller) -> Tokens:
        """Open a session for the account.

        Raises ChatError `unauthenticated` (which does not tell a wrong name from a wrong password),
        `forbidden` (deactivated), `rate_limited`.
        """
        account = canonical_handle(handle)
        credential = await self._verified(account, password, caller)
        if credential is None or account is None:
            raise _wrong()
        _need_active(credential.user)
        password_hash = await self._rehashed(credential, password)
        tokens = await self._sessions.open(credential.user, caller)
        # A deactivation or a change of the password ends every session that it finds. Looking again, after
        # the session is there to be found, leaves no moment between in which one slips through.
        now = await self._people.credential(account)
        if now is None or not now.user.active or not await self._still(now, password_hash, password):
            await self._sessions.sign_out(tokens.principal)
            raise _wrong()
        return tokens

    async def enter_as_guest(self, name: str, caller: Caller) -> Tokens:
        """Open a session for somebody who gives a name and nothing else.

        A guest's handle is their user id. Raises ChatError `forbidden`, `rate_limited`.
        """
        if not self.policy.guests:
            raise forbidden("Guests are not let in here. Sign in, or register.")
        id_ = new_user_id(guest=True)
        user = User(
            id=id_,
            handle=id_,
            name=display_name(name),
            guest=True,
            admin=False,
            active=True,
            created=int(self._clock()),
        )
        await self._attempts.take(self.policy.guest_attempts, f"guest:address:{address_key(caller.address)}")
        await self._people.add_user(user, "")
        return await self._sessions.open(user, caller)

    async def change_password(self, principal: Principal, current: str, new: str, caller: Caller) -> None:
        """Replace the password and end every other session of the person.

        Raises ChatError `forbidden` (guests, or `current` is wrong), `conflict` (changed by another request
        meanwhile), `rate_limited`.
        """
        if principal.guest:
            raise forbidden("Guests have no password.")
        credential = await self._verified(principal.handle, current, caller)
        if credential is None:
            raise forbidden("The current password is wrong.")
        new_hash = await self._passwords.hash(new)
        if not await self._people.set_password(principal.user, credential.password_hash, new_hash):
            raise ChatError(Code.CONFLICT, "The password was changed meanwhile. Sign in with that one.")
        log.info("accounts.password_changed", user=principal.user)
        await self._sessions.end_others(principal)

    async def change_name(self, principal: Principal, name: str) -> str:
        """Change the display name and return it as stored; access tokens say the old one until refreshed."""
        name = display_name(name)
        if not await self._people.set_name(principal.user, name):
            raise _no_such_user()
        return name

    async def create(self, handle: str, name: str, password: str, *, admin: bool = False) -> User:
        """Make an account whatever the policy says, for `chat-service admin create-user`.

        Raises ChatError `conflict` where the handle is taken.
        """
        user = self._new_user(handle, name, admin=admin)
        await self._need_free(user.handle)
        if not await self._people.add_user(user, await self._passwords.hash(password)):
            raise _handle_taken(user.handle)
        log.info("accounts.created", user=user.id, admin=admin)
        return user

    async def reset_password(self, user: str, password: str) -> None:
        """Set a password for a user id that lost theirs and end all their sessions.

        Raises ChatError `not_found`, also for guests.
        """
        await self._need_registered(user)
        await self._people.set_password(user, None, await self._passwords.hash(password))
        log.info("accounts.password_reset", user=user)
        await self._sessions.end_all(user)

    async def set_admin(self, user: str, *, admin: bool) -> None:
        """Give a user id the right to administrate, or take it.

        Access tokens made before are revoked, so that what they say is no longer believed; sessions stay.
        Raises ChatError `not_found`, also for guests.
        """
        await self._need_registered(user)
        await self._people.set_admin(user, admin)
        log.info("accounts.admin_set", user=user, admin=admin)
        await self._revoke_tokens(user)

    async def set_active(self, user: str, *, active: bool) -> None:
        """Deactivate a user id, which ends all its sessions, or activate it again. Raises `not_found`."""
        if not await self._people.set_active(user, active):
            raise _no_such_user()
        log.info("accounts.active_set", user=user, active=active)
        if not active:
            await self._revoke_tokens(user)
            await self._sessions.end_all(user)

    def _new_user(self, handle: str, name: str, *, admin: bool = False) -> User:
        return User(
            id=new_user_id(),
            handle=new_handle(handle),
            name=display_name(name),
            guest=False,
            admin=admin,
            active=True,
            created=int(self._clock()),
        )

    async def _need_free(self, handle: str) -> None:
        """Refuse a taken handle before a hash is computed for it; `add_user` decides."""
        if await self._people.ids_by_handles([handle]):
            raise _handle_taken(handle)

    async def _need_registered(self, user: str) -> None:
        found = (await self._people.users([user])).get(user)
        if found is None or found.guest:
            raise _no_such_user()

    async def _verified(self, account: str | None, password: str, caller: Caller) -> Credential | None:
        """The account's credential if `password` is right, counting the attempt. Raises `rate_limited`.

        An attempt is counted for the account and for the address. One that succeeds is not held against the
        address, and clears the account; one that could not be decided counts for neither.
        """
        keys = [f"signin:address:{address_key(caller.address)}"]
        if account is not None:
            keys.append(f"signin:account:{account}")
        attempt = await self._attempts.take(self.policy.signin_attempts, *keys)
        try:
            credential = None if account is None else await self._people.credential(account)
            right = await self._passwords.verify(
                None if credential is None else credential.password_hash, password
            )
        except ChatError:
            await self._attempts.give_back(attempt)
            raise
        if credential is None or not right:
            return None
        await self._attempts.give_back(attempt)
        await self._attempts.clear(f"signin:account:{account}")
        return credential

    async def _rehashed(self, credential: Credential, password: str) -> str:
        """The stored hash, made anew first where the parameters changed since."""
        if not self._passwords.outdated(credential.password_hash):
            return credential.password_hash
        renewed = await self._passwords.hash(password)
        stored = await self._people.set_password(credential.user.id, credential.password_hash, renewed)
        return renewed if stored else credential.password_hash

    async def _still(self, credential: Credential, password_hash: str, password: str) -> bool:
        """Whether `password`, which made `password_hash`, is still the right one."""
        if credential.password_hash == password_hash:
            return True
        # Perhaps another sign-in renewed the hash of the same password meanwhile.
        return await self._passwords.verify(credential.password_hash, password)

    async def _revoke_tokens(self, user: str) -> None:
        await self._people.revoke_user(user, int(self._clock()))
        await self._revocations.poll()


def _need_active(user: User) -> None:
    if not user.active:
        raise forbidden("This account is deactivated. Ask an administrator.")


def _wrong() -> ChatError:
    return ChatError(Code.UNAUTHENTICATED, "The username or the password is wrong.")


def _handle_taken(handle: str) -> ChatError:
    return ChatError(Code.CONFLICT, f"The username {handle!r} is taken. Choose another one.")


def _no_such_user() -> ChatError:
    return not_found("There is no such user.")
