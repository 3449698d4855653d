"""Command: one command of `chat-service`, a small function with what it takes and what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from chat_service.settings import Settings


class Exit(IntEnum):
    """What a command tells the shell."""

    DONE = 0
    FAILED = 1
    USAGE = 2  # argparse's own
    SETTINGS = 78  # EX_CONFIG of sysexits.h: a supervisor can tell that starting again will not help
    INTERRUPTED = 130  # as shells report an interrupt


def _takes_nothing(_parser: ArgumentParser) -> None:
    """Leave a parser as it is."""


@dataclass(frozen=True)
class Command:
    """A command: what it is called, what it does in one line, the function, its arguments."""

    name: str
    summary: str
    run: Callable[[Settings, Namespace], Exit]
    arguments: Callable[[ArgumentParser], None] = _takes_nothing


@dataclass(frozen=True)
class Group:
    """Commands behind one word: `chat-service admin ...`."""

    name: str
    summary: str
    commands: tuple[Command, ...]
