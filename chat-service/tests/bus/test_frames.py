"""Frames: whatever arrives is a message or a reason, and long batches are cut to what a frame may hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.bus import Alive, Hint, Item, Life, RoomFrame
from chat_service.bus.frames import FRAME_MOST, PART_MOST, UnreadableFrameError, decode, encode, parts

ME, YOU = b"me------", b"you-----"
OUTCOMES = {"malformed", "version", "unknown", "a message"}


def outcome(frame: bytes) -> str:
    """What becomes of a frame."""
    try:
        return "a message" if decode(frame, ME) is not None else "nothing"
    except UnreadableFrameError as problem:
        return problem.reason


def test_ones_own_frame_is_nothing_new() -> None:
    frame = encode(ME, Alive(Life("n", 1)))
    assert decode(frame, ME) is None
    assert decode(frame, YOU) == Alive(Life("n", 1))


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b"\x01" + YOU + tail))
def test_any_bytes_are_a_message_or_a_reason(frame: bytes) -> None:
    assert outcome(frame) in OUTCOMES


@given(st.data())
def test_a_frame_with_a_bit_turned_is_a_message_or_a_reason(data: st.DataObject) -> None:
    frame = bytearray(encode(YOU, RoomFrame("room", "e", (Item(1, "i", 2, b"{}"), Item(2, "j", 3, b"{}")))))
    frame[data.draw(st.integers(0, len(frame) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert outcome(bytes(frame)) in OUTCOMES


def test_a_frame_nested_without_end_is_malformed() -> None:
    with pytest.raises(UnreadableFrameError):
        decode(b"\x01" + YOU + b"\x92\x06" + b"\x91" * 100_000, ME)


@given(st.lists(st.integers(0, 3 * PART_MOST // 2), min_size=1, max_size=12))
def test_a_batch_is_cut_between_its_entries(sizes: list[int]) -> None:
    batch = RoomFrame("room", "e", tuple(Item(at, str(at), 1, bytes(size)) for at, size in enumerate(sizes)))
    cut = list(parts(batch))
    assert all(isinstance(part, RoomFrame) and part.room == "room" and part.items for part in cut)
    assert [item for part in cut if isinstance(part, RoomFrame) for item in part.items] == list(batch.items)
    assert all(len(encode(ME, part)) <= FRAME_MOST for part in cut)
    if sum(sizes) <= PART_MOST:
        assert cut == [batch]


def test_what_is_too_large_for_a_frame_is_not_sent() -> None:
    with pytest.raises(UnreadableFrameError, match="too_large"):
        encode(ME, Hint("room", "typing", bytes(FRAME_MOST)))
