"""Who is present, counted over all nodes: told once, healed where messages are lost, gone with their node."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest

from chat_service.bus import Attendance, Attended, Life, Message, Present
from chat_service.bus.local import Faults
from chat_service.rooms.attendance import ONLINE_MOST, RoomAttendance
from chat_service.rooms.peers import GONE_AFTER_S
from chat_service.rooms.presence import REPORT_EVERY_S, REPORTS_PER_S, Presence

from .entries import ALICE, BOB, CAROL, OTHER_ROOM, ROOM
from .node_bus import NodeBus
from .virtual_time import play, played, virtual_loop

ANN, BEN, CAT = Present(ALICE), Present(BOB), Present(CAROL)
GUEST = Present("connection", "Ann")
Told = tuple[Present, bool]


class Post:
    """Presence on one node, and what its readers are told of ROOM."""

    def __init__(self, name: str, ends: list[NodeBus], faults: Faults | None = None) -> None:
        self.bus = NodeBus(ends, faults, node=name)
        self.presence = Presence(self.bus, name, lambda: int(asyncio.get_running_loop().time() * 1000))
        self.told: list[Told] = []
        self.heard: list[Message] = []
        self.bus.listen(self._receive)
        self.presence.watch(self._watch)

    def _receive(self, message: Message) -> None:
        self.heard.append(message)
        self.presence.receive(message)

    def _watch(self, room: str, person: Present, here: bool, origin: str) -> None:
        if room == ROOM:
            self.told.append((person, here))

    async def serve(self, room: str = ROOM) -> None:
        """Do what delivery does when the first connection opens the room."""
        await self.bus.subscribe(room)
        await self.presence.served(room)

    async def leave_room(self, room: str = ROOM) -> None:
        """Do what it does when the last one has closed it."""
        self.presence.unserved(room)
        await self.bus.unsubscribe(room)

    def online(self) -> set[str]:
        """Who is present in ROOM, as seen here."""
        return {person.id for person in self.presence.present(ROOM)}

    async def stop(self) -> None:
        """Leave cleanly."""
        await self.presence.stop()
        await virtual_loop().idle()
        await self.bus.stop()

    async def die(self) -> None:
        """Be gone without a word."""
        self.bus.turn(healthy=False)
        await self.stop()


async def posts(*names: str, faults: Faults | None = None) -> list[Post]:
    """Nodes that know each other and serve ROOM."""
    ends: list[NodeBus] = []
    made = [Post(name, ends, faults) for name in names]
    for post in made:
        post.presence.start()
        await asyncio.sleep(0.01)
    for post in made:
        await post.serve()
    await asyncio.sleep(0.2)
    return made


async def stopped(*made: Post) -> None:
    for post in made:
        await post.stop()


@played
async def test_somebody_is_present_while_one_of_their_connections_is_on_any_node() -> None:
    a, b = await posts("a", "b")
    a.presence.enter(ROOM, "one", BEN)
    a.presence.enter(ROOM, "two", BEN)
    b.presence.enter(ROOM, "three", BEN)
    b.presence.enter(ROOM, "four", CAT)
    a.presence.enter(ROOM, "two", BEN)
    await virtual_loop().idle()
    assert a.told == b.told == [(BEN, True), (CAT, True)]
    a.presence.leave(ROOM, "one")
    a.presence.leave(ROOM, "two")
    a.presence.leave(ROOM, "two")
    await virtual_loop().idle()
    assert a.online() == b.online() == {BOB, CAROL}
    assert a.told[2:] == b.told[2:] == []
    b.presence.leave(ROOM, "three")
    await virtual_loop().idle()
    assert a.told[2:] == b.told[2:] == [(BEN, False)]
    await stopped(a, b)


@played
async def test_a_node_that_begins_to_serve_a_room_learns_at_once_who_is_there() -> None:
    ends: list[NodeBus] = []
    a, b, c = (Post(name, ends) for name in "abc")
    for post in (a, b, c):
        post.presence.start()
        await asyncio.sleep(0.01)
    await a.serve()
    a.presence.enter(ROOM, "one", ANN)
    await b.serve()
    assert b.online() == {ALICE}
    b.presence.enter(ROOM, "two", GUEST)
    await c.serve()
    assert c.online() == {ALICE, GUEST.id}
    assert c.presence.named(ROOM) == 1
    assert c.presence.named_here(ROOM) == 0
    await stopped(a, b, c)


@played
async def test_a_node_that_comes_later_is_told_of_everybody() -> None:
    ends: list[NodeBus] = []
    a, b = Post("a", ends), Post("b", ends)
    a.presence.start()
    await a.serve()
    a.presence.enter(ROOM, "one", ANN)
    await b.serve()
    b.presence.enter(ROOM, "two", BEN)
    assert (a.online(), b.online()) == ({ALICE}, {BOB}), "they have not heard of each other"
    b.presence.start()
    await asyncio.sleep(0.2)
    assert a.online() == b.online() == {ALICE, BOB}
    await stopped(a, b)


@played
async def test_opening_a_room_waits_only_a_moment_for_a_node_that_does_not_answer() -> None:
    a, b = await posts("a", "b")
    began = virtual_loop().time()
    await a.serve(OTHER_ROOM)
    assert 0 < virtual_loop().time() - began < 0.1
    await b.serve(OTHER_ROOM)
    again = virtual_loop().time()
    await a.leave_room(OTHER_ROOM)
    await a.serve(OTHER_ROOM)
    assert virtual_loop().time() == again, "all have answered"
    a.bus.turn(healthy=False)
    await a.leave_room(OTHER_ROOM)
    await a.serve(OTHER_ROOM)
    assert virtual_loop().time() == again, "nobody can answer"
    await stopped(a, b)


@played
async def test_the_people_of_a_node_that_dies_are_gone_when_its_time_is_over() -> None:
    a, b, c = await posts("a", "b", "c")
    a.presence.enter(ROOM, "one", ANN)
    a.presence.enter(ROOM, "two", BEN)
    c.presence.enter(ROOM, "three", BEN)
    await virtual_loop().idle()
    await a.die()
    await asyncio.sleep(GONE_AFTER_S - 5)
    assert b.online() == {ALICE, BOB}
    await asyncio.sleep(10)
    assert b.online() == c.online() == {BOB}
    assert b.told == [(ANN, True), (BEN, True), (ANN, False)]
    assert c.told == [(BEN, True), (ANN, True), (ANN, False)]
    await stopped(b, c)


@played
async def test_the_people_of_a_node_that_leaves_are_gone_at_once() -> None:
    a, b = await posts("a", "b")
    a.presence.enter(ROOM, "one", ANN)
    await virtual_loop().idle()
    await a.stop()
    await virtual_loop().idle()
    assert b.told == [(ANN, True), (ANN, False)]
    # What it said before its goodbye, and arrives after it, does not bring it back.
    late = next(message for message in b.heard if isinstance(message, Attendance) and message.people)
    b.presence.receive(late)
    assert b.online() == set()
    await stopped(b)


@played
async def test_a_node_that_died_and_comes_back_begins_anew() -> None:
    a, b = await posts("a", "b")
    a.presence.enter(ROOM, "one", ANN)
    await virtual_loop().idle()
    await a.die()
    ends = b.bus._ends
    ends.remove(a.bus)
    again = Post("a", ends)
    again.presence.start()
    await again.serve()
    await asyncio.sleep(0.2)
    assert b.online() == set()
    assert b.told == [(ANN, True), (ANN, False)]
    again.presence.enter(ROOM, "two", BEN)
    await virtual_loop().idle()
    assert b.online() == {BOB}
    await stopped(again, b)


@played
async def test_without_a_bus_those_of_this_node_are_present_and_all_when_it_is_back() -> None:
    a, b = await posts("a", "b")
    a.presence.enter(ROOM, "one", ANN)
    b.presence.enter(ROOM, "two", BEN)
    await virtual_loop().idle()
    for post in (a, b):
        post.bus.turn(healthy=False)
    a.presence.enter(ROOM, "three", CAT)
    b.presence.leave(ROOM, "two")
    await asyncio.sleep(GONE_AFTER_S + 5)
    assert (a.online(), b.online()) == ({ALICE, CAROL}, set())
    for post in (a, b):
        post.bus.turn(healthy=True)
    await asyncio.sleep(0.2)
    assert a.online() == b.online() == {ALICE, CAROL}
    assert a.told == [(ANN, True), (BEN, True), (CAT, True), (BEN, False)]
    assert b.told[:2] == [(BEN, True), (ANN, True)]
    assert b.told[2:] == [(BEN, False), (ANN, False), (ANN, True), (CAT, True)]
    await stopped(a, b)


@played
async def test_a_node_that_was_cut_off_alone_is_brought_up_to_date() -> None:
    a, b, c = await posts("a", "b", "c")
    b.bus.turn(healthy=False)
    a.presence.enter(ROOM, "one", ANN)
    await asyncio.sleep(3)
    b.presence.enter(ROOM, "two", BEN)
    b.bus.turn(healthy=True)
    await asyncio.sleep(0.2)
    assert a.online() == b.online() == c.online() == {ALICE, BOB}
    await stopped(a, b, c)


@played
async def test_a_process_that_stood_still_does_not_take_the_others_for_gone() -> None:
    a, b = await posts("a", "b")
    b.presence.enter(ROOM, "one", BEN)
    await asyncio.sleep(1.5)
    virtual_loop().turn_clock(2 * GONE_AFTER_S)
    await asyncio.sleep(1.5)
    assert a.told == [(BEN, True)]
    await stopped(a, b)


@played
async def test_a_person_of_the_original_protocol_comes_and_goes_on_all_nodes() -> None:
    a, b = await posts("a", "b")
    a.presence.enter(ROOM, "connection", GUEST)
    b.presence.enter(ROOM, "other", Present("other", "Ann"))
    await virtual_loop().idle()
    assert [person.name for person in b.presence.present(ROOM)] == ["Ann", "Ann"], "two of a name are two people"
    assert a.presence.named(ROOM) == b.presence.named(ROOM) == 2
    a.presence.enter(ROOM, "connection", Present("connection", "Anna"))
    await virtual_loop().idle()
    assert Counter(person.name for person in b.presence.present(ROOM)) == {"Ann": 1, "Anna": 1}
    assert b.presence.named(ROOM) == 2
    await stopped(a, b)


@played
async def test_one_node_alone_says_nothing_of_its_rooms() -> None:
    (a,) = await posts("a")
    a.presence.enter(ROOM, "one", ANN)
    await asyncio.sleep(3 * REPORT_EVERY_S)
    assert not [message for message in a.heard if isinstance(message, Attendance | Attended)]
    await stopped(a)


@played
async def test_nodes_tell_of_so_many_people_and_count_the_others() -> None:
    a, b = await posts("a", "b")
    for number in range(ONLINE_MOST + 50):
        a.presence.enter(ROOM, f"c{number}", Present(f"c{number}", "Ann"))
    await asyncio.sleep(2 * REPORT_EVERY_S)
    assert len(b.online()) == ONLINE_MOST
    assert b.presence.named(ROOM) == ONLINE_MOST + 50
    for number in range(50):
        a.presence.leave(ROOM, f"c{number}")
    await asyncio.sleep(2 * REPORT_EVERY_S)
    assert b.online() == {f"c{number}" for number in range(50, ONLINE_MOST + 50)}
    assert b.presence.named(ROOM) == ONLINE_MOST
    await stopped(a, b)


@played
async def test_many_rooms_are_reported_less_often() -> None:
    a, b = await posts("a", "b")
    rooms = [f"room {number}" for number in range(20 * REPORTS_PER_S)]
    for room in rooms:
        a.presence.enter(room, "one", ANN)
        await b.bus.subscribe(room)
    b.heard.clear()
    await asyncio.sleep(60)
    reports = Counter(message.room for message in b.heard if isinstance(message, Attendance))
    assert set(reports) == set(rooms)
    assert reports.total() <= 61 * REPORTS_PER_S
    await stopped(a, b)


@played
async def test_nothing_is_kept_of_a_room_that_nobody_has_open() -> None:
    a, b = await posts("a", "b")
    a.presence.enter(ROOM, "one", ANN)
    b.presence.enter(ROOM, "two", BEN)
    await virtual_loop().idle()
    b.presence.leave(ROOM, "two")
    await b.leave_room()
    await asyncio.sleep(20)
    assert b.presence._rooms == b.presence._reported == b.presence._asked == b.presence._answering == {}
    assert a.online() == {ALICE}
    await stopped(a, b)


class Story:
    """Three nodes on a bus that loses, repeats and reorders; people come and go, and nodes are cut off."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.open: dict[tuple[Post, str], Present] = {}
        self.wrong: list[str] = []

    def act(self, nodes: list[Post]) -> None:
        """Let something happen."""
        post, connection = self.random.choice(nodes), f"c{self.random.randrange(4)}"
        deed = self.random.random()
        if deed < 0.45:
            guest = Present(connection + post.bus._node, self.random.choice(("Ann", "Ben")))
            person = self.random.choice((ANN, BEN, CAT, guest))
            post.presence.enter(ROOM, connection, person)
            self.open[post, connection] = person
        elif deed < 0.85:
            post.presence.leave(ROOM, connection)
            self.open.pop((post, connection), None)
        elif deed < 0.95:
            post.bus.turn(healthy=not post.bus.healthy)

    async def play(self) -> None:
        """All of it, until the bus is well again and some time has passed."""
        faults = Faults(self.random, lose=0.2, repeat=0.2, reorder=0.3)
        nodes = await posts("a", "b", "c", faults=faults)
        for _ in range(120):
            self.act(nodes)
            await asyncio.sleep(self.random.choice((0, 0, 0.01, 0.1, 4.0)))
        for post in nodes:
            post.bus.turn(healthy=True)
        faults.lose = faults.reorder = 0.0
        await asyncio.sleep(4 * REPORT_EVERY_S)
        for post in nodes:
            self.judge(post)
        await stopped(*nodes)

    def judge(self, post: Post) -> None:
        """A node sees who is there, and told everybody's comings and goings one after the other."""
        truth = set(self.open.values())
        present = set(post.presence.present(ROOM))
        if present != truth:
            self.wrong.append(f"{post.bus._node} sees {present}, there are {truth}")
        seen: set[Present] = set()
        for who, here in post.told:
            if here is (who in seen):
                self.wrong.append(f"{post.bus._node} was told twice of {who}")
            seen ^= {who}
        if seen != truth:
            self.wrong.append(f"{post.bus._node} was told of {seen}, there are {truth}")


