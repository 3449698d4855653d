"""`chat-service admin`: what an operator does to a store from a shell, also while the service runs."""

from __future__ import annotations

import asyncio
import getpass
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from chat_service.command import Command, Exit, Group
from chat_service.model.errors import ChatError, not_found

if TYPE_CHECKING:
    from chat_service.app import Heart
    from chat_service.settings import Settings

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def create_user(settings: Settings, options: Namespace) -> Exit:
    """Make an account; with --admin the first administrator."""
    password = _password(options)

    async def run(heart: Heart) -> None:
        user = await heart.identity.accounts.create(
            options.handle, options.name or options.handle, password, admin=options.admin
        )
        print(f"Created {user.handle} ({user.id}){', an administrator' if user.admin else ''}.")

    return _on_store(settings, run)


def reset_password(settings: Settings, options: Namespace) -> Exit:
    """Set a new password for somebody who lost theirs, and sign them out everywhere."""
    password = _password(options)

    async def run(heart: Heart) -> None:
        await heart.identity.accounts.reset_password(await _user(heart, options.handle), password)
        print(f"{options.handle} has a new password and is signed out everywhere.")

    return _on_store(settings, run)


def set_admin(settings: Settings, options: Namespace) -> Exit:
    """Give somebody the right to administrate, or take it."""

    async def run(heart: Heart) -> None:
        user = await _user(heart, options.handle)
        await heart.identity.accounts.set_admin(user, admin=not options.revoke)
        print(f"{options.handle} is {'no longer' if options.revoke else 'now'} an administrator.")

    return _on_store(settings, run)


def set_active(settings: Settings, options: Namespace) -> Exit:
    """Lock somebody out, or let them in again."""

    async def run(heart: Heart) -> None:
        await heart.identity.accounts.set_active(await _user(heart, options.handle), active=options.active)
        print(f"{options.handle} is {'let in again' if options.active else 'locked out and signed out'}.")

    return _on_store(settings, run)


def erase(settings: Settings, options: Namespace) -> Exit:
    """Redact whatever somebody wrote until now, everywhere."""

    async def run(heart: Heart) -> None:
        rooms = await heart.rooms.erase_user(await _user(heart, options.handle))
        print(f"Everything {options.handle} wrote is redacted, in {rooms} rooms.")

    return _on_store(settings, run)


def restored(settings: Settings, _options: Namespace) -> Exit:
    """Say that the store was put back from a copy: every client starts over. The service must be stopped."""

    async def run(heart: Heart) -> None:
        incarnation = await heart.stores.meta.new_incarnation()
        print(f"The store's incarnation is now {incarnation}; every client opens its rooms anew.")

    return _on_store(settings, run, exclusive=True)


def demo(settings: Settings, _options: Namespace) -> Exit:
    """Fill an empty store with people and rooms to look at; nothing where they are there already."""
    if settings.host not in LOOPBACK:
        print(
            "chat-service: demo accounts have known passwords: CHAT_HOST must be a loopback address.",
            file=sys.stderr,
        )
        return Exit.FAILED

    # Imported here and below, so that the other commands start in a moment.
    from chat_service.demo import make_demo  # noqa: PLC0415

    async def run(heart: Heart) -> None:
        made = await make_demo(heart.identity, heart.rooms)
        print(f"Sign in as {', '.join(made.handles)} with the password {made.password!r}.")

    return _on_store(settings, run)


def _on_store(settings: Settings, work: Callable[[Heart], Awaitable[None]], *, exclusive: bool = False) -> Exit:
    """Run `work` on the store; what is refused is said in one line."""
    from chat_service.app import open_heart  # noqa: PLC0415
    from chat_service.observability.logging import configure_logging  # noqa: PLC0415
    from chat_service.observability.metrics import Metrics  # noqa: PLC0415
    from chat_service.settings import new_node_id  # noqa: PLC0415

    configure_logging("warning", "console", settings.node_id)

    async def run() -> None:
        # Beside a node that serves under the same settings it must not be taken for that node.
        here = replace(settings, node_id=new_node_id())
        heart = await open_heart(here, Metrics(), exclusive=exclusive)
        try:
            await heart.rooms.start()
            await work(heart)
            await heart.rooms.finish()
        finally:
            await heart.close()

    try:
        asyncio.run(run())
    except (ChatError, RuntimeError) as problem:
        print(f"chat-service: {problem}", file=sys.stderr)
        return Exit.FAILED
    return Exit.DONE


async def _user(heart: Heart, handle: str) -> str:
    found = await heart.identity.profiles.ids_by_handles([handle.lower()])
    if not found:
        raise not_found(f"There is nobody called {handle!r}.")
    return found[handle.lower()]


def _password(options: Namespace) -> str:
    if options.password_file is not None:
        return str(options.password_file.read_text(encoding="utf-8")).strip()
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass(f"Password for {options.handle}: ")
    if first != getpass.getpass("Once more: "):
        raise SystemExit("chat-service: the two are not the same.")
    return first


def _handle(parser: ArgumentParser) -> None:
    parser.add_argument("handle", help="the name somebody signs in with")


def _with_password(parser: ArgumentParser) -> None:
    _handle(parser)
    parser.add_argument(
        "--password-file",
        type=Path,
        help="read the password from a file (else it is asked for, or read from stdin)",
    )


def _with_account(parser: ArgumentParser) -> None:
    _with_password(parser)
    parser.add_argument("--name", help="the name that is shown (default: the handle)")
    parser.add_argument("--admin", action="store_true", help="make them an administrator of the service")


def _with_revoke(parser: ArgumentParser) -> None:
    _handle(parser)
    parser.add_argument("--revoke", action="store_true", help="take the right instead of giving it")


def _activate(parser: ArgumentParser) -> None:
    _handle(parser)
    parser.set_defaults(active=True)


def _deactivate(parser: ArgumentParser) -> None:
    _handle(parser)
    parser.set_defaults(active=False)


ADMIN = Group(
    "admin",
    "work on a store from a shell, also while the service runs",
    (
        Command(
            "create-user", "make an account, or with --admin the first administrator", create_user, _with_account
        ),
        Command(
            "reset-password", "set a new password and sign somebody out everywhere", reset_password, _with_password
        ),
        Command("set-admin", "give or take the right to administrate", set_admin, _with_revoke),
        Command("deactivate", "lock somebody out and sign them out", set_active, _deactivate),
        Command("activate", "let somebody in again", set_active, _activate),
        Command("erase", "redact whatever somebody wrote", erase, _handle),
        Command("restored", "say that the store was put back from a copy (service stopped)", restored),
        Command("demo", "fill an empty store with people and rooms to look at", demo),
    ),
)
