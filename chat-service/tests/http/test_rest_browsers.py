"""What browsers are told: other origins' permissions, security headers, pages, probes, the version."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema_rs
from rest_client import Client, client_of
from rest_service import Service, running

from chat_service.http.health import Dependency, Phase

ORIGIN = "https://chat.example.org"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization,content-type",
}


async def test_any_origin_may_use_rest_by_default_but_never_with_cookies(nobody: Client) -> None:
    preflight = await nobody.raw("OPTIONS", "/api/v1/users/me", headers=PREFLIGHT)
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Idempotency-Key" in preflight.headers["Access-Control-Allow-Headers"]
    refused = await nobody.raw("GET", "/api/v1/users/me", headers={"Origin": ORIGIN})
    assert refused.status == 401
    assert refused.headers["Access-Control-Allow-Origin"] == "*", "a page must be able to read the refusal"
    assert "Retry-After" in refused.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in refused.headers


async def test_only_the_listed_origins_where_some_are_listed(tmp_path: Path) -> None:
    async with running(tmp_path, cors_origins=(ORIGIN,)) as service, client_of(service) as nobody:
        for origin, allowed in ((ORIGIN, ORIGIN), ("https://evil.example.org", None), ("null", None)):
            headers = {**PREFLIGHT, "Origin": origin}
            preflight = await nobody.raw("OPTIONS", "/api/v1/users/me", headers=headers)
            assert preflight.headers.get("Access-Control-Allow-Origin") == allowed
            answer = await nobody.raw("GET", "/livez", headers={"Origin": origin})
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
            assert answer.headers["Vary"] == "Origin"


async def test_options_without_a_page_behind_it_is_no_method_of_rest(nobody: Client) -> None:
    reply = await nobody.raw("OPTIONS", "/api/v1/users/me")
    assert (reply.status, reply.code) == (405, "invalid")


async def test_answers_carry_headers_that_keep_browsers_strict(nobody: Client) -> None:
    for path in ("/livez", "/api/v1/users/me", "/nothing", "/about"):
        headers = (await nobody.raw("GET", path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in headers
        assert headers["Server"] == "chat-service"
    assert (await nobody.raw("GET", "/api/v1/users/me")).headers["Cache-Control"] == "no-store"


async def test_https_is_insisted_on_where_people_come_by_https(tmp_path: Path) -> None:
    async with running(tmp_path, public_url=ORIGIN) as service, client_of(service) as nobody:
        headers = (await nobody.raw("GET", "/livez")).headers
        assert headers["Strict-Transport-Security"] == "max-age=31536000"


class Links(HTMLParser):
    """The tags, links and anchors of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        for name, value in attributes:
            assert not name.startswith("on"), f"inline script in {tag}"
            assert name != "style", f"inline style in {tag}"
            if name in {"href", "src"} and value:
                self.links.append(value)
            if name == "id" and value:
                assert value not in self.anchors, f"#{value} is there twice"
                self.anchors.add(value)


async def test_pages_have_no_script_and_no_link_that_leads_nowhere(nobody: Client) -> None:
    for path in ("/about", "/api/docs"):
        page = await nobody.raw("GET", path)
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        found = Links()
        found.feed(page.text)
        assert not found.tags & {"script", "style", "iframe", "img"}
        for link in found.links:
            if link.startswith("#"):
                assert link[1:] in found.anchors, f"{path} links to {link}"
            else:
                assert link.startswith("/"), f"{link} leads to another host"
                assert (await nobody.raw("GET", link)).status == 200


async def test_the_reference_shows_every_operation_and_type(nobody: Client) -> None:
    page = (await nobody.raw("GET", "/api/docs")).text
    document = nobody.document.document
    for path, operations in document["paths"].items():
        assert f"<code>{path}</code>" in page
        for operation in operations.values():
            assert f'id="{operation["operationId"]}"' in page
    for name in document["components"]["schemas"]:
        assert f'id="type-{name}"' in page


async def test_pages_are_not_sent_again_to_who_has_them(nobody: Client) -> None:
    first = await nobody.raw("GET", "/api/v1/openapi.json")
    again = await nobody.raw("GET", "/api/v1/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.text) == (304, "")
    other = await nobody.raw("GET", "/api/v1/openapi.json", headers={"If-None-Match": '"older"'})
    assert other.status == 200


async def test_the_document_is_sound(nobody: Client) -> None:
    document = nobody.document.document
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == "0.0.test"
    text = (await nobody.raw("GET", "/api/v1/openapi.json")).text
    for name in set(re.findall(r'"#/components/schemas/(\w+)"', text)):
        assert name in document["components"]["schemas"]
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
        assert schema.get("description"), f"{name} says nothing of itself"
    names = [
        operation["operationId"] for operations in document["paths"].values() for operation in operations.values()
    ]
    assert len(names) == len(set(names))


async def test_probes_say_how_the_node_is(service: Service, nobody: Client) -> None:
    async def asked(path: str) -> tuple[int, str]:
        reply = await nobody.raw("GET", path)
        return reply.status, reply.body["status"]

    assert await asked("/readyz") == (200, "ok")
    service.health.dependencies["bus"] = Dependency(up=False, detail="it does not answer")
    reply = await nobody.raw("GET", "/readyz")
    assert reply.body == {
        "status": "degraded",
        "dependencies": {"store": {"up": True}, "bus": {"up": False, "detail": "it does not answer"}},
    }
    assert reply.status == 200, "a backend that all nodes share must not take them all out of service"
    service.health.phase = Phase.STARTING
    assert await asked("/readyz") == (503, "starting")
    assert await asked("/startupz") == (503, "starting")
    service.health.phase = Phase.DRAINING
    assert await asked("/readyz") == (503, "draining")
    assert await asked("/startupz") == (200, "ok")
    assert await asked("/livez") == (200, "ok")


async def test_the_version_is_told(nobody: Client) -> None:
    assert (await nobody.raw("GET", "/version")).body == {"version": "0.0.test"}


async def test_what_belongs_to_sockets_is_left_alone(service: Service, nobody: Client) -> None:
    reply = await nobody.raw("GET", "/socket.io/?EIO=4&transport=polling")
    assert reply.status == 404
    assert "X-Request-Id" not in reply.headers
