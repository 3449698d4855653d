"""Access tokens that end while a socket is open: warned, renewed, or closed after a grace."""

from __future__ import annotations

import asyncio
import time

from crowd import gathered
from eventually import eventually
from service_process import MakePlace, StartService

TTL_S = 4
GRACE_S = 2
SHORT_GRACE = f"import chat_service.realtime.events as events; events.EXPIRED_GRACE_S = {GRACE_S}"


async def test_a_socket_outlives_its_token_by_a_grace_unless_it_is_renewed(
    make_place: MakePlace, start_service: StartService
) -> None:
    place = make_place(CHAT_ACCESS_TOKEN_TTL_S=str(TTL_S))
    process = start_service(place, prelude=SHORT_GRACE)
    await process.ready()
    async with gathered(place.url, people=2, rooms=1) as crowd:
        await asyncio.gather(*(person.refresh() for person in crowd.people))
        connected = time.monotonic()
        await crowd.connect(2)
        (room,) = crowd.rooms
        renewing, forgetful = crowd.clients
        await eventually(lambda: crowd.history.notices_of(forgetful.name, "token_expired"), TTL_S + 3)
        (warning,) = crowd.history.notices_of(forgetful.name, "token_expired")
        assert 0 < warning.payload["close_in_ms"] <= GRACE_S * 1000
        await forgetful.say(room, "still served during the grace")
        others = await renewing.ask("auth:refresh", {"token": await crowd.people[1].refresh()})
        assert others["error"]["code"] == "forbidden"
        forgetful.comes_back = False
        while time.monotonic() < connected + TTL_S + GRACE_S + 2:
            answer = await renewing.ask("auth:refresh", {"token": await crowd.people[0].refresh()})
            assert answer["ok"]
            assert answer["expires"] > time.time()
            await asyncio.sleep(0.5)
        await forgetful.gone(3)
        assert renewing.connected.is_set()
        assert [link.number for link in crowd.history.links if link.client == renewing.name] == [1]
        await crowd.people[0].refresh()
        crowd.clients.remove(forgetful)
        await renewing.say(room, "and goes on")
        await crowd.assert_sound()
