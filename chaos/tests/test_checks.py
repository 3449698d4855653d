"""Every check is content with a sound round, and finds every kind of wrong that it is there for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from chaos.checks import CHECKS, judge
from chaos.history import (
    Acked,
    Attempt,
    Away,
    Departure,
    Ended,
    Ending,
    Event,
    History,
    Injection,
    Kind,
    MemoryUse,
    Message,
    Opened,
    Operation,
    Refused,
    Shown,
)
from chaos.tests import sound
from chaos.tests.sound import ANN, BOB, CARL, LOG, ROOM

if TYPE_CHECKING:
    from collections.abc import Callable


def found(history: History, ending: Ending) -> dict[str, tuple[str, ...]]:
    """What the checks found, by check."""
    return {verdict.check: verdict.violations for verdict in judge(history, ending) if not verdict.kept}


def operation(history: History, key: str) -> Operation:
    """An operation of the round by its key."""
    return next(one for one in history.operations if one.key == key)


def steps(history: History, who: str) -> list[Opened | Shown | Ended]:
    """What somebody's client was shown."""
    return history.streams[f"{who}'s", ROOM].steps


def test_a_sound_round_is_kept() -> None:
    assert found(*sound.round_()) == {}


def test_what_is_unknown_is_held_against_nobody() -> None:
    history, ending = sound.round_()
    stored, lost = operation(history, "b.3"), replace(operation(history, "a.5"), key="a.6", acks=[])
    stored.acks.clear()
    stored.abandoned = lost.abandoned = True
    history.operations.append(lost)
    assert found(history, ending) == {}


def test_a_refusal_for_now_leaves_the_order_open() -> None:
    history, ending = sound.round_()
    first, second = operation(history, "a.1"), operation(history, "a.5")
    first.attempts[0], second.attempts[0] = second.attempts[0], first.attempts[0]
    first.acks, second.acks = [], []
    first.abandoned = second.abandoned = True
    second.refusals.append(Refused("unavailable", retryable=True, node="node-0", at=41.0))
    assert "order of a connection" not in found(history, ending)


def lose_an_acknowledged_one(_: History, ending: Ending) -> None:
    for log in ending.logs[ROOM].values():
        del log[-1]


def acknowledge_at_another_place(history: History, _: Ending) -> None:
    acks = operation(history, "a.5").acks
    acks[0] = replace(acks[0], seq=11)


def acknowledge_twice(history: History, _: Ending) -> None:
    acks = operation(history, "b.3").acks
    acks.append(replace(acks[0], seq=12, id="i12", at=150.0, duplicate=True))


def make_one_up(history: History, _: Ending) -> None:
    history.operations.remove(operation(history, "b.3"))


def change_what_was_said(history: History, _: Ending) -> None:
    operation(history, "b.3").text = "something else"


def store_a_refused_one(history: History, _: Ending) -> None:
    one = operation(history, "b.3")
    one.acks.clear()
    one.refusals.append(Refused("forbidden", retryable=False, node="node-1", at=111.0))


def leave_a_hole(_: History, ending: Ending) -> None:
    for log in ending.logs[ROOM].values():
        del log[4]


def repeat_an_id(_: History, ending: Ending) -> None:
    for log in ending.logs[ROOM].values():
        log[4] = replace(log[4], id="i4")


def let_nodes_differ(_: History, ending: Ending) -> None:
    ending.logs[ROOM]["node-1"][4] = replace(LOG[4], text="another one")


def store_one_before_what_was_acknowledged(history: History, _: Ending) -> None:
    one = operation(history, "b.1")
    one.attempts[0] = replace(one.attempts[0], at=115.0)
    one.acks[0] = replace(one.acks[0], at=116.0)


def swap_two_of_one_client(history: History, _: Ending) -> None:
    first, second = operation(history, "a.1"), operation(history, "a.3")
    first.acks, second.acks = [], []
    history.operations.remove(second)
    history.operations.insert(0, second)
    second.attempts = [Attempt("ann's#1", "node-0", 39.0)]


def swap_two_although_the_first_was_not_refused(history: History, _: Ending) -> None:
    """Both go out again on another connection, where the first is stored already: it was not refused before."""
    swap_two_of_one_client(history, _)
    again_on_the_next_connection(history, stored_before=True)


def again_on_the_next_connection(history: History, *, stored_before: bool) -> None:
    """What `swap_two_of_one_client` swapped is repeated; its first one is answered."""
    first, second = operation(history, "a.3"), operation(history, "a.1")
    for one, at in ((first, 90.0), (second, 90.1)):
        one.attempts.append(Attempt("ann's#2", "node-0", at))
    first.acks = [Acked(8, "i8", duplicate=stored_before, node="node-0", at=90.5)]


