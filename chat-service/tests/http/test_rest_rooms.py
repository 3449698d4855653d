"""Rooms over REST: making, finding, changing, joining, leaving, members and invites."""

from __future__ import annotations

import pytest
from rest_client import Client, a_channel, a_guest, somebody


async def test_a_channel_is_made_and_shown(ann: Client) -> None:
    asked = {"name": " plans ", "topic": "what next", "visibility": "private", "history": "joined"}
    made = await ann.expect(201, "POST", "/rooms", asked)
    assert made["name"] == "plans"
    assert made["role"] == "owner"
    assert made["people"] == 1
    assert made["last_seq"] == 1
    assert await ann.expect(200, "GET", f"/rooms/{made['room']}") == made


@pytest.mark.parametrize("place", ["header", "body"])
async def test_the_same_key_makes_the_same_channel(ann: Client, place: str) -> None:
    body = {"name": "plans"} | ({"key": "k1"} if place == "body" else {})
    headers = {"Idempotency-Key": "k1"} if place == "header" else {}
    first = await ann.expect(201, "POST", "/rooms", body, headers=headers)
    again = await ann.expect(201, "POST", "/rooms", body, headers=headers)
    assert again["room"] == first["room"]
    assert again["last_seq"] == 1
    await ann.refused("key_reused", "POST", "/rooms", {**body, "name": "others"}, headers=headers)


async def test_two_different_keys_for_one_request_are_refused(ann: Client) -> None:
    body = {"name": "plans", "key": "one"}
    error = await ann.refused("invalid", "POST", "/rooms", body, headers={"Idempotency-Key": "two"})
    assert error["field"] == "key"
    await ann.refused("invalid", "POST", "/rooms", {"name": "a"}, headers={"Idempotency-Key": "no spaces"})


async def test_guests_make_no_rooms(nobody: Client, ann: Client) -> None:
    guest = await a_guest(nobody)
    await guest.refused("forbidden", "POST", "/rooms", {"name": "mine"})
    await guest.refused("forbidden", "POST", "/rooms/direct", {"user": ann.user["id"]})


async def test_my_rooms_say_what_is_unread(ann: Client, bob: Client) -> None:
    room = await a_channel(ann)
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    await ann.expect(201, "POST", f"/rooms/{room}/messages", {"body": {"text": "hello"}})
    (summary,) = (await bob.expect(200, "GET", "/rooms"))["rooms"]
    assert (summary["room"], summary["role"]) == (room, "member")
    assert (summary["last_seq"], summary["read_seq"]) == (3, 0)
    assert await bob.expect(200, "PUT", f"/rooms/{room}/read", {"seq": 3}) == {"seq": 3}
    assert await bob.expect(200, "PUT", f"/rooms/{room}/read", {"seq": 1}) == {"seq": 3}
    (summary,) = (await bob.expect(200, "GET", "/rooms"))["rooms"]
    assert summary["read_seq"] == 3


async def test_public_channels_are_found_page_by_page(nobody: Client, ann: Client, bob: Client) -> None:
    made = {await a_channel(ann, name=f"plants {number}") for number in range(3)}
    await a_channel(ann, name="plants, secret", visibility="private")
    first = await bob.expect(200, "GET", "/rooms/public?q=PLANT&limit=2")
    rest = await bob.expect(200, "GET", f"/rooms/public?q=PLANT&limit=2&after={first['next']}")
    assert {room["room"] for room in first["rooms"] + rest["rooms"]} == made
    assert rest["next"] is None
    guest = await a_guest(nobody)
    assert (await guest.expect(200, "GET", "/rooms/public"))["rooms"] == []


async def test_what_a_channel_is_can_be_changed_by_those_who_may(ann: Client, bob: Client) -> None:
    room = await a_channel(ann)
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    change = {"name": "renamed", "topic": "new", "visibility": "private", "history": "joined", "guests": True}
    changed = await ann.expect(200, "PATCH", f"/rooms/{room}", {**change, "key": "k"})
    assert {name: changed[name] for name in change} == change
    again = await ann.expect(200, "PATCH", f"/rooms/{room}", {**change, "key": "k"})
    assert again["last_seq"] == changed["last_seq"], "the same key again changes nothing"
    # A member may set the topic and nothing else: a refusal leaves the topic alone too.
    await bob.refused("forbidden", "PATCH", f"/rooms/{room}", {"name": "mine", "topic": "mine"})
    assert (await ann.expect(200, "GET", f"/rooms/{room}"))["topic"] == "new"
    await bob.expect(200, "PATCH", f"/rooms/{room}", {"topic": ""})
    await ann.refused("invalid", "PATCH", f"/rooms/{room}", {})


async def test_a_direct_room_is_one_and_the_same_for_both(ann: Client, bob: Client) -> None:
    of_ann = await ann.expect(200, "POST", "/rooms/direct", {"user": bob.user["id"]})
    of_bob = await bob.expect(200, "POST", "/rooms/direct", {"user": ann.user["id"]})
    assert of_ann["room"] == of_bob["room"]
    assert of_ann["with_user"] == bob.user["id"]
    assert of_bob["with_user"] == ann.user["id"]
    await ann.refused("invalid", "POST", "/rooms/direct", {"user": ann.user["id"]})
    await ann.refused("not_found", "POST", "/rooms/direct", {"user": "u" + "a" * 15})
    await ann.refused("forbidden", "POST", f"/rooms/{of_ann['room']}/leave")
    await ann.refused("forbidden", "PATCH", f"/rooms/{of_ann['room']}", {"topic": "us"})


