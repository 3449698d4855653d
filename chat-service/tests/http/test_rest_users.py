"""People over REST: oneself, others, and what administrators do to accounts."""

from __future__ import annotations

from rest_client import PASSWORD, Client, a_channel, a_guest, an_admin, somebody
from rest_service import Service


async def test_a_name_is_changed_and_everybody_sees_it(ann: Client, bob: Client) -> None:
    assert (await ann.expect(200, "PATCH", "/users/me", {"name": " Ann Other "}))["name"] == "Ann Other"
    assert (await bob.expect(200, "GET", f"/users/{ann.user['id']}"))["name"] == "Ann Other"
    await ann.refused("invalid", "PATCH", "/users/me", {"name": " "})
    await ann.refused("invalid", "PATCH", "/users/me", {"name": "two\nlines"})


async def test_people_are_found_by_how_their_names_begin(nobody: Client, ann: Client) -> None:
    for username in ("carl", "carla", "carlos"):
        await somebody(nobody, username)
    first = await ann.expect(200, "GET", "/users?q=carl&limit=2")
    assert [user["username"] for user in first["users"]] == ["carl", "carla"]
    rest = await ann.expect(200, "GET", f"/users?q=carl&limit=2&after={first['next']}")
    assert [user["username"] for user in rest["users"]] == ["carlos"]
    assert rest["next"] is None


async def test_guests_see_people_by_id_and_cannot_search(nobody: Client, ann: Client) -> None:
    guest = await a_guest(nobody)
    await guest.refused("forbidden", "GET", "/users?q=a")
    await guest.expect(200, "GET", f"/users/{ann.user['id']}")


async def test_several_people_are_looked_up_at_once(ann: Client, bob: Client) -> None:
    ids = [bob.user["id"], ann.user["id"], bob.user["id"], "u" + "a" * 15]
    found = await ann.expect(200, "POST", "/users/lookup", {"ids": ids})
    assert {user["id"] for user in found["users"]} == {ann.user["id"], bob.user["id"]}
    error = await ann.refused("invalid", "POST", "/users/lookup", {"ids": ["u" + "a" * 15] * 101})
    assert error["field"] == "ids"
    error = await ann.refused("invalid", "POST", "/users/lookup", {"ids": [ids[0], "me"]})
    assert error["field"] == "ids[1]"


async def test_somebody_who_does_not_exist_is_not_found(ann: Client) -> None:
    await ann.refused("not_found", "GET", "/users/u" + "a" * 15)
    error = await ann.refused("invalid", "GET", "/users/ann")
    assert error["field"] == "user"


async def test_only_administrators_administrate(ann: Client, bob: Client) -> None:
    for action in ("deactivate", "activate", "sign-out", "erase"):
        await ann.refused("forbidden", "POST", f"/admin/users/{bob.user['id']}/{action}")


async def test_a_deactivated_account_is_out_until_it_is_activated(
    service: Service, nobody: Client, bob: Client
) -> None:
    admin = await an_admin(service, nobody)
    account = f"/admin/users/{bob.user['id']}"
    await admin.expect(204, "POST", f"{account}/deactivate")
    await bob.refused("unauthenticated", "GET", "/users/me")
    right = {"username": "bob", "password": PASSWORD}
    await nobody.refused("forbidden", "POST", "/auth/sign-in", right)
    assert (await admin.expect(200, "GET", f"/users/{bob.user['id']}"))["active"] is False
    await admin.expect(204, "POST", f"{account}/activate")
    await nobody.expect(200, "POST", "/auth/sign-in", right)


async def test_an_administrator_cannot_lock_themselves_out(service: Service, nobody: Client) -> None:
    admin = await an_admin(service, nobody)
    await admin.refused("conflict", "POST", f"/admin/users/{admin.user['id']}/deactivate")
    for action in ("deactivate", "activate", "sign-out", "erase"):
        await admin.refused("not_found", "POST", f"/admin/users/u{'a' * 15}/{action}")


async def test_an_administrator_signs_somebody_out_everywhere(
    service: Service, nobody: Client, bob: Client
) -> None:
    admin = await an_admin(service, nobody)
    assert await admin.expect(200, "POST", f"/admin/users/{bob.user['id']}/sign-out") == {"ended": 1}
    await bob.refused("unauthenticated", "GET", "/users/me")


async def test_erasing_takes_the_words_and_leaves_the_places(
    service: Service, nobody: Client, ann: Client, bob: Client
) -> None:
    room = await a_channel(ann)
    await bob.expect(200, "POST", f"/rooms/{room}/join")
    await bob.expect(201, "POST", f"/rooms/{room}/messages", {"body": {"text": "mine"}})
    await ann.expect(201, "POST", f"/rooms/{room}/messages", {"body": {"text": "hers"}})
    admin = await an_admin(service, nobody)
    assert await admin.expect(200, "POST", f"/admin/users/{bob.user['id']}/erase") == {"rooms": 1}
    messages = (await ann.expect(200, "GET", f"/rooms/{room}/messages"))["messages"]
    assert [(message.get("body", {}).get("text"), message.get("redacted", False)) for message in messages] == [
        (None, True),
        ("hers", False),
    ]
