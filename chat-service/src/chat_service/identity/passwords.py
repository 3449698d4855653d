"""Passwords: hashed and verified with argon2id, a few at a time, off the event loop."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import HashingError, InvalidHashError, VerificationError, VerifyMismatchError

from chat_service.model.errors import ChatError, Code, invalid

T = TypeVar("T")

MIN_CHARS = 8
"""NIST SP 800-63B §5.1.1.2 asks for at least 8 characters and no rules about which."""

MAX_CHARS = 256
"""Long enough for any passphrase, short enough that hashing it costs no more than another."""

WORKERS = 2
"""Hashes computed at once: each takes 64 MiB, so this bounds the memory to 128 MiB."""

WAITING = 64
"""Hashes that may wait: at under 100 ms each, the last of them waits for about three seconds."""

log = structlog.get_logger()


class Passwords:
    """Hashes and verifies passwords in a small thread pool.

    The parameters are those of argon2-cffi: RFC 9106 §4, second recommended option (argon2id, 64 MiB,
    3 passes, 4 lanes). `hasher` replaces them; hashes made with others are renewed at the next sign-in.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="password")
        self._taken = 0

    async def hash(self, password: str) -> str:
        """The hash to store for a new password. Raises ChatError `invalid` or `overloaded`."""
        if not MIN_CHARS <= len(password) <= MAX_CHARS:
            raise invalid(f"A password has {MIN_CHARS} to {MAX_CHARS} characters; this one has {len(password)}.")
        material = _material(password)
        return await self._run(lambda: self._hasher.hash(material))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether `password` is the one that was hashed. Raises ChatError `overloaded`.

        Without a hash (nobody of that name, a guest) the answer is False after the same work, so that the
        time taken does not tell whether an account exists.
        """
        if len(password) > MAX_CHARS:
            return False  # as fast whoever is asked for
        material = _material(password)
        if not password_hash:
            await self._run(lambda: self._hasher.hash(material))
            return False
        return await self._run(lambda: self._matches(password_hash, material))

    def outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than new ones are."""
        return self._hasher.check_needs_rehash(password_hash)

    async def close(self) -> None:
        """End the threads, once what they compute is done."""
        await asyncio.to_thread(self._pool.shutdown, cancel_futures=True)

    def _matches(self, password_hash: str, material: bytes) -> bool:
        try:
            extract_parameters(password_hash)
            return self._hasher.verify(password_hash, material)
        except VerifyMismatchError:
            return False
        except InvalidHashError:
            log.error("passwords.unreadable_hash")  # noqa: TRY400 - a traceback may show the password
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._taken >= WORKERS + WAITING:
            raise _overloaded()
        self._taken += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except (HashingError, VerificationError) as problem:  # no memory for it
            log.error("passwords.failed", error=str(problem))  # noqa: TRY400 - likewise
            raise _overloaded() from problem
        finally:
            self._taken -= 1


def _material(password: str) -> bytes:
    """The bytes to hash: in Unicode's form NFKC (NIST SP 800-63B), the same from every keyboard."""
    try:
        return unicodedata.normalize("NFKC", password).encode()
    except UnicodeEncodeError as problem:
        raise invalid("A password cannot have half of a surrogate pair in it.") from problem


def _overloaded() -> ChatError:
    message = "Too many passwords are being checked just now. Try again in a moment."
    return ChatError(Code.OVERLOADED, message, retry_after_ms=1000)
