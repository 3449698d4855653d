"""JSON as Socket.IO packets carry it."""

import json
from typing import Any

import msgspec

# Clients really send these: a text cut in the middle of an emoji holds half a surrogate pair.
_MAYBE_SURROGATE = ("\\ud", "\\uD")

dump_bytes = msgspec.json.encode


def dumps(value: object, **_options: object) -> str:
    """Return `value` as JSON text; the options that python-socketio passes to json.dumps are its own.

    Raises:
        TypeError: when the value is of no type that JSON has.
        ValueError: when a text in it is not Unicode (a lone surrogate).
        RecursionError: when it is nested too deep.
    """
    return dump_bytes(value).decode()


def loads(text: str | bytes, **_options: object) -> Any:
    """Return the value that JSON text stands for; half surrogate pairs in it become U+FFFD.

    Raises:
        ValueError: when it is not JSON, or holds a number beyond a double's range.
        RecursionError: when it is nested too deep.
    """
    try:
        return msgspec.json.decode(text)
    except ValueError:
        if isinstance(text, bytes) or not any(mark in text for mark in _MAYBE_SURROGATE):
            raise
    lenient = json.dumps(json.loads(text), ensure_ascii=False, allow_nan=False)
    return msgspec.json.decode(lenient.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
