"""Logs and metrics: what an operator sees, and what nobody may see."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest
import structlog

from chat_service.observability.endpoint import MetricsEndpoint
from chat_service.observability.logging import configure_logging
from chat_service.observability.loop_lag import sample_loop_lag
from chat_service.observability.metrics import Metrics
from chat_service.observability.redaction import MASK, is_secret, redact

if TYPE_CHECKING:
    from collections.abc import Iterator

METRICS_PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo what configuring the process's logging changes."""
    root = logging.getLogger()
    handlers, level, hooks = root.handlers, root.level, (sys.excepthook, threading.excepthook)
    yield
    root.handlers, root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(False)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in stream.getvalue().splitlines()]


def fail(why: str, password: str = "") -> None:
    """Raise with a secret among the local variables."""
    raise ValueError(why)


class TestLogging:
    """One form for every line, whoever wrote it."""

    def test_a_line_says_when_where_and_what(self) -> None:
        stream = io.StringIO()
        configure_logging("info", "json", "chat-0", stream)
        structlog.contextvars.bind_contextvars(trace_id="abc")
        structlog.get_logger("chat_service.rooms").info("batch_stored", entries=3, data_dir=Path("data"))
        (line,) = lines(stream)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", line.pop("ts"))
        assert line == {
            "level": "info",
            "logger": "chat_service.rooms",
            "node": "chat-0",
            "trace_id": "abc",
            "message": "batch_stored",
            "entries": 3,
            "data_dir": "PosixPath('data')",
        }

    def test_what_libraries_log_has_the_same_form(self) -> None:
        stream = io.StringIO()
        configure_logging("info", "json", "chat-0", stream)
        logging.getLogger("asyncio").warning("slow callback: %s", "f")
        logging.getLogger("aiohttp.access").info("every request")
        (line,) = lines(stream)
        assert (line["level"], line["logger"], line["message"]) == ("warning", "asyncio", "slow callback: f")

    def test_the_level_holds_for_both(self) -> None:
        stream = io.StringIO()
        configure_logging("error", "json", "chat-0", stream)
        structlog.get_logger("chat_service").warning("quiet")
        logging.getLogger("asyncio").warning("quiet")
        assert lines(stream) == []

    def test_an_exception_is_one_line(self) -> None:
        stream = io.StringIO()
        configure_logging("info", "json", "chat-0", stream)
        try:
            fail("no such room")
        except ValueError:
            structlog.get_logger("chat_service").exception("failed")
        (line,) = lines(stream)
        assert line["exception"].endswith("ValueError: no such room")

    @pytest.mark.parametrize("form", ["console", "auto"])
    def test_on_a_terminal_it_is_for_the_eye_and_shows_no_local_variables(self, form: Any) -> None:
        stream = Terminal()
        configure_logging("info", form, "chat-0", stream)
        try:
            fail("no such room", password="s3cr3t")
        except ValueError:
            structlog.get_logger("chat_service").exception("failed")
        assert "ValueError: no such room" in stream.getvalue()
        assert not stream.getvalue().startswith("{")
        assert "= 's3cr3t'" not in stream.getvalue()

    def test_elsewhere_it_is_json(self) -> None:
        stream = io.StringIO()
        configure_logging("info", "auto", "chat-0", stream)
        structlog.get_logger("chat_service").info("started")
        assert len(lines(stream)) == 1

    def test_an_exception_that_ends_a_thread_is_logged(self) -> None:
        stream = io.StringIO()
        configure_logging("info", "json", "chat-0", stream)
        thread = threading.Thread(target=fail, args=("disk full",), name="writer")
        thread.start()
        thread.join()
        (line,) = lines(stream)
        assert (line["level"], line["message"], line["thread"]) == (
            "critical",
            "uncaught_exception",
            "writer",
        )
        assert "disk full" in line["exception"]

    @pytest.mark.parametrize(("error", "logged"), [("ValueError('bad')", True), ("KeyboardInterrupt", False)])
    def test_an_exception_that_ends_the_process_is_logged(self, error: str, logged: bool) -> None:
        script = (
            "from chat_service.observability.logging import configure_logging\n"
            f"configure_logging('info', 'json', 'chat-0')\nraise {error}\n"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert ('"message":"uncaught_exception"' in done.stderr) is logged
        assert error.removesuffix("('bad')") in done.stderr


class TestRedaction:
    """A value under a secret's name never reaches the log."""

    @pytest.mark.parametrize(
        "name",
        [
            "password",
            "Authorization",
            "refresh_token",
            "Set-Cookie",
            "apiKey",
            "client.secret",
            "TOKEN_KEYS",
            "APIKey",
        ],
    )
    def test_names_of_secrets(self, name: str) -> None:
        assert is_secret(name)

    @pytest.mark.parametrize("name", ["room", "keyboard", "tokenizer", "monkey", "seq"])
    def test_names_that_are_none(self, name: str) -> None:
        assert not is_secret(name)

    def test_it_reaches_what_is_nested(self) -> None:
        event = redact(
            None,
            "info",
            {
                "event": "request",
                "headers": {"Cookie": "a", "Host": "b"},
                "users": [{"password": "c", "name": "ada"}],
            },
        )
        assert event == {
            "event": "request",
            "headers": {"Cookie": MASK, "Host": "b"},
            "users": [{"password": MASK, "name": "ada"}],
        }

    def test_a_list_of_secrets_is_masked_whole(self) -> None:
        assert redact(None, "info", {"tokens": ["a", "b"]}) == {"tokens": MASK}

    def test_numbers_are_left(self) -> None:
        assert redact(None, "info", {"access_token_ttl_s": 900, "token_known": True, "token": None}) == {
            "access_token_ttl_s": 900,
            "token_known": True,
            "token": None,
        }

    def test_an_endless_value_ends(self) -> None:
        endless: dict[str, object] = {}
        endless["again"] = endless
        assert "again" in str(redact(None, "info", {"value": endless}))

    def test_it_is_part_of_logging_for_libraries_too(self) -> None:
        stream = io.StringIO()
        configure_logging("info", "json", "chat-0", stream)
        structlog.get_logger("chat_service").info(
            "signed_in", password="s3cr3t", headers={"authorization": "s3cr3t"}
        )
        logging.getLogger("library").info("x", extra={"token": "s3cr3t"})
        assert "s3cr3t" not in stream.getvalue()


def series(metrics: Metrics) -> dict[str, tuple[str, str]]:
    """The type and the labels of every series of ours, by the name that a query uses."""
    found = {}
    for collector in {c for c in vars(metrics).values() if hasattr(c, "describe")}:
        (family,) = collector.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, ", ".join(collector._labelnames))
    return found


