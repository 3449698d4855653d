"""compose.yaml and the image's Dockerfile as they are written: pins, passwords, rights; without Docker."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "chat-service" / "Dockerfile").read_text()
STACK = ROOT / "chat-service" / "stack"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PINNED = (
    r"(docker\.io/library|localhost)/[a-z-]+:[\w.-]*\d[\w.-]*"
    r"|gcr\.io/distroless/[\w-]+\d:nonroot"  # its versions are in its name
)
"""An image with its registry, and a tag with a number in it."""
LASTING = {name for name, service in SERVICES.items() if service.get("restart") != "no"}


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_named_in_full_and_pinned(name: str) -> None:
    assert re.fullmatch(PINNED, SERVICES[name]["image"])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service["mem_limit"]
    assert service["pids_limit"]
    if name in LASTING:
        assert not service.get("cap_add"), "only what runs once at the start may hand files over"
        assert service.get("user", "") != "0:0"


def test_what_is_published_in_the_clear_is_published_to_this_machine_only() -> None:
    published = {name: port for name, service in SERVICES.items() for port in service.get("ports", [])}
    assert set(published) == {"proxy", "proxy-tls"}
    assert published["proxy"].startswith("${HTTP_ADDRESS:-127.0.0.1}:")


def test_databases_are_on_a_network_without_a_way_out() -> None:
    assert COMPOSE["networks"]["back"] == {"internal": True}
    for name in ("mongodb", "redis", "mongodb-setup", "backup", "restore"):
        assert SERVICES[name]["networks"] == ["back"]
    for name in ("secrets", "certificate"):
        assert SERVICES[name]["network_mode"] == "none"


def test_no_password_is_written_anywhere() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN|URI|URLS", variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert str(value).startswith("/secrets/"), f"{name}: {variable}"
    for path in [ROOT / "compose.yaml", *STACK.iterdir()]:
        for credentials in re.findall(r"://[^@\s\"'/]+:([^@\s\"'/]+)@", path.read_text()):
            assert credentials.startswith("$") or credentials == "%s", path.name


def test_secrets_reach_only_the_service_they_are_for() -> None:
    reads = {
        name: {volume.split(":")[0] for volume in service.get("volumes", []) if "secrets" in volume.split(":")[0]}
        for name, service in SERVICES.items()
    }
    assert {name for name, volumes in reads.items() if "secrets" in volumes} == {"secrets"}
    assert {name for name, volumes in reads.items() if "chat-secrets" in volumes} == {"secrets", "chat", "worker"}
    assert {name for name, volumes in reads.items() if "redis-secrets" in volumes} == {"secrets", "redis"}
    mongodb = {"secrets", "mongodb", "mongodb-setup", "backup", "restore"}
    assert {name for name, volumes in reads.items() if "mongodb-secrets" in volumes} == mongodb


def test_git_ignores_what_an_operator_writes(require: Callable[[str], str]) -> None:
    git = [require("git"), "-c", f"safe.directory={ROOT}", "check-ignore", "--quiet"]
    for path in (".env", "chat.env", "backups/2030-01-31T120000Z/files.tar.gz"):
        assert subprocess.run([*git, path], cwd=ROOT, check=False).returncode == 0, path


def test_every_base_of_the_image_is_an_argument_named_in_full_and_pinned() -> None:
    bases = dict(re.findall(r"^ARG ([A-Z]+)=(\S+/\S+)$", DOCKERFILE, re.MULTILINE))
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert stages == [f"${{{name}}}" for name in bases]
    assert all(re.fullmatch(PINNED, base) for base in bases.values()), bases


def test_the_image_runs_as_nobody_and_says_how_it_is() -> None:
    final = DOCKERFILE.rsplit("\nFROM ", maxsplit=1)[1]
    assert re.findall(r"^USER (\S+)$", final, re.MULTILINE) == ["65532:65532"]
    assert re.search(r'^HEALTHCHECK .*CMD \["chat-service", "healthcheck"\]$', final, re.MULTILINE)
    assert not re.search(r"^(RUN|ADD)\b", final, re.MULTILINE), "there is no shell in it"
    assert final.index("/dependencies") < final.index("web_client") < final.index("/service /app/service")


def test_the_image_is_built_the_same_way_on_every_architecture_and_builder() -> None:
    assert "# syntax=" not in DOCKERFILE
    assert "--platform" not in DOCKERFILE
    assert not re.search("amd64|arm64|x86_64|aarch64", DOCKERFILE)
    assert "--require-hashes" in DOCKERFILE
    assert "npm ci" in DOCKERFILE


def test_what_is_not_listed_does_not_go_into_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "*"


@pytest.mark.parametrize("tls", [False, True])
def test_haproxy_takes_its_configuration(tls: bool, require: Callable[[str], str], tmp_path: Path) -> None:
    haproxy = require("haproxy")
    configuration = tmp_path / "haproxy.cfg"
    environment = {"TLS": "on"} if tls else {}
    text = (STACK / "haproxy.cfg").read_text()
    if tls:
        pem = tmp_path / "chat.pem"
        request = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=chat"]
        made = [require("openssl"), "req", *request, "-keyout", str(pem), "-out", str(tmp_path / "certificate")]
        subprocess.run(made, check=True, capture_output=True)
        pem.write_text((tmp_path / "certificate").read_text() + pem.read_text())
        text = text.replace("/certificate/chat.pem", str(pem))
    configuration.write_text(text)
    command = [haproxy, "-c", "-f", str(configuration)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not re.search("warning", done.stderr, re.IGNORECASE), done.stderr


@pytest.mark.parametrize("script", sorted(path.name for path in STACK.iterdir() if path.suffix == ""))
def test_scripts_of_the_stack_are_well_formed(script: str, require: Callable[[str], str]) -> None:
    text = (STACK / script).read_text()
    shell = text.split("\n", maxsplit=1)[0].removeprefix("#!/bin/")
    assert subprocess.run([require(shell), "-n", str(STACK / script)], check=False).returncode == 0
