"""The language of searches: what somebody types, and what is made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.directory.texts import Word
from chat_service.rooms.requests import RequestError
from chat_service.rooms.search_query import TERMS_MOST, Asked, parse_query


def asked(**given_: object) -> Asked:
    nothing: dict[str, object] = {"words": [], "phrases": [], "senders": [], "rooms": [], "has_file": False}
    return Asked(**(nothing | given_))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("green tea", asked(words=[Word("green"), Word("tea")])),
        ("tea*", asked(words=[Word("tea", prefix=True)])),
        ('"green tea" milk', asked(phrases=["green tea"], words=[Word("milk")])),
        ("from:ann from:@Bob FROM:me", asked(senders=["ann", "Bob", "me"])),
        ('in:#general in:"two words"', asked(rooms=["general", "two words"])),
        ("has:file tea", asked(has_file=True, words=[Word("tea")])),
        ("foo:bar http://a.example", asked(words=[Word("foo:bar"), Word("http://a.example")])),
        ("- !!! tea", asked(words=[Word("tea")])),
        ('"unfinished phrase', asked(words=[Word('"unfinished'), Word("phrase")])),
        ("c++", asked(words=[Word("c++")])),
        ("AND OR NOT", asked(words=[Word("AND"), Word("OR"), Word("NOT")])),
    ],
)
def test_a_search_is_taken_apart(text: str, meant: Asked) -> None:
    assert parse_query(text) == meant


@pytest.mark.parametrize(
    "text", ["", "   ", "!!!", '""', "from:", 'in:""', "from:@", "has:link", "x " * (TERMS_MOST + 1), "x" * 201]
)
def test_a_search_for_nothing_or_too_much_is_refused(text: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse_query(text)
    assert refused.value.field == "q"


@given(st.text(max_size=250))
def test_whatever_is_typed_is_understood_or_refused(text: str) -> None:
    try:
        meant = parse_query(text)
    except RequestError:
        return
    assert all(word.text for word in meant.words)