class TestMetrics:
    """The names are a promise: dashboards and alerts are made of them."""

    def test_the_page_lists_exactly_what_is_registered(self) -> None:
        rows = re.findall(r"^\| `(chat_\w+)` \| (\w+) \| ([\w, `-]*?) \|", METRICS_PAGE.read_text(), re.MULTILINE)
        documented = {
            name: (kind, "" if labels == "-" else labels.replace("`", "")) for name, kind, labels in rows
        }
        assert documented == series(Metrics())

    def test_every_series_of_the_design_is_there(self) -> None:
        assert set(series(Metrics())) >= {
            "chat_connections",
            "chat_sends_total",
            "chat_append_seconds",
            "chat_delivery_seconds",
            "chat_writer_queue_entries",
            "chat_bus_lag_seconds",
            "chat_gap_repairs_total",
            "chat_resumes_total",
            "chat_slow_readers_total",
            "chat_dependency_up",
            "chat_jobs_lag_entries",
            "chat_event_loop_lag_seconds",
            "chat_draining",
            "chat_rate_limited_total",
        }

    async def test_two_applications_in_one_process_count_apart(self) -> None:
        first, second = Metrics(), Metrics()
        first.sends.labels(outcome="stored").inc()
        assert first.registry.get_sample_value("chat_sends_total", {"outcome": "stored"}) == 1
        assert second.registry.get_sample_value("chat_sends_total", {"outcome": "stored"}) is None

    @pytest.mark.parametrize(
        ("accept", "content_type"),
        [("*/*", "text/plain"), ("application/openmetrics-text", "application/openmetrics-text")],
    )
    async def test_they_are_served_on_a_port_of_their_own(self, accept: str, content_type: str) -> None:
        metrics = Metrics()
        metrics.connections.set(7)
        endpoint = MetricsEndpoint(metrics.registry)
        port = await endpoint.start("127.0.0.1", 0)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept}) as response:
                text = await response.text()
                assert response.content_type == content_type
            async with session.get(f"http://127.0.0.1:{port}/elsewhere") as response:
                assert response.status == 404
        await endpoint.stop()
        assert "\nchat_connections 7.0\n" in text
        assert "process_resident_memory_bytes" in text

    async def test_a_loop_that_is_held_up_is_seen(self) -> None:
        metrics = Metrics()
        sampler = asyncio.create_task(sample_loop_lag(metrics.event_loop_lag_seconds, interval_s=0.001))
        await asyncio.sleep(0.01)
        threading.Event().wait(0.1)  # the loop stands still
        await asyncio.sleep(0.01)
        sampler.cancel()
        assert await asyncio.gather(sampler, return_exceptions=True)
        total = metrics.registry.get_sample_value("chat_event_loop_lag_seconds_sum")
        assert total is not None
        assert total > 0.05
