"""Signing up, in and out over REST, and the sessions that come of it."""

from __future__ import annotations

from pathlib import Path

from rest_client import PASSWORD, Client, a_guest, an_admin, client_of, somebody
from rest_service import running

from chat_service.rate import Rate


async def test_whoever_registers_is_signed_in_and_known(nobody: Client) -> None:
    body = {"username": "Zoe", "password": PASSWORD, "name": "  Zoé  "}
    zoe = nobody.as_(await nobody.expect(201, "POST", "/auth/register", body))
    me = await zoe.expect(200, "GET", "/users/me")
    assert me == {
        "id": zoe.user["id"],
        "username": "zoe",
        "name": "Zoé",
        "kind": "registered",
        "admin": False,
        "active": True,
    }
    assert 0 < zoe.signed_in["expires_in"] <= 900
    assert zoe.signed_in["refresh_expires_in"] > zoe.signed_in["expires_in"]
    assert zoe.signed_in["token_type"] == "Bearer"


async def test_without_a_name_the_username_is_shown(nobody: Client) -> None:
    made = await nobody.expect(201, "POST", "/auth/register", {"username": "yan", "password": PASSWORD})
    assert made["user"]["name"] == "yan"


async def test_a_username_is_taken_once(nobody: Client, ann: Client) -> None:
    await nobody.refused("conflict", "POST", "/auth/register", {"username": "ANN", "password": PASSWORD})


async def test_signing_in_needs_the_password(nobody: Client, ann: Client) -> None:
    right = {"username": "ann", "password": PASSWORD}
    assert (await nobody.expect(200, "POST", "/auth/sign-in", right))["user"]["id"] == ann.user["id"]
    await nobody.refused("unauthenticated", "POST", "/auth/sign-in", {**right, "password": "not this one"})
    await nobody.refused("unauthenticated", "POST", "/auth/sign-in", {**right, "username": "nobody"})


async def test_too_many_failed_sign_ins_are_told_when_to_come_back(tmp_path: Path) -> None:
    async with running(tmp_path, signin_attempts=Rate(2, 900, 2)) as service, client_of(service) as nobody:
        await somebody(nobody, "ann")
        wrong = {"username": "ann", "password": "not this one"}
        for _ in range(2):
            await nobody.refused("unauthenticated", "POST", "/auth/sign-in", wrong)
        reply = await nobody.call("POST", "/auth/sign-in", wrong)
        assert reply.status == 429
        assert reply.body["error"]["retryable"] is True
        assert int(reply.headers["Retry-After"]) >= 1
        assert reply.body["error"]["retry_after_ms"] > 0


async def test_guests_come_with_a_name_unless_they_are_turned_away(nobody: Client, tmp_path: Path) -> None:
    guest = await a_guest(nobody, "Visiting Vera")
    assert guest.user["kind"] == "guest"
    assert guest.user["name"] == "Visiting Vera"
    other = tmp_path / "other"
    async with running(other, guests=False) as service, client_of(service) as closed:
        await closed.refused("forbidden", "POST", "/auth/guest", {"name": "Vera"})


async def test_a_refresh_token_is_exchanged(nobody: Client, ann: Client) -> None:
    renewed = await nobody.expect(200, "POST", "/auth/refresh", {"refresh_token": ann.signed_in["refresh_token"]})
    assert renewed["refresh_token"] != ann.signed_in["refresh_token"]
    again = nobody.as_(renewed)
    assert (await again.expect(200, "GET", "/users/me"))["id"] == ann.user["id"]
    await nobody.refused("unauthenticated", "POST", "/auth/refresh", {"refresh_token": "made up"})


async def test_signing_out_ends_the_session_at_once(nobody: Client, ann: Client) -> None:
    await ann.expect(204, "POST", "/auth/sign-out")
    error = await ann.refused("unauthenticated", "GET", "/users/me")
    assert error["retryable"] is False
    refresh = {"refresh_token": ann.signed_in["refresh_token"]}
    await nobody.refused("unauthenticated", "POST", "/auth/refresh", refresh)


