"""Routing: an endpoint's declaration made into a handler of aiohttp."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from chat_service.http.authentication import signed_in
from chat_service.http.client_address import TrustedProxies
from chat_service.http.endpoints import PATH_PARAMETERS, AnyEndpoint, Call
from chat_service.http.rate_limits import SEND_PER_USER
from chat_service.http.request_body import read_body
from chat_service.http.transfers import Download, Upload, send
from chat_service.identity.limits import RateLimits
from chat_service.identity.principal import Caller
from chat_service.identity.sessions import Sessions
from chat_service.rooms.requests import Key, RequestError, refusal

PREFIX = "/api/v1"

_LONGEST_AGENT = 200


@dataclass(frozen=True, slots=True)
class Doors:
    """What every request passes before its handler: whose it is, how many they made, where from."""

    sessions: Sessions
    limits: RateLimits
    proxies: TrustedProxies


def routes(endpoints: Iterable[AnyEndpoint], doors: Doors) -> list[web.RouteDef]:
    """A route for each endpoint."""
    return [
        web.route(endpoint.method, PREFIX + endpoint.path, _handler(endpoint, doors)) for endpoint in endpoints
    ]


def _handler(endpoint: AnyEndpoint, doors: Doors) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        answer = await endpoint.handler(await _call(endpoint, doors, request))
        if endpoint.answer is None:
            return web.Response(status=endpoint.success)
        if isinstance(answer, Download):
            return await send(request, answer)
        return web.Response(
            body=msgspec.json.encode(answer), status=endpoint.success, content_type="application/json"
        )

    return handle


async def _call(endpoint: AnyEndpoint, doors: Doors, request: web.Request) -> Call[Any, Any]:
    """Check everything about a request, what costs least first."""
    principal = signed_in(request, endpoint.access, doors.sessions)
    path = {name: _checked(request.match_info[name], name) for name in endpoint.parameters}
    query = _query(request, endpoint.query)
    if endpoint.keyed and principal is not None:
        doors.limits.check(SEND_PER_USER, principal.user)
    agent = request.headers.get(hdrs.USER_AGENT, "")[:_LONGEST_AGENT]
    return Call(
        path=path,
        query=query,
        body=await _body(request, endpoint),
        caller=Caller(doors.proxies.client_address(request), agent),
        signed_in=principal,
        header_key=_header_key(request) if endpoint.keyed else None,
    )


async def _body(request: web.Request, endpoint: AnyEndpoint) -> object:
    if endpoint.body is None:
        return None
    return Upload(request) if endpoint.body is Upload else await read_body(request, endpoint.body)


def _query(request: web.Request, kind: type | None) -> object:
    given = request.query
    twice = next((name for name in given if len(given.getall(name)) > 1), None)
    if twice is not None:
        raise RequestError(f"{twice[:80]}: is given more than once.", twice[:80])
    if kind is None:
        if given:
            name = next(iter(given))[:80]
            raise RequestError(f"{name}: is not a parameter here; there are none.", name)
        return None
    return _converted(dict(given), kind)


def _checked(text: str, name: str) -> Any:
    try:
        return _converted(text, PATH_PARAMETERS[name])
    except RequestError as problem:
        raise RequestError(f"{name}: {problem.message[:1].lower()}{problem.message[1:]}", name) from problem


def _header_key(request: web.Request) -> str | None:
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return None
    try:
        return str(_converted(given, Key))
    except RequestError as problem:
        raise RequestError(f"Idempotency-Key: {problem.message}", "Idempotency-Key") from problem


def _converted(raw: str | Mapping[str, str], kind: Any) -> Any:
    try:
        return msgspec.convert(raw, kind, strict=False)
    except ValueError as problem:
        raise refusal(problem, kind) from problem
