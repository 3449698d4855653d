"""The stack for real: compose.yaml from a clean clone, its nodes killed and stopped while people chat.

Long, so `make stack-test` runs it and `make test` does not.
"""

from __future__ import annotations

import asyncio
import io
import json
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from chat_stack import IMAGE, Stack
from crowd import Crowd, gathered
from eventually import eventually
from PIL import Image
from rest_people import Person

pytestmark = pytest.mark.timeout(1800)

MOST_OWN_BYTES = 60_000_000
PAUSE_S = 4.0
"""Slow talk: the stand-in for MongoDB reads whole collections, and is not what is tested here."""
E2E = Path(__file__).parents[1] / "e2e"


def test_the_image_is_small_and_has_nothing_but_the_service(stack: Stack) -> None:
    found = stack.inspect(IMAGE)
    config: dict[str, Any] = found["Config"]
    assert config["User"] == "65532:65532"
    assert config["Healthcheck"]["Test"] == ["CMD", "chat-service", "healthcheck"]
    assert config["Labels"]["org.opencontainers.image.title"] == "chat-service"
    base = stack.inspect("gcr.io/distroless/python3-debian13:nonroot")
    layers = stack.run("docker", "history", "--human=false", "--format", "{{json .}}", IMAGE).splitlines()
    sizes = [(int(step["Size"]), step["CreatedBy"]) for step in map(json.loads, layers)]
    for size, by in sizes:
        if size:
            print(f"{size / 1e6:7.1f} MB  {by[:100]}")
    own = found["Size"] - base["Size"]
    print(f"{own / 1e6:7.1f} MB are our own layers, {base['Size'] / 1e6:.1f} MB the base")
    assert own < MOST_OWN_BYTES
    shell = ["docker", "run", "--rm", "--entrypoint", "sh", IMAGE, "-c", "true"]
    assert subprocess.run(shell, env=stack.environment, capture_output=True, check=False).returncode == 127


def test_containers_can_change_nothing_but_their_volumes(stack: Stack) -> None:
    for service in ("chat", "worker", "proxy", "mongodb", "redis"):
        for container in stack.containers(service):
            host = stack.inspect(container)["HostConfig"]
            assert host["ReadonlyRootfs"], service
            assert host["CapDrop"] == ["ALL"], service
            assert host["SecurityOpt"] == ["no-new-privileges:true"], service
            assert host["Memory"], service


async def test_what_is_said_on_one_node_is_heard_on_the_other(stack: Stack) -> None:
    one, other = (f"http://{stack.address(node)}:8000" for node in stack.containers("chat"))
    async with gathered(stack.url, people=3, rooms=1) as crowd:
        for person, url in zip(crowd.people, (stack.url, one, other), strict=True):
            person.url = url
        await crowd.connect(3)
        through_proxy, on_one, on_other = crowd.clients
        for client in (through_proxy, on_one, on_other):
            ack = await client.say(crowd.rooms[0], f"from {client.name}")
            await asyncio.gather(*(each.reaches(crowd.rooms[0], ack.seq) for each in crowd.clients))
        await crowd.assert_sound()


async def test_clients_are_spread_and_polls_find_their_node(stack: Stack) -> None:
    nodes = stack.containers("chat")
    async with gathered(stack.url, people=2, rooms=1) as crowd:
        await crowd.connect(8, polling=2)
        assert all([await stack.connections(node) >= 3 for node in nodes])
        for client in crowd.clients:
            await client.say(crowd.rooms[0], f"from {client.name}")
        await crowd.assert_sound()
        assert len(crowd.history.links) == len(crowd.clients), "nobody was thrown off"


async def test_a_node_is_killed_and_nothing_is_lost(stack: Stack) -> None:
    await _while_people_chat(stack, "kill")


async def test_a_node_is_stopped_and_nothing_is_lost(stack: Stack) -> None:
    await _while_people_chat(stack, "stop")


async def _while_people_chat(stack: Stack, how: str) -> None:
    victim = stack.containers("chat")[0]
    async with gathered(stack.url, people=3, rooms=2) as crowd:
        await crowd.connect(8, polling=2)
        crowd.talk(1, most_waiting=1, pause_s=PAUSE_S)
        await asyncio.sleep(3)
        at_stake = await stack.connections(victim)
        assert at_stake, "the node that goes has nobody"
        await stack.do("docker", how, victim)
        await eventually(lambda: _all_connected(crowd), 60)
        await asyncio.sleep(3)
        await stack.do("docker", "start", victim)
        await eventually(lambda: stack.inspect(victim)["State"]["Health"]["Status"] == "healthy", 120, every_s=1)
        await asyncio.sleep(3)
        await crowd.assert_sound()
        print(f"{how}: {crowd.history.acked} acked, {at_stake:g} connections were on the node that went")
        assert crowd.history.acked > 20
        assert len(crowd.history.links) >= len(crowd.clients) + at_stake


def _all_connected(crowd: Crowd) -> bool:
    return all(client.connected.is_set() for client in crowd.clients)


