"""What is one's own about a room, over REST: unread numbers, read markers, preferences; and who is in it."""

from __future__ import annotations

from rest_client import Client, a_channel, a_guest, an_admin
from rest_service import Service


async def the_room(who: Client) -> dict[str, object]:
    (summary,) = (await who.expect(200, "GET", "/rooms"))["rooms"]
    return dict(summary)


async def test_a_room_says_how_much_of_it_is_unread(ann: Client, bob: Client) -> None:
    room = await a_channel(ann)
    message = {"body": {"text": "before bob came"}}
    await ann.expect(201, "POST", f"/rooms/{room}/messages", message)
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    assert (await the_room(bob))["unread"] == 0
    for _ in range(102):
        last = await ann.expect(201, "POST", f"/rooms/{room}/messages", message)
    shown = await the_room(bob)
    assert (shown["unread"], shown["last_message_ts"]) == (100, last["ts"])
    assert (await the_room(ann))["unread"] == 0
    await bob.expect(200, "PUT", f"/rooms/{room}/read", {"seq": last["seq"] - 2})
    assert (await the_room(bob))["unread"] == 2


async def test_a_room_where_nothing_was_said_has_no_last_message(ann: Client) -> None:
    await a_channel(ann)
    shown = await the_room(ann)
    assert (shown["unread"], shown["last_message_ts"]) == (0, None)


async def test_members_see_how_far_members_have_read(ann: Client, bob: Client, nobody: Client) -> None:
    room = await a_channel(ann)
    await bob.refused("forbidden", "GET", f"/rooms/{room}/read-markers")
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    await ann.expect(200, "PUT", f"/rooms/{room}/read", {"seq": 2})
    await bob.expect(200, "PUT", f"/rooms/{room}/read", {"seq": 1})
    markers = [{"user": ann.user["id"], "seq": 2}, {"user": bob.user["id"], "seq": 1}]
    assert await bob.expect(200, "GET", f"/rooms/{room}/read-markers") == {"markers": markers}
    await bob.expect(200, "POST", f"/rooms/{room}/leave")
    assert (await ann.expect(200, "GET", f"/rooms/{room}/read-markers"))["markers"] == markers[:1]
    await (await a_guest(nobody)).refused("not_found", "GET", f"/rooms/{room}/read-markers")


async def test_a_room_is_muted_and_made_a_favourite_by_each_for_themselves(ann: Client, bob: Client) -> None:
    room = await a_channel(ann)
    await bob.refused("forbidden", "PUT", f"/rooms/{room}/preferences", {"muted": True})
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    set_ = await bob.expect(200, "PUT", f"/rooms/{room}/preferences", {"muted": True})
    assert set_ == {"room": room, "muted": True, "favourite": False}
    set_ = await bob.expect(200, "PUT", f"/rooms/{room}/preferences", {"favourite": True, "muted": False})
    assert set_ == {"room": room, "muted": False, "favourite": True}
    assert ((await the_room(bob))["favourite"], (await the_room(ann))["favourite"]) == (True, False)
    await bob.refused("invalid", "PUT", f"/rooms/{room}/preferences", {})


async def test_members_are_listed_with_their_names_and_found_by_how_these_begin(
    ann: Client, bob: Client, nobody: Client
) -> None:
    room = await a_channel(ann, guests=True)
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    guest = await a_guest(nobody)
    await ann.expect(201, "POST", f"/rooms/{room}/members", {"user": guest.user["id"], "role": "guest"})
    path = f"/rooms/{room}/members"
    everybody = await ann.expect(200, "GET", path)
    assert {member["user"]: member["name"] for member in everybody["members"]} == {
        who.user["id"]: who.user["name"] for who in (ann, bob, guest)
    }
    first = await ann.expect(200, "GET", f"{path}?limit=2")
    rest = await ann.expect(200, "GET", f"{path}?limit=2&after={first['next']}")
    assert first["members"] + rest["members"] == everybody["members"]
    assert rest["next"] is None
    for who in (bob, guest):
        begins = who.user["name"][:3].lower()
        found = await ann.expect(200, "GET", f"{path}?q={begins}")
        assert [member["user"] for member in found["members"]] == [who.user["id"]]
    assert (await ann.expect(200, "GET", f"{path}?q=nobody"))["members"] == []


async def test_anybody_learns_who_may_come(nobody: Client) -> None:
    about = await nobody.expect(200, "GET", "/about")
    assert (about["registration"], about["guests"], about["max_message_chars"]) == ("open", True, 8000)


async def test_administrators_see_deactivated_accounts_too(service: Service, nobody: Client, bob: Client) -> None:
    admin = await an_admin(service, nobody)
    await admin.expect(204, "POST", f"/admin/users/{bob.user['id']}/deactivate")
    (found,) = (await admin.expect(200, "GET", f"/admin/users?q={bob.user['username']}"))["users"]
    assert (found["id"], found["active"]) == (bob.user["id"], False)
    assert (await admin.expect(200, "GET", f"/users?q={bob.user['username']}"))["users"] == []
