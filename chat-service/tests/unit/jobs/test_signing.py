"""Signatures: what the page for receivers says is what is sent."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat_service.jobs.signing import new_secret, signature

PAGE = Path(__file__).parents[4] / "docs" / "webhooks.md"
BODY = b'{"event":"message"}'


@pytest.fixture(scope="module")
def verify() -> Callable[..., bool]:
    """The function that docs/webhooks.md gives to receivers."""
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(snippet.strip().splitlines()) <= 12
    names: dict[str, Any] = {}
    exec(compile(snippet, str(PAGE), "exec"), names)
    function: Callable[..., bool] = names["verify"]
    return function


def headers(secret: str, *, at: int | None = None) -> dict[str, str]:
    now = int(time.time()) if at is None else at
    return {
        "webhook-id": "v1",
        "webhook-timestamp": str(now),
        "webhook-signature": signature(secret, "v1", now, BODY),
    }


def test_the_documented_check_accepts_what_was_signed(verify: Callable[..., bool]) -> None:
    secret = new_secret()
    assert verify(secret, headers(secret), BODY)


def test_it_refuses_everything_else(verify: Callable[..., bool]) -> None:
    secret = new_secret()
    right = headers(secret)
    assert not verify(new_secret(), right, BODY)
    assert not verify(secret, right, BODY + b" ")
    assert not verify(secret, {**right, "webhook-id": "v2"}, BODY)
    assert not verify(secret, {**right, "webhook-timestamp": str(int(right["webhook-timestamp"]) + 1)}, BODY)
    assert not verify(secret, headers(secret, at=int(time.time()) - 3600), BODY)


def test_a_known_signature_stays_what_it_is() -> None:
    # Receivers have their own code for this: it must never change.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_no_two_secrets_are_the_same() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
