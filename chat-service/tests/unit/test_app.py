"""The wired heart of the service, without anything that serves."""

from __future__ import annotations

import asyncio
from pathlib import Path

from chat_service.app import open_heart
from chat_service.model.entries import Kind
from chat_service.model.ids import new_user_id
from chat_service.observability.metrics import Metrics
from chat_service.settings import Settings


async def test_a_flood_of_mentions_does_not_stop_a_room(tmp_path: Path) -> None:
    """People are looked up a bounded number at a time; a whole batch of messages can mention far more.

    When the look-up of a batch was refused as too large, the writer took that for a store that cannot be
    reached, tried again until its time was up, and nobody could write in the room meanwhile.
    """
    heart = await open_heart(Settings(data_dir=tmp_path), Metrics(), exclusive=True)
    await heart.rooms.start()
    try:
        ada = new_user_id()
        room = (await heart.rooms.create_channel(ada, name="Flood")).room
        texts = [" ".join(f"@nobody{message}x{person}" for person in range(50)) for message in range(60)]
        origin = object()
        answers = [
            heart.rooms.submit(ada, room, Kind.MESSAGE, {"text": text}, key=f"k{number}", origin=origin)
            for number, text in enumerate(texts)
        ]
        receipts = await asyncio.gather(*answers)
        assert [receipt.seq for receipt in receipts] == list(range(2, 62))
    finally:
        await heart.close()
