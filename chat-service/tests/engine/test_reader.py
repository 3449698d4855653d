"""The frame reader by itself: any way of cutting the bytes gives the same, and nothing surprises it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from engine_clients import frame
from hypothesis import given
from hypothesis import strategies as st

from chat_service.engine.frames import websocket_frame
from chat_service.engine.reader import FrameReader, WebSocketError, close_code, unmask

MAX = 5_000

messages = st.lists(
    st.tuples(
        st.sampled_from([1, 2]), st.binary(max_size=400), st.integers(0, 4), st.binary(min_size=4, max_size=4)
    )
)


def read_all(pieces: list[bytes]) -> list[tuple[int, bytes]]:
    reader = FrameReader(MAX)
    found = []
    for piece in pieces:
        reader.feed(piece)
        while (message := reader.next_message()) is not None:
            found.append(message)
    return found


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(at)]


@given(messages, st.lists(st.integers(min_value=0)))
def test_however_the_bytes_are_cut(sent: list[tuple[int, bytes, int, bytes]], places: list[int]) -> None:
    wire = b""
    for opcode, payload, fragments, mask in sent:
        parts = cut(payload, list(range(1, fragments + 1)))
        for number, part in enumerate(parts):
            wire += frame(0 if number else opcode, part, final=number == len(parts) - 1, mask=mask)
    assert read_all(cut(wire, places)) == [(opcode, payload) for opcode, payload, _, _ in sent]


@given(st.lists(st.binary(max_size=64)))
def test_any_bytes_are_read_or_refused(pieces: list[bytes]) -> None:
    try:
        found = read_all(pieces)
    except WebSocketError:
        return
    assert sum(len(payload) for _, payload in found) <= sum(map(len, pieces))


@pytest.mark.parametrize("length", [0, 1, 125, 126, 4_999, 5_000])
def test_lengths(length: int) -> None:
    assert read_all([frame(2, b"x" * length)]) == [(2, b"x" * length)]


def test_too_long_is_known_from_the_head() -> None:
    reader = FrameReader(MAX)
    reader.feed(frame(2, b"x" * (MAX + 1))[:14])
    with pytest.raises(WebSocketError) as caught:
        reader.next_message()
    assert caught.value.code == 1009


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=70))
def test_unmasking_is_the_definition(mask: bytes, payload: bytes) -> None:
    assert unmask(mask, payload) == bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


@given(st.binary(max_size=125))
def test_any_close_payload_is_read_or_refused(payload: bytes) -> None:
    try:
        code = close_code(payload)
    except WebSocketError:
        return
    assert code == 1005 or 1000 <= code <= 4999


@pytest.mark.parametrize(
    ("length", "head"), [(125, b"\x81\x7d"), (126, b"\x81\x7e\x00\x7e"), (65_535, b"\x81\x7e\xff\xff")]
)
def test_heads_of_sent_frames(length: int, head: bytes) -> None:
    assert websocket_frame(1, b"x" * length) == head + b"x" * length


def test_head_of_a_long_sent_frame() -> None:
    assert websocket_frame(2, b"x" * 65_536)[:10] == b"\x82\x7f" + (65_536).to_bytes(8)