@pytest.mark.parametrize("seed", range(60))
def test_whatever_the_bus_loses_all_nodes_agree_in_the_end(seed: int) -> None:
    story = Story(seed)
    play(story.play)
    assert story.wrong == []


# What a node says of one room, taken in any order


LIFE = Life("a", 1)


def said() -> list[Attendance | Attended]:
    return [
        Attendance(ROOM, LIFE, 1, (ANN,), 0, 15.0),
        Attended(ROOM, LIFE, 2, 1, BEN, True, 0),
        Attended(ROOM, LIFE, 3, 2, ANN, False, 0),
        Attendance(ROOM, LIFE, 4, (BEN,), 0, 15.0),
        Attended(ROOM, LIFE, 5, 4, CAT, True, 0),
        Attended(ROOM, LIFE, 6, 5, CAT, False, 0),
        Attended(ROOM, LIFE, 7, 6, GUEST, True, 1),
    ]


@pytest.mark.parametrize("seed", range(30))
def test_the_order_in_which_messages_arrive_does_not_matter(seed: int) -> None:
    messages = said() + said()
    Random(seed).shuffle(messages)
    attendance = RoomAttendance()
    for message in messages:
        if isinstance(message, Attendance):
            attendance.report(message, 0.0)
        else:
            attendance.told(message, 0.0)
    assert set(attendance.present()) == {BEN, GUEST}
    assert attendance.named() == 1


