"""The command line: what a person types, reads and gets back."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

import chat_service
from chat_service import cli
from chat_service.command import Command, Exit, Group
from chat_service.settings_table import reference

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator
    from pathlib import Path

    from chat_service.settings import Settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no CHAT_* variable of whoever runs the tests in."""
    for name in [name for name in os.environ if name.startswith("CHAT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for the application and note what it is told; the real one is started by other tests."""
    told: list[str] = []
    app = ModuleType("chat_service.app")

    async def serve(settings: Settings) -> None:
        told.append(f"serve {settings.port} {type(asyncio.get_running_loop()).__module__}")

    async def work(settings: Settings) -> None:
        told.append(f"work {settings.metrics_port} {type(asyncio.get_running_loop()).__module__}")

    app.serve = serve  # type: ignore[attr-defined]
    app.work = work  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chat_service.app", app)
    monkeypatch.setattr(chat_service, "app", app, raising=False)
    return told


@pytest.fixture
def readiness() -> Iterator[tuple[int, list[int]]]:
    """Serve /readyz with a status that the test may change; gives the port and the status."""
    status = [200]

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status[0] if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(b'{"status":"draining"}')

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, status
        server.shutdown()
        thread.join()


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert stopped.value.code == Exit.DONE
    for command in cli.COMMANDS:
        assert f"    {command.name} " in text
        assert command.summary in text


@pytest.mark.parametrize("arguments", [[], ["dance"], ["config", "--yaml"]])
def test_wrong_usage_says_so(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == Exit.USAGE
    assert "usage: chat-service" in capsys.readouterr().err


def test_serve_runs_the_application_on_uvloop(application: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_PORT", "9001")
    assert cli.main(["serve"]) == Exit.DONE
    assert application == ["serve 9001 uvloop"]


def test_worker_works_with_the_settings_of_the_environment(
    application: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAT_METRICS_PORT", "9002")
    assert cli.main(["worker"]) == Exit.DONE
    assert application == ["work 9002 uvloop"]


def test_migrate_says_what_it_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHAT_DATA_DIR", str(tmp_path))
    assert cli.main(["migrate"]) == Exit.DONE
    assert "applied log-1" in capsys.readouterr().out
    assert cli.main(["migrate"]) == Exit.DONE
    assert capsys.readouterr().out == "nothing to apply\n"


def test_a_port_that_is_taken_is_said_in_one_line(readiness: tuple[int, list[int]], tmp_path: Path) -> None:
    settings = {"CHAT_PORT": str(readiness[0]), "CHAT_METRICS_PORT": "0", "CHAT_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "chat_service.cli", "serve"],
        env={**os.environ, **settings, "CHAT_DRAIN_NOTICE_S": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == Exit.FAILED
    assert "chat-service: cannot start: " in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_settings_are_listed_and_nothing_starts(
    application: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHAT_PORT", "x")
    monkeypatch.setenv("CHAT_GUEST", "true")
    assert cli.main(["serve"]) == Exit.SETTINGS
    assert application == []
    assert capsys.readouterr().err.splitlines() == [
        "chat-service: 2 wrong settings:",
        "  CHAT_GUEST: expected a variable that exists (did you mean CHAT_GUESTS?)",
        "  CHAT_PORT: expected a whole number from 1 to 65535, got 'x'",
    ]


def test_config_shows_what_is_in_force(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHAT_PORT", "9001")
    monkeypatch.setenv("CHAT_TOKEN_KEYS", "a:" + "k" * 43)
    assert cli.main(["config"]) == Exit.DONE
    lines = capsys.readouterr().out.splitlines()
    assert "CHAT_PORT=9001" in lines
    assert "CHAT_TOKEN_KEYS=********" in lines


def test_config_writes_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["config", "--markdown"]) == Exit.DONE
    assert capsys.readouterr().out == reference()


def test_the_health_check_follows_readiness(
    readiness: tuple[int, list[int]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port, status = readiness
    monkeypatch.setenv("CHAT_PORT", str(port))
    monkeypatch.setenv("CHAT_HOST", "0.0.0.0")
    assert cli.main(["healthcheck"]) == Exit.DONE
    status[0] = 503
    assert cli.main(["healthcheck"]) == Exit.FAILED
    assert "not ready (503)" in capsys.readouterr().err


def test_the_health_check_of_a_worker_asks_at_the_port_of_its_metrics(
    readiness: tuple[int, list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, status = readiness
    monkeypatch.setenv("CHAT_METRICS_PORT", str(port))
    monkeypatch.setenv("CHAT_METRICS_HOST", "0.0.0.0")
    assert cli.main(["healthcheck", "--worker"]) == Exit.DONE
    status[0] = 503
    assert cli.main(["healthcheck", "--worker"]) == Exit.FAILED


def test_the_health_check_fails_where_nothing_answers(
    unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHAT_PORT", str(unused_tcp_port))
    assert cli.main(["healthcheck", "--timeout-s", "1"]) == Exit.FAILED
    assert "no answer from 127.0.0.1" in capsys.readouterr().err


def test_an_interrupt_is_reported_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_settings: Settings, _options: Namespace) -> Exit:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "COMMANDS", (Command("wait", "wait for ever", interrupted),))
    assert cli.main(["wait"]) == Exit.INTERRUPTED


def test_a_group_has_commands_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def arguments(parser: ArgumentParser) -> None:
        parser.add_argument("name")

    def greet(_settings: Settings, options: Namespace) -> Exit:
        return Exit.DONE if options.name == "ada" else Exit.FAILED

    group = Group("people", "care for people", (Command("greet", "greet somebody", greet, arguments),))
    monkeypatch.setattr(cli, "COMMANDS", (group,))
    assert cli.main(["people", "greet", "ada"]) == Exit.DONE
    assert cli.main(["people", "greet", "bob"]) == Exit.FAILED


def test_the_installed_command_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chat_service.cli", "version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.count(".") == 2
