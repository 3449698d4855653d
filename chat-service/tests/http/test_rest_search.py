"""Search over REST: what is found, by whom, and what never is."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from rest_client import Client, a_channel, a_guest, client_of, somebody
from rest_service import Service, running

from chat_service.model.entries import Kind
from chat_service.model.ids import SYSTEM_SENDER
from chat_service.rate import Rate


async def said(who: Client, room: str, text: str, **more: object) -> int:
    stored = await who.expect(201, "POST", f"/rooms/{room}/messages", {"body": {"text": text, **more}})
    return int(stored["seq"])


async def indexed(service: Service, *rooms: str) -> None:
    """Have everything that was said up to now in the index, without waiting for its turn."""
    for room in rooms:
        await service.heart.indexer.index(room)


async def found(who: Client, q: str) -> list[int]:
    hits = (await who.expect(200, "GET", f"/search?q={quote(q)}"))["hits"]
    return [hit["message"]["seq"] for hit in hits]


async def test_messages_are_found_as_they_are_now(service: Service, ann: Client) -> None:
    room = await a_channel(ann)
    tea, soup, gone = [await said(ann, room, text) for text in ("green tea", "tea soup", "tea for nobody")]
    await indexed(service, room)
    await ann.expect(200, "PATCH", f"/rooms/{room}/messages/{soup}", {"body": {"text": "pea soup"}})
    await ann.expect(200, "DELETE", f"/rooms/{room}/messages/{gone}")
    assert gone not in await found(ann, "tea")  # though the index has not heard of it yet
    await indexed(service, room)
    page = await ann.expect(200, "GET", "/search?q=tea")
    (message,) = (await ann.expect(200, "GET", f"/rooms/{room}/messages?before={soup}"))["messages"]
    assert page == {"hits": [{"room": room, "message": message}], "next": None}
    assert message["seq"] == tea
    assert await found(ann, '"pea soup"') == [soup]


async def test_replies_in_threads_are_found_too(service: Service, ann: Client) -> None:
    room = await a_channel(ann)
    root = await said(ann, room, "lunch?")
    reply = await said(ann, room, "pizza", thread=root)
    await indexed(service, room)
    (hit,) = (await ann.expect(200, "GET", "/search?q=pizza"))["hits"]
    assert (hit["message"]["seq"], hit["message"]["thread"]) == (reply, root)


async def test_everybody_finds_what_they_may_read_and_nothing_else(
    service: Service, nobody: Client, ann: Client, bob: Client
) -> None:
    private = await a_channel(ann, name="private", visibility="private")
    public = await a_channel(ann, name="public")
    late = await a_channel(ann, name="late", history="joined", guests=True)
    for room in (private, public, late):
        await said(ann, room, "tea before")
    await bob.expect(200, "POST", f"/rooms/{late}/join")
    guest = await a_guest(nobody)
    await ann.expect(201, "POST", f"/rooms/{late}/members", {"user": guest.user["id"], "role": "guest"})
    for room in (private, public, late):
        await said(ann, room, "tea after")
    await indexed(service, private, public, late)

    async def rooms(who: Client) -> list[str]:
        return [hit["room"] for hit in (await who.expect(200, "GET", "/search?q=tea"))["hits"]]

    assert sorted(await rooms(ann)) == sorted([private, public, late] * 2)
    assert sorted(await rooms(bob)) == sorted([public, public, late])
    assert await rooms(guest) == [late]
    await ann.expect(200, "DELETE", f"/rooms/{late}/members/{guest.user['id']}")
    assert await rooms(guest) == []
    await ann.expect(200, "PATCH", f"/rooms/{public}", {"visibility": "private"})
    assert await rooms(bob) == [late]


async def test_a_search_is_narrowed_by_person_room_and_file(service: Service, ann: Client, bob: Client) -> None:
    one, two = await a_channel(ann, name="Green things"), await a_channel(ann, name="blue")
    await bob.expect(200, "POST", f"/rooms/{one}/join")
    await said(ann, one, "tea")
    by_bob = await said(bob, one, "tea")
    upload = await ann.call("POST", f"/rooms/{two}/files", data=b"notes", params={"name": "harvest plan.txt"})
    brought = await said(ann, two, "tea", files=[upload.body["id"]])
    await indexed(service, one, two)
    assert await found(ann, f"tea from:{bob.user['username']}") == [by_bob]
    assert await found(bob, "from:me") == [by_bob]
    assert await found(ann, "tea in:blue") == [brought]
    assert await found(ann, 'in:"green things" from:me') == [by_bob - 1]
    assert await found(ann, f"in:{two} has:file") == [brought]
    assert await found(ann, "harvest") == [brought]
    for wrong in ("from:nobody-at-all", "in:nowhere", "!!!"):
        assert (await ann.refused("invalid", "GET", f"/search?q={quote(wrong)}"))["field"] == "q"


async def test_pages_of_hits_leave_nothing_out(service: Service, ann: Client) -> None:
    room = await a_channel(ann)
    seqs = [await said(ann, room, f"tea {number}") for number in range(12)]
    await indexed(service, room)
    await service.heart.indexer.stop()
    for seq in seqs[3:9]:
        await ann.expect(200, "DELETE", f"/rooms/{room}/messages/{seq}")
    left, page, path = [], None, "/search?q=tea&limit=2"
    while page is None or page["next"] is not None:
        page = await ann.expect(200, "GET", path)
        left += [hit["message"]["seq"] for hit in page["hits"]]
        path = f"/search?q=tea&limit=2&before={page['next']}"
    assert left == [seq for seq in seqs[::-1] if seq not in seqs[3:9]]


async def test_what_was_retained_away_or_erased_is_not_found(service: Service, ann: Client, bob: Client) -> None:
    room = await a_channel(ann)
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    old, _, new = await said(ann, room, "tea"), await said(bob, room, "tea"), await said(ann, room, "tea")
    await indexed(service, room)
    rooms = service.heart.rooms
    await rooms.act(SYSTEM_SENDER, room, Kind.RETAIN, {"upto": old})
    await rooms.erase_user(bob.user["id"])
    assert await found(ann, "tea") == [new]
    await indexed(service, room)
    assert await found(ann, "tea") == [new]


async def test_what_was_said_while_nothing_indexed_is_found_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as service, client_of(service) as nobody:
        await service.heart.indexer.stop()
        ann = await somebody(nobody, "ann")
        await said(ann, await a_channel(ann), "tea")
        token = ann.token
    async with running(tmp_path) as service, client_of(service) as nobody:
        nobody.token = token
        rooms = (await nobody.expect(200, "GET", "/rooms"))["rooms"]
        await indexed(service, rooms[0]["room"])
        assert len(await found(nobody, "tea")) == 1


async def test_nobody_searches_all_the_time(tmp_path: Path) -> None:
    async with running(tmp_path, rate_search_per_user=Rate(1, 60, 2)) as service, client_of(service) as nobody:
        ann, bob = await somebody(nobody), await somebody(nobody)
        for _ in range(2):
            await ann.expect(200, "GET", "/search?q=tea")
        await ann.refused("rate_limited", "GET", "/search?q=tea")
        await bob.expect(200, "GET", "/search?q=tea")
