"""Profiles: what everybody may know of a person, by id, by handle, or found by how they begin."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

import msgspec

from chat_service.directory.people import User, UserRows
from chat_service.identity.names import MAX_NAME_CHARS, canonical_handle
from chat_service.identity.principal import UserKind
from chat_service.model.errors import invalid

MAX_BATCH = 200
"""Most ids or handles of one look-up."""

MAX_PAGE = 100
"""Most people of one page of a search."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A person as others see them. `active` is false once an account was deactivated."""

    id: str
    kind: UserKind
    handle: str
    name: str
    admin: bool
    active: bool


class Page(msgspec.Struct, frozen=True):
    """Some of what a search found; `next` is the `after` of the next page, or None at the end."""

    profiles: list[Profile]
    next: str | None


class Profiles:
    """Looks people up. All methods raise ChatError `invalid` past their bounds and `unavailable`."""

    def __init__(self, rows: UserRows) -> None:
        self._rows = rows

    async def by_ids(self, ids: Collection[str]) -> dict[str, Profile]:
        """The profiles of those of at most MAX_BATCH user ids that exist."""
        _need_few(ids)
        return {id_: _profile(user) for id_, user in (await self._rows.users(ids)).items()}

    async def ids_by_handles(self, handles: Collection[str]) -> dict[str, str]:
        """The user ids of those of at most MAX_BATCH handles that exist; keys are as given. For mentions."""
        _need_few(handles)
        meant = {given: handle for given in handles if (handle := canonical_handle(given)) is not None}
        found = await self._rows.ids_by_handles(set(meant.values()))
        return {given: found[handle] for given, handle in meant.items() if handle in found}

    async def search(self, prefix: str, *, after: str = "", limit: int = 20, inactive: bool = False) -> Page:
        """Registered people whose handle or display name begins with `prefix`, by handle.

        Those who were deactivated are among them only with `inactive`.
        An @ before it is left out. `after` is the `next` of the page before; `limit` is at most MAX_PAGE.
        An empty prefix finds all.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise invalid(f"A page has 1 to {MAX_PAGE} people, not {limit}.")
        wanted = unicodedata.normalize("NFC", prefix).strip().removeprefix("@").casefold()
        if len(wanted) > MAX_NAME_CHARS:
            raise invalid(f"Search for at most {MAX_NAME_CHARS} characters.")
        users = await self._rows.search_users(wanted, after, limit + 1, inactive=inactive)
        page = [_profile(user) for user in users[:limit]]
        return Page(page, page[-1].handle if len(users) > limit else None)


def _need_few(asked: Collection[str]) -> None:
    if len(asked) > MAX_BATCH:
        raise invalid(f"Ask for at most {MAX_BATCH} people at once, not {len(asked)}.")


def _profile(user: User) -> Profile:
    return Profile(
        id=user.id,
        kind=UserKind.GUEST if user.guest else UserKind.REGISTERED,
        handle=user.handle,
        name=user.name,
        admin=user.admin,
        active=user.active,
    )
