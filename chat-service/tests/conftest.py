"""What every test of the service may ask for: clients in JavaScript, and a real server of MongoDB's protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog

from servers.mongodb import mongodb_server, mongodb_uri, own_mongodb  # noqa: F401 - fixtures for every test

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TESTS = Path(__file__).parent
JS_CLIENTS = TESTS / "clients" / "js"


@pytest.fixture(autouse=True)
def _fresh_logging() -> Iterator[None]:
    """Let no test inherit the level that one before it has set for the process."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def js_clients(require: Callable[[str], str], lacking: Callable[[str], None]) -> Path:
    """Give the folder of the JavaScript clients with their packages installed, where Node.js can run them."""
    require("node")
    if not (JS_CLIENTS / "node_modules").is_dir():
        lacking("the JavaScript clients (scripts/node installs them)")
    return JS_CLIENTS
