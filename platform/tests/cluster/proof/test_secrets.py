"""Secrets that change are taken up by the pods that run: nobody is signed out, nothing is restarted."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from cluster import backends
from cluster.release import CLUSTER, NAME, Entrance, Release

if TYPE_CHECKING:
    from cluster.kubectl import Kubectl

KEYS = "chat-token-keys"
KUBELET_S = 150.0
"""How long a kubelet may take to renew the files of a Secret: its own period and the age of what it knows."""

DIGESTS = """
import hashlib
for name in ("mongodb", "redis"):
    print(hashlib.sha256(open(f"/secrets/{name}/uri", "rb").read()).hexdigest())
"""
HEALTH = """
import json, urllib.request
print(json.load(urllib.request.urlopen("http://127.0.0.1:8000/readyz"))["status"])
"""


@pytest.fixture(scope="module")
def release(kubectl: Kubectl, backend_images: str) -> Release:
    """Two gateways with token keys from a Secret."""
    assert backend_images
    backends.start(kubectl)
    _set_keys(kubectl, _key("first"))
    values = (*CLUSTER, "--set=gateway.replicas=2", f"--set=tokenKeys.existingSecret={KEYS}")
    made = Release(kubectl, values)
    made.install()
    made.open_edge()
    return made


async def test_a_second_key_is_rolled_in_and_the_first_out(release: Release) -> None:
    kubectl = release.kubectl
    first, second = _key("first"), _key("second")
    _set_keys(kubectl, first)
    async with aiohttp.ClientSession(f"{Entrance(release).url_of(NAME)}/api/v1/") as http:
        await _until_signed_by(kubectl, http, "first")
        account = {"username": f"p{secrets.token_hex(6)}", "password": secrets.token_urlsafe(12)}
        signed_in = await _post(http, "auth/register", account)
        _set_keys(kubectl, f"{second},{first}")
        await _until_signed_by(kubectl, http, "second")
        assert await _may_read(http, signed_in["access_token"])
        renewed = await _post(http, "auth/refresh", {"refresh_token": signed_in["refresh_token"]})
        _set_keys(kubectl, second)
        await _until_refused(http, signed_in["access_token"])
        assert await _may_read(http, renewed["access_token"])
    assert _restarts(kubectl) == 0


async def test_new_passwords_of_the_databases_are_taken_up(release: Release) -> None:
    kubectl = release.kubectl
    before = _files(kubectl)
    end_old = backends.renew_redis_password(kubectl)
    backends.renew_mongodb_password(kubectl)
    await kubectl.until("the files are new", lambda: not set(_files(kubectl)) & set(before), KUBELET_S)
    end_old()
    backends.restart(kubectl, "statefulset/mongodb")
    # Every connection is a new one now, and the old passwords are good for nothing.
    await kubectl.until("every gateway is whole", lambda: _health(kubectl) == {"ok"}, within_s=90)
    release.helm("test", NAME, "--timeout=3m")
    assert _restarts(kubectl) == 0


def _key(name: str) -> str:
    return f"{name}:{base64.b64encode(name.encode().ljust(32, b'.')).decode()}"


def _set_keys(kubectl: Kubectl, keys: str) -> None:
    kubectl.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": KEYS}, "stringData": {"keys": keys}})


async def _until_signed_by(kubectl: Kubectl, http: aiohttp.ClientSession, name: str) -> None:
    """Wait until every gateway signs with a key: so many tokens in a row that none can be left out."""
    in_a_row = 0
    until = time.monotonic() + KUBELET_S
    while time.monotonic() < until:
        account = {"username": f"p{secrets.token_hex(6)}", "password": secrets.token_urlsafe(12)}
        token = (await _post(http, "auth/register", account))["access_token"]
        header = json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))
        in_a_row = in_a_row + 1 if header["kid"] == name else 0
        if in_a_row == 12:
            return
    pytest.fail(f"no key {name} within {KUBELET_S:.0f} s: {await kubectl.do('get', 'pods')}")


async def _until_refused(http: aiohttp.ClientSession, token: str) -> None:
    """Wait until no gateway takes a token any more."""
    until = time.monotonic() + KUBELET_S
    while any([await _reads(http, token) for _ in range(12)]):
        if time.monotonic() > until:
            pytest.fail(f"the old key is still taken after {KUBELET_S:.0f} s")
        await asyncio.sleep(1)


async def _post(http: aiohttp.ClientSession, path: str, body: dict[str, Any]) -> dict[str, Any]:
    # A connection each: the Service chooses a gateway for every one.
    async with http.post(path, json=body, headers={"Connection": "close"}) as answer:
        told: dict[str, Any] = await answer.json()
        assert answer.status < 300, told
        return told


async def _may_read(http: aiohttp.ClientSession, token: str) -> bool:
    """Whether every gateway takes a token: asked so often that none can be left out."""
    return all([await _reads(http, token) for _ in range(12)])


async def _reads(http: aiohttp.ClientSession, token: str) -> bool:
    headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
    async with http.get("rooms", headers=headers) as answer:
        return answer.status == 200


def _files(kubectl: Kubectl) -> list[str]:
    """What the gateways' files of the databases say now, as digests."""
    return [line for pod in kubectl.ready("gateway") for line in _python(kubectl, pod, DIGESTS).split()]


def _health(kubectl: Kubectl) -> set[str]:
    return {_python(kubectl, pod, HEALTH).strip() for pod in kubectl.ready("gateway")}


def _python(kubectl: Kubectl, pod: str, program: str) -> str:
    return kubectl.run("exec", pod, "--", "python3", "-c", program)


def _restarts(kubectl: Kubectl) -> int:
    return sum(pod["status"]["containerStatuses"][0]["restartCount"] for pod in kubectl.pods("gateway"))
