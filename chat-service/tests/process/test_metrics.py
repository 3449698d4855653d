"""What an operator sees: the metrics that are promised, with values that fit what happened."""

from __future__ import annotations

import asyncio

from crowd import gathered
from service_process import MakePlace, StartService, metrics_of

PROMISED = {
    "chat_connections",
    "chat_append_seconds_count",
    "chat_delivery_seconds_count",
    "chat_writer_queue_entries",
    "chat_bus_lag_seconds",
    "chat_gap_repairs_total",
    "chat_slow_readers_total",
    "chat_event_loop_lag_seconds_count",
    "chat_draining",
    'chat_sends_total{outcome="stored"}',
    'chat_sends_total{outcome="duplicate"}',
    'chat_sends_total{outcome="not_found"}',
    'chat_resumes_total{outcome="reset"}',
    'chat_resumes_total{outcome="live"}',
    'chat_dependency_up{dependency="store"}',
    'chat_dependency_up{dependency="bus"}',
    'chat_rate_limited_total{limit="send_per_user"}',
    'chat_jobs_lag_entries{job="webhooks"}',
    "chat_webhook_dead_letters",
}


async def test_metrics_tell_what_happened(make_place: MakePlace, start_service: StartService) -> None:
    place = make_place(CHAT_RATE_SEND_PER_USER="1/m burst 40")
    process = start_service(place)
    await process.ready()
    async with gathered(place.url, people=2, rooms=1) as crowd:
        await crowd.connect(2, polling=1)
        (room,) = crowd.rooms
        client = crowd.clients[0]
        await asyncio.gather(*(client.post(room, f"message {number}") for number in range(30)))
        payload = {"room": room, "key": "twice", "body": {"text": "once"}}
        for duplicate in (False, True):
            answer = await client.ask("message:send", payload)
            assert answer["duplicate"] is duplicate
        assert not (await client.ask("message:send", {**payload, "room": "c" + "a" * 21}))["ok"]
        for number in range(10):
            await client.ask("message:send", {**payload, "key": f"many.{number}"})
        await crowd.clients[1].cut()
        await asyncio.sleep(0.2)
        length = len(await crowd.people[0].read_log(room))
        await crowd.clients[1].reaches(room, length)
        samples = await metrics_of(place)
        missing = PROMISED - samples.keys()
        assert not missing
        stored = samples['chat_sends_total{outcome="stored"}']
        assert stored == length
        assert samples['chat_sends_total{outcome="duplicate"}'] == 1
        assert samples['chat_sends_total{outcome="not_found"}'] == 1
        assert samples['chat_rate_limited_total{limit="send_per_user"}'] >= 1
        assert samples["chat_connections"] == 3
        assert 0 < samples["chat_append_seconds_count"] <= stored
        assert 0 < samples["chat_delivery_seconds_count"] <= stored
        assert samples['chat_resumes_total{outcome="reset"}'] == 3
        assert samples['chat_resumes_total{outcome="live"}'] >= 1
        assert samples["chat_writer_queue_entries"] == 0
        assert samples["chat_draining"] == 0
        assert samples['chat_dependency_up{dependency="store"}'] == 1
        assert samples["chat_event_loop_lag_seconds_count"] > 0
