"""Hand-overs between two nodes: every interleaving of questions and answers that come late, twice or never."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_service.rooms import handover as handover_module
from chat_service.rooms import picture as picture_module
from chat_service.rooms import writer as writer_module

from .gates import Fate
from .profiles import long, search
from .test_writer_interleavings import Deliver, Late, Open, Pass, Repeat, Send, run
from .virtual_time import play
from .writer_world import WriterWorld

A, B = 0, 1

NODE = st.sampled_from((A, B, B))
SMALL = st.integers(0, 7)
WHO = st.integers(0, 2)
ANYTHING, LEAVE, JOIN, BARRED = 0, 6, 7, 3
STEP = st.one_of(
    st.builds(Send, NODE, WHO, st.integers(0, 1), st.just(ANYTHING), st.just(0)),
    st.builds(Send, NODE, WHO, st.just(0), st.just(ANYTHING), st.just(0)),
    st.builds(Send, NODE, st.just(0), st.just(0), st.sampled_from((LEAVE, JOIN)), st.integers(1, 2)),
    st.builds(Repeat, SMALL, NODE, st.integers(0, 1)),
    st.builds(Open, SMALL, st.just(Fate.DONE)),
    st.builds(Open, SMALL, st.just(Fate.DONE)),
    st.builds(Open, SMALL, st.sampled_from(Fate)),
    st.builds(Late, SMALL),
    st.builds(Deliver, SMALL, st.just(value=False), st.booleans()),
    st.builds(Deliver, SMALL, st.just(value=False), st.just(value=False)),
    st.builds(Deliver, SMALL, st.booleans(), st.booleans()),
    st.builds(Pass, st.sampled_from((0.1, 0.7, 11.0))),
)
STEPS = long(STEP, 45)


@pytest.fixture(autouse=True, scope="module")
def eager() -> Iterator[None]:
    """Nodes that hand over after every lost round, in parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer_module, "BATCH_LIMIT", 3)
        patch.setattr(picture_module, "CATCH_UP_PAGE", 2)
        patch.setattr(handover_module, "LOST_ROUNDS", 1)
        patch.setattr(handover_module, "TRY_AGAIN_S", 1e9)
        yield


def world(*, refuses_repeated_keys: bool) -> WriterWorld:
    """Node B lost a race to node A just now; only inserts are held up."""
    it = WriterWorld(refuses_repeated_keys=refuses_repeated_keys, second_knows=6, hands_over=True)
    it.gates.only = frozenset({"append"})
    it.writers[B].picture.last_node = "A"
    it.writers[B]._races.lost(0.0)
    return it


@pytest.mark.parametrize("refuses_repeated_keys", [True, False], ids=["key index", "no key index"])
@search(1500)
@given(steps=STEPS)
def test_any_interleaving_of_hand_overs_keeps_one_order_and_every_key_single(
    steps: list[Send | Repeat | Open | Late | Deliver | Pass], *, refuses_repeated_keys: bool
) -> None:
    """P1 to P3, whoever appends for whom: nothing is lost, stored twice or in another order than sent."""
    play(lambda: run(steps, partial(world, refuses_repeated_keys=refuses_repeated_keys)))
