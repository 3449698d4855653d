"""Authentication: whom a request's `Authorization: Bearer` proves to have sent it."""

from aiohttp import hdrs, web

from chat_service.http.access_log import USER
from chat_service.http.endpoints import Access
from chat_service.identity.principal import Principal
from chat_service.identity.sessions import Sessions
from chat_service.model.errors import ChatError, Code, forbidden


def signed_in(request: web.Request, access: Access, sessions: Sessions) -> Principal | None:
    """Who calls an endpoint of this access; None where anybody may.

    Raises `unauthenticated` without a valid access token, `forbidden` for one that is no administrator's.
    """
    if access is Access.ANYBODY:
        return None
    principal = sessions.authenticate(_token(request))
    request[USER] = principal.user
    if access is Access.ADMIN and not principal.admin:
        raise forbidden("Only administrators of this service may do this.")
    return principal


def _token(request: web.Request) -> str:
    given = request.headers.getall(hdrs.AUTHORIZATION, ())
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise ChatError(
            Code.UNAUTHENTICATED, "Expected one header `Authorization: Bearer <access token>`. Sign in first."
        )
    return token.strip()
