"""What people ask of rooms: checked alike for REST and sockets, refused with the field and what was expected."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.model.errors import ChatError, Code
from chat_service.rooms.requests import (
    ChannelCreate,
    DirectOpen,
    MemberAdd,
    MessageBody,
    ReactionBody,
    RequestError,
    RoomChange,
    check_length,
    parse,
    parse_json,
)

USER = "u" + "a" * 15
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just("\ud800"),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["text", "reply_to", "emoji", "on", "name", "topic", "guests", "key", "user", "role", "visibility"]
    ),
    ANYTHING,
)
KINDS = st.sampled_from([MessageBody, ReactionBody, ChannelCreate, RoomChange, DirectOpen, MemberAdd])


def check(question: Callable[[], object]) -> None:
    """Hold that a question is answered, or refused in the one shape."""
    try:
        question()
    except RequestError as problem:
        refused = problem
    else:
        return
    assert refused.code is Code.INVALID
    assert json.dumps(refused.as_dict(), ensure_ascii=False).encode()
    assert refused.as_dict().get("field", "") == refused.field


@given(raw=ANYTHING | FIELDS, kind=KINDS)
def test_whatever_comes_is_taken_or_refused_and_never_crashes(raw: object, kind: type[Any]) -> None:
    check(lambda: parse(raw, kind))


@given(raw=st.binary(), kind=KINDS)
def test_whatever_bytes_come_are_taken_or_refused(raw: bytes, kind: type[Any]) -> None:
    check(lambda: parse_json(raw, kind))


@pytest.mark.parametrize(
    ("raw", "kind", "field", "said"),
    [
        ({"text": "\ud800"}, MessageBody, "text", "text: expected text that"),
        ({"text": "nul\x00"}, MessageBody, "text", "text: expected text that"),
        ({"text": 1}, MessageBody, "text", "text: expected str, got int"),
        ({}, MessageBody, "text", "text: is required where there are no files."),
        ({"text": "t", "txt": 1}, MessageBody, "txt", "txt: is not a field"),
        ({"text": "t", "reply_to": 0}, MessageBody, "reply_to", "reply_to: expected int >= 1"),
        ({"emoji": "👍\n", "on": True}, ReactionBody, "emoji", "emoji: expected an emoji"),
        ({"emoji": "a b", "on": True}, ReactionBody, "emoji", "emoji: expected an emoji"),
        ({"user": USER + "\n"}, DirectOpen, "user", "user: expected"),
        ({"user": USER, "key": "k\n"}, DirectOpen, "key", "key: expected only characters of"),
        (
            {"name": "n", "visibility": "secret"},
            ChannelCreate,
            "visibility",
            "visibility: expected one of public, private.",
        ),
        ({"history": "some"}, RoomChange, "history", "history: expected one of all, joined."),
        ({"user": USER, "role": "boss"}, MemberAdd, "role", "role: expected one of admin, guest, member, owner."),
        ([], MessageBody, "", "Expected object, got array"),
        ({1: 2}, MessageBody, "", "Expected str"),
    ],
)
def test_a_refusal_says_which_field_and_what_was_expected(
    raw: object, kind: type[Any], field: str, said: str
) -> None:
    with pytest.raises(RequestError) as refused:
        parse(raw, kind)
    assert refused.value.field == field
    assert refused.value.message.startswith(said)


def test_texts_and_emoji_that_people_write_are_taken_as_they_are() -> None:
    for text in ("  indented\n\tcode  ", "👩‍👩‍👧", "שלום", "a\u0301", "x" * 8000):
        assert parse({"text": text}, MessageBody).text == text
    for emoji in ("👍🏽", "❤️", ":party:", "👩‍👩‍👧", "🏳️‍🌈"):
        assert parse({"emoji": emoji, "on": True}, ReactionBody).emoji == emoji


def test_space_around_names_and_topics_is_taken_away() -> None:
    made = parse({"name": " plans ", "topic": " what next "}, ChannelCreate)
    assert (made.name, made.topic) == ("plans", "what next")
    changed = parse({"name": " plans "}, RoomChange)
    assert changed.name == "plans"


def test_a_text_may_be_as_long_as_the_setting_says() -> None:
    check_length("x" * 5, 5)
    with pytest.raises(ChatError) as refused:
        check_length("x" * 6, 5)
    assert refused.value.code is Code.TOO_LARGE
