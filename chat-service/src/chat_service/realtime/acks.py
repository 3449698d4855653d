"""Acknowledgements: the one shape in which every event of a client is answered."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import structlog

from chat_service.model.errors import ChatError, Code
from chat_service.rooms.deciding import Receipt

log = structlog.get_logger()


def success(answer: msgspec.Struct | None = None, **fields: Any) -> dict[str, Any]:
    """{ok: true} and the fields of `answer` and `fields`."""
    named = {} if answer is None else msgspec.structs.asdict(answer)
    return {"ok": True, **named, **fields}


def failure(error: BaseException, where: str) -> dict[str, Any]:
    """{ok: false, error}; what is no ChatError is a defect of ours, logged and answered as `internal`."""
    if not isinstance(error, ChatError):
        log.error("event.failed", where=where, exc_info=error)
        error = ChatError(Code.INTERNAL, "The server failed at this. Try again.")
    return {"ok": False, "error": error.as_dict()}


def receipt(answer: asyncio.Future[Receipt]) -> asyncio.Future[dict[str, Any]]:
    """The acknowledgement of a write, once it is stored or refused."""
    ack: asyncio.Future[dict[str, Any]] = answer.get_loop().create_future()

    def settle(done: asyncio.Future[Receipt]) -> None:
        if ack.done():
            return
        error = asyncio.CancelledError() if done.cancelled() else done.exception()
        if error is None:
            stored = done.result()
            ack.set_result(
                {
                    "ok": True,
                    "seq": stored.seq,
                    "id": stored.id,
                    "ts": stored.ts,
                    "duplicate": stored.duplicate,
                }
            )
        else:
            ack.set_exception(error)

    answer.add_done_callback(settle)
    return ack
