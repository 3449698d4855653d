"""People and rooms: what the clients of a load need before they connect, made through REST."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from bench.processes import BenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.scenarios import Load

PEOPLE = 8
"""Accounts that share a load's connections: making one costs a tenth of a second of password hashing."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Tokens and rooms of a load; client number c uses them at c modulo their length."""

    tokens: list[str]
    rooms: list[str]


def prepare(port: int, loads: Sequence[Load]) -> dict[str, Prepared]:
    """Make accounts, and rooms for each load with all who write there as members."""
    rest = _Rest(port)
    try:
        tokens = [rest.register(f"bench-{number}") for number in range(PEOPLE)]
        return {load.name: Prepared(tokens, _rooms(rest, load, tokens)) for load in loads}
    finally:
        rest.close()


def strangers(loads: Sequence[Load]) -> dict[str, Prepared]:
    """The same for a server that knows neither accounts nor rooms: names of the same length."""
    return {load.name: Prepared(["nobody"], [secrets.token_hex(11) for _ in range(load.rooms)]) for load in loads}


def _rooms(rest: _Rest, load: Load, tokens: list[str]) -> list[str]:
    rooms = []
    for number in range(load.rooms):
        owner, *others = dict.fromkeys(client % PEOPLE for client in range(number, load.clients, load.rooms))
        made = rest.post("/rooms", {"name": f"{load.name} {number}", "visibility": "public"}, tokens[owner])
        rooms.append(made["room"])
        for person in others:
            rest.post(f"/rooms/{made['room']}/join", {}, tokens[person])
    return rooms


class _Rest:
    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)

    def close(self) -> None:
        self._connection.close()

    def register(self, username: str) -> str:
        person = {"username": username, "password": secrets.token_urlsafe(12)}
        return str(self.post("/auth/register", person)["access_token"])

    def post(self, path: str, body: dict[str, str], token: str = "") -> dict[str, Any]:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._connection.request("POST", f"/api/v1{path}", json.dumps(body), headers)
        response = self._connection.getresponse()
        said = response.read()
        if response.status not in {200, 201}:
            raise BenchError(f"{path} was answered with {response.status}: {said[:300]!r}")
        answer: dict[str, Any] = json.loads(said)
        return answer
