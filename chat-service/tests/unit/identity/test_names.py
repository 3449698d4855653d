"""What people may be called."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.identity.names import HANDLE_PATTERN, canonical_handle, display_name, new_handle
from chat_service.model.errors import ChatError, Code
from chat_service.model.ids import new_user_id

ANY_TEXT = st.text(st.characters(), max_size=80)  # half surrogates too


@pytest.mark.parametrize("handle", ["ada", "a1", "ada.l-ove_lace", "x" * 32])
def test_a_username_of_plain_letters_is_kept(handle: str) -> None:
    assert new_handle(handle) == handle


def test_a_username_is_the_same_in_capitals_and_with_spaces_around_it() -> None:
    assert new_handle("  ADA ") == canonical_handle("Ada") == "ada"


@pytest.mark.parametrize(
    "handle",
    [
        "",
        "a",
        "x" * 33,
        "ada lovelace",
        "ada.",
        ".ada",
        "-ada",
        "\xe4da",
        "\u0430da",
        "\u212aim",
        "ad\na",
        "a\x00b",
    ],
)
def test_a_username_that_could_be_mistaken_or_mistyped_is_refused(handle: str) -> None:
    with pytest.raises(ChatError) as refusal:
        new_handle(handle)
    assert refusal.value.code is Code.INVALID


@pytest.mark.parametrize(
    "handle",
    ["all", "Everyone", "here", new_user_id(), new_user_id(guest=True)],
    ids=["all", "everyone", "here", "an id", "an id of a guest"],
)
def test_nobody_can_be_called_like_a_mention_of_many_or_like_an_id(handle: str) -> None:
    with pytest.raises(ChatError, match="reserved"):
        new_handle(handle)


@given(ANY_TEXT)
def test_whatever_is_given_a_username_is_canonical_or_refused(text: str) -> None:
    handle = canonical_handle(text)
    if handle is not None:
        assert re.match(HANDLE_PATTERN, handle)
        assert canonical_handle(handle) == handle


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("  Ada \u3000\xa0 Lovelace\n", "Ada Lovelace"),
        ("Zoe\u0308", "Zoë"),
        ("محمد", "محمد"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627", "\u0645\u06cc\u200c\u062e\u0648\u0627"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("x" * 64, "x" * 64),
    ],
)
def test_a_name_people_really_have_is_kept(given_name: str, kept: str) -> None:
    assert display_name(given_name) == kept


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 65,
        "Ada\nL",
        "\u3164",
        "A\u2800da",
        "A\x00da",
        "ad\u202ea",
        "\u2066ada",
        "\ufeffada",
        "\u200d",
        "\u0301",
        "a\ud800",
    ],
)
def test_a_name_that_is_empty_too_long_or_deceiving_is_refused(name: str) -> None:
    with pytest.raises(ChatError) as refusal:
        display_name(name)
    assert refusal.value.code is Code.INVALID


@given(ANY_TEXT)
def test_whatever_is_given_a_name_can_be_stored_and_shown_or_is_refused(text: str) -> None:
    try:
        name = display_name(text)
    except ChatError:
        return
    assert display_name(name) == name
    assert 1 <= len(name) <= 64
    assert name == name.strip()
    assert name.encode()
    assert not {"Cc", "Cs"} & {unicodedata.category(character) for character in name}
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(name)
