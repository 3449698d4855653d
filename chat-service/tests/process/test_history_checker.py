"""The checker finds every kind of wrong that it is there for, and nothing wrong in a history that is sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
import pytest
from history import Acked, History, Opening, Refused, Sent, Shown
from history_checker import assert_sound, violations
from rest_people import LogEntry

ROOM, USER = "room", "user"


@dataclass
class Case:
    """A run of one client: what it recorded, and the log in the end."""

    history: History
    log: list[LogEntry]

    @property
    def steps(self) -> list[Opening | Shown]:
        """What it was shown."""
        return self.history.stream("c", ROOM).steps

    def found(self) -> list[str]:
        """The violations."""
        return list(violations(self.history, {ROOM: self.log}, complete={"c"}))


def _entry(seq: int) -> LogEntry:
    return LogEntry(seq, f"id{seq}", "message", USER, f"c.{seq}", {"text": f"text {seq}"})


def _shown(seq: int) -> Shown:
    return Shown(seq, f"id{seq}", "message", USER, f"c.{seq}", hash(f"text {seq}"), at=float(seq))


def _sent(seq: int) -> Sent:
    ack = Acked(seq, f"id{seq}", duplicate=False, at=seq + 0.5)
    return Sent("c", USER, ROOM, f"c.{seq}", hash(f"text {seq}"), begun=float(seq), attempts=[1], acks=[ack])


def _opening(position: int, *pages: int, reset: bool = False) -> Opening:
    return Opening(1, "epoch", position, reset, tuple(_shown(seq) for seq in pages), at=0.0)


@pytest.fixture
def case() -> Case:
    """A sound run: 3 messages before it came, 3 it was shown, a resume, 2 more, a reset over 2, 2 more."""
    history = History(sends=[_sent(seq) for seq in range(1, 13)])
    history.stream("c", ROOM).steps = [
        _opening(3, 2, 3, reset=True),
        *map(_shown, (4, 5, 6)),
        _opening(6),
        *map(_shown, (7, 8)),
        _opening(10, 8, 9, 10, reset=True),
        *map(_shown, (11, 12)),
    ]
    return Case(history, [_entry(seq) for seq in range(1, 13)])


def test_a_sound_history_passes(case: Case) -> None:
    assert_sound(case.history, {ROOM: case.log}, complete={"c"})


def test_what_is_not_known_is_not_held_against_it(case: Case) -> None:
    case.history.sends[3].acks.clear()
    case.history.sends[11].acks.clear()
    never_stored = replace(_sent(13), acks=[])
    case.history.sends.append(never_stored)
    assert case.found() == []


def _lose_an_acked_one(case: Case) -> None:
    del case.log[-1]


def _lose_one_in_the_middle(case: Case) -> None:
    del case.log[5]


def _store_one_twice(case: Case) -> None:
    case.log.append(msgspec.structs.replace(_entry(12), seq=13, id="id13"))
    case.steps.append(replace(_shown(12), seq=13, id="id13"))


def _repeat_an_id(case: Case) -> None:
    case.log[4] = msgspec.structs.replace(case.log[4], id="id4")


def _ack_at_another_place(case: Case) -> None:
    case.history.sends[4].acks[0] = replace(case.history.sends[4].acks[0], seq=6)


def _ack_at_two_places(case: Case) -> None:
    case.history.sends[4].acks.append(Acked(6, "id6", duplicate=True, at=9.0))


def _make_one_up(case: Case) -> None:
    del case.history.sends[6]


def _change_a_text(case: Case) -> None:
    case.log[6] = msgspec.structs.replace(case.log[6], body={"text": "something else"})


def _store_a_refused_one(case: Case) -> None:
    case.history.sends[6].acks.clear()
    case.history.sends[6].refusals.append(Refused("forbidden", retryable=False, at=9.0))


def _swap_two_of_one_client(case: Case) -> None:
    case.history.sends[4], case.history.sends[5] = case.history.sends[5], case.history.sends[4]


def _store_one_before_what_was_acked(case: Case) -> None:
    case.history.sends[5].client = "d"
    case.history.sends[5].begun = 100.0


def _show_one_twice(case: Case) -> None:
    case.steps.insert(2, _shown(4))


def _leave_a_hole(case: Case) -> None:
    del case.steps[2]


def _leave_a_hole_at_a_resume(case: Case) -> None:
    case.steps[4] = _opening(7)
    del case.steps[5]


def _show_two_in_another_order(case: Case) -> None:
    case.steps[1], case.steps[2] = case.steps[2], case.steps[1]


def _show_another_entry(case: Case) -> None:
    case.steps[1] = replace(_shown(4), id="another")


def _show_another_text(case: Case) -> None:
    case.steps[1] = replace(_shown(4), said=hash("another"))


def _show_what_is_not_stored(case: Case) -> None:
    case.steps.append(_shown(13))


def _show_something_before_it_is_open(case: Case) -> None:
    case.steps.insert(0, _shown(3))


def _reset_backwards(case: Case) -> None:
    case.steps[7:] = [_opening(7, 7, reset=True), *map(_shown, (8, 9, 10, 11, 12))]


def _reset_beyond_the_end(case: Case) -> None:
    case.steps[7:] = [_opening(20, reset=True)]


def _reset_without_the_newest(case: Case) -> None:
    case.steps[7] = _opening(10, 8, 9, reset=True)


def _never_show_the_last(case: Case) -> None:
    del case.steps[-1]


def _complain(case: Case) -> None:
    case.history.complaints.append("an answer to nothing")


FLAWS: list[Callable[[Case], None]] = [
    _lose_an_acked_one,
    _lose_one_in_the_middle,
    _store_one_twice,
    _repeat_an_id,
    _ack_at_another_place,
    _ack_at_two_places,
    _make_one_up,
    _change_a_text,
    _store_a_refused_one,
    _swap_two_of_one_client,
    _store_one_before_what_was_acked,
    _show_one_twice,
    _leave_a_hole,
    _leave_a_hole_at_a_resume,
    _show_two_in_another_order,
    _show_another_entry,
    _show_another_text,
    _show_what_is_not_stored,
    _show_something_before_it_is_open,
    _reset_backwards,
    _reset_beyond_the_end,
    _reset_without_the_newest,
    _never_show_the_last,
    _complain,
]


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda flaw: flaw.__name__.strip("_").replace("_", " "))
def test_a_flaw_is_found(case: Case, flaw: Callable[[Case], None]) -> None:
    flaw(case)
    assert case.found()