async def test_what_is_uploaded_at_one_node_is_there_at_every_node(stack: Stack) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (600, 400), "teal").save(picture, "PNG")
    async with gathered(stack.url, people=1, rooms=1) as crowd, aiohttp.ClientSession() as http:
        headers = {"Authorization": f"Bearer {crowd.people[0].access_token}"}
        path = f"/api/v1/rooms/{crowd.rooms[0]}/files?name=teal.png"
        async with http.post(stack.url + path, data=picture.getvalue(), headers=headers) as answer:
            file = (await answer.json())["id"]
        for node in stack.containers("chat"):
            url = f"http://{stack.address(node)}:8000/api/v1/files/{file}/thumbnail"
            async with http.get(url, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                assert (await answer.read())[8:12] == b"WEBP"


async def test_a_client_cannot_say_that_it_comes_from_elsewhere(stack: Stack) -> None:
    async with aiohttp.ClientSession() as http:
        headers = {"X-Forwarded-For": "203.0.113.7"}
        async with http.get(f"{stack.url}/api/v1/rooms", headers=headers) as answer:
            request = answer.headers["X-Request-Id"]
    logs = await stack.do("docker", "compose", "logs", "--no-log-prefix", "chat")
    (line,) = [line for line in logs.splitlines() if request in line and '"address"' in line]
    assert json.loads(line)["address"] not in {"203.0.113.7", "unknown"}


async def test_over_tls_with_a_certificate_made_on_first_use(stack: Stack, tmp_path: Path) -> None:
    await stack.do("docker", "compose", "--profile", "tls", "up", "--detach", "--wait", "proxy-tls")
    pem = stack.volume("certificate", "chat.pem")
    authority = tmp_path / "chat.pem"
    authority.write_text(pem[: pem.index("-----BEGIN PRIVATE KEY")])
    context = ssl.create_default_context(cafile=str(authority))
    url = f"https://localhost:{stack.tls_port}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as http:
        async with http.get(f"{url}/app") as answer:
            assert answer.status == 200
            assert "Secure" in answer.headers["Set-Cookie"]
        async with http.ws_connect(f"{url}/socket.io/?EIO=4&transport=websocket") as ws:
            assert (await ws.receive_str()).startswith("0")


async def test_a_third_node_takes_its_part(stack: Stack) -> None:
    before = set(stack.containers("chat"))
    stack.environment["CHAT_NODES"] = "3"
    try:
        await stack.do("docker", "compose", "up", "--detach", "--wait")
        (third,) = set(stack.containers("chat")) - before
        async with gathered(stack.url, people=2, rooms=1) as crowd:

            async def third_has_somebody() -> bool:
                await crowd.connect(1)
                return await stack.connections(third) > 0

            await eventually(third_has_somebody, 90, every_s=1)
            await crowd.assert_sound()
    finally:
        del stack.environment["CHAT_NODES"]
    await stack.do("docker", "compose", "up", "--detach", "--wait")
    assert set(stack.containers("chat")) == before


async def test_an_update_replaces_every_node_and_loses_nothing(stack: Stack) -> None:
    before = set(stack.containers("chat"))
    with (stack.folder / "chat.env").open("a") as settings:
        settings.write("CHAT_LOG_LEVEL=debug\n")
    async with gathered(stack.url, people=2, rooms=1) as crowd:
        await crowd.connect(5, polling=1)
        crowd.talk(2, most_waiting=1, pause_s=PAUSE_S)
        await stack.do("make", "update")
        await eventually(lambda: _all_connected(crowd), 60)
        await crowd.assert_sound()
        notices = {notice.payload.get("kind") for notice in crowd.history.notices}
        assert "draining" in notices, "clients are told before their node leaves"
    after = set(stack.containers("chat"))
    assert len(after) == len(before)
    assert not after & before


async def test_a_backup_brings_back_what_was_there(stack: Stack) -> None:
    async with gathered(stack.url, people=2, rooms=1) as crowd:
        await crowd.connect(1)
        reader, room = crowd.clients[0], crowd.rooms[0]
        await crowd.people[0].say(room, "before the backup")
        await stack.do("make", "backup")
        (backup,) = (stack.folder / "backups").iterdir()
        after = await crowd.people[0].say(room, "after the backup")
        await reader.reaches(room, after["seq"])
        epoch = reader.room(room).epoch
        await stack.do("make", "restore", f"FROM={backup}")
        await eventually(lambda: reader.connected.is_set() and reader.room(room).epoch != epoch, 120)
        log = await crowd.people[0].read_log(room)
        assert [entry.body["text"] for entry in log if entry.kind == "message"] == ["before the backup"]
        newcomer = await Person(stack.url).register()
        await newcomer.close()


def test_no_password_is_told_to_anybody(stack: Stack) -> None:
    secrets = [
        stack.volume("secrets", name) for name in ("mongodb-root", "mongodb-chat", "mongodb-key", "redis-chat")
    ]
    assert len(set(secrets)) == 4
    assert all(len(secret) == 64 for secret in secrets)
    told = stack.compose("--profile", "*", "logs") + stack.compose("--profile", "*", "config")
    for container in stack.compose("--profile", "*", "ps", "--all", "--quiet").split():
        found = stack.inspect(container)
        told += json.dumps(found)
        if found["State"]["Running"]:
            told += stack.run("docker", "top", container)
    assert not [secret for secret in secrets if secret in told]
    assert not [line for line in stack.compose("logs", "chat", "worker").splitlines() if '"level":"error"' in line]


def test_in_a_browser_while_a_node_is_killed(stack: Stack, require: Callable[[str], str]) -> None:
    node = require("node")
    require("chromium")
    settings = {"E2E_URL": stack.url, "E2E_NODES": " ".join(stack.containers("chat"))}
    command = [node, "--test", "--test-reporter=spec", str(E2E / "stack.mjs")]
    done = subprocess.run(
        command, cwd=E2E, env={**stack.environment, **settings}, capture_output=True, text=True, check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ends_and_leaves_the_data(stack: Stack) -> None:
    stack.run("make", "down")
    assert stack.compose("ps", "--quiet") == ""
    assert f"{stack.project}_mongodb" in stack.run("docker", "volume", "ls", "--quiet").split()
