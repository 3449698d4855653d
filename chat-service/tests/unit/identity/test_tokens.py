"""Access tokens: what they prove, and what does not pass for one."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.directory.people import User
from chat_service.directory.sqlite_meta import SqliteStoreMeta
from chat_service.identity.principal import UserKind
from chat_service.identity.tokens import (
    LEEWAY_S,
    MAX_TOKEN_CHARS,
    AccessTokens,
    TokenKeys,
    stored_token_keys,
)
from chat_service.model.errors import ChatError, Code
from chat_service.model.ids import new_token, new_user_id
from chat_service.secret import Secret
from chat_service.storage.sqlite import SqliteStore

from .conftest import Clock, opened_store

ONE = "one:" + base64.urlsafe_b64encode(b"1" * 32).decode()
TWO = "two:" + base64.b64encode(b"\xfb\xff" * 16).decode()
ADA = User(id=new_user_id(), handle="ada", name="Ada Lovelace", guest=False, admin=False, active=True, created=0)


def tokens(clock: Clock, keys: str = ONE) -> AccessTokens:
    return AccessTokens(TokenKeys(lambda: keys), 900, clock)


def refusal_of(reader: AccessTokens, token: str) -> str:
    with pytest.raises(ChatError) as refusal:
        reader.read(token)
    assert refusal.value.code is Code.UNAUTHENTICATED
    return refusal.value.message


def forged(claims: dict[str, Any], *, header: dict[str, Any] | None = None, key: bytes = b"1" * 32) -> str:
    now = 1_800_000_000
    whole = {
        "sub": "u",
        "sid": "s",
        "iat": now,
        "exp": now + 900,
        "iss": "chat",
        "aud": "chat",
        "kind": "registered",
        "handle": "ada",
        "name": "Ada",
    } | claims
    present = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(present, key, algorithm="HS256", headers={"kid": "one"} | (header or {}))


def test_a_token_says_who_it_was_made_for(clock: Clock) -> None:
    token, principal = tokens(clock).issue(ADA, "session")
    assert tokens(clock).read(token) == principal
    assert (principal.user, principal.session, principal.handle, principal.name) == (
        ADA.id,
        "session",
        "ada",
        "Ada Lovelace",
    )
    assert principal.kind is UserKind.REGISTERED
    assert not principal.admin
    assert not principal.guest
    assert principal.expires - principal.issued == 900


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=64), st.booleans(), st.booleans())
def test_every_person_fits_into_a_token_and_comes_out_the_same(name: str, admin: bool, guest: bool) -> None:
    user = User(id=ADA.id, handle="x" * 32, name=name, guest=guest, admin=admin, active=True, created=0)
    both = tokens(Clock(), "k" * 64 + ONE[3:])
    token, principal = both.issue(user, new_token(96))
    assert both.read(token) == principal
    assert (principal.name, principal.admin, principal.guest) == (name, admin, guest)


def test_a_token_expires_and_says_so(clock: Clock) -> None:
    reader = tokens(clock)
    token, _ = reader.issue(ADA, "session")
    clock.pass_(900 + LEEWAY_S - 1)
    reader.read(token)
    clock.pass_(1)
    assert "expired" in refusal_of(reader, token)


def test_a_token_of_a_clock_far_ahead_is_refused(clock: Clock) -> None:
    token, _ = tokens(clock).issue(ADA, "session")
    clock.pass_(-LEEWAY_S)
    tokens(clock).read(token)
    clock.pass_(-1)
    assert "not valid" in refusal_of(tokens(clock), token)


def test_a_well_formed_token_made_elsewhere_with_the_key_passes(clock: Clock) -> None:
    assert tokens(clock).read(forged({})).handle == "ada"
    assert tokens(clock).read(forged({"claim_of_a_later_version": [1]})).handle == "ada"


@pytest.mark.parametrize("claim", ["sub", "sid", "iat", "exp", "iss", "aud", "kind", "handle", "name"])
def test_a_token_that_lacks_a_claim_is_refused(clock: Clock, claim: str) -> None:
    assert "not valid" in refusal_of(tokens(clock), forged({claim: None}))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "somebody"},
        {"aud": "something"},
        {"kind": "root"},
        {"exp": "tomorrow"},
        {"exp": 1e300},
        {"iat": True},
        {"sub": 7},
        {"admin": "yes"},
        {"name": ["Ada"]},
    ],
)
def test_a_token_with_a_claim_of_another_meaning_or_type_is_refused(clock: Clock, claims: dict[str, Any]) -> None:
    assert "not valid" in refusal_of(tokens(clock), forged(claims))


def test_a_token_signed_with_another_key_of_the_same_name_is_refused(clock: Clock) -> None:
    assert "not valid" in refusal_of(tokens(clock), forged({}, key=b"2" * 32))


def test_a_token_that_names_no_key_or_an_unknown_one_is_refused(clock: Clock) -> None:
    assert "not valid" in refusal_of(tokens(clock), forged({}, header={"kid": "three"}))
    bare = jwt.encode({"sub": "u"}, b"1" * 32, algorithm="HS256")
    assert "not valid" in refusal_of(tokens(clock), bare)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS256", "hs256"])
def test_no_other_algorithm_is_accepted(clock: Clock, algorithm: str) -> None:
    _, payload, signature = forged({}).split(".")
    for end in (signature, ""):
        token = f"{segment({'alg': algorithm, 'kid': 'one', 'typ': 'JWT'})}.{payload}.{end}"
        assert "not valid" in refusal_of(tokens(clock), token)


def test_a_token_signed_with_hs512_and_the_right_key_is_refused(clock: Clock) -> None:
    key = b"5" * 64
    keys = "one:" + base64.b64encode(key).decode()
    token = jwt.encode({"sub": "u", "iss": "chat", "aud": "chat"}, key, algorithm="HS512", headers={"kid": "one"})
    assert "not valid" in refusal_of(tokens(clock, keys), token)


def test_a_header_of_nothing_but_brackets_is_refused(clock: Clock) -> None:
    for bomb in (b"[" * 1400, b'{"kid":' + b"[" * 1400):
        token = base64.urlsafe_b64encode(bomb).rstrip(b"=").decode() + ".e30.e30"
        assert "not valid" in refusal_of(tokens(clock), token)


def test_an_endless_token_is_refused_unread(clock: Clock) -> None:
    assert "not valid" in refusal_of(tokens(clock), forged({"name": "x" * MAX_TOKEN_CHARS}))
    assert "not valid" in refusal_of(tokens(clock), "a" * 10_000_000)


@given(st.one_of(st.text(st.characters()), st.from_regex(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")))
def test_whatever_is_given_is_refused_with_one_typed_error(text: str) -> None:
    assert "not valid" in refusal_of(tokens(Clock()), text)


@given(st.data())
def test_a_token_with_any_letter_changed_is_refused_or_the_same(data: st.DataObject) -> None:
    clock = Clock()
    reader = tokens(clock)
    token, principal = reader.issue(ADA, "session")
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("ABCxyz019-_."))
    changed = token[:at] + letter + token[at + 1 :]
    try:
        # The last letter of a signature has bits that belong to no byte.
        assert reader.read(changed) == principal
        assert changed == token or at == len(token) - 1
    except ChatError as refusal:
        assert refusal.code is Code.UNAUTHENTICATED  # noqa: PT017 - either outcome may be right


# Keys


def test_while_keys_rotate_tokens_of_the_old_key_stay_good_until_it_is_removed(
    tmp_path: Path, clock: Clock
) -> None:
    file = tmp_path / "keys"
    file.write_text(ONE)
    reader = AccessTokens(TokenKeys(Secret.in_file(file).current), 900, clock)
    old, _ = reader.issue(ADA, "session")

    file.write_text(f"{TWO},{ONE}")
    new, _ = reader.issue(ADA, "session")
    assert jwt.get_unverified_header(old)["kid"] == "one"
    assert jwt.get_unverified_header(new)["kid"] == "two"
    assert reader.read(old).user == reader.read(new).user == ADA.id

    file.write_text(TWO)
    assert "not valid" in refusal_of(reader, old)
    assert reader.read(new).user == ADA.id


def test_keys_that_cannot_be_read_after_a_change_leave_the_ones_before(clock: Clock) -> None:
    text = ONE
    reader = AccessTokens(TokenKeys(lambda: text), 900, clock)
    token, _ = reader.issue(ADA, "session")
    text = "one:rubbish"
    assert reader.read(token).user == ADA.id
    assert reader.issue(ADA, "session")
    text = TWO
    refusal_of(reader, token)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "kid:base64"),
        ("one", "at least 32 bytes"),
        ("one:" + base64.b64encode(b"short").decode(), "at least 32 bytes, got 5"),
        (f"{ONE},{ONE}", "kid of its own"),
        (f"{ONE},", "key 2"),
        (":" + ONE, "kid:base64"),
        ("one:sécret" + "x" * 43, "base64 after the colon"),
        ("one:*" + "x" * 43, "base64 after the colon"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_without_being_shown(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as refusal:
        TokenKeys(lambda: text)
    assert "sécret" not in str(refusal.value)


def test_a_key_is_never_shown() -> None:
    assert "1111" not in repr(TokenKeys(lambda: ONE).signing())


async def test_without_configured_keys_all_nodes_use_one_that_the_store_keeps(
    tmp_path: Path, store: SqliteStore, clock: Clock
) -> None:
    async with opened_store(tmp_path) as other:
        first = await stored_token_keys(SqliteStoreMeta(store))
        second = await stored_token_keys(SqliteStoreMeta(other))
    assert first() == second()
    token, principal = AccessTokens(TokenKeys(first), 900, clock).issue(ADA, "session")
    assert AccessTokens(TokenKeys(second), 900, clock).read(token) == principal


def test_the_real_clock_is_used_where_none_is_given() -> None:
    reader = AccessTokens(TokenKeys(lambda: ONE), 900)
    _, principal = reader.issue(ADA, "session")
    assert abs(principal.issued - time.time()) < 60
