"""The commands: `serve`, `worker`, `config`, `migrate`, `healthcheck`, `check`, `admin ...`, `version`."""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from chat_service.admin import ADMIN
from chat_service.command import Command, Exit, Group
from chat_service.environment import SettingsError
from chat_service.settings import Settings
from chat_service.settings_table import effective, reference

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

_DESCRIPTION = "A chat server: durable, ordered, resumable rooms over Socket.IO and REST."
_EPILOG = """\
settings:
  Every setting is an environment variable CHAT_*; `chat-service config` prints the values in force.

examples:
  chat-service serve                            on http://127.0.0.1:8000, data in ./data
  CHAT_PORT=9000 CHAT_DATA_DIR=/srv/chat chat-service serve
  CHAT_TOKEN_KEYS_FILE=/run/secrets/keys chat-service config

exit codes:
  0 done   1 failed   2 wrong usage   78 wrong settings (starting again will not help)
  130 interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        count = len(error.problems)
        print(f"chat-service: {count} wrong setting{'s' if count > 1 else ''}:", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        return Exit.SETTINGS
    try:
        return command.run(settings, options)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def serve(settings: Settings, _options: Namespace) -> Exit:
    """Run the service until it is told to stop."""
    # Imported here and below, so that `--help`, `config` and `healthcheck` start in a moment.
    from chat_service import app  # noqa: PLC0415

    return _until_stopped(app.serve(settings))


def worker(settings: Settings, _options: Namespace) -> Exit:
    """Run jobs until it is told to stop."""
    from chat_service import app  # noqa: PLC0415

    return _until_stopped(app.work(settings))


def _until_stopped(running: Coroutine[None, None, None]) -> Exit:
    import uvloop  # noqa: PLC0415

    from chat_service.lifecycle import StartError  # noqa: PLC0415

    try:
        uvloop.run(running)
    except StartError as problem:
        print(f"chat-service: cannot start: {problem}", file=sys.stderr)
        return Exit.FAILED
    return Exit.DONE


def migrate(settings: Settings, _options: Namespace) -> Exit:
    """Bring the store to the form that this version writes."""
    from chat_service import app  # noqa: PLC0415

    applied = asyncio.run(app.migrate(settings))
    print("\n".join(f"applied {name}" for name in applied) or "nothing to apply")
    return Exit.DONE


def config(settings: Settings, options: Namespace) -> Exit:
    """Print the settings in force, or the reference of all."""
    print(reference() if options.markdown else effective(settings), end="" if options.markdown else "\n")
    return Exit.DONE


def healthcheck(settings: Settings, options: Namespace) -> Exit:
    """Ask this machine's service whether it is ready, as a container's health check does."""
    listens = (settings.metrics_host, settings.metrics_port) if options.worker else (settings.host, settings.port)
    host, port = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listens[0], listens[0]), listens[1]  # noqa: S104
    connection = HTTPConnection(host, port, timeout=options.timeout_s)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = response.read(65_536).decode(errors="replace")
    except (OSError, HTTPException) as error:
        print(f"chat-service: no answer from {host}:{port}: {error}", file=sys.stderr)
        return Exit.FAILED
    finally:
        connection.close()
    if response.status != 200:
        print(f"chat-service: not ready ({response.status}): {body}", file=sys.stderr)
        return Exit.FAILED
    return Exit.DONE


def check(_settings: Settings, options: Namespace) -> Exit:
    """Come to a running service as people do, and print what of it works."""
    from chat_service.check import CheckError, check  # noqa: PLC0415

    asked = {
        "account": options.account,
        "expected_version": options.expect_version,
        "timeout_s": options.timeout_s,
    }
    try:
        asyncio.run(check(options.url, **asked))
    except CheckError as problem:
        print(f"chat-service: check failed: {problem}", file=sys.stderr)
        return Exit.FAILED
    return Exit.DONE


def show_version(_settings: Settings, _options: Namespace) -> Exit:
    """Print the version."""
    print(version("chat-service"))
    return Exit.DONE


def _config_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="print the reference (docs/settings.md) instead")


def _healthcheck_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--worker", action="store_true", help="ask a worker, at the port of its metrics")
    parser.add_argument("--timeout-s", type=float, default=5, help="seconds to wait for an answer (default: 5)")


def _check_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="where the service is: http://chat.example.org")
    parser.add_argument("--expect-version", metavar="VERSION", help="fail where the service has another version")
    parser.add_argument(
        "--account",
        type=Path,
        metavar="FOLDER",
        help="files `username` and `password` of an account to sign in with; else a guest comes, where guests may",
    )
    parser.add_argument(
        "--timeout-s", type=float, default=10, help="seconds to wait for each answer (default: 10)"
    )


# A new command is a function and a line here; a new group is a module that ends in a `Group`.
COMMANDS: tuple[Command | Group, ...] = (
    Command("serve", "run the service", serve),
    Command("worker", "run jobs (webhooks, retention) beside what serves", worker),
    Command("config", "print the settings in force, secrets masked", config, _config_arguments),
    Command("migrate", "bring the store to the form of this version", migrate),
    Command("healthcheck", "ask the running service whether it is ready", healthcheck, _healthcheck_arguments),
    Command("check", "come to a running service as people do, and see what works", check, _check_arguments),
    ADMIN,
    Command("version", "print the version", show_version),
)


class _Help(RawDescriptionHelpFormatter):
    """Keeps the epilog's lines, and each command on one line with its summary."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = 16  # argparse forgets that commands are indented


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="chat-service",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=_Help,
    )
    _add(parser, COMMANDS)
    return parser


def _add(parser: ArgumentParser, commands: Sequence[Command | Group]) -> None:
    choices = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands:
        added = choices.add_parser(command.name, help=command.summary, description=command.summary)
        if isinstance(command, Group):
            _add(added, command.commands)
        else:
            command.arguments(added)
            added.set_defaults(command=command)


if __name__ == "__main__":
    sys.exit(main())
