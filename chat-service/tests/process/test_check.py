"""`chat-service check`: what it finds of a service that works, and what it says of one that does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

from rest_people import PASSWORD

from chat_service.command import Exit

if TYPE_CHECKING:
    from pathlib import Path

    from service_process import MakePlace, Place, StartService


async def checked(place: Place, *arguments: str) -> tuple[int, str]:
    """Run the command as a process of its own; returns its exit code and all that it said."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "chat_service.cli", "check", place.url, *arguments],
        env=place.environment(measured=True),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


async def test_a_guest_is_answered_where_guests_may_come(
    make_place: MakePlace, start_service: StartService
) -> None:
    place = make_place()
    await start_service(place).ready()
    code, said = await checked(place)
    assert code == Exit.DONE, said
    assert "health: ok\n" in said
    assert "round trip: a guest was answered (not_found)" in said


async def test_a_stranger_is_refused_where_they_may_not(
    make_place: MakePlace, start_service: StartService
) -> None:
    place = make_place(CHAT_GUESTS="false", CHAT_LEGACY_PROTOCOL="false")
    await start_service(place).ready()
    code, said = await checked(place)
    assert code == Exit.DONE, said
    assert "round trip: a stranger was refused (unauthenticated)" in said


async def test_an_account_writes_a_message_and_has_it_back(
    make_place: MakePlace, start_service: StartService, tmp_path: Path
) -> None:
    place = make_place(CHAT_REGISTRATION="closed", CHAT_GUESTS="false")
    await start_service(place).ready()
    account = tmp_path / "account"
    account.mkdir()
    (account / "username").write_text("checker\n")
    (account / "password").write_text(PASSWORD)
    code, said = await checked(place, "--account", str(account))
    assert code == Exit.FAILED
    assert "/api/v1/auth/sign-in was answered 401" in said
    made = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "chat_service.cli", "admin", "create-user", "checker"],
        env=place.environment(measured=True),
        input=PASSWORD,
        text=True,
        check=False,
    )
    assert made.returncode == Exit.DONE
    for _ in range(2):
        code, said = await checked(place, "--account", str(account))
        assert code == Exit.DONE, said
        assert "was written and came back" in said


async def test_another_version_fails(make_place: MakePlace, start_service: StartService) -> None:
    place = make_place()
    await start_service(place).ready()
    code, said = await checked(place, "--expect-version", "none")
    assert code == Exit.FAILED
    assert "and not none" in said


async def test_nobody_there_fails(make_place: MakePlace) -> None:
    code, said = await checked(make_place())
    assert code == Exit.FAILED
    assert "check failed: no answer from" in said
    assert "Traceback" not in said
