"""Refresh tokens: what they are made of, and what the store can be read for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chat_service.identity.refresh_tokens import RefreshToken, digest

SESSIONS = st.from_regex(r"[A-Za-z0-9_-]{16}", fullmatch=True)


@given(SESSIONS)
def test_a_token_is_read_as_it_was_written(session: str) -> None:
    token = RefreshToken.new(session)
    assert RefreshToken.parse(token.text()) == token


@given(SESSIONS)
def test_a_successor_has_the_session_and_the_family_and_a_part_of_its_own(session: str) -> None:
    token = RefreshToken.new(session)
    successor = token.successor()
    assert (successor.session, successor.family) == (token.session, token.family)
    assert successor.own != token.own
    assert len(successor.own) * 8 == 256


@given(SESSIONS)
def test_only_the_token_before_opens_what_is_sealed(session: str) -> None:
    token = RefreshToken.new(session)
    successor = token.successor()
    sealed = token.seal(successor)
    assert token.unseal(sealed) == successor
    assert sealed != successor.own
    assert successor.unseal(sealed) != successor
    assert token.successor().unseal(sealed) != successor


@given(st.one_of(st.text(st.characters()), st.from_regex(r"[A-Za-z0-9_=-]*\.[A-Za-z0-9_=-]*\.[A-Za-z0-9_=-]*")))
def test_whatever_is_given_is_a_token_or_none(text: str) -> None:
    token = RefreshToken.parse(text)
    if token is not None:
        assert RefreshToken.parse(token.text()) == token


def test_a_token_is_never_shown() -> None:
    token = RefreshToken.new("session")
    assert token.text() not in repr(token)
    assert repr(token) == "RefreshToken(masked, of session)"
    assert digest(token.own) != token.own
