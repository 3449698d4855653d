"""RoomState: a snapshot and what came after it is the room as folded from its first entry."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.model.entries import Head, Kind
from chat_service.model.rooms import STATE_KINDS, RoomState

from .entries import ALICE, BOB, ROOM, created, entry
from .growing import CHANGES, PEOPLE, Wish, grown
from .judging import fold_all
from .profiles import long, search


@search(1000)
@given(
    wanted=long(CHANGES, 30),
    at=st.floats(0, 1),
    ahead=st.lists(st.floats(0, 1), min_size=len(PEOPLE), max_size=len(PEOPLE)),
)
def test_catching_up_from_any_snapshot_ends_where_folding_everything_ends(
    wanted: list[Wish], at: float, ahead: list[float]
) -> None:
    """Rows of members may have been folded later than their room's: a store writes them one after the other."""
    log = grown(wanted)
    whole = fold_all(log)
    start = 1 + int(at * (len(log) - 1))
    snapshot = fold_all(log[:start])
    for user, share in zip(PEOPLE, ahead, strict=True):
        member = fold_all(log[: start + int(share * (len(log) - start))]).members.get(user)
        snapshot.members.pop(user, None)
        if member is not None:
            snapshot.members[user] = member
    snapshot.catch_up([one for one in log[start:] if one.kind in STATE_KINDS], whole.head)
    assert snapshot == whole


@search(100)
@given(wanted=long(CHANGES, 20))
def test_a_room_that_was_never_projected_is_caught_up_from_nothing(wanted: list[Wish]) -> None:
    log = grown(wanted)
    state = RoomState(ROOM)
    state.catch_up([one for one in log if one.kind in STATE_KINDS], fold_all(log).head)
    assert state == fold_all(log)


@pytest.mark.parametrize(
    "wrong", [entry(2), entry(4), entry(3, room="c" + "b" * 21)], ids=["old", "beyond the next", "of another room"]
)
def test_only_the_next_entry_of_the_room_is_applied(wrong: object) -> None:
    state = fold_all([created(), entry(2)])
    before = replace(state, members=dict(state.members))
    with pytest.raises(ValueError, match="expected entry 3"):
        state.apply(wrong)  # type: ignore[arg-type]
    assert state == before


def test_a_direct_room_has_its_two_people_as_members_and_no_owner() -> None:
    direct = fold_all([entry(1, Kind.CREATE, {"kind": "direct", "members": [ALICE, BOB]})])
    assert set(direct.members) == {ALICE, BOB}
    assert direct.owners() == 0
    assert direct.head == Head(1, "id1")
