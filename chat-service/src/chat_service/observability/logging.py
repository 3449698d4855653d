"""Logging: one line an event, JSON or for the eye, with the libraries' own log lines in the same form."""

from __future__ import annotations

import logging
import sys
import threading
from typing import TYPE_CHECKING, Literal, TextIO

import msgspec
import structlog

from chat_service.observability.redaction import redact

if TYPE_CHECKING:
    from types import TracebackType

    from structlog.typing import EventDict, Processor

# Chatty at `info` for every connection and every packet; what they warn of is still wanted.
_QUIET = ("aiohttp.access", "engineio", "engineio.server", "socketio", "socketio.server")


def configure_logging(
    level: Literal["debug", "info", "warning", "error"],
    form: Literal["auto", "json", "console"],
    node: str,
    stream: TextIO | None = None,
) -> None:
    """Send every log line of this process to `stream` (standard error), from `level` up.

    Logging belongs to the process, not to an application: call it once, before anything is started.
    """
    stream = stream or sys.stderr
    json = form == "json" or (form == "auto" and not stream.isatty())
    shared = _shared(node)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(json, stream),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(level.upper() if level == "debug" else logging.WARNING)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _shared(node: str) -> list[Processor]:
    """What happens to a line whoever wrote it: this service through structlog, or a library."""

    def add_node(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["node"] = node
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        add_node,
        redact,
    ]


def _rendering(json: bool, stream: TextIO) -> list[Processor]:
    if not json:
        # The plain traceback: the pretty one prints local variables, and a secret may be among them.
        plain = structlog.dev.plain_traceback
        return [
            structlog.dev.ConsoleRenderer(colors=stream.isatty(), timestamp_key="ts", exception_formatter=plain)
        ]
    return [
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(serializer=_encode),
    ]


def _encode(event: object, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None, thread: str = "main"
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    structlog.get_logger("chat_service").critical(
        "uncaught_exception", thread=thread, exc_info=(kind, error, trace)
    )


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        name = args.thread.name if args.thread else "unknown"
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback, name)
