"""A corpus of what no client should send: values for any field, and packets for any connection."""

from __future__ import annotations

import json
from typing import Any

from chat_service.model import ids

NOT_THERE = "c" + "a" * 21


def nested(depth: int, *, as_object: bool = False) -> Any:
    """Brackets inside brackets."""
    value: Any = 0
    for _ in range(depth):
        value = {"a": value} if as_object else [value]
    return value


VALUES: list[Any] = [
    # Other types.
    None,
    True,
    False,
    [],
    [1],
    [[], {}],
    {},
    {"a": 1},
    # Numbers.
    0,
    -1,
    1,
    0.5,
    5.0,
    -0.0,
    1e308,
    5e-324,
    2**31,
    2**53 - 1,
    2**53,
    2**53 + 1,
    2**63,
    2**64,
    -(2**63) - 1,
    10**30,
    # Words that stand for numbers and the like elsewhere.
    "",
    "0",
    "NaN",
    "null",
    "undefined",
    "true",
    # Unicode.
    " ",
    "\t\n",
    "\x00",
    "a\x00b",
    "\x1b[31mred",
    "\x7f",
    "\x85",
    "\u2028",
    "\u200b",
    "\u202egnp.exe",
    "\ufeff",
    "\uffff",
    "\ud800",
    "\udc00",
    "cut in the middle of an emoji \ud83d",
    "e" + "\u0301" * 100,
    "🎈" * 1000,
    "👩‍👩‍👧‍👦",
    "٣",
    # Text that is dangerous elsewhere.
    "__proto__",
    "constructor",
    "'; DROP TABLE entries; --",
    '" OR 1=1 --',
    "<script>alert(1)</script>",
    "%s%n%x{0}{{7*7}}${7*7}",
    "../../../../etc/passwd",
    "\r\nSet-Cookie: a=b",
    '42/chat,["entry",{}]',
    # Long ones.
    "x" * 65,
    "x" * 8001,
    "x" * 60_000,
    "\u0000" * 9000,
    # Deep and wide ones.
    nested(100),
    nested(500),
    nested(500, as_object=True),
    {str(number): 0 for number in range(10_000)},
    list(range(10_000)),
    {"__proto__": {"ok": True}},
    {"constructor": {"prototype": {"ok": True}}},
    {"toJSON": 1},
    {"_placeholder": True, "num": 0},
    {"_placeholder": True, "num": "x"},
    {"": ""},
    {"\ud800": 1},
    {"text": {"text": {"text": 1}}},
    # Rooms.
    NOT_THERE,
    NOT_THERE + "\n",
    NOT_THERE.upper(),
    "c" + "\u0430" * 21,  # Cyrillic
    "c" + "a" * 22,
    "d" + "a" * 21,
    ids.open_room_id("tea"),
    "x" + "a" * 21,
    ids.SYSTEM_SENDER,
]
"""For any field, and in place of the whole argument."""

EVENT_NAMES: list[str] = [
    "",
    " ",
    "entry",
    "notice",
    "unread",
    "message",
    "room-joined",
    "message:pin",
    "MESSAGE:SEND",
    "message:send ",
    "message:send\x00",
    "__proto__",
    "constructor",
    "error",
    "ping",
    "*",
    "x" * 10_000,
    "\ud800",
    "\u202e",
]
"""Names of events that there are not."""


def packets(namespace: str, event: str) -> list[list[str | bytes]]:
    """Raw Engine.IO packets, sent one group after the other on a connection of their own.

    `namespace` is the prefix of the namespace the connection has joined, with its comma, or empty.
    """
    deep = "[" * 50_000 + "]" * 50_000
    one: list[str | bytes] = [
        # Of Engine.IO.
        "",
        "1",
        "2",
        "2probe",
        "3",
        "3probe",
        "5",
        "6",
        "7",
        "x",
        "\x00",
        b"",
        b"\x00\xff",
        # Of Socket.IO.
        "4",
        "47",
        "4x",
        "4²",
        f"41{namespace}",
        f"41{namespace}{{}}",
        f"40{namespace}",
        f'40{namespace}{{"token":"again"}}',
        f"40{namespace}[]",
        f"40{namespace}7",
        "40/other,",
        "40/" + "x" * 1000 + ",",
        "40/chat?token=x,",
        '42/other,["x"]',
        '42/never,1["x",{}]',
        f"42{namespace}",
        f"42{namespace}[]",
        f"42{namespace}{{}}",
        f"42{namespace}null",
        f'42{namespace}"{event}"',
        f"42{namespace}[null]",
        f"42{namespace}[7]",
        f"42{namespace}[1.5]",
        f'42{namespace}[["{event}"]]',
        f'42{namespace}["{event}"',
        f'42{namespace}["{event}",]',
        f'42{namespace}["{event}",NaN]',
        f'42{namespace}["{event}",Infinity]',
        f'42{namespace}["{event}",1e999]',
        f'42{namespace}["{event}",{deep}]',
        f"42{namespace}{deep}",
        f'42{namespace}-1["{event}",{{}}]',
        f'42{namespace}{"9" * 100}["{event}",{{}}]',
        f'42{namespace}{"9" * 101}["{event}",{{}}]',
        f'42{namespace}٣["{event}",{{}}]',
        *(
            f"42{namespace}0{json.dumps([name, {}])}"
            for name in ("connect", "connect_error", "disconnect", "disconnecting", "newListener")
        ),
        f"43{namespace}7[]",
        f"43{namespace}{'9' * 100}[1,2,3]",
        f"43{namespace}7{{}}",
        f"43{namespace}",
        f'44{namespace}{{"message":"x"}}',
        f'45{namespace}["{event}"]',
        f'46{namespace}1["{event}"]',
        f'42{namespace}["{event}",{json.dumps("x" * 200_000)}]',
        "4" + "2" * 100_000,
    ]
    placeholder = '{"_placeholder":true,"num":0}'
    binary: list[list[str | bytes]] = [
        [f'451-{namespace}["{event}",{placeholder}]', b"\x00\x01"],
        [f'451-{namespace}["{event}",{placeholder}]', "2"],
        [f'451-{namespace}["{event}",{placeholder}]', f'42{namespace}["{event}",{{}}]'],
        [f'451-{namespace}["{event}",{{"_placeholder":true,"num":5}}]', b"\x00"],
        [f'451-{namespace}["{event}",{{"_placeholder":true,"num":-1}}]', b"\x00"],
        [f'451-{namespace}["{event}",{{}}]', b"\x00"],
        [f'452-{namespace}["{event}",{placeholder}]', b"\x00", b"\x01"],
        [f'450-{namespace}["{event}",{{}}]'],
        [f'4599-{namespace}["{event}",{placeholder}]', b"\x00"],
        [f'45999999999999-{namespace}["{event}",{placeholder}]', b"\x00"],
        [f'421-{namespace}["{event}",{{}}]', b"\x00"],
        [f"461-{namespace}1[{placeholder}]", b"\x00"],
        [b"\x00", f'451-{namespace}["{event}",{placeholder}]'],
        [f"41{namespace}", f'42{namespace}["{event}",{{}}]', f'42{namespace}1["{event}",{{}}]'],
        [f"40{namespace}", f"40{namespace}"],
    ]
    return [[packet] for packet in one] + binary
