"""The web client as browsers get it: one page for its addresses, files kept for ever, a strict policy."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chat_service.http.web_client import POLICY, web_client_routes

INDEX = "<!doctype html><title>Chat</title>" + "<!-- long enough to be packed -->" * 50
SCRIPT = "console.log(1);" * 100


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """What a build leaves."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(INDEX)
    (tmp_path / "assets" / "index-abc.js").write_text(SCRIPT)
    (tmp_path / "icon.png").write_bytes(b"\x89PNG" * 500)
    (tmp_path / "manifest.webmanifest").write_text("{}")
    return tmp_path


@pytest.fixture
async def browser(built: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of an application that has nothing else; it sees what is sent, packed or not."""
    application = web.Application()
    application.add_routes(web_client_routes(built))
    async with TestServer(application) as server:
        base = server.make_url("/")
        async with aiohttp.ClientSession(base, auto_decompress=False) as session:
            yield session


async def test_every_address_of_the_client_is_its_one_page(browser: aiohttp.ClientSession) -> None:
    for path in ("/", "/app", "/app/rooms/caaaaaaaaaaaaaaaaaaaaa", "/app/any/thing", "/invite/a-token"):
        async with browser.get(path, headers={"Accept-Encoding": "identity"}) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html"), path
            assert await answer.text() == INDEX
            assert answer.headers["Cache-Control"] == "no-cache"
            assert answer.headers["Content-Security-Policy"] == POLICY


def test_the_policy_lets_images_come_from_here_and_from_what_the_page_fetched_itself() -> None:
    """Attachments are fetched with the token and shown from blob: addresses; nothing else is let in by that."""
    rules = dict(rule.strip().split(" ", 1) for rule in POLICY.split(";"))
    assert rules["img-src"].split() == ["'self'", "blob:"]
    assert not [name for name, sources in rules.items() if "blob:" in sources and name != "img-src"]
    assert "unsafe" not in POLICY
    assert "data:" not in POLICY


async def test_hashed_files_are_kept_for_ever_and_others_are_asked_for(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/assets/index-abc.js") as answer:
        assert answer.content_type == "text/javascript"
        assert "immutable" in answer.headers["Cache-Control"]
    async with browser.get("/manifest.webmanifest") as answer:
        assert answer.content_type == "application/manifest+json"
        assert answer.headers["Cache-Control"] == "no-cache"


async def test_text_is_packed_for_who_takes_it(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/assets/index-abc.js", headers={"Accept-Encoding": "gzip, br"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert gzip.decompress(await answer.read()).decode() == SCRIPT
    async with browser.get("/icon.png", headers={"Accept-Encoding": "gzip"}) as answer:
        assert "Content-Encoding" not in answer.headers
        assert answer.content_type == "image/png"


async def test_what_a_browser_has_already_is_not_sent_again(browser: aiohttp.ClientSession) -> None:
    async with browser.get("/app") as answer:
        tag = answer.headers["ETag"]
    async with browser.get("/app", headers={"If-None-Match": tag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
        assert answer.headers["Content-Security-Policy"] == POLICY


async def test_what_was_not_built_is_not_there(browser: aiohttp.ClientSession) -> None:
    for path in ("/assets/index-old.js", "/assets/../index.html.bak", "/invite/", "/apple"):
        async with browser.get(path) as answer:
            assert answer.status == 404, path


def test_without_a_build_there_are_no_routes(tmp_path: Path) -> None:
    assert web_client_routes(tmp_path) == []
    assert web_client_routes(tmp_path / "missing") == []
