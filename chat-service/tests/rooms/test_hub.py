"""The hub of one room: order, gaps, the ring, cuts and the pace of flushing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from chat_service.bus import Item
from chat_service.model.entries import Head, Kind
from chat_service.model.errors import unavailable
from chat_service.rooms import hub as hub_module
from chat_service.rooms.hub import Phase, RoomHub, Subscription
from chat_service.rooms.reading import item

from .clients import Entries, PlainDialect, PlainReader
from .entries import BOB, ROOM, entry
from .virtual_time import played, virtual_loop


class HubUnderTest:
    """A hub that begins behind entry 10, on a log whose end the test says."""

    def __init__(self, ring_entries: int = 4, dialect: PlainDialect | None = None) -> None:
        self.end = 10
        self.reads = 0
        self.away = False
        self.repairs = 0
        self.changes: list[int] = []
        self.flushed: list[list[int]] = []
        self.cut: list[tuple[str, int]] = []
        self.dialect = dialect or PlainDialect()
        self.hub = RoomHub(
            ROOM,
            read=self.read,
            behind=self.behind,
            changed=lambda _, changed: self.changes.append(changed.seq),
            flushed=lambda items: self.flushed.append([one.seq for one in items]),
            repaired=self.repaired,
            ring_entries=ring_entries,
        )

    async def read(self, room: str, after: int) -> Sequence[Item]:
        assert room == ROOM
        self.reads += 1
        if self.away:
            raise unavailable("The store is away.")
        return items(*range(after + 1, min(self.end, after + 3) + 1))

    def behind(self, hub: RoomHub, subscription: Subscription) -> None:
        assert hub is self.hub
        self.cut.append((subscription.reader.id, subscription.cursor))

    def repaired(self) -> None:
        self.repairs += 1

    def started(self) -> RoomHub:
        self.hub.start(Head(10, "id10"))
        return self.hub

    def live(self, name: str = "reader") -> PlainReader:
        reader = PlainReader(name, BOB, self.dialect)
        assert self.hub.go_live(self.hub.attach(reader, self.hub.last)) == []
        return reader


def items(*seqs: int) -> list[Item]:
    return [item(entry(seq)) for seq in seqs]


async def turn() -> None:
    await virtual_loop().idle()


# Order


@played
async def test_what_arrives_in_any_order_any_number_of_times_is_written_in_order_once() -> None:
    it = HubUnderTest()
    hub, reader = it.started(), it.live()
    for seq in (12, 12, 9, 14, 11, 11, 13, 12, 10):
        hub.deliver(items(seq))
    await turn()
    assert reader.seqs() == [11, 12, 13, 14]
    assert (hub.last, hub.head) == (14, Head(14, "id14"))
    await asyncio.sleep(1)
    assert reader.seqs() == [11, 12, 13, 14]


@played
async def test_what_arrives_before_the_log_was_read_is_kept_for_then() -> None:
    it = HubUnderTest()
    it.hub.deliver(items(9, 10, 11, 12))
    assert it.hub.last == 0
    it.started()
    assert it.hub.last == 12


@played
async def test_a_gap_is_waited_on_and_filled_by_what_was_late() -> None:
    it = HubUnderTest()
    hub, reader = it.started(), it.live()
    hub.deliver(items(12))
    await asyncio.sleep(hub_module.GAP_WAIT_S * 0.9)
    assert (reader.seqs(), it.reads) == ([], 0)
    hub.deliver(items(11))
    await turn()
    assert reader.seqs() == [11, 12]


@played
async def test_a_gap_that_stays_is_filled_from_the_log() -> None:
    it = HubUnderTest()
    it.end = 17
    hub, reader = it.started(), it.live()
    hub.deliver(items(17))
    await asyncio.sleep(hub_module.GAP_WAIT_S * 1.1)
    await turn()
    assert reader.seqs() == [11, 12, 13, 14, 15, 16, 17]
    assert it.repairs == 1


@played
async def test_a_gap_from_before_the_start_is_filled_too() -> None:
    """Regression: entry 12 had arrived, 11 was lost, and the hub started behind 10: nothing asked for 11 until
    the next entry or the next tail check came.
    """
    it = HubUnderTest()
    it.end = 12
    it.hub.deliver(items(12))
    it.started()
    reader = it.live()
    await asyncio.sleep(hub_module.GAP_WAIT_S * 1.1)
    await turn()
    assert reader.seqs() == [11, 12]


@played
async def test_a_gap_is_tried_again_until_the_log_can_be_read() -> None:
    it = HubUnderTest()
    it.end, it.away = 12, True
    hub, reader = it.started(), it.live()
    hub.deliver(items(12))
    await asyncio.sleep(3.5)
    assert reader.seqs() == []
    assert 4 <= it.reads <= 8, "with pauses of half a second to one"
    it.away = False
    await asyncio.sleep(1)
    assert reader.seqs() == [11, 12]


@played
async def test_a_stopped_hub_reads_nothing_any_more() -> None:
    """Regression: a hub stopped while it repaired a gap went on trying, with nobody to deliver to."""
    it = HubUnderTest()
    it.end, it.away = 12, True
    hub = it.started()
    it.live()
    hub.deliver(items(12))
    await asyncio.sleep(1.5)
    hub.stop()
    reads = it.reads
    hub.deliver(items(14))
    await asyncio.sleep(10)
    assert it.reads == reads
    assert hub.subscriptions == {}


@played
async def test_far_more_early_entries_than_the_ring_holds_are_not_kept() -> None:
    it = HubUnderTest(ring_entries=4)
    it.end = 40
    hub, reader = it.started(), it.live()
    hub.deliver(items(*range(12, 40)))
    assert len(hub._early) == 4
    await asyncio.sleep(1)
    assert reader.seqs() == list(range(11, 41))


# The ring


@played
async def test_the_ring_reaches_back_as_far_as_it_holds() -> None:
    it = HubUnderTest(ring_entries=3)
    hub = it.started()
    hub.deliver(items(11, 12, 13, 14))
    assert hub.after(14) == []
    assert hub.after(99) == []
    assert [one.seq for one in hub.after(11) or ()] == [12, 13, 14]
    assert hub.after(10) is None


@played
async def test_the_ring_of_a_room_of_long_messages_keeps_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "RING_BYTES", 1000)
    it = HubUnderTest(ring_entries=100)
    hub = it.started()
    for seq in range(11, 31):
        hub.deliver([item(entry(seq, body={"text": "x" * 300}))])
        assert sum(len(one.wire) for one in hub._ring) == hub._ring_bytes <= 1000
    assert len(hub._ring) == 2
    hub.deliver([item(entry(31, body={"text": "x" * 2000}))])
    assert (len(hub._ring), hub._ring_bytes) == (0, 0)
    assert hub.after(30) is None


@played
async def test_what_a_redaction_passed_is_no_longer_in_the_ring() -> None:
    it = HubUnderTest()
    hub = it.started()
    hub.deliver(items(11, 12))
    hub.deliver([item(entry(13, Kind.DELETE, target=11))])
    assert hub.after(11) is None
    assert [one.seq for one in hub.after(12) or ()] == [13]


# Going live, and being cut


@played
async def test_the_last_stretch_is_given_back_and_nothing_of_it_comes_live() -> None:
    it = HubUnderTest()
    hub, other = it.started(), it.live("other")
    reader = PlainReader("late", BOB, it.dialect)
    subscription = hub.attach(reader, 10)
    hub.deliver(items(11, 12))
    assert [one.seq for one in hub.go_live(subscription) or ()] == [11, 12]
    hub.deliver(items(13))
    await turn()
    assert reader.seqs() == [13]
    assert other.seqs() == [11, 12, 13]


@played
async def test_a_cursor_beyond_the_ring_does_not_go_live() -> None:
    it = HubUnderTest(ring_entries=2)
    hub = it.started()
    subscription = hub.attach(PlainReader("late", BOB), 10)
    hub.deliver(items(11, 12, 13))
    assert hub.go_live(subscription) is None
    assert subscription.phase is Phase.PAUSED


@played
async def test_only_a_subscription_that_waits_goes_live() -> None:
    it = HubUnderTest()
    hub = it.started()
    subscription = hub.attach(PlainReader("reader", BOB), 10)
    hub.go_live(subscription)
    with pytest.raises(RuntimeError, match="live"):
        hub.go_live(subscription)
    hub.detach(subscription)
    with pytest.raises(RuntimeError, match="ended"):
        hub.go_live(subscription)


@played
async def test_a_reader_that_is_full_is_cut_where_it_stands_and_the_others_read_on() -> None:
    it = HubUnderTest()
    hub, full, other = it.started(), it.live("full"), it.live("other")
    hub.deliver(items(11))
    await turn()
    full.congest()
    hub.deliver(items(12, 13))
    await turn()
    assert (full.seqs(), other.seqs()) == ([11], [11, 12, 13])
    assert it.cut == [("full", 11)]
    assert hub.subscriptions["full"].phase is Phase.BEHIND
    hub.deliver(items(14))
    await turn()
    assert it.cut == [("full", 11)], "cut once"


@played
async def test_an_event_goes_to_the_live_who_can_take_it_but_not_to_its_origin() -> None:
    it = HubUnderTest()
    hub, one, full, origin = it.started(), it.live("one"), it.live("full"), it.live("origin")
    paused = PlainReader("paused", BOB, it.dialect)
    hub.attach(paused, 10)
    full.congest()
    hub.tell("typing", b"{}", besides="origin")
    assert [len(reader.events("typing")) for reader in (one, full, origin, paused)] == [1, 0, 0, 0]


@played
async def test_frames_are_made_once_for_all_readers_of_a_dialect() -> None:
    it = HubUnderTest()
    hub, one, other = it.started(), it.live("one"), it.live("other")
    hub.deliver(items(11))
    await turn()
    assert one.written[0] is other.written[0]


# Holding, while it is not known who may read


@played
async def test_while_held_nothing_is_written_and_then_everything_in_order() -> None:
    it = HubUnderTest()
    hub, reader = it.started(), it.live()
    hub.hold()
    hub.deliver(items(11, 12))
    hub.tell("typing", b"{}")
    await asyncio.sleep(1)
    assert reader.written == []
    hub.release()
    await turn()
    assert reader.seqs() == [11, 12]


@played
@pytest.mark.parametrize("redacts", [False, True])
async def test_what_is_held_is_bounded_and_never_outlives_its_redaction(*, redacts: bool) -> None:
    it = HubUnderTest(ring_entries=3)
    hub, reader = it.started(), it.live()
    hub.hold()
    hub.deliver(items(11, 12))
    hub.deliver([item(entry(13, Kind.DELETE, target=11))] if redacts else items(13, 14))
    assert it.cut == [("reader", 10)], "it is caught up from the log instead"
    hub.release()
    await turn()
    assert reader.written == []


# Pace


@played
async def test_entries_of_one_turn_are_written_together() -> None:
    it = HubUnderTest()
    hub, reader = it.started(), it.live()
    for seq in (11, 12, 13):
        hub.deliver(items(seq))
    await turn()
    assert it.flushed == [[11, 12, 13]]
    assert len([frame for frame in reader.written if isinstance(frame, Entries)]) == 1


@played
async def test_an_idle_room_waits_for_nothing_and_a_busy_one_as_long_as_its_last_flush_took() -> None:
    it = HubUnderTest()
    hub, reader = it.started(), it.live()
    it.dialect.takes_s = 0.004
    began = virtual_loop().time()
    hub.deliver(items(11))
    await turn()
    assert virtual_loop().time() - began == pytest.approx(0.004), "at once, and it took as long as it takes"
    hub.deliver(items(12))
    await turn()
    hub.deliver(items(13))
    assert reader.seqs() == [11]
    await asyncio.sleep(0.005)
    assert it.flushed == [[11], [12, 13]]
    await asyncio.sleep(1)
    hub.deliver(items(14))
    await turn()
    assert reader.seqs() == [11, 12, 13, 14]


@played
async def test_however_long_a_flush_took_the_next_waits_no_longer_than_the_most() -> None:
    it = HubUnderTest()
    hub, reader = it.started(), it.live()
    it.dialect.takes_s = 5.0
    hub.deliver(items(11))
    await turn()
    it.dialect.takes_s = 0.0
    hub.deliver(items(12))
    await asyncio.sleep(hub_module.FLUSH_PAUSE_MOST_S * 1.01)
    assert reader.seqs() == [11, 12]


@played
async def test_a_change_of_who_may_read_is_written_at_once_and_told() -> None:
    it = HubUnderTest()
    hub, reader = it.started(), it.live()
    hub.deliver([*items(11), item(entry(12, Kind.LEAVE, {"user": BOB}))])
    assert reader.seqs() == [11, 12]
    assert it.changes == [12]