def store_one_twice(history: History, ending: Ending) -> None:
    for log in ending.logs[ROOM].values():
        log.append(replace(LOG[11], seq=13, id="i13"))
    del history.streams["ann's", ROOM], history.streams["bob's", ROOM]


def skip_one(history: History, _: Ending) -> None:
    del steps(history, ANN)[3]


def show_one_twice(history: History, _: Ending) -> None:
    steps(history, ANN).insert(3, sound.shown(5))


def show_another_one(history: History, _: Ending) -> None:
    steps(history, ANN)[2] = Shown(replace(LOG[4], id="other"), paged=False, at=51.0)


def resume_behind_a_hole(history: History, _: Ending) -> None:
    steps(history, BOB)[3:5] = [sound.opened(85.0, 7, 7, 8)]


def begin_anew_without_need(history: History, _: Ending) -> None:
    anew = sound.opened(85.0, None, 8, 8, *sound.FOLDED[:3])
    steps(history, BOB)[3:6] = [replace(anew, held=6)]


def go_on_in_another_log(history: History, ending: Ending) -> None:
    ending.former[ROOM, "e"] = list(LOG)
    steps(history, BOB)[3] = sound.opened(85.0, 6, 6, 8, epoch="new")


def begin_without_the_newest(history: History, _: Ending) -> None:
    steps(history, BOB)[0] = sound.opened(45.0, None, 4, 4)
    steps(history, BOB).insert(0, sound.opened(44.0, None, 5, 5, Message(4, "i4", ANN, "a.1", "one")))


def complain(history: History, _: Ending) -> None:
    history.complaints.append("an answer to nothing")


def forget_ones_own(history: History, _: Ending) -> None:
    late = steps(history, BOB)
    late[3] = sound.opened(85.0, 6, 6, 6)
    operation(history, "b.2").acks[0] = replace(operation(history, "b.2").acks[0], at=84.0)
    late[4] = replace(sound.shown(7), at=120.0)


def miss_an_edit(history: History, ending: Ending) -> None:
    del steps(history, CARL)[3]
    del ending.folded[ROOM]


def fold_wrongly(_: History, ending: Ending) -> None:
    as_of, page = ending.folded[ROOM]
    ending.folded[ROOM] = as_of, (replace(page[0], reactions=frozenset()), *page[1:])


def hand_out_deleted_words(history: History, _: Ending) -> None:
    steps(history, BOB)[3] = sound.opened(95.0, 6, 6, 8)


def move_a_marker_back(history: History, _: Ending) -> None:
    marked = operation(history, "m.11")
    marked.acks[0] = replace(marked.acks[0], seq=4)


def lose_a_marker(_: History, ending: Ending) -> None:
    ending.standings[1] = replace(ending.standings[1], read_seq=5, unread=3)


def miscount_unread(_: History, ending: Ending) -> None:
    ending.standings[0] = replace(ending.standings[0], unread=7)


def show_one_to_who_was_removed(history: History, _: Ending) -> None:
    steps(history, CARL).extend([sound.shown(10), sound.shown(11)])


def tell_who_was_removed(history: History, _: Ending) -> None:
    history.events.append(Event("carl's", CARL, "unread", ROOM, at=140.0))


def let_who_was_removed_write(history: History, ending: Ending) -> None:
    for log in ending.logs[ROOM].values():
        log[10] = replace(log[10], sender=CARL, key="c.1")
    operation(history, "b.3").user, operation(history, "b.3").key = CARL, "c.1"


def name_a_ghost(_: History, ending: Ending) -> None:
    ending.presence[0] = replace(ending.presence[0], told=frozenset({ANN, BOB, CARL}))


def lack_somebody(_: History, ending: Ending) -> None:
    ending.presence[0] = replace(ending.presence[0], told=frozenset({ANN}))


def never_come_back(_: History, ending: Ending) -> None:
    ending.never_back.append("bob's")


def never_acknowledge_a_fresh_one(_: History, ending: Ending) -> None:
    ending.probes[0] = replace(ending.probes[0], acked=None, shown_to_all=None)


def deliver_a_fresh_one_late(_: History, ending: Ending) -> None:
    ending.probes[0] = replace(ending.probes[0], shown_to_all=300.0)


def never_answer(history: History, _: Ending) -> None:
    operation(history, "b.3").acks.clear()


def never_leave(history: History, _: Ending) -> None:
    history.departures[0] = Departure("node-1", 200.0, None, None, grace_s=15.0)


