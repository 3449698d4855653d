"""Webhooks in one process: what arrives, in which order, and what a receiver that fails on purpose makes of it."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from backstage import SOON_S, backstage, opened, until

from chat_service.directory.webhooks import DeliveryState
from chat_service.jobs.webhooks import LANES_MOST
from chat_service.model.entries import Kind
from chat_service.model.errors import ChatError
from servers.webhook_receiver import OK, Arrival, Behaviour, receiver

FAILURES = (
    Behaviour(500),
    Behaviour(503, {"Retry-After": "0"}),
    Behaviour(429, {"Retry-After": "garbage"}),
    Behaviour(302, {"Location": "/elsewhere"}),
    Behaviour(404),
    Behaviour(reset=True),
    Behaviour(200, delay_s=0.05),
    Behaviour(200, body=b"x" * 1_000_000),
)


async def test_everything_arrives_in_order_whatever_the_receiver_does(tmp_path: Path) -> None:
    chance = random.Random(5)
    async with backstage(tmp_path) as at:
        rooms = [await at.room() for _ in range(3)]
        at.receiver.behave = lambda _: chance.choice((*FAILURES, OK, OK))
        for room in rooms:
            await at.webhook(room)
        said = {room: await at.say(room, *(f"text {number}" for number in range(40))) for room in rooms}
        for room in rooms:
            await until(lambda room=room: len(at.receiver.seqs(room)) == len(said[room]))
            assert at.receiver.seqs(room) == said[room]
        assert {arrival.path for arrival in at.receiver.arrived} == {"/hook"}  # no redirect was followed
        await until(lambda: at.sample("chat_webhook_deliveries_total", outcome="delivered") >= 120)
        assert at.sample("chat_webhook_deliveries_total", outcome="failed") > 0


async def test_a_receiver_that_answers_too_late_is_asked_again(tmp_path: Path) -> None:
    async with backstage(tmp_path, webhook_timeout_s=0.3) as at:
        room = await at.room()
        late = Behaviour(delay_s=0.6)
        at.receiver.behave = lambda arrival: late if arrival.attempt == 1 else OK
        hook = await at.webhook(room)
        await at.say(room, "one")
        await until(lambda: any(arrival.attempt == 2 for arrival in at.receiver.took))
        first, second, *_ = at.receiver.arrived
        assert first.delivery == second.delivery
        await until(lambda: at.deliveries(hook, DeliveryState.DELIVERED))
        ((delivery,)) = await at.deliveries(hook)
        assert (delivery.attempts, delivery.status, delivery.id) == (2, 200, first.delivery)


async def test_an_entry_comes_as_readers_see_it(tmp_path: Path) -> None:
    async with backstage(tmp_path) as at:
        room = await at.room()
        await at.webhook(room)
        (seq,) = await at.say(room, "hällo")
        await until(lambda: at.receiver.took)
        (arrival,) = at.receiver.took
        entry = await at.heart.rooms.browsing.entry(at.ann.user, room, seq)
        assert arrival.entry is not None
        assert arrival.event == "message"
        assert arrival.entry["body"] == {"text": "hällo"}
        assert (arrival.entry["id"], arrival.entry["sender"]) == (entry.id, at.ann.user)
        assert "digest" not in arrival.entry


async def test_what_was_deleted_before_it_arrived_comes_without_its_words(tmp_path: Path) -> None:
    async with backstage(tmp_path, webhook_retry_first_s=300.0, webhook_retry_most_s=600.0) as at:
        room = await at.room()
        at.receiver.behave = lambda _: Behaviour(500)
        hook = await at.webhook(room)
        (seq,) = await at.say(room, "secret")
        await until(lambda: at.deliveries(hook, DeliveryState.RETRYING))
        await at.heart.rooms.act(at.ann.user, room, Kind.DELETE, {}, target=seq)
        at.receiver.behave = lambda _: OK
        await at.heart.background.webhooks.change(at.ann, hook.id, enabled=True)
        await until(lambda: len(at.receiver.seqs(room)) == 2)
        before, after = at.receiver.arrived[0].entry, at.receiver.took[0].entry
        assert before is not None
        assert after is not None
        assert before["body"] == {"text": "secret"}
        assert (after["seq"], after["redacted"]) == (seq, True)
        assert "body" not in after


async def test_only_the_kinds_that_were_asked_for_arrive(tmp_path: Path) -> None:
    async with backstage(tmp_path) as at:
        room = await at.room()
        await at.webhook(room, "/edits", events=[Kind.EDIT, Kind.TOPIC])
        (seq,) = await at.say(room, "one")
        await at.heart.rooms.act(at.ann.user, room, Kind.EDIT, {"text": "two"}, target=seq)
        await at.say(room, "three")
        await at.heart.rooms.act(at.ann.user, room, Kind.TOPIC, {"topic": "four"})
        await until(lambda: len(at.receiver.took) == 2)
        assert [arrival.event for arrival in at.receiver.took] == ["edit", "topic"]
        await until(lambda: at.sample("chat_jobs_lag_entries", job="webhooks") == 0)


async def test_one_of_all_rooms_is_told_of_what_is_new_in_each(tmp_path: Path) -> None:
    async with backstage(tmp_path) as at:
        before = await at.room()
        await at.say(before, "old")
        await at.webhook(None)
        (new,) = await at.say(before, "new")
        after = await at.room()
        (first,) = await at.say(after, "first")
        await until(lambda: len(at.receiver.took) == 3)
        assert at.receiver.seqs(before) == [new]
        assert at.receiver.seqs(after) == [1, first]


async def test_who_is_gone_is_left_alone_until_somebody_enables_it_again(tmp_path: Path) -> None:
    async with backstage(tmp_path) as at:
        room = await at.room()
        at.receiver.behave = lambda _: Behaviour(410)
        hook = await at.webhook(room)
        said = await at.say(room, "one", "two")
        webhooks = at.heart.background.webhooks

        async def disabled() -> bool:
            return not (await webhooks.get(at.ann, hook.id)).enabled

        await until(disabled)
        assert "410" in (await webhooks.get(at.ann, hook.id)).reason
        assert len(at.receiver.arrived) == 1
        at.receiver.behave = lambda _: OK
        assert (await webhooks.change(at.ann, hook.id, enabled=True)).reason == ""
        await until(lambda: at.receiver.seqs(room) == said)


async def test_what_is_given_up_is_kept_and_can_be_had_again(tmp_path: Path) -> None:
    async with backstage(tmp_path, webhook_attempts=2) as at:
        room = await at.room()
        poison: set[int] = set()
        at.receiver.behave = lambda one: Behaviour(500) if one.entry and one.entry["seq"] in poison else OK
        hook = await at.webhook(room)
        first = await at.say(room, "one")
        await until(lambda: at.receiver.seqs(room) == first)
        poison.update(range(3, 6))
        said = await at.say(room, *"abcde")
        good = [seq for seq in said if seq not in poison]
        await until(lambda: at.receiver.seqs(room) == first + good)
        dead = await at.deliveries(hook, DeliveryState.DEAD)
        assert sorted(letter.seq for letter in dead) == sorted(poison)
        assert {(letter.attempts, letter.status, letter.error) for letter in dead} == {(2, 500, "answered 500")}
        webhooks = at.heart.background.webhooks
        with pytest.raises(ChatError, match="Only dead letters"):
            await webhooks.replay(at.ann, hook.id, at.receiver.took[0].delivery)
        poison.clear()
        last = max(dead, key=lambda letter: letter.seq)
        await webhooks.replay(at.ann, hook.id, last.id)
        await until(lambda: last.seq in at.receiver.seqs(room))
        assert await webhooks.replay_all(at.ann, hook.id) == 2
        await until(lambda: set(at.receiver.seqs(room)) == {*first, *said})
        ids = {letter.id for letter in dead}
        assert {one.delivery for one in at.receiver.took if one.entry and one.entry["seq"] in range(3, 6)} == ids
        await until(lambda: _none_of(at.deliveries(hook, DeliveryState.REPLAYING)))
        assert await at.deliveries(hook, DeliveryState.DEAD) == []


async def _none_of(listed: object) -> bool:
    return not await listed  # type: ignore[misc]


async def test_a_room_is_had_again_from_a_seq_on(tmp_path: Path) -> None:
    async with backstage(tmp_path) as at:
        room = await at.room()
        before = await at.say(room, "before the webhook")
        hook = await at.webhook(room)
        said = await at.say(room, *"abc")
        await until(lambda: at.receiver.seqs(room) == said)
        webhooks = at.heart.background.webhooks
        already = len(at.receiver.took)
        assert await webhooks.replay_from(at.ann, hook.id, None, before[0]) == room
        await until(lambda: len(at.receiver.took) == already + 4)
        again = [one.entry["seq"] for one in at.receiver.took[already:] if one.entry]
        assert again == before + said
        assert len({one.delivery for one in at.receiver.took}) == 4


async def test_a_failing_receiver_stops_nobody_elses(tmp_path: Path) -> None:
    async with backstage(tmp_path, webhook_timeout_s=60, jobs_concurrency=LANES_MOST + 2) as at:
        rooms = [await at.room() for _ in range(LANES_MOST + 4)]
        stuck = Behaviour(delay_s=2 * SOON_S)
        at.receiver.behave = lambda arrival: stuck if arrival.path == "/stuck" else OK
        await at.webhook(None, "/stuck")
        await at.webhook(None, "/fine")
        for room in rooms:
            await at.say(room, "to both")
        for room in rooms:
            await until(lambda room=room: at.receiver.seqs(room, "/fine"))
        waiting = [arrival for arrival in at.receiver.arrived if arrival.path == "/stuck"]
        assert 0 < len(waiting) <= LANES_MOST


async def test_a_receiver_may_say_how_long_to_wait(tmp_path: Path) -> None:
    async with backstage(tmp_path, webhook_retry_most_s=600.0) as at:
        room = await at.room()
        at.receiver.behave = lambda _: Behaviour(429, {"Retry-After": "300"})
        hook = await at.webhook(room)
        await at.say(room, "one")
        await until(lambda: at.deliveries(hook, DeliveryState.RETRYING))
        (delivery,) = await at.deliveries(hook)
        assert 290_000 < delivery.next_ts - delivery.ts <= 300_000
        assert len(at.receiver.arrived) == 1
        # Whoever changes the webhook need not wait.
        at.receiver.behave = lambda _: OK
        await at.heart.background.webhooks.change(at.ann, hook.id, enabled=True)
        await until(lambda: at.receiver.seqs(room))


async def test_no_address_is_reached_that_is_not_permitted(tmp_path: Path) -> None:
    async with backstage(tmp_path, webhook_allowed_networks=(), webhook_attempts=1) as at:
        room = await at.room()
        port = at.receiver.url.rpartition(":")[2]
        webhooks = at.heart.background.webhooks
        for host in ("127.0.0.1", "[::1]", "127.1", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"):
            with pytest.raises(ChatError, match="not public"):
                await webhooks.make(at.ann, room, f"http://{host}:{port}/", [])
        # A name can mean anything by the time that it is connected to.
        hook = await at.webhook(room, url=f"http://localhost:{port}/")
        pinged = await webhooks.ping(at.ann, hook.id)
        assert (pinged.arrived, pinged.status) == (False, None)
        assert "not permitted" in pinged.error
        # Nor does an address that was permitted once stay so.
        stored = msgspec.structs.replace(hook, url=at.receiver.url)
        await at.heart.stores.webhooks.change(stored)
        await at.say(room, "one")
        await until(lambda: at.deliveries(hook, DeliveryState.DEAD))
        (dead,) = await at.deliveries(hook)
        assert "not permitted" in dead.error
        assert at.receiver.arrived == []


async def test_a_stop_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    async with receiver() as at:
        slow = Behaviour(delay_s=0.05)
        at.behave = lambda _: slow
        async with opened(tmp_path, at) as first:
            room = await first.room()
            await first.webhook(room)
            said = await first.say(room, *(str(number) for number in range(30)))
            await until(lambda: len(at.took) > 5)
        assert len(at.seqs(room)) < len(said)
        assert len({one.delivery for one in at.took}) == len(at.took)  # a clean stop repeats nothing
        async with opened(tmp_path, at, first.ann, working=False) as idle:
            said += await idle.say(room, "while no job runs")
        async with opened(tmp_path, at, first.ann):
            await until(lambda: at.seqs(room) == said)
        assert len(at.took) == len(said)
        at.check()


async def test_what_waits_for_its_next_attempt_waits_on_after_a_restart(tmp_path: Path) -> None:
    fails = {"webhook_retry_first_s": 300.0, "webhook_retry_most_s": 600.0}
    async with receiver() as at:
        at.behave = lambda _: Behaviour(500)
        async with opened(tmp_path, at, **fails) as first:
            room = await first.room()
            hook = await first.webhook(room)
            await first.say(room, "one")
            await until(lambda: first.deliveries(hook, DeliveryState.RETRYING))
        async with opened(tmp_path, at, first.ann, **fails) as second:
            other = await second.room()
            await second.webhook(other)
            await second.say(other, "one")
            await until(lambda: [one for one in at.arrived if one.entry and one.entry["room"] == other])
        assert [one.attempt for one in at.arrived if _of(one, room)] == [1]


def _of(arrival: Arrival, room: str) -> bool:
    return arrival.entry is not None and arrival.entry["room"] == room


async def test_a_removed_webhook_leaves_nothing_behind(tmp_path: Path) -> None:
    async with backstage(tmp_path) as at:
        room = await at.room()
        hook = await at.webhook(room)
        await at.say(room, "one")
        await until(lambda: at.receiver.took)
        await at.heart.background.webhooks.remove(at.ann, hook.id)
        await at.say(room, "two")
        other = await at.room()
        await at.webhook(other)
        await at.say(other, "three")
        await until(lambda: at.receiver.seqs(other))
        assert at.receiver.seqs(room) == [2]
        assert await at.heart.stores.cursors.of(f"webhook.{hook.id}", [room]) == {}
