"""Whatever is wrong with a request: one shape of answer, no traceback, and the next request is served."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import structlog
from rest_client import PASSWORD, Client, a_channel, client_of
from rest_service import Service, running

from chat_service.http import request_body
from chat_service.http.errors import STATUS
from chat_service.model.errors import Code

JSON = {"Content-Type": "application/json"}


def test_every_code_has_a_status() -> None:
    assert set(STATUS) == set(Code)


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/v2/users/me", "/api/v1/", "/api/v1/rooms/", "//"])
async def test_an_unknown_path_is_not_found(nobody: Client, path: str) -> None:
    reply = await nobody.raw("GET", path)
    assert (reply.status, reply.code) == (404, "not_found")


async def test_a_method_that_a_path_has_not_names_those_it_has(nobody: Client) -> None:
    reply = await nobody.raw("DELETE", "/api/v1/rooms")
    assert (reply.status, reply.code) == (405, "invalid")
    assert reply.headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"nonsense",
        b'{"name": "a",}',
        b'{"name": NaN}',
        b'"\xff"',
        b'{"name": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"name":' * 100_000,
        b"{} {}",
        b"\x00",
        json.dumps({"name": "x"}).encode("utf-16"),
    ],
)
async def test_what_is_no_json_is_refused(ann: Client, raw: bytes) -> None:
    await ann.refused("invalid", "POST", "/rooms", data=raw, headers=JSON)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], None),
        ("text", None),
        (1, None),
        ({}, "name"),
        ({"name": None}, "name"),
        ({"name": 5}, "name"),
        ({"name": []}, "name"),
        ({"name": ""}, "name"),
        ({"name": " \u2003"}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "nul\x00"}, "name"),
        ({"name": "x\n"}, "name"),
        ({"name": "x", "nmae": "y"}, "nmae"),
        ({"name": "x", "y" * 10_000: 1}, "y" * 79 + "…"),
        ({"name": "x", "visibility": "secret"}, "visibility"),
        ({"name": "x", "guests": "yes"}, "guests"),
        ({"name": "x", "guests": 1}, "guests"),
        ({"name": "x", "topic": "t" * 251}, "topic"),
        ({"name": "x", "key": ""}, "key"),
        ({"name": "x", "key": "k" * 65}, "key"),
        ({"name": "x", "key": "new\n"}, "key"),
        ({"name": "x", "key": "sp ace"}, "key"),
        ({"name": "x", "key": 7}, "key"),
    ],
)
async def test_a_wrong_body_names_the_field_and_what_was_expected(
    ann: Client, body: Any, field: str | None
) -> None:
    error = await ann.refused("invalid", "POST", "/rooms", body)
    assert error.get("field") == field
    assert error["retryable"] is False
    assert field is None or error["message"].startswith(f"{field}: "), error["message"]


async def test_a_field_deep_in_a_body_is_named_by_its_path(ann: Client) -> None:
    room = await a_channel(ann)
    for body, field in (
        ({"body": {}}, "body.text"),
        ({"body": {"text": "t", "file": "x"}}, "body.file"),
        ({"body": {"text": "t", "reply_to": 0}}, "body.reply_to"),
        ({"body": {"text": "t", "reply_to": 2**53}}, "body.reply_to"),
        ({"body": {"text": "t", "reply_to": 1.5}}, "body.reply_to"),
        ({"body": {"text": "t", "reply_to": True}}, "body.reply_to"),
        ({"text": "t"}, "text"),
    ):
        error = await ann.refused("invalid", "POST", f"/rooms/{room}/messages", body)
        assert error["field"] == field, error


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/users?limit=0", "limit"),
        ("/users?limit=101", "limit"),
        ("/users?limit=ten", "limit"),
        ("/users?limit=1.5", "limit"),
        ("/users?limit=", "limit"),
        ("/users?limit=1&limit=2", "limit"),
        ("/users?lmit=1", "lmit"),
        ("/users?q=%00", "q"),
        (f"/users?q={'x' * 81}", "q"),
        ("/users/me?verbose=1", "verbose"),
        ("/users/not-an-id", "user"),
        (f"/users/u{'a' * 15}%0A", "user"),
        ("/rooms/general", "room"),
        ("/rooms/public?after=x", "after"),
    ],
)
async def test_a_wrong_parameter_is_named(ann: Client, path: str, field: str) -> None:
    reply = await ann.raw("GET", "/api/v1" + path)
    assert (reply.status, reply.code) == (400, "invalid"), reply.text
    assert reply.body["error"]["field"] == field
    assert field in reply.body["error"]["message"]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "nonsense", ""],
)
async def test_a_body_that_does_not_say_it_is_json_is_refused(ann: Client, content_type: str) -> None:
    reply = await ann.call("POST", "/rooms", data=b'{"name": "x"}', headers={"Content-Type": content_type})
    assert (reply.status, reply.code) == (415, "invalid")
    assert "application/json" in reply.body["error"]["message"]


async def test_a_compressed_body_is_refused_before_it_is_read(ann: Client) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    reply = await ann.call("POST", "/rooms", data=b"\x1f\x8b no gzip", headers=headers)
    assert (reply.status, reply.code) == (415, "invalid")


async def test_a_body_too_large_is_refused_whether_or_not_it_says_so(tmp_path: Path) -> None:
    async with running(tmp_path, max_body_bytes=2048) as service, client_of(service) as nobody:
        large = json.dumps({"username": "a", "password": "x" * 3000}).encode()

        async def chunks() -> Any:
            for start in range(0, len(large), 500):
                yield large[start : start + 500]

        for data in (large, chunks()):
            reply = await nobody.call("POST", "/auth/sign-in", data=data, headers=JSON)
            assert (reply.status, reply.code) == (413, "too_large")
            assert "2048" in reply.body["error"]["message"]
        await nobody.refused("unauthenticated", "POST", "/auth/sign-in", {"username": "a", "password": "b"})


async def test_a_body_that_stops_half_way_is_given_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_S", 0.2)
    head = b"POST /api/v1/auth/sign-in HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    answer = await spoken(service, head + b"Content-Length: 100\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert error_in(answer)["code"] == "invalid"


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /livez HTTP/1.1\r\nHost: a\r\nbroken header\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"POST /api/v1/auth/sign-in HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/auth/sign-in HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_an_error_and_no_line_of_traceback(
    service: Service, raw: bytes, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = await spoken(service, raw)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), answer[:200]
    assert error_in(answer)["code"] == "invalid"
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err + caplog.text
    assert b"200 OK" in await spoken(service, b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")


async def test_a_broken_chunk_in_a_body_is_refused(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_S", 0.2)
    head = b"POST /api/v1/auth/sign-in HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"zz\r\n{}\r\n0\r\n\r\n"
    # What breaks after the handler began to read is not told to it: the time limit on bodies ends it.
    for parts, status in (((head + chunk,), b" 400 "), ((head, chunk), b" 408 ")):
        answer = await spoken(service, *parts)
        assert status in answer.partition(b"\r\n")[0]
        assert error_in(answer)["code"] == "invalid"
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err + caplog.text


async def test_a_client_that_leaves_while_it_sends_is_no_crash(
    service: Service, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    head = b"POST /api/v1/auth/sign-in HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    for coding in (b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"):
        _, writer = await asyncio.open_connection(service.host, service.port)
        writer.write(head + coding)
        await asyncio.sleep(0.05)
        writer.transport.abort()
    await asyncio.sleep(0.1)
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err + caplog.text
    assert "request_crashed" not in out + err


async def test_a_crash_is_told_without_its_reason_which_is_in_the_log(
    service: Service, ann: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(_user: str) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr(service.heart.rooms.browsing, "rooms_of", crash)
    with structlog.testing.capture_logs() as logged:
        reply = await ann.call("GET", "/rooms")
    assert (reply.status, reply.code) == (500, "internal")
    assert reply.body["error"]["retryable"] is True
    assert "secret reason" not in reply.text
    assert "Traceback" not in reply.text
    (crashed,) = (line for line in logged if line["event"] == "request_crashed")
    assert crashed["exc_info"]
    await ann.expect(200, "GET", "/users/me")


async def test_a_store_that_is_gone_is_unavailable_and_worth_trying_again(service: Service, ann: Client) -> None:
    await service.heart.stores.database.close()
    reply = await ann.call("GET", "/rooms")
    assert (reply.status, reply.code) == (503, "unavailable")
    assert reply.body["error"]["retryable"] is True
    assert int(reply.headers["Retry-After"]) >= 1


async def test_a_request_has_an_id_and_its_log_line_no_secrets(nobody: Client, ann: Client) -> None:
    with structlog.testing.capture_logs() as logged:
        reply = await ann.raw("GET", "/api/v1/users?q=whom-i-look-for", headers={"X-Request-Id": "mine"})
        await nobody.raw("GET", f"/api/v1/invites/{'s' * 32}")
        await nobody.raw("GET", "/livez")
        await nobody.raw("GET", "/nothing-here")
    assert len(reply.headers["X-Request-Id"]) == 16, "only a proxy's id is kept"
    found, invite, probe, unknown = (line for line in logged if line["event"] == "request")
    assert (found["route"], found["status"], found["user"]) == ("/api/v1/users", 200, ann.user["id"])
    assert invite["route"] == "/api/v1/invites/{token}"
    assert probe["log_level"] == "debug"
    assert unknown["route"] == "unknown"
    text = repr(logged)
    assert "whom-i-look-for" not in text
    assert "s" * 32 not in text
    assert PASSWORD not in text


async def spoken(service: Service, *parts: bytes) -> bytes:
    """Send bytes as they are, part after part; return what comes until the other side closes, or in a second."""
    reader, writer = await asyncio.open_connection(service.host, service.port)
    for part in parts:
        writer.write(part)
        await asyncio.sleep(0.05)
    received = b""
    try:
        async with asyncio.timeout(1):
            while part := await reader.read(65_536):
                received += part
    except TimeoutError:
        pass
    writer.close()
    await writer.wait_closed()
    return received


def error_in(answer: bytes) -> dict[str, Any]:
    """The error of a raw answer."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    assert length is not None, head
    shape = json.loads(rest[: int(length[1])])
    assert set(shape) == {"error"}
    assert {"code", "message", "retryable"} <= set(shape["error"])
    return dict(shape["error"])
