"""A running service and people in it, for every test of REST."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from rest_client import Client, client_of, somebody
from rest_service import Service, running


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A service with the defaults, but for rates."""
    async with running(tmp_path) as started:
        yield started


@pytest.fixture
async def nobody(service: Service) -> AsyncIterator[Client]:
    """A client that is not signed in."""
    async with client_of(service) as client:
        yield client


@pytest.fixture
async def ann(nobody: Client) -> Client:
    """Somebody registered."""
    return await somebody(nobody, "ann")


@pytest.fixture
async def bob(nobody: Client) -> Client:
    """Somebody else."""
    return await somebody(nobody, "bob")
