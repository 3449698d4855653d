"""Rate limits: REST requests of an address, as a middleware; the kinds for what a person does."""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from chat_service.http.access_log import QUIET
from chat_service.http.client_address import TrustedProxies
from chat_service.identity.limits import RateLimits, address_key

REST_PER_ADDRESS = "rest_per_address"
SEARCH_PER_USER = "search_per_user"
SEND_PER_USER = "send_per_user"
"""The kinds of limits that the settings `rate_…` of these names set; writes over sockets count as well."""


def rate_limits(limits: RateLimits, proxies: TrustedProxies) -> Middleware:
    """Make the middleware. Health checks are not counted: a probe refused would end a healthy node."""

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in QUIET:
            limits.check(REST_PER_ADDRESS, address_key(proxies.client_address(request)))
        return await handler(request)

    return limited
