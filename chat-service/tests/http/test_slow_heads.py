"""A connection that never finishes its first request does not stay."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from rest_service import running

from chat_service.http import wire_errors


async def test_a_request_whose_head_never_ends_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_errors, "HEAD_TIMEOUT_S", 0.2)
    async with running(tmp_path) as service:
        reader, writer = await asyncio.open_connection(service.host, service.port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_a_connection_that_made_a_request_is_kept_for_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_errors, "HEAD_TIMEOUT_S", 0.2)
    async with running(tmp_path) as service:
        reader, writer = await asyncio.open_connection(service.host, service.port)
        for _ in range(2):
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            await reader.readexactly(len(b'{"status":"ok"}'))
            await asyncio.sleep(0.3)
        writer.close()
        await writer.wait_closed()