async def test_a_private_room_is_not_there_for_others(ann: Client, bob: Client) -> None:
    room = await a_channel(ann, visibility="private")
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"topic": "t"}),
        ("POST", "/join", None),
        ("POST", "/leave", None),
        ("GET", "/members", None),
        ("POST", "/members", {"user": bob.user["id"]}),
        ("GET", "/messages", None),
        ("GET", "/entries", None),
        ("POST", "/messages", {"body": {"text": "hi"}}),
        ("PUT", "/read", {"seq": 1}),
        ("GET", "/invites", None),
        ("POST", "/invites", {}),
    ):
        await bob.refused("not_found", method, f"/rooms/{room}{path}", body)
    await bob.refused("not_found", "GET", "/rooms/c" + "a" * 21)


async def test_joining_and_leaving(ann: Client, bob: Client) -> None:
    room = await a_channel(ann)
    assert (await bob.expect(200, "GET", f"/rooms/{room}"))["role"] == "visitor"
    assert (await bob.expect(200, "POST", f"/rooms/{room}/join", {"key": "j"}))["role"] == "member"
    left = await bob.expect(200, "POST", f"/rooms/{room}/leave", {"key": "l"})
    again = await bob.expect(200, "POST", f"/rooms/{room}/leave", {"key": "l"})
    assert again == {**left, "duplicate": True}
    await bob.refused("forbidden", "POST", f"/rooms/{room}/leave")
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    await ann.refused("conflict", "POST", f"/rooms/{room}/leave")


async def test_members_are_added_promoted_listed_and_removed(nobody: Client, ann: Client, bob: Client) -> None:
    room = await a_channel(ann, visibility="private", guests=True)
    guest = await a_guest(nobody)
    members = f"/rooms/{room}/members"
    await ann.expect(201, "POST", members, {"user": bob.user["id"]})
    await ann.expect(201, "POST", members, {"user": guest.user["id"], "role": "guest"})
    await ann.refused("not_found", "POST", members, {"user": "u" + "a" * 15})
    await bob.refused("forbidden", "PATCH", f"{members}/{bob.user['id']}", {"role": "owner"})
    await ann.expect(200, "PATCH", f"{members}/{bob.user['id']}", {"role": "admin"})

    first = await ann.expect(200, "GET", f"{members}?limit=2")
    rest = await ann.expect(200, "GET", f"{members}?limit=2&after={first['next']}")
    roles = {member["user"]: member["role"] for member in first["members"] + rest["members"]}
    assert roles == {ann.user["id"]: "owner", bob.user["id"]: "admin", guest.user["id"]: "guest"}
    assert rest["next"] is None

    await bob.expect(200, "DELETE", f"{members}/{guest.user['id']}", headers={"Idempotency-Key": "out"})
    await bob.refused("not_found", "DELETE", f"{members}/{guest.user['id']}")
    await bob.refused("forbidden", "DELETE", f"{members}/{ann.user['id']}")
    await guest.refused("not_found", "GET", f"/rooms/{room}")


async def test_a_link_lets_people_in_as_often_as_it_says(nobody: Client, ann: Client, bob: Client) -> None:
    room = await a_channel(ann, name="secret", visibility="private")
    made = await ann.expect(201, "POST", f"/rooms/{room}/invites", {"max_uses": 1, "lifetime_s": 3600})
    offer = await nobody.expect(200, "GET", f"/invites/{made['token']}")
    assert (offer["room"], offer["room_name"], offer["role"]) == (room, "secret", "member")

    joined = await bob.expect(200, "POST", f"/invites/{made['token']}/accept", {"key": "a"})
    assert (joined["room"], joined["role"]) == (room, "member")
    third = await somebody(nobody)
    await third.refused("not_found", "POST", f"/invites/{made['token']}/accept")
    await third.refused("not_found", "POST", f"/invites/{'x' * 30}/accept")


async def test_links_of_a_room_are_listed_and_ended(ann: Client, bob: Client) -> None:
    room = await a_channel(ann)
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    await bob.refused("forbidden", "POST", f"/rooms/{room}/invites", {})
    made = await ann.expect(201, "POST", f"/rooms/{room}/invites", {})
    (listed,) = (await ann.expect(200, "GET", f"/rooms/{room}/invites"))["invites"]
    assert listed == made["invite"]
    await ann.expect(204, "DELETE", f"/rooms/{room}/invites/{listed['id']}")
    assert (await ann.expect(200, "GET", f"/rooms/{room}/invites"))["invites"] == []
    await ann.refused("not_found", "DELETE", f"/rooms/{room}/invites/none-such")


async def test_a_guest_who_follows_a_link_comes_in_as_a_guest(nobody: Client, ann: Client) -> None:
    room = await a_channel(ann, visibility="private", guests=True)
    made = await ann.expect(201, "POST", f"/rooms/{room}/invites", {"role": "member"})
    guest = await a_guest(nobody)
    assert (await guest.expect(200, "POST", f"/invites/{made['token']}/accept"))["role"] == "guest"


async def test_a_link_is_worth_no_more_than_whoever_made_it(nobody: Client, ann: Client, bob: Client) -> None:
    room = await a_channel(ann, visibility="private")
    await ann.expect(201, "POST", f"/rooms/{room}/members", {"user": bob.user["id"], "role": "admin"})
    made = await bob.expect(201, "POST", f"/rooms/{room}/invites", {})
    await ann.expect(200, "PATCH", f"/rooms/{room}/members/{bob.user['id']}", {"role": "member"})
    third = await somebody(nobody)
    await nobody.refused("not_found", "GET", f"/invites/{made['token']}")
    await third.refused("not_found", "POST", f"/invites/{made['token']}/accept")