def test_a_message_that_is_missed_is_noticed() -> None:
    attendance = RoomAttendance()
    first, second, third, *_ = said()
    assert isinstance(first, Attendance)
    assert isinstance(second, Attended)
    assert isinstance(third, Attended)
    attendance.report(first, 0.0)
    assert attendance.told(third, 0.0)[1]
    assert not attendance.told(second, 0.0)[1]


def test_a_node_that_reports_a_room_no_more_is_forgotten_in_it() -> None:
    attendance = RoomAttendance()
    attendance.report(Attendance(ROOM, LIFE, 1, (ANN,), 0, 15.0), 100.0)
    assert attendance.overdue(140.0) == []
    assert attendance.overdue(146.0) == [(ANN, False)]
    attendance.report(Attendance(ROOM, LIFE, 2, (ANN,), 0, float("inf")), 100.0)
    assert attendance.overdue(1e6) == [(ANN, False)], "nobody is believed for ever"


def test_what_an_earlier_life_of_a_node_said_is_of_no_interest() -> None:
    attendance = RoomAttendance()
    attendance.report(Attendance(ROOM, Life("a", 2), 1, (ANN,), 0, 15.0), 0.0)
    assert attendance.report(Attendance(ROOM, Life("a", 1), 9, (BEN,), 0, 15.0), 0.0) == []
    assert attendance.report(Attendance(ROOM, Life("a", 3), 1, (BEN,), 0, 15.0), 0.0) == [
        (ANN, False),
        (BEN, True),
    ]