def leave_badly(history: History, _: Ending) -> None:
    history.departures[0] = replace(history.departures[0], code=1)


def leave_slowly(history: History, _: Ending) -> None:
    history.departures[0] = replace(history.departures[0], ended=250.0)


def grow(history: History, _: Ending) -> None:
    history.memory[0] = MemoryUse("node-0", before=1000, most=2500, allowed=1000)


def acknowledge_without_a_store(history: History, _: Ending) -> None:
    history.injections.append(Injection("MongoDB kill -9", "", 100.0, 120.0, Away.STORE))


def catch_up_slowly(history: History, _: Ending) -> None:
    history.injections.append(Injection("Redis kill -9", "", 100.0, 120.0, Away.BUS))
    steps(history, ANN)[-2:] = [replace(sound.shown(11), at=128.0), replace(sound.shown(12), at=129.0)]


def refuse_slowly(history: History, _: Ending) -> None:
    history.injections.append(Injection("MongoDB SIGSTOP", "", 123.0, 135.0, Away.STORE))
    waiting = Operation(Kind.SEND, "bob's", BOB, ROOM, "b.9", abandoned=True)
    waiting.attempts.append(Attempt("bob's#1", "node-1", 124.0))
    waiting.refusals.append(Refused("unavailable", retryable=True, node="node-1", at=133.0))
    history.operations.append(waiting)


BREAKS: tuple[tuple[str, Callable[[History, Ending], None]], ...] = (
    ("no lost acknowledgement", lose_an_acknowledged_one),
    ("no lost acknowledgement", acknowledge_at_another_place),
    ("no lost acknowledgement", acknowledge_twice),
    ("nothing from nowhere", make_one_up),
    ("nothing from nowhere", change_what_was_said),
    ("nothing from nowhere", store_a_refused_one),
    ("one order", leave_a_hole),
    ("one order", repeat_an_id),
    ("one order", let_nodes_differ),
    ("order in time", store_one_before_what_was_acknowledged),
    ("order of a connection", swap_two_of_one_client),
    ("order of a connection", swap_two_although_the_first_was_not_refused),
    ("no duplicate", store_one_twice),
    ("delivered whole", skip_one),
    ("delivered whole", show_one_twice),
    ("delivered whole", show_another_one),
    ("delivered whole", resume_behind_a_hole),
    ("delivered whole", begin_anew_without_need),
    ("delivered whole", go_on_in_another_log),
    ("delivered whole", begin_without_the_newest),
    ("delivered whole", complain),
    ("own writes", forget_ones_own),
    ("convergence", miss_an_edit),
    ("convergence", fold_wrongly),
    ("deleted stays deleted", hand_out_deleted_words),
    ("read markers", move_a_marker_back),
    ("read markers", lose_a_marker),
    ("read markers", miscount_unread),
    ("access", show_one_to_who_was_removed),
    ("access", tell_who_was_removed),
    ("access", let_who_was_removed_write),
    ("presence", name_a_ghost),
    ("presence", lack_somebody),
    ("liveness", never_come_back),
    ("liveness", never_acknowledge_a_fresh_one),
    ("liveness", deliver_a_fresh_one_late),
    ("liveness", never_answer),
    ("clean leave", never_leave),
    ("clean leave", leave_badly),
    ("clean leave", leave_slowly),
    ("bounded memory", grow),
    ("never lies", acknowledge_without_a_store),
    ("never lies", catch_up_slowly),
    ("never lies", refuse_slowly),
)


@pytest.mark.parametrize(("check", "breaks"), BREAKS, ids=lambda one: getattr(one, "__name__", None))
def test_what_is_broken_is_found(check: str, breaks: Callable[[History, Ending], None]) -> None:
    history, ending = sound.round_()
    breaks(history, ending)
    assert check in found(history, ending)


def test_a_refusal_that_was_lost_on_its_way_leaves_the_order_open() -> None:
    """The first was stored only by its repeat: its first answer may have asked for that, and was never heard."""
    history, ending = sound.round_()
    swap_two_of_one_client(history, ending)
    again_on_the_next_connection(history, stored_before=False)
    assert "order of a connection" not in found(history, ending)


def test_every_check_is_shown_to_find_something() -> None:
    assert {check for check, _ in BREAKS} == {check.name for check in CHECKS}


def test_acknowledgements_before_a_restore_are_void() -> None:
    history, ending = sound.round_()
    lose_an_acknowledged_one(history, ending)
    ending.voided = 115.0, 140.0
    assert "no lost acknowledgement" not in found(history, ending)
