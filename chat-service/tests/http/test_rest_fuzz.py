"""Thousands of requests made up from the document, right ones and wrong ones: none breaks what it promises."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_client import PASSWORD, an_admin, client_of, somebody
from rest_service import running
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.ignored_auth,
]
NOBODY_THERE = "http://127.0.0.1:9/"
SAME_EVERY_TIME = settings(
    max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@dataclass
class Target:
    """A service that runs in a thread of its own, since the fuzzer blocks; `user` is somebody in it."""

    url: str
    user: str
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Make a request that must succeed."""
        url = f"{self.url}/api/v1{path}"
        answer = requests.request(method, url, json=body, headers=headers, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def administrator(self) -> dict[str, str]:
        """Headers of a new session: the one before may have been signed out by the fuzzer."""
        right = {"username": "root", "password": PASSWORD}
        return {"Authorization": f"Bearer {self.call('POST', '/auth/sign-in', right)['access_token']}"}

    def something_real(self, headers: dict[str, str]) -> dict[str, Any]:
        """Path parameters that lead past the first refusal, in a room that the fuzzer has not left yet."""
        room = self.call("POST", "/rooms", {"name": "r", "visibility": "public"}, **headers)["room"]
        message = self.call("POST", f"/rooms/{room}/messages", {"body": {"text": "hello"}}, **headers)
        invite = self.call("POST", f"/rooms/{room}/invites", {"max_uses": 1000}, **headers)
        return {
            "room": room,
            "user": self.user,
            "seq": message["seq"],
            "emoji": "x",
            "session": "none-such",
            "invite": invite["invite"]["id"],
            "token": invite["token"],
            "file": self.upload(room, **headers),
            "webhook": self.call("POST", "/webhooks", {"room": room, "url": NOBODY_THERE}, **headers)["id"],
            "delivery": "v" + "a" * 21,
        }

    def upload(self, room: str, **headers: str) -> str:
        """A file in no message; its id."""
        url = f"{self.url}/api/v1/rooms/{room}/files?name=a.txt"
        answer = requests.post(url, data=b"notes", headers=headers, timeout=10)
        return str(answer.json()["id"])


@contextmanager
def target(folder: Path) -> Iterator[Target]:
    """Run a service until the test is done with it."""
    ready: Future[Target] = Future()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(folder, ready)))
    thread.start()
    started = ready.result(30)
    try:
        yield started
    finally:
        started.loop.call_soon_threadsafe(started.stop.set)
        thread.join(30)


async def _serve(folder: Path, ready: Future[Target]) -> None:
    stop = asyncio.Event()
    async with running(folder, webhook_allowed_networks=(ip_network("127.0.0.0/8"),)) as service:
        async with client_of(service) as nobody:
            await an_admin(service, nobody)
            user = (await somebody(nobody)).user["id"]
        ready.set_result(Target(nobody.url, user, asyncio.get_running_loop(), stop))
        await stop.wait()


def cases(operation: schemathesis.APIOperation, real: dict[str, Any]) -> st.SearchStrategy[Case]:
    """Right and wrong requests for an operation, on what exists and on what does not."""
    names = [parameter.name for parameter in operation.path_parameters]
    known = {name: real[name] for name in names}
    kinds = [operation.as_strategy(mode) for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)]
    if known:
        kinds.append(operation.as_strategy(GenerationMode.POSITIVE, path_parameters=known))
    return st.one_of(kinds)


def keep_its_promise(operation: schemathesis.APIOperation, service: Target) -> None:
    """Send an operation many requests and hold each answer against the document."""
    headers = service.administrator()

    @SAME_EVERY_TIME
    @given(case=cases(operation, service.something_real(headers)))
    def send(case: Case) -> None:
        case.call_and_validate(checks=CHECKS, headers=headers, timeout=10)

    send()


@pytest.mark.timeout(240)
def test_no_request_breaks_the_promise(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with target(tmp_path) as service:
        schema = schemathesis.openapi.from_url(f"{service.url}/api/v1/openapi.json")
        for found in schema.get_all_operations():
            keep_its_promise(found.ok(), service)
        assert requests.get(f"{service.url}/livez", timeout=10).status_code == 200
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err + caplog.text
    assert "request_crashed" not in out + err
