"""The language of searches: what somebody types, taken apart. Pure."""

from __future__ import annotations

import re

import msgspec

from chat_service.directory.texts import Word
from chat_service.rooms.requests import RequestError

QUERY_MOST_CHARS = 200
TERMS_MOST = 20

_OPERATORS = frozenset({"from:", "in:", "has:"})
# from:ann, in:"two words", has:file, "a phrase", or whatever else stands between spaces.
_TERM = re.compile(r'(?:(?P<operator>from|in|has):)?(?:"(?P<quoted>[^"]*)"|(?P<plain>\S+))', re.IGNORECASE)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A search as it was typed: `senders` are usernames or "me", `rooms` are names or ids."""

    words: list[Word]
    phrases: list[str]
    senders: list[str]
    rooms: list[str]
    has_file: bool


def parse_query(text: str) -> Asked:
    """Take a search apart. Raises RequestError for one that asks for nothing, or for too much."""
    words: list[Word] = []
    phrases: list[str] = []
    operands: dict[str, list[str]] = {"from": [], "in": [], "has": []}
    terms = list(_TERM.finditer(text))
    if len(text) > QUERY_MOST_CHARS or len(terms) > TERMS_MOST:
        raise _refused(f"search for at most {TERMS_MOST} words and {QUERY_MOST_CHARS} characters")
    for term in terms:
        operator, value = term["operator"], term["plain"] if term["quoted"] is None else term["quoted"]
        if operator is not None:
            operands[operator.lower()].append(_operand(operator.lower(), value))
        elif value.lower() in _OPERATORS:
            raise _refused(f"expected something behind {value}")
        elif not any(letter.isalnum() for letter in value):
            continue
        elif term["quoted"] is not None:
            phrases.append(value)
        else:
            words.append(Word(value.rstrip("*"), prefix=value.endswith("*")))
    if not (words or phrases or any(operands.values())):
        raise _refused('expected words, a "phrase", from:somebody, in:room or has:file')
    return Asked(
        words=words,
        phrases=phrases,
        senders=operands["from"],
        rooms=operands["in"],
        has_file=bool(operands["has"]),
    )


def _operand(operator: str, value: str) -> str:
    value = value.strip().removeprefix("@" if operator == "from" else "#")
    if not value:
        raise _refused(f"expected something behind {operator}:")
    if operator == "has" and value.lower() not in {"file", "files"}:
        raise _refused("has: knows only has:file")
    return value


def _refused(message: str) -> RequestError:
    return RequestError(f"q: {message}.", "q")
