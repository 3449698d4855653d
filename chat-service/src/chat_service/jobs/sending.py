"""Sending: one attempt of one delivery over HTTP, bounded in time and in size, to permitted addresses only."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from aiohttp import hdrs
from yarl import URL

from chat_service.directory.webhooks import Webhook
from chat_service.jobs.addresses import AddressRefusedError, AddressRules, CheckedResolver
from chat_service.jobs.signing import signature

ANSWER_BYTES = 64 * 1024
"""Of an answer at most so much is read; nothing in it is looked at."""

CONNECTIONS = 100
_GONE = 410


@dataclass(frozen=True, slots=True)
class Letter:
    """What is delivered: its id, which stays at every attempt, the event's name and the body."""

    id: str
    event: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """How an attempt ended: the receiver's status (None where there was no answer), what went wrong, in words.

    `retry_after_s` is what the receiver asked to wait.
    """

    status: int | None
    error: str = ""
    retry_after_s: float | None = None

    @property
    def taken(self) -> bool:
        """Whether the receiver has it now: any status of 200 to 299."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver asks to be left alone for good."""
        return self.status == _GONE


class Sender:
    """Sends letters to webhooks, from `start` to `stop`."""

    def __init__(self, rules: AddressRules, timeout_s: float, version: str) -> None:
        self._rules = rules
        self._timeout_s = timeout_s
        self._agent = f"chat-service/{version}"
        self._session: aiohttp.ClientSession | None = None

    async def stop(self) -> None:
        """Close every connection."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, webhook: Webhook, letter: Letter, attempt: int) -> Answer:
        """Make one attempt; whatever goes wrong with it is in the answer."""
        url = URL(webhook.url)
        try:
            self._rules.check_literal(url)
            async with self._open().post(
                url, data=letter.body, headers=self._headers(webhook, letter, attempt), allow_redirects=False
            ) as response:
                await _read_bounded(response)
                return Answer(response.status, _words(response.status), _retry_after_s(response))
        except TimeoutError:
            return Answer(None, f"no answer within {self._timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as problem:
            return Answer(None, _reason(problem))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=CheckedResolver(self._rules), use_dns_cache=False, limit=CONNECTIONS
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                auto_decompress=False,  # a small answer must not become a large one
                skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT_ENCODING),
            )
        return self._session

    def _headers(self, webhook: Webhook, letter: Letter, attempt: int) -> dict[str, str]:
        now = int(time.time())
        return {
            hdrs.CONTENT_TYPE: "application/json",
            hdrs.USER_AGENT: self._agent,
            "webhook-id": letter.id,
            "webhook-timestamp": str(now),
            "webhook-signature": signature(webhook.secret.current(), letter.id, now, letter.body),
            "chat-webhook": webhook.id,
            "chat-event": letter.event,
            "chat-attempt": str(attempt),
        }


async def _read_bounded(response: aiohttp.ClientResponse) -> None:
    """Read a short answer to its end, so that its connection can be used again; cut a long one off."""
    size = 0
    async for chunk in response.content.iter_chunked(8192):
        size += len(chunk)
        if size > ANSWER_BYTES:
            response.close()
            return


def _words(status: int) -> str:
    if 200 <= status < 300:
        return ""
    return f"answered {status}" + (": redirects are not followed" if 300 <= status < 400 else "")


def _reason(problem: Exception) -> str:
    """What went wrong, without the URL: it may hold a secret."""
    at: BaseException | None = problem
    while at is not None:
        if isinstance(at, AddressRefusedError):
            return f"not permitted: {at}"
        at = at.__cause__ or at.__context__
    cause: Any = getattr(problem, "os_error", problem)
    return f"the connection failed ({type(cause).__name__})"


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """Retry-After in seconds, given as such or as a date; None without one that can be read."""
    text = response.headers.get(hdrs.RETRY_AFTER, "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time()) if text else None
    except (ValueError, OverflowError):
        return None
