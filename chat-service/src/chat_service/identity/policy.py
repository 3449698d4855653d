"""Policy: what the operator decides about accounts and sessions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chat_service.rate import Rate


class Registration(StrEnum):
    """Who may make an account: everybody, whoever has an invite for it, nobody."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The settings that identity obeys; the names are those of settings.py.

    Guests of one address are best allowed more than registrations: a class or a conference comes at once.
    Of the rates only `count` and `period_s` are used: attempts are counted in fixed windows, in the store.
    """

    registration: Registration
    guests: bool
    access_token_ttl_s: float
    refresh_token_ttl_s: float
    signin_attempts: Rate
    register_attempts: Rate
    guest_attempts: Rate