async def test_sessions_are_listed_and_ended_one_by_one_or_all_others(nobody: Client, ann: Client) -> None:
    right = {"username": "ann", "password": PASSWORD}
    phone = nobody.as_(await nobody.expect(200, "POST", "/auth/sign-in", right, headers={"User-Agent": "Phone/1"}))
    await nobody.expect(200, "POST", "/auth/sign-in", right)
    sessions = (await ann.expect(200, "GET", "/auth/sessions"))["sessions"]
    assert [session["current"] for session in sessions].count(True) == 1
    of_phone = next(session for session in sessions if session["agent"] == "Phone/1")
    assert of_phone["address"] == "127.0.0.1"

    await ann.expect(204, "DELETE", f"/auth/sessions/{of_phone['id']}")
    await phone.refused("unauthenticated", "GET", "/users/me")
    await ann.refused("not_found", "DELETE", "/auth/sessions/none-such")
    assert await ann.expect(200, "DELETE", "/auth/sessions") == {"ended": 1}
    assert len((await ann.expect(200, "GET", "/auth/sessions"))["sessions"]) == 1


async def test_changing_the_password_ends_the_other_sessions(nobody: Client, ann: Client) -> None:
    right = {"username": "ann", "password": PASSWORD}
    phone = nobody.as_(await nobody.expect(200, "POST", "/auth/sign-in", right))
    change = {"current": PASSWORD, "new": "another horse entirely"}
    await ann.refused("forbidden", "POST", "/auth/password", {**change, "current": "wrong"})
    await ann.refused("invalid", "POST", "/auth/password", {**change, "new": "short"})
    await ann.expect(204, "POST", "/auth/password", change)
    await phone.refused("unauthenticated", "GET", "/users/me")
    await ann.expect(200, "GET", "/users/me")
    await nobody.refused("unauthenticated", "POST", "/auth/sign-in", right)
    await nobody.expect(200, "POST", "/auth/sign-in", {**right, "password": change["new"]})


async def test_registration_can_need_an_invite_or_be_closed(tmp_path: Path) -> None:
    async with running(tmp_path, registration="invite") as service, client_of(service) as nobody:
        admin = await an_admin(service, nobody)
        new = {"username": "new", "password": PASSWORD}
        await nobody.refused("forbidden", "POST", "/auth/register", new)
        made = await admin.expect(201, "POST", "/admin/invites", {"max_uses": 1})
        offer = await nobody.expect(200, "GET", f"/invites/{made['token']}")
        assert offer["registers"] is True
        assert offer["room"] == ""
        assert len((await admin.expect(200, "GET", "/admin/invites"))["invites"]) == 1
        await nobody.expect(201, "POST", "/auth/register", {**new, "invite": made["token"]})
        newer = {"username": "newer", "password": PASSWORD, "invite": made["token"]}
        await nobody.refused("not_found", "POST", "/auth/register", newer)
        unused = await admin.expect(201, "POST", "/admin/invites", {})
        await admin.expect(204, "DELETE", f"/admin/invites/{unused['invite']['id']}")
        await nobody.refused("not_found", "GET", f"/invites/{unused['token']}")
        await admin.refused("not_found", "DELETE", "/admin/invites/none-such")
    other = tmp_path / "closed"
    async with running(other, registration="closed") as service, client_of(service) as nobody:
        await nobody.refused("forbidden", "POST", "/auth/register", new)


async def test_every_endpoint_that_needs_a_token_says_so(nobody: Client) -> None:
    wrong = [None, "", "Basic YTpi", "Bearer", "Bearer ", "Bearer made-up", "Bearer a.b.c", "token"]
    for authorization in wrong:
        headers = {} if authorization is None else {"Authorization": authorization}
        reply = await nobody.call("GET", "/users/me", headers=headers)
        assert reply.status == 401, authorization
        assert reply.code == "unauthenticated"
        assert reply.headers["WWW-Authenticate"] == "Bearer"
